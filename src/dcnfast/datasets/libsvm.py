"""Reader of libsvm files: a target and numbered values a line, or also a group (``qid``)."""

from __future__ import annotations

import math
from array import array
from itertools import islice
from numbers import Integral
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy.sparse import csr_array
from sklearn.utils import Bunch

from dcnfast.datasets.delimited import BadLines, OnBadLines, check_n_rows, open_text

Row = tuple[float, int | None, list[int], list[float]]  # target, qid, indices, values


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
    path = Path(path)
    bad = BadLines(path, on_bad_lines)
    base = _check_arguments(n_features, zero_based)
    most = None if n_features is None else int(n_features) - 1 + base
    left = check_n_rows(n_rows)
    targets, groups, indices, values = array("d"), array("q"), array("q"), array("d")
    ends = array("q", [0])
    first: Row | None = None
    with open_text(path, "utf-8") as file:
        for row in islice(_rows(file, most, base if zero_based != "auto" else 0, bad), left):
            if first is None:
                first = row
            targets.append(row[0])
            groups.append(row[1] if row[1] is not None else 0)
            indices.extend(row[2])
            values.extend(row[3])
            ends.append(len(indices))
    if first is None:
        raise ValueError(f"{path} has no well-formed row, want at least one")
    columns = np.array(indices, np.int64)
    least, largest = (int(columns.min()), int(columns.max())) if len(columns) else (1, 0)
    start = int(not zero_based) if zero_based != "auto" else int(least > 0)
    width = largest + 1 - start if n_features is None else int(n_features)
    if largest + 1 - start > width:
        raise ValueError(f"{path} has index {largest} and begins with 0, want n_features above it")
    shape = len(targets), max(width, 1)
    return Bunch(
        data=csr_array((np.array(values), columns - start, np.array(ends)), shape=shape),
        target=np.array(targets),
        group=None if first[1] is None else np.array(groups, np.int64),
        n_skipped=bad.n_skipped,
        DESCR="Numbers by index: a file in the format of libsvm.",
    )


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
            row = _row(words, most, least)
            if has_group not in (None, row[1] is not None):
                raise ValueError("qid is missing" if has_group else "qid, which others have not")
        except ValueError as error:
            bad.found(number, str(error))
            continue
        has_group = row[1] is not None
        yield row


def _row(words: list[str], most: int | None, least: int) -> Row:
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
