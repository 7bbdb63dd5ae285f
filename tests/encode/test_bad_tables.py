"""What cannot be read is refused, and the column is named."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.sparse import csr_array

from dcnfast.table.schema import read_validation_table

DAY = datetime.date(2020, 1, 1)
GOOD = pd.DataFrame({"a": ["x", "y"], "n": [1.0, 2.0]})

NEITHER = {
    "dates": pl.Series([DAY, DAY]),
    "times": pl.Series([datetime.datetime(2020, 1, 1)] * 2),
    "durations": pl.Series([datetime.timedelta(1)] * 2),
    "structs": pl.Series([{"a": 1}, {"a": 2}]),
    "bytes": pl.Series([b"a", b"b"]),
}


@pytest.mark.parametrize("kind", NEITHER)
@pytest.mark.parametrize("chosen", ["from_dtype", ["when"], None])
def test_columns_that_are_neither_numbers_nor_categories(kind, chosen, reader):
    frame = pl.DataFrame({"n": [1.0, 2.0], "when": NEITHER[kind]})
    for X in (frame, frame.to_arrow()):
        with pytest.raises(ValueError, match=r"neither numbers nor categories: 'when' \("):
            reader().fit(X, chosen)
    if kind in ("times", "durations"):
        with pytest.raises(ValueError, match=r"neither numbers nor categories: 'when' \("):
            reader().fit(frame.to_pandas(), chosen)


@pytest.mark.parametrize(
    "value", [{"a": 1}, [1], (1,), {1}, 1j, DAY, b"a", object(), np.timedelta64(1), np.array([1])]
)
@pytest.mark.parametrize("chosen", ["from_dtype", [True, True], None])
def test_objects_of_other_types(value, chosen, reader):
    words = pd.Series(["x", None, None], dtype=object)
    words[1] = value
    X = pd.DataFrame({"n": [1.0, 2.0, 3.0], "what": words})
    for table in (X, X.to_numpy()):
        name = "what" if table is X else "x1"
        with pytest.raises(TypeError, match=f"'{name}' has values of type {type(value).__name__}"):
            reader().fit(table, chosen)
    model = reader().fit(pd.DataFrame({"n": [1.0], "what": ["x"]}))
    with pytest.raises(TypeError, match="'what' has values of type"):
        model.encode(X)


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, 10**400])
def test_integers_of_more_than_64_bits(value, reader):
    X = np.array([[value], [1]], object)
    with pytest.raises(ValueError, match="want at most 64 bits"):
        reader().fit(X, [0])
    if value == 10**400:
        with pytest.raises(ValueError, match="'x0' has an integer too large for a float64"):
            reader().fit(X)
    else:
        assert reader().fit(X).encode(X).dense.shape == (2, 1)


def test_decimals_are_numbers_and_no_categories(reader):
    amounts = [Decimal("1.5"), Decimal("2.5"), None]
    for X in (
        pl.DataFrame({"d": amounts}), pa.table({"d": amounts}), pd.DataFrame({"d": amounts}),
    ):  # fmt: skip
        np.testing.assert_array_equal(reader().fit(X).encode(X).dense[:2, 0], [-1, 1])
        with pytest.raises(TypeError, match=r"'d' has (categories|values) of type Decimal"):
            reader().fit(X, ["d"])


@pytest.mark.parametrize("make", [lambda X: X, pl.from_pandas, pa.Table.from_pandas])
def test_words_are_an_error_where_nothing_is_categorical(make, reader):
    for chosen in (None, ["n"], [], [False, False]):
        with pytest.raises(ValueError, match=r"not numeric: 'a' \(String\)"):
            reader().fit(make(GOOD), chosen)
    with pytest.raises(ValueError, match="'x0' is not numeric: could not convert string to float"):
        reader().fit(GOOD.to_numpy(), None)
    with pytest.raises(ValueError, match="could not convert string to float: 'x'"):
        reader().fit(np.array([["x"], ["y"]]), None)
    with pytest.raises(ValueError, match=r"not numeric: 'n' \(String\)"):
        reader().fit(make(GOOD)).encode(make(GOOD.assign(n=["1", "2"])))


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinity_is_refused_in_numbers(value, reader):
    frame = pd.DataFrame({"a": ["x", "y"], "n": [1.0, value], "m": [1, 2]})
    for X in (frame, pl.from_pandas(frame), frame.to_numpy()):
        with pytest.raises(ValueError, match=r"Input X contains infinity(.|\n)*: '(n|x1)'$"):
            reader().fit(X)
    with pytest.raises(ValueError, match="Input X contains infinity"):
        reader().fit(csr_array([[1.0, value]]))
    with pytest.raises(ValueError, match="Input X contains infinity"):
        reader().fit(frame.assign(n=1.0)).encode(frame)
    assert reader().fit(frame, ["a", "n"]).ids(frame, 1) == ([2, 3] if value > 0 else [3, 2])


def test_columns_of_the_same_name(reader):
    twice = pd.DataFrame([[1, 2, 3]], columns=["a", "b", "a"])
    with pytest.raises(ValueError, match=r"'a'"):
        reader().fit(twice)
    arrow = pa.table([[1], [2], [3]], names=["a", "b", "a"])
    with pytest.raises(ValueError, match=r"'a'"):
        reader().fit(arrow)
    with pytest.raises(ValueError, match=r"'a'"):
        reader().fit(twice[["b"]]).encode(twice)


@pytest.mark.parametrize("make", [lambda X: X, pl.from_pandas, pa.Table.from_pandas])
def test_columns_are_those_of_fit(make, reader):
    model = reader().fit(make(GOOD))
    assert model.feature_names_in_.tolist() == ["a", "n"]
    assert model.n_features_in_ == 2
    for X, text in {
        "missing": (GOOD[["a"]], "yet now missing:\n- n"),
        "renamed": (GOOD.rename(columns={"n": "m"}), "unseen at fit time:\n- m"),
        "added": (GOOD.assign(z=1), "unseen at fit time:\n- z"),
        "reordered": (GOOD[["n", "a"]], "same order as they were in fit"),
    }.values():
        with pytest.raises(ValueError, match=text):
            model.encode(make(X))
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        assert model.ids(GOOD.to_numpy()) == [2, 3]
    with pytest.raises(ValueError, match="X has 1 features, but Reader is expecting 2"):
        reader().fit(GOOD.to_numpy()).encode(GOOD.to_numpy()[:, :1])


def test_mixed_names(reader):
    with pytest.raises(TypeError, match="only supported if all input features have string names"):
        reader().fit(GOOD.rename(columns={"n": 0}))
    assert not hasattr(reader().fit(GOOD.rename(columns={"n": 0, "a": 1})), "feature_names_in_")


@pytest.mark.parametrize(
    ("X", "text"),
    [
        (None, "Expected 2D array"),
        (3.0, "Expected 2D array, got scalar"),
        ([1.0, 2.0], "Expected 2D array, got 1D array"),
        (["x", "y"], "Expected 2D array, got 1D array"),
        (np.zeros((2, 2, 2)), "Found array with dim 3"),
        (np.zeros((0, 2)), r"0 sample\(s\)"),
        (np.zeros((2, 0)), r"0 feature\(s\)"),
        (GOOD[:0], r"0 sample\(s\)"),
        (pd.DataFrame(index=[0, 1]), r"0 feature\(s\)"),
        ({"a": 1}, "dict"),
        (np.zeros((2, 2)) + 1j, "Complex data not supported"),
        (np.zeros((2, 2), "M8[s]"), "X has dtype datetime64"),
        (np.ma.masked_array(np.ones((2, 1)), [[1], [0]]), "masked"),
        ([["x", 1.0], ["y"]], "inhomogeneous|1D array"),
        (pl.DataFrame({"a": [1]}).lazy(), "X is a LazyFrame, want a DataFrame"),
        (np.array([[b"x"], [b"y"]]), "has values of type bytes"),
        (pd.DataFrame({"p": pd.period_range("2020", periods=2)}), "neither numbers nor categor"),
        (pd.DataFrame({"a": pd.Categorical([DAY, None])}), "'a' has values of type date"),
        (
            pd.DataFrame({"a": pd.Categorical(pd.date_range("2020", periods=2))}),
            "'a' has values of type datetime64",
        ),
        (pd.DataFrame({"a": pd.Categorical([1j, 2j])}), "'a' has values of type complex"),
    ],
)
def test_no_table(X, text, reader):
    with pytest.raises((ValueError, TypeError), match=text):
        reader().fit(X)
    is_frame = isinstance(X, pd.DataFrame)
    model = reader().fit(GOOD[["a"]] if is_frame else GOOD[["a"]].to_numpy())
    X = X.rename(columns={"p": "a"}) if is_frame else X
    with pytest.raises((ValueError, TypeError), match=text):
        model.encode(X)


@pytest.mark.parametrize(
    ("chosen", "text"),
    [
        ("a", "must be an array-like of bool, int or str, got: 'a'"),
        ([0.0], r"must be an array-like of bool, int or str, got: \[0.0\]"),
        ([[0]], "must be an array-like of bool, int or str"),
        (["a", 0], "Reader|must be an array-like|not a valid feature"),
        ([True], r"boolean mask must have shape \(n_features,\), got: \(1,\)"),
        ([2], r"indices must be in \[0, n_features - 1\]"),
        ([-1], r"indices must be in \[0, n_features - 1\]"),
        (["z"], "'z' which is not a valid feature name"),
    ],
)
def test_wrong_categorical_features(chosen, text, reader):
    with pytest.raises(ValueError, match=text):
        reader().fit(GOOD, chosen)


def test_categorical_features_in_other_forms(reader):
    for chosen in (["a"], np.array(["a"]), np.array(["a"], object), [0], [True, False], (0,)):
        assert reader().fit(GOOD, chosen).is_categorical_.tolist() == [True, False]
    with pytest.raises(ValueError, match="fitted on data without feature names"):
        reader().fit(GOOD.to_numpy(), ["a"])
    with pytest.raises(ValueError, match="'x0' of a sparse X"):
        reader().fit(csr_array(np.eye(2)), [0])


def test_lists_with_words_keep_their_numbers(reader):
    X = [["x", 1, 2.5], ["y", 3, None]]
    model = reader().fit(X)
    assert model.is_categorical_.tolist() == [True, False, False]
    assert model.encode(X).dense.shape == (2, 3)


def test_validation_table(reader):
    model = reader().fit(GOOD)
    table, y = read_validation_table(model, GOOD[::-1], [1.0, 2.0], y_numeric=True)
    assert model.encoder.transform(table, "f8").ids[:, 0].tolist() == [3, 2]
    assert y.tolist() == [1, 2]
    for X, target, text in (
        (GOOD[["n"]], [1, 2], "yet now missing"),
        (GOOD, [1, 2, 3], "inconsistent numbers of samples"),
        (GOOD, [1, np.nan], "Input y contains NaN"),
        (GOOD, None, "requires y to be passed"),
    ):
        with pytest.raises(ValueError, match=text):
            read_validation_table(model, X, target, y_numeric=True)
