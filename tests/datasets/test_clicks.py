"""Readers of Criteo's and Avazu's files, on small files in their formats."""

import gzip

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from dcnfast import DCNClassifier, datasets
from dcnfast.datasets import delimited
from dcnfast.datasets.clicks import AVAZU_NAMES, CRITEO_CATEGORIES, CRITEO_NUMBERS

BACKENDS = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.Table}


def criteo_lines(n, seed=0):
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        numbers = [str(v) if v > -2 else "" for v in rng.integers(-3, 50, 13)]
        words = [f"{v:08x}" if v % 5 else "" for v in rng.integers(0, 2**32, 26)]
        rows.append([str(rng.integers(2)), *numbers, *words])
    return rows


def write(path, rows, separator="\t", end="\n"):
    path.write_bytes("".join(separator.join(row) + end for row in rows).encode())
    return path


@pytest.mark.parametrize("backend", BACKENDS)
def test_criteo(tmp_path, backend):
    rows = criteo_lines(40)
    data = datasets.load_criteo(write(tmp_path / "train.txt", rows), backend=backend)
    assert isinstance(data.data, BACKENDS[backend])
    assert data.target.tolist() == [int(row[0]) for row in rows]
    assert data.categorical_features == list(CRITEO_CATEGORIES)
    assert data.n_skipped == 0
    assert data.DESCR
    columns = list(zip(*rows, strict=True))[1:]
    names = [*CRITEO_NUMBERS, *CRITEO_CATEGORIES]
    assert list(data.data.columns if backend != "pyarrow" else data.data.column_names) == names
    for name, texts in zip(names, columns, strict=True):
        got = np.asarray(data.data[name])
        if name.startswith("I"):
            assert got.dtype == np.float64
            wanted = [float(t) if t else np.nan for t in texts]
            np.testing.assert_array_equal(got, wanted)
        else:
            shown = [None if pd.isna(value) else value for value in got.tolist()]
            assert shown == [t or None for t in texts]


def test_criteo_goes_into_an_estimator(tmp_path):
    path = write(tmp_path / "train.txt", criteo_lines(80))
    models = []
    for backend in BACKENDS:
        data = datasets.load_criteo(path, backend=backend)
        model = DCNClassifier(n_members=1, max_iter=2, random_state=0)
        models.append(model.fit(data.data, data.target).predict_proba(data.data))
        assert model.is_categorical_.tolist() == [False] * 13 + [True] * 26
    assert np.array_equal(models[0], models[1])
    assert np.array_equal(models[0], models[2])


@pytest.mark.parametrize("block", [1, 7, 10_000])
def test_parts_ends_and_packed_files(tmp_path, monkeypatch, block):
    monkeypatch.setattr(delimited, "BLOCK", block)
    rows = criteo_lines(20)
    whole = datasets.load_criteo(write(tmp_path / "a.txt", rows)).data
    with_returns = write(tmp_path / "b.txt", rows, end="\r\n")
    pd.testing.assert_frame_equal(datasets.load_criteo(with_returns).data, whole)
    packed = tmp_path / "c.txt.gz"
    packed.write_bytes(gzip.compress(with_returns.read_bytes()[:-2]))  # without the last end
    pd.testing.assert_frame_equal(datasets.load_criteo(packed).data, whole)
    part = datasets.load_criteo(packed, n_rows=9)
    pd.testing.assert_frame_equal(part.data, whole[:9])
    assert len(part.target) == 9
    assert len(datasets.load_criteo(packed, n_rows=99).target) == 20


def test_criteo_without_labels(tmp_path):
    rows = criteo_lines(5)
    path = write(tmp_path / "test.txt", [row[1:] for row in rows])
    data = datasets.load_criteo(path, labelled=False)
    assert data.target is None
    with_labels = datasets.load_criteo(write(tmp_path / "train.txt", rows)).data
    pd.testing.assert_frame_equal(data.data, with_labels)
    with pytest.raises(ValueError, match="line 1: 39 columns, want 40"):
        datasets.load_criteo(path)


BAD = {  # of the row: place, text, what is said
    "label": (0, "2", "label is '2', want 0 or 1"),
    "no label": (0, "", "label is '', want 0 or 1"),
    "word": (3, "a", "I3 is 'a', want an integer or nothing"),
    "float": (1, "1.5", "I1 is '1.5', want an integer or nothing"),
    "space": (1, " 1", "I1 is ' 1', want"),
    "underscore": (1, "1_0", "I1 is '1_0', want"),
    "minus": (1, "1-2", "I1 is '1-2', want"),
    "other digits": (1, "\u0663", "I1 is '\u0663', want"),
    "no hexadecimal": (20, "xyz", "C7 is 'xyz', want a hexadecimal string or nothing"),
    "too many": (39, "a\tb", "41 columns, want 40"),
    "too few": (39, None, "39 columns, want 40"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("block", [3, 10_000])
def test_malformed_lines_are_named_or_counted(tmp_path, monkeypatch, case, block):
    monkeypatch.setattr(delimited, "BLOCK", block)
    place, text, said = BAD[case]
    rows = criteo_lines(12)
    good = datasets.load_criteo(write(tmp_path / "good.txt", rows[:4] + rows[5:8] + rows[9:]))
    for bad in (4, 8):
        rows[bad][place : place + 1] = [] if text is None else [text]
    path = write(tmp_path / "bad.txt", rows)
    with pytest.raises(ValueError, match=rf"bad\.txt, line 5: {said}"):
        datasets.load_criteo(path)
    data = datasets.load_criteo(path, on_bad_lines="skip")
    assert data.n_skipped == 2
    pd.testing.assert_frame_equal(data.data, good.data)
    assert np.array_equal(data.target, good.target)
    few = datasets.load_criteo(path, on_bad_lines="skip", n_rows=7)
    assert (len(few.target), few.n_skipped) == (7, 1)


def avazu_lines(n):
    rng = np.random.default_rng(1)
    rows = []
    for i in range(n):
        row = {name: str(rng.integers(0, 2000)) for name in AVAZU_NAMES}
        row |= {"id": str(2**64 - 1 - i), "click": str(i % 2), "hour": f"141021{i % 24:02}"}
        row |= {name: f"{rng.integers(2**32):08x}" for name in ("site_id", "device_model")}
        rows.append(list((row | {"C20": "-1"}).values()))
    return rows


@pytest.mark.parametrize("backend", BACKENDS)
def test_avazu(tmp_path, backend):
    rows = avazu_lines(30)
    path = write(tmp_path / "train.csv", [list(AVAZU_NAMES), *rows], ",")
    data = datasets.load_avazu(path, backend=backend)
    assert isinstance(data.data, BACKENDS[backend])
    assert data.ids.tolist() == [2**64 - 1 - i for i in range(30)]
    assert data.target.tolist() == [0, 1] * 15
    hours = np.asarray(data.data["hour"]).astype("M8[h]")
    assert hours[25] == np.datetime64("2014-10-21T01")
    assert np.asarray(data.data["C20"]).tolist() == [-1] * 30
    place = AVAZU_NAMES.index("site_id")
    assert np.asarray(data.data["site_id"]).tolist() == [row[place] for row in rows]
    assert data.categorical_features == [n for n in AVAZU_NAMES if n not in ("id", "click", "hour")]


def test_avazu_without_clicks_and_bad_files(tmp_path):
    names, rows = list(AVAZU_NAMES), avazu_lines(5)
    path = write(tmp_path / "test.csv", [row[:1] + row[2:] for row in [names, *rows]], ",")
    assert datasets.load_avazu(path).target is None
    with pytest.raises(ValueError, match=r"train, line 1: 'a,b', want the names 'id,click,hour"):
        datasets.load_avazu(write(tmp_path / "train", [["a", "b"]], ","))
    rows[2][2] = "14102125"
    path = write(tmp_path / "hours.csv", [names, *rows], ",")
    with pytest.raises(ValueError, match="line 4: hour is '14102125', want an hour as YYMMDDHH"):
        datasets.load_avazu(path)
    rows[2][2], rows[3][0] = "14102123", "-1"
    path = write(tmp_path / "ids.csv", [names, *rows], ",")
    with pytest.raises(ValueError, match="line 5: id is '-1', want an integer of at least 0"):
        datasets.load_avazu(path)
    assert datasets.load_avazu(path, on_bad_lines="skip").n_skipped == 1


def test_text_in_another_encoding_is_malformed(tmp_path):
    rows = avazu_lines(3)
    path = write(tmp_path / "train.csv", [list(AVAZU_NAMES), *rows], ",")
    text = path.read_bytes().split(b"\n")
    fields = text[2].split(b",")
    fields[5] = "\u00e9".encode("latin-1")
    text[2] = b",".join(fields)
    path.write_bytes(b"\n".join(text))
    with pytest.raises(ValueError, match=r"line 3: site_id is .*, want text in the encoding"):
        datasets.load_avazu(path)


@pytest.mark.parametrize("read", [datasets.load_criteo, datasets.load_avazu])
def test_bad_arguments(tmp_path, read, monkeypatch):
    rows = avazu_lines(1) if read is datasets.load_avazu else criteo_lines(1)
    head = [list(AVAZU_NAMES)] if read is datasets.load_avazu else []
    path = write(tmp_path / "a", head + rows, "," if head else "\t")
    for value in (0, -1, 1.5, True):
        with pytest.raises(ValueError, match=f"n_rows is {value!r}, want an integer of at least"):
            read(path, n_rows=value)
    with pytest.raises(ValueError, match="on_bad_lines is 'warn', want 'error' or 'skip'"):
        read(path, on_bad_lines="warn")
    with pytest.raises(ValueError, match="backend is 'dask', want one of"):
        read(path, backend="dask")
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "b")
    with pytest.raises(ValueError, match="a has no well-formed row"):
        read(write(path, head, ","))
    monkeypatch.setattr(delimited, "find_spec", lambda name: name == "polars" or None)
    with pytest.raises(ImportError, match="'pandas', which is not installed; backend may be 'po"):
        read(path)
