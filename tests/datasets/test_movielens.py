"""Readers of MovieLens' files, on small files in their formats."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from dcnfast import datasets
from dcnfast.datasets.movielens import GENRES_100K

BACKENDS = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.Table}


def flags(*names):
    return "|".join(str(int(genre in names)) for genre in GENRES_100K)


@pytest.fixture
def small(tmp_path):
    (tmp_path / "u.user").write_text("1|24|M|technician|85711\n2|53|F|other|T8H1N\n")
    movies = [
        f"7|Toy Story (1995)|01-Jan-1995||http://us/x|{flags('Animation', 'Comedy')}",
        f"9|Mis\u00e9rables, Les (1995)|||http://us/y|{flags('unknown')}",
        f"8|None|31-Dec-1922|01-Feb-1923||{flags()}",
    ]
    (tmp_path / "u.item").write_bytes("\n".join([*movies, ""]).encode("latin-1"))
    ratings = ["2\t9\t3\t881250949", "1\t7\t5\t0", "2\t8\t1\t891717742"]
    (tmp_path / "u.data").write_text("\n".join([*ratings, ""]))
    return tmp_path


@pytest.fixture
def large(tmp_path):
    (tmp_path / "users.dat").write_text("1::F::1::10::48067\n2::M::56::16::98107-2117\n")
    movies = "3::Mission: Impossible (1996)::Action|Adventure\n5::Caf\u00e9 (1990)::Children's\n"
    (tmp_path / "movies.dat").write_bytes(movies.encode("latin-1"))
    (tmp_path / "ratings.dat").write_text("1::5::4::978300760\n2::3::1::978302109\n")
    return tmp_path


def column(frame, name):
    return frame[name].to_pylist() if isinstance(frame, pa.Table) else frame[name].to_list()


@pytest.mark.parametrize("backend", BACKENDS)
def test_100k(small, backend):
    data = datasets.load_movielens_100k(small, backend=backend)
    for frame in (data.data, data.users, data.movies):
        assert isinstance(frame, BACKENDS[backend])
    assert data.target.tolist() == [3, 5, 1]
    assert column(data.data, "user_id") == [2, 1, 2]
    assert column(data.data, "movie_id") == [9, 7, 8]
    assert column(data.data, "age") == [53, 24, 53]
    assert column(data.data, "gender") == ["F", "M", "F"]
    assert column(data.data, "occupation") == ["other", "technician", "other"]
    assert column(data.data, "zip_code") == ["T8H1N", "85711", "T8H1N"]
    assert column(data.data, "title")[0] == "Mis\u00e9rables, Les (1995)"
    assert [list(g) for g in column(data.data, "genres")] == [
        ["unknown"], ["Animation", "Comedy"], [],
    ]  # fmt: skip
    times = np.asarray(data.data["timestamp"]).astype("M8[s]")
    assert times.astype(int).tolist() == [881250949, 0, 891717742]
    released = np.asarray(data.data["release_date"]).astype("M8[D]")
    assert str(released[1]) == "1995-01-01"
    assert np.isnat(released[0])
    assert column(data.users, "user_id") == [1, 2]
    assert column(data.movies, "movie_id") == [7, 9, 8]
    assert len(set(data.categorical_features)) == 5
    assert set(data.categorical_features) < set(
        data.data.columns if backend != "pyarrow" else data.data.column_names
    )
    assert (data.n_skipped, bool(data.DESCR)) == (0, True)


@pytest.mark.parametrize("backend", BACKENDS)
def test_1m(large, backend):
    data = datasets.load_movielens_1m(large, backend=backend)
    assert data.target.tolist() == [4, 1]
    assert column(data.data, "title") == ["Caf\u00e9 (1990)", "Mission: Impossible (1996)"]
    assert [list(g) for g in column(data.data, "genres")] == [
        ["Children's"],
        ["Action", "Adventure"],
    ]
    assert column(data.data, "age") == [1, 56]
    assert column(data.data, "occupation") == [10, 16]
    assert column(data.data, "zip_code") == ["48067", "98107-2117"]
    assert str(np.asarray(data.data["timestamp"]).astype("M8[s]")[0]) == "2000-12-31T22:12:40"
    assert len(set(data.categorical_features)) == 6


def append(path, line):
    with path.open("a", encoding="latin-1") as file:
        file.write(line + "\n")


@pytest.mark.parametrize(
    ("file", "line", "text"),
    [
        ("u.data", "1\t7\t6\t0", r"u\.data, line 4: rating is '6', want 1 or 2 or 3"),
        ("u.data", "1\t7\t5", r"u\.data, line 4: 3 columns, want 4"),
        ("u.data", "1\t7\t5\t-1", r"u\.data, line 4: timestamp is '-1', want seconds since"),
        ("u.data", "3\t7\t5\t1", r"u\.data, line 4: user_id 3 is not in u\.user"),
        ("u.data", "1\t1\t5\t1", r"u\.data, line 4: movie_id 1 is not in u\.item"),
        ("u.user", "1|1|M|other|1", r"u\.user, line 3: user_id 1 stands in line 1 as well"),
        ("u.user", "3|x|M|other|1", r"u\.user, line 3: age is 'x', want an integer"),
        ("u.item", f"1|a|1 Jan 95|||{flags()}", r"u\.item, line 4: release_date is '1 Jan 95'"),
        ("u.item", f"1|a||||{flags()}".replace("0", "2", 1), r"u\.item, line 4: unknown is '2'"),
    ],
)  # fmt: skip
def test_malformed_lines_of_100k(small, file, line, text):
    append(small / file, line)
    with pytest.raises(ValueError, match=text):
        datasets.load_movielens_100k(small)
    data = datasets.load_movielens_100k(small, on_bad_lines="skip")
    assert (data.n_skipped, len(data.target)) == (1, 3)


@pytest.mark.parametrize(
    ("file", "line", "text"),
    [
        ("ratings.dat", "1:5:4:1", r"ratings\.dat, line 3: 1 columns, want 4"),
        ("ratings.dat", "1::6::4::1", r"ratings\.dat, line 3: movie_id 6 is not in movies\.dat"),
        ("users.dat", "3::F::1::a::0", r"users\.dat, line 3: occupation is 'a', want an integer"),
        ("movies.dat", "6::A", r"movies\.dat, line 3: 2 columns, want 3"),
        ("movies.dat", "5::A::B", r"movies\.dat, line 3: movie_id 5 stands in line 2 as well"),
    ],
)
def test_malformed_lines_of_1m(large, file, line, text):
    append(large / file, line)
    with pytest.raises(ValueError, match=text):
        datasets.load_movielens_1m(large)
    data = datasets.load_movielens_1m(large, on_bad_lines="skip")
    assert (data.n_skipped, len(data.target)) == (1, 2)


def test_nothing_left_and_files_that_are_not_there(large, small):
    (large / "ratings.dat").write_text("9::9::4::1\n")
    with pytest.raises(ValueError, match="no rating of a known user and movie"):
        datasets.load_movielens_1m(large, on_bad_lines="skip")
    (small / "u.item").unlink()
    with pytest.raises(FileNotFoundError, match=r"u\.item"):
        datasets.load_movielens_100k(small)
    with pytest.raises(ValueError, match="backend is 'x', want one of"):
        datasets.load_movielens_100k(small, backend="x")
    with pytest.raises(ValueError, match="on_bad_lines is None"):
        datasets.load_movielens_1m(large, on_bad_lines=None)
