"""Readers of MovieLens 100K and 1M: ratings, with what is known of users and movies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils import Bunch

from dcnfast.datasets.delimited import (
    Backend,
    BadLines,
    Column,
    OnBadLines,
    Rows,
    Values,
    check_backend,
    frame,
    integer,
    moment,
    one_of,
    read_delimited,
    text,
)

GENRES_100K = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary",
    "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi",
    "Thriller", "War", "Western",
)  # fmt: skip
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
RATINGS = (1, 2, 3, 4, 5)
_MOST_SECONDS = 2**40


def load_movielens_100k(
    folder: str | Path, *, on_bad_lines: OnBadLines = "error", backend: Backend = "pandas"
) -> Bunch:
    """Read MovieLens 100K: "u.data", "u.user" and "u.item" of a folder.

    Parameters
    ----------
    folder : str or Path
        Such as "ml-100k".
    on_bad_lines : {"error", "skip"}, default="error"
        Whether a malformed line, also one with an unknown user or movie, is a ValueError that names
        file and line, or is left out.
    backend : {"pandas", "polars", "pyarrow"}, default="pandas"
        Library of the frames.

    Returns
    -------
    data : Bunch
        ``data``: frame with a row a rating, in the order of the file: "user_id", "movie_id",
        "timestamp" (in UTC, without a zone), "age", "gender", "occupation", "zip_code", "title",
        "release_date", "genres" (a list of strings a row); ``target``: ndarray of ratings, 1 to 5;
        ``users``, ``movies``: frames with a row each; ``categorical_features``: names of the
        columns of categories; ``n_skipped``: malformed lines of all files; ``DESCR``: str.

    Raises
    ------
    ValueError
        If a line is malformed, no rating is left, or an argument is wrong.
    ImportError
        If the backend is not installed.
    """
    check_backend(backend)
    how: dict[str, Any] = {"on_bad_lines": on_bad_lines, "encoding": "latin-1"}
    folder = Path(folder)
    users = read_delimited(
        folder / "u.user",
        [integer("user_id"), integer("age"), *map(text, ("gender", "occupation", "zip_code"))],
        separator="|", **how,
    )  # fmt: skip
    movies = _movies_100k(folder / "u.item", how)
    ratings = read_delimited(folder / "u.data", _rating_columns(), separator="\t", **how)
    return _joined(
        [folder / name for name in ("u.data", "u.user", "u.item")],
        (ratings, users, movies),
        ["user_id", "movie_id", "gender", "occupation", "zip_code"],
        on_bad_lines, backend, "100,000 ratings of movies: MovieLens 100K.",
    )  # fmt: skip


def _movies_100k(path: Path, how: dict[str, Any]) -> Rows:
    """Return id, title, date and genres of each movie."""
    flags = [one_of(genre, (0, 1)) for genre in GENRES_100K]
    dates = [
        moment(name, _date, "a date as 01-Jan-1995, or nothing")
        for name in ("release_date", "video_release_date")
    ]
    columns = [integer("movie_id"), text("title"), *dates, text("url"), *flags]
    movies = read_delimited(path, columns, separator="|", **how)
    has_genre = np.stack([movies.columns.pop(genre) for genre in GENRES_100K], axis=1)
    movies.columns["genres"] = [
        [GENRES_100K[j] for j in np.flatnonzero(row).tolist()] for row in has_genre
    ]
    for name in ("video_release_date", "url"):
        del movies.columns[name]
    return movies


def load_movielens_1m(
    folder: str | Path, *, on_bad_lines: OnBadLines = "error", backend: Backend = "pandas"
) -> Bunch:
    """Read MovieLens 1M: "ratings.dat", "users.dat" and "movies.dat" of a folder.

    Parameters
    ----------
    folder : str or Path
        Such as "ml-1m".
    on_bad_lines, backend
        As of :func:`load_movielens_100k`.

    Returns
    -------
    data : Bunch
        As of :func:`load_movielens_100k`, without "release_date". "age" is the least age of a group
        (1, 18, 25, 35, 45, 50, 56) and "occupation" a number, both of them categories.

    Raises
    ------
    ValueError
        If a line is malformed, no rating is left, or an argument is wrong.
    ImportError
        If the backend is not installed.
    """
    check_backend(backend)
    how: dict[str, Any] = {"on_bad_lines": on_bad_lines, "encoding": "latin-1", "separator": "::"}
    folder = Path(folder)
    of_user = [
        integer("user_id"), text("gender"), integer("age"), integer("occupation"), text("zip_code")
    ]  # fmt: skip
    users = read_delimited(folder / "users.dat", of_user, **how)
    of_movie = [integer("movie_id"), text("title"), text("genres")]
    movies = read_delimited(folder / "movies.dat", of_movie, **how)
    genres = movies.columns["genres"]
    movies.columns["genres"] = [found.split("|") if found else [] for found in genres]
    ratings = read_delimited(folder / "ratings.dat", _rating_columns(), **how)
    return _joined(
        [folder / name for name in ("ratings.dat", "users.dat", "movies.dat")],
        (ratings, users, movies),
        ["user_id", "movie_id", "gender", "age", "occupation", "zip_code"],
        on_bad_lines, backend, "1,000,209 ratings of movies: MovieLens 1M.",
    )  # fmt: skip


def _rating_columns() -> list[Column]:
    seconds = moment("timestamp", _seconds, "seconds since 1970")
    return [integer("user_id"), integer("movie_id"), one_of("rating", RATINGS), seconds]


def _joined(
    paths: Sequence[Path],
    files: tuple[Rows, Rows, Rows],
    categorical: list[str],
    on_bad_lines: OnBadLines,
    backend: Backend,
    description: str,
) -> Bunch:
    """Put what is known of user and movie beside each rating."""
    ratings, *others = files
    bad = [BadLines(path, on_bad_lines) for path in paths]
    keys = ("user_id", "movie_id")
    tables = [
        _first_of_each(rows, key, of) for rows, key, of in zip(others, keys, bad[1:], strict=True)
    ]
    places = np.stack(
        [_places(table[key], ratings.columns[key]) for table, key in zip(tables, keys, strict=True)]
    )
    known = (places >= 0).all(axis=0)
    for row in np.flatnonzero(~known).tolist():
        j = int((places[:, row] < 0).argmax())
        value = ratings.columns[keys[j]][row]
        bad[0].found(int(ratings.lines[row]), f"{keys[j]} {value} is not in {paths[1 + j].name}")
    if not known.any():
        raise ValueError(f"{paths[0]} has no rating of a known user and movie, want at least one")
    columns = {
        name: _take(column, np.flatnonzero(known)) for name, column in ratings.columns.items()
    }
    target = columns.pop("rating")
    for table, found in zip(tables, places[:, known], strict=True):
        columns |= {
            name: _take(column, found) for name, column in table.items() if name not in keys
        }
    return Bunch(
        data=frame(columns, backend),
        target=target,
        users=frame(tables[0], backend),
        movies=frame(tables[1], backend),
        categorical_features=categorical,
        n_skipped=sum(rows.n_skipped for rows in files) + sum(b.n_skipped for b in bad),
        DESCR=description,
    )


def _first_of_each(rows: Rows, key: str, bad: BadLines) -> dict[str, Values]:
    """Return the columns without lines whose id stood in a line before."""
    ids, first = np.unique(rows.columns[key], return_index=True)
    for row in sorted(set(range(len(rows.lines))) - set(first.tolist())):
        value = rows.columns[key][row]
        line = rows.lines[first[np.searchsorted(ids, value)]]
        bad.found(int(rows.lines[row]), f"{key} {value} stands in line {line} as well")
    kept = np.sort(first)
    return {name: _take(column, kept) for name, column in rows.columns.items()}


def _places(ids: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Return where each wanted id stands among the ids, -1 for nowhere."""
    order = np.argsort(ids)
    found = np.searchsorted(ids, wanted, sorter=order)
    places = order[np.minimum(found, len(ids) - 1)]
    return np.where(ids[places] == wanted, places, -1)


def _take(column: Values, rows: npt.NDArray[np.intp]) -> Values:
    if isinstance(column, np.ndarray):
        return column[rows]
    return [column[row] for row in rows.tolist()]


def _date(found: str) -> np.datetime64:
    if not found:
        return np.datetime64("NaT", "us")
    day, month, year = found.split("-")
    return np.datetime64(f"{year}-{MONTHS.index(month) + 1:02}-{day}", "us")


def _seconds(found: str) -> np.datetime64:
    if not (found.isascii() and found.isdigit() and int(found) < _MOST_SECONDS):
        raise ValueError
    return np.datetime64(1_000_000 * int(found), "us")
