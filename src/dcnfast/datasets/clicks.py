"""Readers of click logs: Criteo's display advertising challenge, Avazu's."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from dcnfast.datasets.delimited import (
    Backend,
    OnBadLines,
    check_backend,
    frame,
    hexadecimal,
    integer,
    integer_or_blank,
    large_integer,
    moment,
    one_of,
    open_text,
    read_delimited,
    strip,
    text,
)

CRITEO_NUMBERS = tuple(f"I{j}" for j in range(1, 14))
CRITEO_CATEGORIES = tuple(f"C{j}" for j in range(1, 27))
AVAZU_TEXTS = (
    "site_id", "site_domain", "site_category", "app_id", "app_domain", "app_category", "device_id",
    "device_ip", "device_model",
)  # fmt: skip
AVAZU_NAMES = (
    "id", "click", "hour", "C1", "banner_pos", *AVAZU_TEXTS, "device_type", "device_conn_type",
    *(f"C{j}" for j in range(14, 22)),
)  # fmt: skip
_HOUR = re.compile(r"[0-9]{8}")


def load_criteo(
    path: str | Path,
    *,
    labelled: bool = True,
    n_rows: int | None = None,
    on_bad_lines: OnBadLines = "error",
    backend: Backend = "pandas",
) -> Bunch:
    """Read the file of Criteo's display advertising challenge, or a part of it.

    A line has, between tabs, the label, 13 integers and 26 hexadecimal strings, of which any may be
    blank. A file whose name ends in ".gz" is unpacked.

    Parameters
    ----------
    path : str or Path
        Such as "train.txt" or "day_0.gz".
    labelled : bool, default=True
        Whether lines begin with the label; those of "test.txt" do not.
    n_rows : int or None, default=None
        Most rows to read; None is all.
    on_bad_lines : {"error", "skip"}, default="error"
        Whether a malformed line is a ValueError that names file and line, or is left out.
    backend : {"pandas", "polars", "pyarrow"}, default="pandas"
        Library of the frame.

    Returns
    -------
    data : Bunch
        ``data``: frame of "I1" to "I13", floats with NaN for blanks, and "C1" to "C26", strings
        with missing ones; ``target``: ndarray of 0 and 1, or None; ``categorical_features``: names
        of the columns of categories; ``n_skipped``: malformed lines; ``DESCR``: str.

    Raises
    ------
    ValueError
        If a line is malformed, none is left, or an argument is wrong.
    ImportError
        If the backend is not installed.
    """
    check_backend(backend)
    label = [one_of("label", (0, 1))] if labelled else []
    columns = [
        *label,
        *map(integer_or_blank, CRITEO_NUMBERS),
        *map(hexadecimal, CRITEO_CATEGORIES),
    ]
    rows = read_delimited(path, columns, separator="\t", on_bad_lines=on_bad_lines, n_rows=n_rows)
    target = rows.columns.pop("label", None)
    return Bunch(
        data=frame(rows.columns, backend),
        target=target,
        categorical_features=list(CRITEO_CATEGORIES),
        n_skipped=rows.n_skipped,
        DESCR="Impressions of ads and whether they were clicked: Criteo's display advertising.",
    )


def load_avazu(
    path: str | Path,
    *,
    n_rows: int | None = None,
    on_bad_lines: OnBadLines = "error",
    backend: Backend = "pandas",
) -> Bunch:
    """Read the file of Avazu's click-through rate challenge, or a part of it.

    A CSV of 24 columns whose first line names them, or of 23 without "click", as "test.csv". A file
    whose name ends in ".gz" is unpacked.

    Parameters
    ----------
    path : str or Path
        Such as "train.csv" or "train.gz".
    n_rows, on_bad_lines, backend
        As of :func:`load_criteo`.

    Returns
    -------
    data : Bunch
        ``data``: frame of "hour", a date and time without a zone, of "C1", "banner_pos",
        "device_type", "device_conn_type" and "C14" to "C21", integers, and of the others, strings;
        ``target``: ndarray of 0 and 1, or None; ``ids``: ndarray of uint64, one id an impression;
        ``categorical_features``: names of all columns but "hour", for the integers are categories
        as well; ``n_skipped``: malformed lines; ``DESCR``: str.

    Raises
    ------
    ValueError
        If a line is malformed, none is left, or an argument is wrong.
    ImportError
        If the backend is not installed.
    """
    check_backend(backend)
    path = Path(path)
    known = {
        "id": large_integer("id"),
        "click": one_of("click", (0, 1)),
        "hour": moment("hour", _hour, "an hour as YYMMDDHH"),
        **{name: text(name) for name in AVAZU_TEXTS},
    }
    columns = [known.get(name) or integer(name) for name in _avazu_header(path)]
    rows = read_delimited(
        path, columns, separator=",", on_bad_lines=on_bad_lines, n_rows=n_rows, header=True
    )
    ids, target = rows.columns.pop("id"), rows.columns.pop("click", None)
    return Bunch(
        data=frame(rows.columns, backend),
        target=target,
        ids=ids,
        categorical_features=[name for name in rows.columns if name != "hour"],
        n_skipped=rows.n_skipped,
        DESCR="Impressions of mobile ads and whether they were clicked: Avazu's challenge.",
    )


def _avazu_header(path: Path) -> tuple[str, ...]:
    with open_text(path, "utf-8") as file:
        header = tuple(strip(file.readline()).split(","))
    if header not in (AVAZU_NAMES, tuple(name for name in AVAZU_NAMES if name != "click")):
        raise ValueError(
            f"{path}, line 1: {','.join(header)!r}, want the names {','.join(AVAZU_NAMES)!r}, "
            "click among them or not"
        )
    return header


def _hour(found: str) -> np.datetime64:
    if not _HOUR.fullmatch(found):
        raise ValueError
    return np.datetime64(f"20{found[:2]}-{found[2:4]}-{found[4:6]}T{found[6:]}", "us")
