"""Arrays of every layout and type, and DataFrames."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.sparse import coo_array, csc_matrix, csr_array

NAMES = ["a", "b", "c", "d"]


def read_only(X):
    X = X.copy()
    X.setflags(write=False)
    return X


def memory_map(X, folder):
    np.save(folder / "X.npy", X)
    return np.load(folder / "X.npy", mmap_mode="r")


def unaligned(X):
    room = np.empty(X.nbytes + 1, np.uint8)[1:]
    view = room.view(X.dtype).reshape(X.shape)
    view[...] = X
    return view


LAYOUTS = {
    "lists": lambda X, _: X.tolist(),
    "objects": lambda X, _: X.astype(object),
    "Fortran order": lambda X, _: np.asfortranarray(X),
    "every second row": lambda X, _: np.repeat(X, 2, axis=0)[::2],
    "backwards": lambda X, _: X[:, ::-1].copy()[:, ::-1],
    "read-only": lambda X, _: read_only(X),
    "memory map": memory_map,
    "unaligned": lambda X, _: unaligned(X),
    "big-endian": lambda X, _: X.astype(">f8"),
    "long double": lambda X, _: X.astype(np.longdouble),
    "CSR": lambda X, _: csr_array(X),
    "CSC": lambda X, _: csc_matrix(X),
    "COO": lambda X, _: coo_array(X),
    "pandas": lambda X, _: pd.DataFrame(X),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_does_not_matter(layout, table, estimator, tmp_path):
    other = LAYOUTS[layout](table.X, tmp_path)
    plain = estimator.answer(estimator.make().fit(table.X, estimator.y), table.X)
    np.testing.assert_array_equal(
        estimator.answer(estimator.make().fit(other, estimator.y), other), plain
    )


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint8", "int32", "uint64", "int64", "float16", "float32"]
)
def test_numbers_of_any_type(dtype, table, estimator):
    X = (10 * np.abs(table.X)).astype(dtype)
    answers = [
        estimator.answer(estimator.make().fit(Z, estimator.y), Z) for Z in (X, X.astype(float))
    ]
    np.testing.assert_array_equal(*answers)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "float32"])
def test_targets_of_any_type(dtype, table, regressor):
    y = (10 * np.abs(table.y)).astype(dtype)
    answers = [regressor().fit(table.X, z).predict(table.X) for z in (y, y.astype(float))]
    np.testing.assert_array_equal(*answers)
    assert answers[0].dtype == np.float64


@pytest.mark.parametrize("what", ["X", "y", "sample_weight"])
def test_arguments_are_not_written_to(what, table, estimator):
    arguments = {"X": table.X.copy(), "y": estimator.y.copy(), "sample_weight": np.arange(300.0)}
    before = arguments[what].copy()
    arguments[what].setflags(write=False)
    estimator.make().fit(**arguments)
    np.testing.assert_array_equal(arguments[what], before)


FRAMES = {
    "pandas": lambda X: pd.DataFrame(X, columns=NAMES),
    "pandas nullable": lambda X: pd.DataFrame(X, columns=NAMES).convert_dtypes(),
    "polars": lambda X: pl.DataFrame(X, schema=NAMES),
    "pyarrow": lambda X: pa.table(dict(zip(NAMES, X.T, strict=True))),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_frames_keep_their_names(kind, table, estimator):
    frame = FRAMES[kind](table.X)
    model = estimator.make().fit(frame, estimator.y)
    assert model.feature_names_in_.tolist() == NAMES
    plain = estimator.make().fit(table.X, estimator.y)
    assert not hasattr(plain, "feature_names_in_")
    np.testing.assert_array_equal(estimator.answer(model, frame), estimator.answer(plain, table.X))


@pytest.mark.parametrize("kind", FRAMES)
def test_columns_in_another_order_are_refused(kind, table, estimator):
    frame = FRAMES[kind](table.X)
    model = estimator.make().fit(frame, estimator.y)
    reordered = frame.select(NAMES[::-1]) if kind in ("polars", "pyarrow") else frame[NAMES[::-1]]
    with pytest.raises(ValueError, match="order as they were in fit"):
        estimator.answer(model, reordered)
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        estimator.answer(model, table.X)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_column_of_dates_is_refused_by_name(library, table, estimator):
    days = pd.Series(pd.date_range("2020-01-01", periods=300))
    frame = pd.DataFrame(table.X, columns=NAMES).assign(day=days)
    frame = {"pandas": lambda f: f, "polars": pl.from_pandas, "pyarrow": pa.Table.from_pandas}[
        library
    ](frame)
    with pytest.raises(ValueError, match=r"neither numbers nor categories: 'day' \("):
        estimator.make().fit(frame, estimator.y)


@pytest.mark.parametrize("kind", FRAMES)
def test_target_as_a_series(kind, table, regressor):
    y = {"polars": pl.Series, "pyarrow": pa.array}.get(kind, pd.Series)(table.y)
    np.testing.assert_array_equal(
        regressor().fit(table.X, y).predict(table.X),
        regressor().fit(table.X, table.y).predict(table.X),
    )
