"""A program in C that scores rows with the library, compiled once; and what it reads."""

import math
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dcnfast import c_api
from tests.serving.compiled import COMPILER, WARNINGS

DOUBLES, INT64S, UINT64S, TEXTS, MISSING, OFFSETS, MISSING_ITEMS = 1, 2, 4, 8, 16, 32, 64
BAD_ARGUMENT, CANNOT_READ, BAD_FILE, UNSUPPORTED, BAD_VALUE = range(1, 6)  # statuses


def _why_not():
    if COMPILER is None:
        return "there is no compiler of C"
    try:
        c_api.get_library()
    except FileNotFoundError as error:
        return str(error)
    return ""


needs_c = pytest.mark.skipif(bool(_why_not()), reason=_why_not())


def build(folder, source, name="score"):
    library = Path(c_api.get_library())
    command = [
        COMPILER, *WARNINGS, "-O1", "-D_POSIX_C_SOURCE=200809L", str(source), "-o",
        str(folder / name), f"-I{c_api.get_include()}", f"-L{library.parent}", "-ldcnfast",
        f"-Wl,-rpath,{library.parent}", "-lpthread", "-lm",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]
    return folder / name


def statuses(program, folder, files):
    """Return status and message of each of some files, their bytes."""
    paths = [folder / f"{i}.dcn" for i in range(len(files))]
    for path, raw in zip(paths, files, strict=True):
        path.write_bytes(raw)
    done = subprocess.run([program, *paths], capture_output=True, check=False)
    assert done.returncode == 0, (done.returncode, done.stderr)
    lines = [line.split(" ", 1) for line in done.stdout.decode("utf-8", "replace").split("\n")[:-1]]
    assert len(lines) == len(files)
    return [(int(status), message) for status, message in lines]


@dataclass
class Said:
    """What the program says: a status, a message, or scores."""

    status: int
    message: str
    scores: np.ndarray | None = None
    columns: tuple = ()
    outputs: tuple = ()


def score(program, model, columns, n_rows, threads=1):
    """Return what the program says of a model file and columns as ``packed`` makes them."""
    folder = Path(model).parent
    given, said = folder / "columns.bin", folder / "scores.bin"
    given.write_bytes(struct.pack("<qq", n_rows, len(columns)) + b"".join(columns))
    command = [program, model, given, said, str(threads)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, (done.returncode, done.stderr)
    first, *lines = done.stdout.split("\n")[:-1]
    status, _, message = first.partition(" ")
    if int(status):
        return Said(int(status), message)
    outputs = tuple(line[len("output ") :] for line in lines if line.startswith("output"))
    shown = tuple(tuple(line.split(" ", 1)) for line in lines if not line.startswith("output"))
    scores = np.frombuffer(said.read_bytes()).reshape(n_rows, len(outputs))
    return Said(0, "", scores, shown, outputs)


def packed(column, kind):
    """Return a column of a frame as the arrays that suit it: numbers, dates or categories."""
    values = column.tolist()
    gone = np.array([is_missing(value) for value in values], np.uint8)
    if kind == "date":
        moments = pd.Series(column).dt.tz_localize(None).fillna(pd.Timestamp(0))
        seconds = moments.to_numpy().astype("M8[s]").astype(np.int64)
        return struct.pack("<i", INT64S | MISSING) + seconds.tobytes() + gone.tobytes()
    if kind == "number" or not any(isinstance(value, str) for value in values):
        return numbers(values, gone)
    some = [value if isinstance(value, str) else None for value in values]
    others = np.array([np.nan if isinstance(v, str) or is_missing(v) else v for v in values], "f8")
    arrays = TEXTS if np.isnan(others).all() else TEXTS | DOUBLES
    return struct.pack("<i", arrays) + others.tobytes() * (arrays & DOUBLES) + texts(some)


def packed_lists(column):
    """Return a column of lists: offsets, the items of all rows, and which rows have none."""
    rows = [[] if is_missing(row) else list(row) for row in column]
    gone = np.array([is_missing(row) for row in column], np.uint8)
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    items = [item for row in rows for item in row]
    absent = np.array([is_missing(item) for item in items], np.uint8)
    if any(isinstance(item, str) for item in items):
        arrays, body = TEXTS, texts([None if is_missing(item) else item for item in items])
    elif any(isinstance(item, float) and not is_missing(item) for item in items):
        filled = [math.nan if is_missing(item) else float(item) for item in items]
        arrays, body = DOUBLES, np.array(filled).tobytes()
    else:
        filled = [0 if is_missing(item) else int(item) for item in items]
        large = max(filled, default=0) >= 2**63
        arrays = UINT64S if large else INT64S
        body = np.array(filled, np.uint64 if large else np.int64).tobytes()
    arrays |= OFFSETS | MISSING | MISSING_ITEMS
    return struct.pack("<i", arrays) + offsets.tobytes() + body + gone.tobytes() + absent.tobytes()


def numbers(values, gone):
    whole = all(isinstance(v, int) for v, g in zip(values, gone, strict=True) if not g)
    filled = [0 if g else v for v, g in zip(values, gone, strict=True)]
    if not whole:
        filled = [math.nan if g else float(v) for v, g in zip(values, gone, strict=True)]
        return struct.pack("<i", DOUBLES) + np.array(filled).tobytes()
    large = max(filled) >= 2**63
    array = np.array(filled, np.uint64 if large else np.int64)
    arrays = (UINT64S if large else INT64S) | MISSING
    return struct.pack("<i", arrays) + array.tobytes() + gone.tobytes()


def texts(values):
    raw = [None if v is None else v.encode("utf-8", "surrogatepass") for v in values]
    return b"".join(struct.pack("<i", -1 if r is None else len(r)) + (r or b"") for r in raw)


def is_missing(value):
    if isinstance(value, list | np.ndarray):
        return False
    return value is None or value is pd.NA or value is pd.NaT or value != value


def table(model, X):
    """Return the columns of a frame for a model that was fitted to such a one."""
    dates = {column.name for column in model._dates.columns}
    joined = {column.name for column in model._lists.columns if column.rule.separator}
    lists = set(model._lists.taken.values()) - joined
    kinds = zip(X.columns, model.is_categorical_, strict=True)
    return [
        packed_lists(X[n])
        if n in lists
        else packed(X[n], "date" if n in dates else "category" if categorical else "number")
        for n, categorical in kinds
    ]
