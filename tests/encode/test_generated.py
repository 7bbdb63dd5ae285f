"""Tables nobody thought of: a clear error, or rows that exist and numbers that are finite."""

import pickle
import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

WORDS = st.text(st.characters(codec=None), max_size=3) | st.sampled_from(["", "a\0", "1", "nan"])
INTEGERS = st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3) | st.just(2**53 + 1)
NUMBERS = st.floats() | st.floats(-10, 10) | st.sampled_from([1e308, -1e308, 5e-324, -0.0, 1.0])
NUMPY = st.sampled_from(
    [np.int8(1), np.uint64(2**64 - 1), np.float32(0.1), np.bool_(1), np.str_("1")]
)
STRANGE = st.sampled_from(
    [b"a", (1,), [1], {}, 1j, 2**64, 10**400, pd.Timestamp(0), pd.NaT, pd.NA, np.datetime64("NaT")]
)
VALUES = {
    "integers": INTEGERS,
    "numbers": NUMBERS,
    "words": WORDS,
    "flags": st.booleans(),
    "mixed": WORDS | INTEGERS | NUMBERS | st.booleans() | NUMPY,
    "strange": INTEGERS | WORDS | STRANGE,
    "nothing": st.none(),
}
SHARES = ["integers", "numbers", "words", "flags", "mixed"]


@st.composite
def columns(draw, rows, kinds=(*SHARES, *SHARES, "strange", "nothing")):
    values = VALUES[draw(st.sampled_from(kinds))]
    return draw(st.lists(st.none() | values if draw(st.booleans()) else values,
                         min_size=rows, max_size=rows))  # fmt: skip


def as_series(column, kind):
    try:
        series = pd.Series(column)
        return series if kind is None else series.astype(kind)
    except (TypeError, ValueError, OverflowError):
        return pd.Series(column, dtype=object)


def as_objects(table):
    X = np.empty((len(next(iter(table.values()))), len(table)), object)
    for j, column in enumerate(table.values()):
        for i, value in enumerate(column):
            X[i, j] = value
    return X


MAKERS = {
    "pandas": lambda t: pd.DataFrame({k: as_series(v, None) for k, v in t.items()}),
    "categories": lambda t: pd.DataFrame({k: as_series(v, "category") for k, v in t.items()}),
    "pandas objects": lambda t: pd.DataFrame({k: pd.Series(v, dtype=object) for k, v in t.items()}),
    "polars": lambda t: pl.DataFrame({k: pl.Series(k, v, strict=False) for k, v in t.items()}),
    "pyarrow": lambda t: pa.table(t),
    "record batch": lambda t: pa.table(t).to_batches()[0],
    "sparse": lambda t: pd.DataFrame(t).astype(pd.SparseDtype(float, 0)),
    "nullable": lambda t: pd.DataFrame(t).convert_dtypes(),
    "pandas of Arrow": lambda t: pd.DataFrame(t).convert_dtypes(dtype_backend="pyarrow"),
    "intervals": lambda t: pd.DataFrame({k: pd.cut(pd.Series(v), 2) for k, v in t.items()}),
    "objects": as_objects,
    "lists": lambda t: as_objects(t).tolist(),
}


@st.composite
def tables(draw, names):
    rows = draw(st.integers(1, 6))
    table = {name: draw(columns(rows)) for name in names}
    make = MAKERS[draw(st.sampled_from(list(MAKERS)))]
    try:
        return make(table)
    except Exception:  # the library cannot hold it
        return MAKERS["pandas objects"](table)


SCALING = {
    "numeric_scaling": st.sampled_from(["standard", "quantile", "log", "robust_smooth", None])
}
RARE = {"min_frequency": st.sampled_from([1, 2, 0.3]), "max_categories": st.integers(1, 3)}
HASHED = {"hash_buckets": st.integers(1, 5)}
OPTIONS = st.fixed_dictionaries(SCALING, optional=RARE) | st.fixed_dictionaries(SCALING | HASHED)
CHOSEN = st.sampled_from(["from_dtype", "from_dtype", None]) | st.lists(st.integers(0, 1))


def check(encoded, encoder, n):
    n_single = len(encoder.fields) - len(encoder.poolings)
    assert encoded.ids.shape == (n, n_single)
    assert [len(items.offsets) for items in encoded.lists] == [n + 1] * len(encoder.poolings)
    assert encoded.dense.shape == (n, encoder.n_dense)
    for field, ids in zip(encoder.fields, encoded.by_field(), strict=True):
        assert ((ids >= 0) & (ids < field.size)).all()
    assert np.isfinite(encoded.dense).all()
    assert np.isfinite(encoder.clip(encoded.dense)).all()


def height(X):
    return len(X) if isinstance(X, list) else X.shape[0]


# the last are the words that scikit-learn's check_complex_data wants of every estimator
CLEAR = re.compile(
    r"X: column '\w+' (has|is)|X has (columns|lists|dates)|X contains infinity|Expected 2D array"
    r"|feature names|categorical_features|setting an array element with a sequence"
    r"|Complex data not supported"
)


def value_or_error(function, *arguments, **options):
    """Return what the function returns, or None if it raises a clear error."""
    try:
        return function(*arguments, **options)
    except (ValueError, TypeError) as error:
        return None if CLEAR.search(str(error)) else error


def try_table(reader, X, chosen, options, others, dtype):
    model = value_or_error(reader().fit, X, chosen, **options)
    assert not isinstance(model, Exception), model
    if model is None:
        return
    trained = model.encode(X, dtype)
    check(trained, model.encoder, height(X))
    for field, ids in zip(model.encoder.fields, trained.by_field(), strict=True):
        np.testing.assert_array_equal(np.bincount(ids, minlength=field.size), field.counts)
    before = pickle.dumps(model.encoder)
    for other in others:
        encoded = value_or_error(model.encode, other, dtype)
        assert not isinstance(encoded, Exception), encoded
        if encoded is not None:
            check(encoded, model.encoder, height(other))
    assert pickle.dumps(model.encoder) == before


def generated(examples):
    quick = settings(
        max_examples=examples,
        deadline=None,
        derandomize=examples < 1000,
        suppress_health_check=list(HealthCheck),
    )
    names = st.just(["a", "b"])
    table = names.flatmap(tables)
    arguments = given(
        X=table,
        chosen=CHOSEN,
        options=OPTIONS,
        others=st.lists(table, max_size=2),
        dtype=st.sampled_from(["float32", "float64"]),
    )
    return lambda test: quick(arguments(test))


@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names")
@generated(150)
def test_some_tables(reader, X, chosen, options, others, dtype):
    try_table(reader, X, chosen, options, others, dtype)


@pytest.mark.campaign
@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names")
@generated(10_000)
def test_many_tables(reader, X, chosen, options, others, dtype):
    try_table(reader, X, chosen, options, others, dtype)
