"""Reader of libsvm files: a target and numbered values a line, or also a group (``qid``)."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable
from itertools import islice
from numbers import Integral
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from sklearn.utils import Bunch

from dcnfast.datasets.delimited import BadLines, OnBadLines, check_n_rows, open_text

Row = tuple[int, float, int | None, list[int], list[float]]  # line, target, qid, indices, values


def load_libsvm(
    path: str | Path,
    *,
    n_features: int | None = None,
    zero_based: bool | Literal["auto"] = "auto",
    n_rows: int | None = None,
    on_bad_lines: OnBadLines = "error",
) -> Bunch:
    """Read a file in the format of libsvm, which svmlight and LETOR have as well.

    A line is "target index:value index:value ...", with rising indices, in LETOR's files
    "target qid:group index:value ...". What follows "#" is a comment, and blank lines are passed
    over. A file whose name ends in ".gz" is unpacked.

    Parameters
    ----------
    path : str or Path
    n_features : int or None, default=None
        Columns; None is as many as the largest index asks for.
    zero_based : bool or "auto", default="auto"
        Whether indices count from 0; "auto" says so if a line has index 0.
    n_rows : int or None, default=None
        Most rows to read; None is all.
    on_bad_lines : {"error", "skip"}, default="error"
        Whether a malformed line is a ValueError that names file and line, or is left out.

    Returns
    -------
    data : Bunch
        ``data``: CSR array of shape (n, n_features), float64; ``target``: ndarray of shape (n,);
        ``group``: ndarray of shape (n,), the ``qid`` of each row, or None; ``n_skipped``: malformed
        lines; ``DESCR``: str.

    Raises
    ------
    ValueError
        If a line is malformed, none is left, or an argument is wrong.
    """
    bad = BadLines(path := Path(path), on_bad_lines)
    base = _check_arguments(n_features, zero_based)
    most = None if n_features is None else int(n_features) - 1 + base
    n_rows = check_n_rows(n_rows)
    with open_text(path, "utf-8") as file:
        rows = islice(_rows(file, most, base if zero_based != "auto" else 0, bad), n_rows)
        found = _collect(rows)
    start = base
    if zero_based == "auto":
        start = int(not found.indices.size or found.indices.min() > 0)
    if n_features is not None and start < base:  # only now is known which index is the last
        found = _without_beyond(found, int(n_features), bad)
    targets, groups, columns, values = found.targets, found.groups, found.indices, found.values
    if not len(targets):
        raise ValueError(f"{path} has no well-formed row, want at least one")
    width = int(columns.max(initial=start)) + 1 - start if n_features is None else int(n_features)
    shape = len(targets), width
    return Bunch(
        data=csr_array((values, columns - start, found.ends), shape=shape),
        target=targets,
        group=groups if len(groups) else None,
        n_skipped=bad.n_skipped,
        DESCR="Numbers by index: a file in the format of libsvm.",
    )


class _Found(NamedTuple):
    """Rows: lines, targets, groups where they have some, indices, values, where each row ends."""

    lines: npt.NDArray[np.int64]
    targets: npt.NDArray[np.float64]
    groups: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    ends: npt.NDArray[np.int64]


def _collect(rows: Iterable[Row]) -> _Found:
    targets, values, lines = array("d"), array("d"), array("q")
    groups, indices, ends = array("q"), array("q"), array("q", [0])
    for number, target, group, of_row, with_values in rows:
        lines.append(number)
        targets.append(target)
        if group is not None:
            groups.append(group)
        indices.extend(of_row)
        values.extend(with_values)
        ends.append(len(indices))
    return _Found(*map(np.array, (lines, targets, groups, indices, values, ends)))


def _without_beyond(found: _Found, n_features: int, bad: BadLines) -> _Found:
    """Return the rows whose indices, from 0, are all columns; lines of the others are malformed."""
    sizes = np.diff(found.ends)
    of_rows = np.repeat(np.arange(len(sizes)), sizes)
    beyond = np.unique(of_rows[found.indices >= n_features])
    if not beyond.size:
        return found
    for line in found.lines[beyond].tolist():
        bad.found(line, f"index {n_features}, want at most {n_features - 1}, as they begin with 0")
    kept = np.ones(len(sizes), np.bool_)
    kept[beyond] = False
    groups = found.groups[kept] if len(found.groups) else found.groups
    inside, ends = kept[of_rows], np.concatenate([[0], np.cumsum(sizes[kept])])
    of_kept = found.indices[inside], found.values[inside], ends
    return _Found(found.lines[kept], found.targets[kept], groups, *of_kept)


def _check_arguments(n_features: Any, zero_based: Any) -> int:
    """Return the index of the first column, as far as it is known."""
    whole = isinstance(n_features, Integral) and not isinstance(n_features, bool)
    if n_features is not None and not (whole and n_features >= 1):
        raise ValueError(f"n_features is {n_features!r}, want an integer of at least 1, or None")
    if not isinstance(zero_based, bool) and zero_based != "auto":
        raise ValueError(f"zero_based is {zero_based!r}, want a bool or 'auto'")
    return 0 if zero_based is True else 1


def _rows(file: Any, most: int | None, least: int, bad: BadLines) -> Any:
    """Yield the rows of the lines that are not malformed."""
    has_group: bool | None = None
    for number, line in enumerate(file, 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            row = (number, *_row(words, most, least))
            if has_group not in (None, row[2] is not None):
                raise ValueError("qid is missing" if has_group else "qid, which others have not")
        except ValueError as error:
            bad.found(number, str(error))
            continue
        has_group = row[2] is not None
        yield row


def _row(
    words: list[str], most: int | None, least: int
) -> tuple[float, int | None, list[int], list[float]]:
    """Return what the words of a line say; raises ValueError that says what is wrong."""
    target = _number(words[0], "target")
    group, pairs = None, words[1:]
    if pairs and pairs[0].startswith("qid:"):
        group = _integer(pairs[0][4:], "qid")
        pairs = pairs[1:]
    indices, values, last = [], [], least - 1
    for pair in pairs:
        place, colon, found = pair.partition(":")
        if not colon:
            raise ValueError(f"{pair!r}, want index:value")
        index = _integer(place, "index")
        if index <= last:
            what = f"indices from {least}" if last < least else f"an index above {last}"
            raise ValueError(f"index {index}, want {what}")
        if most is not None and index > most:
            raise ValueError(f"index {index}, want at most {most}, the last of n_features")
        indices.append(index)
        values.append(_number(found, f"value of index {index}"))
        last = index
    return target, group, indices, values


def _integer(found: str, name: str) -> int:
    if not (found.isascii() and found.isdigit() and len(found) < 19):
        raise ValueError(f"{name} is {found!r}, want an integer of at least 0")
    return int(found)


def _number(found: str, name: str) -> float:
    try:
        number = float(found)
    except ValueError:
        number = math.nan
    if "_" in found or not math.isfinite(number):
        raise ValueError(f"{name} is {found!r}, want a number")
    return number
