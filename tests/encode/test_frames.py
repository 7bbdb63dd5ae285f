"""Frames of other kinds: record batches, sparse columns, intervals, and many columns at once."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.sparse import issparse

from dcnfast.table import frames, readers
from dcnfast.table.frames import FrameSource

GOOD = pd.DataFrame({"a": ["x", "y", None], "n": [1.0, 2.0, 4.0], "flag": [True, False, True]})


class Stream:
    """What any library of Arrow tables offers, and nothing else."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


ARROW = {
    "RecordBatch": lambda table: table.to_batches()[0],
    "stream": Stream,
    "StructArray": lambda table: table.to_batches()[0].to_struct_array(),
    "polars struct": lambda table: pl.from_arrow(table).to_struct("all"),
}


@pytest.mark.parametrize("kind", ARROW)
def test_tables_of_arrow_keep_their_names(kind, reader, monkeypatch):
    table = pa.Table.from_pandas(GOOD, preserve_index=False)
    X = ARROW[kind](table)
    model = reader().fit(table)
    read, _ = readers.open_source(model, X, exact=False), reader().fit(table)
    assert read.names == ["a", "n", "flag"]
    for other in (table, X):
        np.testing.assert_array_equal(model.encode(other).ids, [[2, 3], [3, 2], [1, 3]])
    turned = ARROW[kind](table.select(["n", "a", "flag"]))
    with pytest.raises(ValueError, match="same order as they were in fit"):
        model.encode(turned)
    monkeypatch.setattr(readers, "find_pyarrow", lambda: None)
    with pytest.raises(TypeError, match=r"Reader: X is a .*, want a DataFrame, or pyarrow install"):
        model.encode(X)


@pytest.mark.parametrize("X", [pa.array([1.0, 2.0]), pa.chunked_array([[1.0]]), pl.Series([1.0])])
def test_one_column_of_arrow_is_no_table(X, reader):
    with pytest.raises(ValueError, match="Expected 2D array, got 1D array"):
        reader().fit(X)


SPARSE = {
    "zeros": pd.SparseDtype(float, 0.0),
    "missing": pd.SparseDtype(float, np.nan),
    "ones": pd.SparseDtype(float, 1.0),
    "float32": pd.SparseDtype(np.float32, 0),
    "integers": pd.SparseDtype(int, 0),
    "bools": pd.SparseDtype(bool, False),
}


@pytest.mark.parametrize("kind", SPARSE)
def test_sparse_columns_are_numbers(kind, reader, rng):
    X = rng.choice([0.0, 1.0, 2.0], (60, 4), p=[0.8, 0.1, 0.1])
    if kind == "missing":
        X[X == 0] = np.nan
    if kind == "bools":
        X = np.minimum(X, 1)
    dense = pd.DataFrame(X, columns=list("abcd"))
    sparse = dense.astype(SPARSE[kind])
    model, other = reader().fit(sparse), reader().fit(dense)
    assert not model.is_categorical_.any()
    assert issparse(model.table.numbers) == (kind not in ("missing", "ones"))
    assert model.feature_names_in_.tolist() == list("abcd")
    for Y in (sparse, dense, sparse[:1], sparse.assign(b=dense["b"])):
        np.testing.assert_array_equal(model.encode(Y).dense, other.encode(Y).dense)
    named = reader().fit(sparse.assign(word="x"), ["a", "word"])
    plain = reader().fit(dense.assign(word="x"), ["a", "word"])
    np.testing.assert_array_equal(
        named.encode(sparse.assign(word="x")).ids, plain.encode(dense.assign(word="x")).ids
    )


def test_sparse_columns_of_words_are_refused_by_type(reader):
    words = pd.arrays.SparseArray(np.array(["x", "y"], object), fill_value="x")
    with pytest.raises(ValueError, match=r"neither numbers nor categories: 'a' \(Sparse\[object"):
        reader().fit(pd.DataFrame({"a": words}))


def test_long_doubles_are_numbers_and_complex_numbers_have_their_name(reader):
    X = pd.DataFrame({"a": np.arange(4, dtype=np.longdouble)})
    np.testing.assert_array_equal(
        reader().fit(X).encode(X).dense, reader().fit(X.astype(float)).encode(X).dense
    )
    assert reader().fit(X, ["a"]).ids(X) == [2, 3, 4, 5]
    with pytest.raises(ValueError, match=r"neither numbers nor categories: 'a' \(complex128\)"):
        reader().fit(X.astype(complex))


AGES = pd.Series([20.0, 40.0, np.nan, 70.0, 35.0])
BANDS = pd.cut(AGES, [0, 30, 50, 99])
INTERVALS = {
    "categories": BANDS,
    "intervals": pd.Series(pd.arrays.IntervalArray(BANDS)),
    "objects": BANDS.astype(object),
    "text": BANDS.astype(object).map(str, na_action="ignore"),
    "text of floats": pd.Series(pd.arrays.IntervalArray(BANDS)).map(str, na_action="ignore"),
}


@pytest.mark.parametrize("kind", INTERVALS)
@pytest.mark.usefixtures("arrow")
def test_intervals_are_categories_by_their_text(kind, reader):
    X = pd.DataFrame({"band": INTERVALS[kind]})
    model = reader().fit(X)
    assert model.is_categorical_.all()
    floats = ".0" if kind == "text of floats" else ""
    assert model.encoder.categories("band")[0] == f"(0{floats}, 30{floats}]"
    for other in INTERVALS.values():
        assert model.ids(pd.DataFrame({"band": other})) == [2, 3, 1, 4, 3]
    array = X.to_numpy()
    assert reader().fit(array).ids(array) == [2, 3, 1, 4, 3]
    unseen = pd.cut(AGES, [0, 30, 45, 99])
    assert model.ids(pd.DataFrame({"band": unseen})) == [2, 0, 1, 0, 0]
    for text, row in (("(0.0, 30.0]", 2), ("(0, 30]", 2), ("[0, 30)", 0), ("(0, x]", 0)):
        assert model.ids(pd.DataFrame({"band": [text]})) == [row]
    ends = pd.DataFrame({"band": pd.cut(AGES, [-np.inf, 0.5, 30, 1e30])})
    assert reader().fit(ends).encoder.categories("band") == ["(0.5, 30]", f"(30, {int(1e30)}]"]
    times = pd.DataFrame({"when": pd.cut(pd.Series(pd.date_range("2020", periods=9)), 3)})
    assert sorted(set(reader().fit(times).ids(times))) == [2, 3, 4]


def test_intervals_are_no_numbers(reader):
    for kind, series in INTERVALS.items():
        with pytest.raises((TypeError, ValueError), match="'band'"):
            reader().fit(pd.DataFrame({"band": series, "n": 1.0}), ["n"])
        if kind == "objects":
            with pytest.raises(TypeError, match="'x0' has values of type Interval"):
                reader().fit(series.to_frame().to_numpy(), None)


def test_categories_that_do_not_occur_may_be_anything(reader):
    strange = pd.Categorical([1, "x", None], categories=[1j, 1, "x", b"y"])
    assert reader().fit(pd.DataFrame({"a": strange})).ids(pd.DataFrame({"a": strange})) == [2, 3, 1]
    many = pd.Categorical.from_codes([7, -1, 3, 7], [f"w{i}" for i in range(9)])
    X = pd.DataFrame({"a": many})
    model = reader().fit(X)
    assert model.encoder.categories("a") == ["w3", "w7"]
    assert [model.ids(X[i : i + 1])[0] for i in range(4)] == model.ids(X) == [3, 1, 2, 3]


KINDS_OF_NUMBERS = {
    "f": [0.5, None, 1e300, -2.0], "s": [0.25, 2.0, None, 4.0], "i": [1, 2, None, 2**53 + 1],
    "u": [2**64 - 1, 0, 5, None], "t": [1, None, 3, 4], "b": [True, None, False, True],
    "e": [None, None, None, None],
}  # fmt: skip
ARROW_TYPES = {
    "f": pa.float64(), "s": pa.float32(), "i": pa.int64(), "u": pa.uint64(), "t": pa.int8(),
    "b": pa.bool_(), "e": pa.string(),
}  # fmt: skip
NULLABLE = {
    "f": "Float64", "s": "Float32", "i": "Int64", "u": "UInt64", "t": "Int8", "b": "boolean",
    "e": "string",
}  # fmt: skip


def many_kinds_of_numbers():
    table = pa.table({name: pa.array(v, ARROW_TYPES[name]) for name, v in KINDS_OF_NUMBERS.items()})
    objects = pd.DataFrame({k: pd.Series(v, dtype=object) for k, v in KINDS_OF_NUMBERS.items()})
    yield table
    yield pa.concat_tables([table[:1], table[1:]])
    yield pl.from_arrow(table)
    yield objects.astype(NULLABLE)
    yield table.to_pandas(types_mapper=pd.ArrowDtype)
    yield objects


@pytest.mark.parametrize("cells", [1, 9, 2**20])
def test_numbers_of_many_kinds_are_read_at_once(cells, reader, monkeypatch):
    monkeypatch.setattr(frames, "CELLS", cells)
    expected = np.array(list(KINDS_OF_NUMBERS.values()), float).T
    for X in many_kinds_of_numbers():
        numbers = reader().fit(X, None).table.numbers
        np.testing.assert_array_equal(numbers, expected)
        assert numbers.dtype == np.float64
        names = ["s", "t"]
        part = X.select(names) if hasattr(X, "select") else X[names]
        np.testing.assert_array_equal(reader().fit(part).table.numbers, expected[:, [1, 4]])
        small = reader().fit(part, ["t"]).table.numbers
        np.testing.assert_array_equal(small, expected[:, [1]])


@pytest.mark.parametrize("make", [lambda X: X, pl.from_pandas, pa.Table.from_pandas])
def test_columns_of_one_type_are_looked_at_together(make, reader, rng, monkeypatch):
    numbers = pd.DataFrame(rng.normal(size=(5, 200)), columns=[f"n{j}" for j in range(200)])
    integers = pd.DataFrame({"i": range(5), "word": "x", "other": "y"})
    X = make(pd.concat([numbers, integers], axis=1))
    model, looks = reader().fit(X), []
    series = FrameSource._series
    monkeypatch.setattr(FrameSource, "_series", lambda s, j: looks.append(j) or series(s, j))
    assert model.encode(X).dense.shape == (5, 201)
    assert len(looks) <= 3  # one for each type
