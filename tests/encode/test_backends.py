"""The same table gives the same codes, whatever library holds it and whichever finds the values."""

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.sparse import coo_array, csr_array, csr_matrix

COLUMNS = {
    "word": ["b", "a", None, "ü", "a", "b", "a\0", "𝄞", "\ue000", ""],
    "id": [2**53 + 1, 2**53 + 2, None, -5, 2**63 - 1, 1, 1, 2, -(2**63), 0],
    "wide": [2**64 - 1, 0, 1, 2**63, 5, None, 5, 1, 0, 2**64 - 2],
    "flag": [True, False, None, True, True, False, True, False, None, True],
    "price": [1.5, None, 2.0, float("nan"), 0.0, -0.0, 3.0, 1.0, 1e300, 1.5],
    "number": [1.0, None, 2.5, float("nan"), -3.0, 4.0, 5.0, 1e9, 7.0, 8.0],
    "count": [1, 2, None, 4, 5, 6, 7, 8, 9, 10],
    "kind": ["x", "y", None, "x", "z", "y", "x", "x", None, "z"],
}
CATEGORICAL = ["word", "id", "wide", "flag", "price", "kind"]
PLACES = [list(COLUMNS).index(name) for name in CATEGORICAL]
TYPES = {
    "word": pa.string(), "id": pa.int64(), "wide": pa.uint64(), "flag": pa.bool_(),
    "price": pa.float64(), "number": pa.float64(), "count": pa.int16(), "kind": pa.string(),
}  # fmt: skip
CODES = {
    "word": [5, 3, 1, 6, 3, 5, 4, 8, 7, 2],
    "id": [7, 8, 1, 3, 9, 5, 5, 6, 2, 4],
    "wide": [7, 2, 3, 5, 4, 1, 4, 3, 2, 6],
    "flag": [3, 2, 1, 3, 3, 2, 3, 2, 1, 3],
    "price": [4, 1, 5, 1, 2, 2, 6, 3, 7, 4],
    "kind": [2, 3, 1, 2, 4, 3, 2, 2, 1, 4],
}


def as_arrow():
    table = pa.table({k: pa.array(v, TYPES[k]) for k, v in COLUMNS.items()})
    return table.set_column(7, "kind", table["kind"].dictionary_encode())


def as_chunks():
    table = as_arrow()
    return pa.concat_tables([table[:3], table[3:4], table[4:]])


def null_in_the_dictionary():
    kinds = pa.DictionaryArray.from_arrays(
        pa.array([3, 1, 0, 3, 2, 1, 3, 3, None, 2], pa.int8()),
        pa.array([None, "y", "z", "x", "never"]),
    )
    return as_arrow().set_column(7, "kind", kinds)


def views():
    table = as_arrow()
    return table.set_column(0, "word", table["word"].cast(pa.string_view()))


def as_polars(kind):
    return pl.from_arrow(as_arrow()).with_columns(pl.col("kind").cast(pl.String).cast(kind))


def as_pandas_objects():
    return pd.DataFrame({k: pd.Series(v, dtype=object) for k, v in COLUMNS.items()})


def as_pandas_nullable():
    types = ["string", "Int64", "UInt64", "boolean", "Float64", "Float64", "Int16", "object"]
    frame = pd.DataFrame(
        {k: pd.array(v, t) for (k, v), t in zip(COLUMNS.items(), types, strict=True)}
    )
    return frame.assign(kind=pd.Categorical(COLUMNS["kind"], list("zyxw")))


FRAMES = {
    "pyarrow": as_arrow,
    "pyarrow RecordBatch": lambda: as_arrow().to_batches()[0],
    "pyarrow in chunks": as_chunks,
    "pyarrow, a null in the dictionary": null_in_the_dictionary,
    "pyarrow, views": views,
    "polars Categorical": lambda: as_polars(pl.Categorical),
    "polars Enum": lambda: as_polars(pl.Enum(["z", "y", "x", "w"])),
    "polars String": lambda: as_polars(pl.String),
    "pandas objects": as_pandas_objects,
    "pandas nullable": as_pandas_nullable,
    "pandas of Arrow": lambda: as_arrow().to_pandas(types_mapper=pd.ArrowDtype),
    "objects": lambda: as_pandas_objects().to_numpy(),
    "lists": lambda: as_pandas_objects().to_numpy().tolist(),
}


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.usefixtures("arrow")
def test_codes_are_the_same(kind, dtype, reader):
    X = FRAMES[kind]()
    named = CATEGORICAL if hasattr(X, "columns") else PLACES
    model = reader().fit(X, named)
    encoded = model.encode(X, dtype)
    for i in range(10):
        alone = model.encode(X.iloc[[i]] if hasattr(X, "iloc") else X[i : i + 1], dtype)
        np.testing.assert_array_equal(alone.ids[0], encoded.ids[i])
        np.testing.assert_array_equal(alone.dense[0], encoded.dense[i])
    expected = reader().fit(as_arrow(), CATEGORICAL).encode(as_arrow(), dtype)
    np.testing.assert_array_equal(encoded.ids.T, list(CODES.values()))
    np.testing.assert_array_equal(encoded.dense, expected.dense)
    assert (encoded.ids.dtype, encoded.dense.dtype) == (np.int32, np.dtype(dtype))
    assert encoded.ids.flags.c_contiguous
    assert encoded.dense.flags.c_contiguous


@pytest.mark.parametrize("first", FRAMES)
@pytest.mark.usefixtures("arrow")
def test_fit_on_one_and_read_another(first, reader):
    X = FRAMES[first]()
    if not hasattr(X, "columns"):
        return
    model = pickle.loads(pickle.dumps(reader().fit(X, CATEGORICAL)))
    for other in FRAMES.values():
        if hasattr(Y := other(), "columns"):
            np.testing.assert_array_equal(model.encode(Y).ids.T, list(CODES.values()))


@pytest.mark.usefixtures("arrow")
@pytest.mark.parametrize("kind", FRAMES)
def test_categorical_from_dtype(kind, reader):
    """Numbers are numeric, in columns of objects too; those that float64 does not have, rounded."""
    X = FRAMES[kind]()
    model = reader().fit(X)
    assert model.is_categorical_.tolist() == [True, False, False, True, False, False, False, True]
    names = ["word", "flag", "kind"] if hasattr(X, "columns") else ["x0", "x3", "x7"]
    assert [field.name for field in model.encoder.fields] == names
    numbers = [[np.nan if v is None else v for v in COLUMNS[n]] for n in COLUMNS]
    numbers = np.array([numbers[j] for j in (1, 2, 4, 5, 6)], float).T
    np.testing.assert_array_equal(model.table.numbers, numbers)


@pytest.mark.usefixtures("arrow")
def test_int_categories_of_pandas_and_arrow(reader):
    values = [2**53 + 2, None, 2**53 + 1, -1]
    table = pa.table({"a": pa.array(values, pa.int64()).dictionary_encode()})
    nothing = pa.array([0, 1, 2, 3], pa.int8())
    with_null = pa.DictionaryArray.from_arrays(nothing, pa.array(values, pa.int64()))
    frame = pd.DataFrame({"a": pd.Categorical(pd.array(values, "Int64"))})
    for X in (table, pa.table({"a": with_null}), frame):
        assert reader().fit(X).ids(X) == [4, 1, 3, 2]


@pytest.mark.usefixtures("arrow")
def test_mixed_categories_of_pandas(reader):
    """Arrow would make one type of them: 2**53 + 1 and 0.5 both a float64."""
    X = pd.DataFrame({"a": pd.Categorical(np.array([2**53 + 1, 0.5, "x", 2**53, None], object))})
    model = reader().fit(X)
    assert model.encoder.categories("a") == [0.5, 2**53, 2**53 + 1, "x"]
    assert model.ids(X) == [4, 2, 5, 3, 1]


WITHOUT_ARROW = """
import sys
sys.modules["pyarrow"] = None
import numpy as np, pandas as pd, polars as pl
from dcnfast.encode.encoder import TableEncoder
from dcnfast.table.schema import read_training_table
from dcnfast import DCNRegressor
columns = {"a": ["b", "a", None, "b"], "n": [1.0, None, 2.0, 3.0]}
columns["i"] = [2**53 + 1, -1, None, 2**53]
polars = pl.DataFrame(columns)
tables = [
    polars,
    polars.with_columns(pl.col("a").cast(pl.Categorical)),
    pd.DataFrame(columns | {"i": pd.array(columns["i"], "Int64")}),
    pd.DataFrame({"a": pd.Categorical(columns["a"]), "n": columns["n"],
                  "i": pd.array(columns["i"], "Int64")}),
]
for table in tables:
    read, _ = read_training_table(
        DCNRegressor(), table, np.zeros(4), categorical_features=["a", "i"], y_numeric=True
    )
    assert read.factors
    encoded = TableEncoder().fit(read).transform(read, "float64")
    assert encoded.ids.T.tolist() == [[3, 2, 1, 3], [4, 2, 1, 3]], encoded.ids
    assert encoded.dense[:, 1].tolist() == [0, 1, 0, 0], encoded.dense
"""


def test_pyarrow_need_not_be_installed():
    done = subprocess.run([sys.executable, "-c", WITHOUT_ARROW], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("make", [csr_array, csr_matrix, coo_array])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int8"])
def test_sparse_matrices_are_as_dense_ones(make, dtype, reader, rng):
    X = np.where(rng.random((50, 6)) < 0.3, rng.integers(1, 9, (50, 6)), 0).astype(dtype)
    dense = reader().fit(X).encode(X)
    sparse = reader().fit(make(X)).encode(make(X))
    np.testing.assert_array_equal(sparse.dense, dense.dense)
    assert sparse.ids.shape == (50, 0)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "int64", "float16", "float32", ">f8"])
@pytest.mark.usefixtures("arrow")
def test_arrays_of_any_type(dtype, reader, rng):
    X = (10 * rng.random((40, 3))).astype(dtype)
    for chosen in ("from_dtype", [1], [False, True, True]):
        encoded = reader().fit(X, chosen).encode(X)
        other = reader().fit(X.astype(float), chosen).encode(X.astype(float))
        np.testing.assert_array_equal(encoded.dense, other.dense)
        np.testing.assert_array_equal(encoded.ids, other.ids)


@pytest.mark.usefixtures("arrow")
def test_arrays_of_words(reader):
    words = [["b", "x"], ["a", "y"], ["ü", ""]]
    model = reader().fit(words)
    for X in (np.array(words), np.array(words, np.dtypes.StringDType()), np.array(words, object)):
        np.testing.assert_array_equal(model.encode(X).ids.T, [[3, 2, 4], [3, 4, 2]])
        np.testing.assert_array_equal(reader().fit(X).encode(X).ids.T, [[3, 2, 4], [3, 4, 2]])


def test_lists_of_flags_are_as_arrays_of_them(reader):
    flags = [[True, False], [False, False]]
    for X in (flags, np.array(flags)):
        assert not reader().fit(X).is_categorical_.any()


@pytest.mark.usefixtures("arrow")
def test_arrays_of_ids_stay_exact(reader):
    X = np.array([[2**53 + 1], [2**53 + 2], [-1], [2**63 - 1]])
    assert reader().fit(X, [0]).ids(X) == [3, 4, 2, 5]
    assert reader().fit(X.tolist(), [0]).ids(X.tolist()) == [3, 4, 2, 5]
    unsigned = np.array([[2**64 - 1], [2**53 + 1], [2**53], [2**63]], np.uint64)
    assert reader().fit(unsigned, [0]).ids(unsigned) == [5, 3, 2, 4]
    assert reader().fit(X, [0]).ids(unsigned) == [0, 3, 0, 0]


def test_rows_can_be_taken_before_and_after(reader):
    X = as_arrow()
    model = reader().fit(X, CATEGORICAL)
    whole = model.encode(X)
    for rows in ([3, 0, 0], slice(2, 5), np.arange(10) % 2 == 0):
        for part in (whole.take(rows), model.encoder.transform(model.table.take(rows), "float64")):
            np.testing.assert_array_equal(part.ids, whole.ids[rows])
            np.testing.assert_array_equal(part.dense, whole.dense[rows])
            assert len(part) == len(whole.ids[rows])
    sparse = reader().fit(csr_array(np.eye(4)))
    assert len(sparse.table.take([0, 2])) == 2


def test_training_on_some_rows_does_not_see_the_others(reader):
    X = pd.DataFrame({"a": list("zyxw"), "n": [1.0, 2, 3, 400]})
    model = reader().fit(X)
    encoder = model.encoder.fit(model.table.take([2, 0, 1]))
    assert encoder.categories("a") == ["x", "y", "z"]
    encoded = encoder.transform(model.table, "float64")
    assert encoded.ids[:, 0].tolist() == [4, 3, 2, 0]
    np.testing.assert_allclose(encoded.dense[:3].mean(), 0, atol=1e-12)
