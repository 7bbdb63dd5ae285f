"""What is no table, no target or no weight is refused in words; a fitted model survives it."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.sparse import csr_array
from sklearn.exceptions import NotFittedError

from dcnfast import DCNRegressor
from dcnfast.crosses import Vector
from dcnfast.network.crosses import CROSSES

ROWS = 40
X = np.random.default_rng(0).normal(size=(ROWS, 3))
Y = X[:, 0]


def with_value(array, value, dtype=None):
    array = np.array(array, dtype=dtype)
    array.flat[4] = value
    return array


NO_TABLE = {
    "one dimension": (X[:, 0], "Expected 2D array, got 1D array"),
    "three dimensions": (X[:, :, None], "Found array with dim 3"),
    "a number": (3.0, "Expected 2D array, got scalar"),
    "nothing": (None, "Expected 2D array"),
    "dicts": ([{"a": 1}] * ROWS, r"X is a list of dicts, want .* pandas\.DataFrame"),
    "no rows": (X[:0], r"0 sample\(s\)"),
    "no columns": (X[:, :0], r"0 feature\(s\)"),
    "fewer rows than targets": (X[:-1], "inconsistent numbers of samples"),
    "complex": (X + 1j, "Complex data not supported"),
    "dates": (np.full((ROWS, 3), np.datetime64("2020-01-01")), "X has dtype datetime64"),
    "durations": (np.full((ROWS, 3), np.timedelta64(1, "D")), "X has dtype timedelta64"),
    "masked": (np.ma.masked_array(X, X > 1), "masked"),
    "infinity": (with_value(X, np.inf), "Input X contains infinity"),
    "minus infinity": (with_value(X, -np.inf, np.float32), "Input X contains infinity"),
    "infinity in a sparse matrix": (
        csr_array(with_value(X, np.inf)),
        "(?s)Input X contains infinity.*'x1'",
    ),
    "a dict": ({"a": 1}, "dict"),
}
WORDS = {  # categories for fit, and no numbers for a model of numbers
    "words": (np.full((ROWS, 3), "word"), "could not convert string to float: .*'word'"),
    "objects": (np.full((ROWS, 3), "word", object), "could not convert string to float"),
    "a word among numbers": (with_value(X, "word", object), "column 'x1' is not numeric"),
}
NO_TARGET = {
    "nothing": (None, "requires y to be passed"),
    "other length": (Y[:-1], "inconsistent numbers of samples"),
    "three dimensions": (Y[:, None, None], "dim 3|Unknown label type|1d array"),
    "complex": (Y + 1j, "Complex data not supported"),
    "not a number": (with_value(Y, np.nan), "Input y contains NaN"),
    "infinity": (with_value(Y, np.inf), "Input y contains infinity"),
    "None": (with_value(Y, None, object), "y has None in row 4, want a target for each row"),
    "dates": (np.full(ROWS, np.datetime64("2020-01-01")), "y has dtype datetime64"),
    "masked": (np.ma.masked_array(Y, Y > 0), "y is an array with masked values"),
    "an empty list": ([], "inconsistent numbers of samples|y is empty|0 sample"),
}
NO_WEIGHT = {
    "negative": (
        with_value(np.ones(ROWS), -1),
        "Negative values in data passed to `sample_weight`",
    ),
    "all zero": (np.zeros(ROWS), "at least one non-zero"),
    "other length": (np.ones(3), r"sample_weight.shape == \(3,\), expected \(40,\)"),
    "two dimensions": (np.ones((ROWS, 2)), "Sample weights must be 1D array or scalar"),
    "words": (["a"] * ROWS, "sample_weight: could not convert string to float"),
    "complex": (np.ones(ROWS) * 1j, "Complex data not supported"),
    "not a number": (with_value(np.ones(ROWS), np.nan), "Input sample_weight contains NaN"),
    "infinity": (with_value(np.ones(ROWS), np.inf), "Input sample_weight contains infinity"),
}


def failures():
    for argument, cases in {"X": NO_TABLE, "y": NO_TARGET, "sample_weight": NO_WEIGHT}.items():
        for name, (value, text) in cases.items():
            yield pytest.param({argument: value}, text, id=f"{argument}-{name}")


@pytest.mark.parametrize(("changes", "text"), list(failures()))
def test_failed_fit_is_said_and_changes_nothing(changes, text, estimator):
    y = Y if estimator.make.func is DCNRegressor else np.where(Y > 0, "yes", "no")
    model = estimator.make().fit(X, y)
    before, answer = dict(vars(model)), estimator.answer(model, X)
    with pytest.raises((ValueError, TypeError), match=text):
        model.fit(**{"X": X, "y": y} | changes)
    assert vars(model) == before
    np.testing.assert_array_equal(estimator.answer(model, X), answer)
    unfitted = estimator.make()
    with pytest.raises((ValueError, TypeError), match=text):
        unfitted.fit(**{"X": X, "y": y} | changes)
    assert vars(unfitted) == vars(estimator.make())


@pytest.mark.parametrize("case", [c for c in NO_TABLE | WORDS if "fewer" not in c])
def test_predict_refuses_what_fit_refuses(case, estimator):
    value, text = (NO_TABLE | WORDS)[case]
    y = Y if estimator.make.func is DCNRegressor else Y > 0
    with pytest.raises((ValueError, TypeError), match=text):
        estimator.answer(estimator.make().fit(X, y), value)


def test_predict_wants_the_columns_of_fit(estimator, table):
    model = estimator.make().fit(table.X, estimator.y)
    with pytest.raises(ValueError, match=r"X has 3 features, but DCN.* is expecting 4"):
        estimator.answer(model, table.X[:, :3])
    with pytest.raises(NotFittedError):
        estimator.answer(estimator.make(), table.X)
    with pytest.raises(NotFittedError):
        _ = estimator.make().parameters_


@pytest.mark.parametrize(
    ("y", "text"),
    [
        (Y, "Unknown label type: continuous"),
        (np.zeros(ROWS), r"at least two classes .* got 1 class\(es\): \[0\.0\]"),
        (np.column_stack([Y, Y > 0]), "want 0 or 1 in each of several columns"),
        (with_value(Y > 0, "word", object), "Unknown label type|not supported"),
    ],
)
def test_no_classes(y, text, classifier):
    with pytest.raises((ValueError, TypeError), match=text):
        classifier().fit(X, y)


@pytest.mark.parametrize(
    ("class_weight", "weight", "text"),
    [
        (None, Y > 0, r"1 class\(es\): \['yes'\]"),
        ({"no": 0, "yes": 1}, None, r"1 class\(es\): \['yes'\]"),
        ({"no": 0, "yes": 0}, None, r"0 class\(es\)"),
        ({"maybe": 1, "yes": 2}, None, r"The classes, \['no'\], are not in class_weight"),
        ({"no": "much", "yes": 1}, None, "could not convert string to float"),
    ],
)
def test_weights_must_leave_two_classes(class_weight, weight, text, classifier):
    with pytest.raises(ValueError, match=text):
        classifier(class_weight=class_weight).fit(
            X, np.where(Y > 0, "yes", "no"), None if weight is None else weight.astype(float)
        )


@pytest.mark.parametrize("holder", [np.array, list, pd.Series, pd.Categorical, pl.Series])
@pytest.mark.parametrize("words", [["yes", "no"], ["1.5", "2"]])
def test_target_of_words_is_refused_by_the_regressor(words, holder, regressor):
    text = f"could not convert string to float: {words[0]!r} in row 0, want numbers: DCNClassifier"
    with pytest.raises(ValueError, match=text):
        regressor().fit(X, holder(words * (ROWS // 2)))


DATES = pd.date_range("2020", periods=ROWS)
TIMES = {
    "array": DATES.to_numpy(),
    "DatetimeIndex": DATES,
    "Series": pd.Series(DATES),
    "with a time zone": pd.Series(DATES.tz_localize("UTC")),
    "in a DataFrame": pd.DataFrame({"y": DATES}),
    "beside numbers": pd.DataFrame({"y": Y, "when": DATES}),
    "polars": pl.Series(DATES.to_numpy()),
    "polars dates": pl.Series([day.date() for day in DATES]),
    "pyarrow": pa.array(DATES.to_pydatetime()),
    "list of Timestamp": list(DATES),
    "list of date": [day.date() for day in DATES],
    "list of time": [day.time() for day in DATES],
    "Period": pd.Series(DATES.to_period("D")),
    "timedelta64": (DATES - DATES[0]).to_numpy(),
    "durations in a Series": pd.Series(DATES - DATES[0]),
    "polars durations": pl.Series((DATES - DATES[0]).to_numpy()),
    "list of timedelta": list((DATES - DATES[0]).to_pytimedelta()),
}


@pytest.mark.parametrize("case", TIMES)
def test_dates_and_durations_are_no_targets(case, estimator):
    with pytest.raises(ValueError, match=r"y has .*want numbers.*: say how many, of which unit"):
        estimator.make().fit(X, TIMES[case])


@pytest.mark.parametrize(
    ("y", "text"),
    [
        ("income", "y is the string 'income', want an array-like of 40 targets"),
        ([None, *Y[1:]], "y has None in row 0, want a target for each row"),
        (pl.Series([*Y[1:], None]), "y contains NaN"),
        (pd.Series([1, pd.NA] * 20, dtype="Int64"), "y contains NaN"),
        (np.array([1.0] * 39 + [pd.NA], object), "y has <NA> in row 39"),
        (csr_array(np.ones((ROWS, 1))), "y is a sparse matrix, want a dense array"),
    ],
)
def test_targets_that_are_missing_or_no_array(y, text, estimator):
    with pytest.raises((ValueError, TypeError), match=text):
        estimator.make().fit(X, y)


def test_missing_label_is_named(classifier):
    labels = ["yes", "no", None, "yes"] * 10
    for y in (labels, pd.Series(labels), pl.Series(labels), np.array(labels, object)):
        with pytest.raises(ValueError, match=r"y has (None|nan) in row 2"):
            classifier().fit(X, y)


def test_early_stopping_wants_a_row_for_each_side(regressor):
    with pytest.raises(ValueError, match="holds out 1 of 1 rows"):
        regressor(early_stopping=True).fit(X[:1], Y[:1])
    with pytest.raises(ValueError, match="holds out 1 of 1 rows"):  # the others have no weight
        regressor(early_stopping=True).fit(X, Y, sample_weight=np.arange(ROWS) == 5)
    assert len(regressor(early_stopping=True).fit(X[:2], Y[:2]).validation_scores_) > 0


# ---- unusual and fine


@pytest.mark.parametrize(
    "scale", [5e-324, 1e-308, 1e-100, 1e30, 1e100, 1e307, np.finfo(np.float64).max]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_both_ends_of_the_floating_point_range(scale, dtype, estimator):
    small = np.clip(X, -1, 1)
    y = Y > 0
    model = estimator.make(dtype=dtype).fit(scale * small, y)
    for table in (
        scale * small,
        small,
        np.full((1, 3), np.finfo(np.float64).max),
        np.zeros((1, 3)),
    ):
        assert np.isfinite(estimator.answer(model, table)).all()
    if 1e-300 < scale < 1e308:  # predictions are made finite: see that they are right as well
        plain = estimator.make(dtype=dtype).fit(small, y)
        answer = estimator.answer(plain, small)
        np.testing.assert_allclose(estimator.answer(model, scale * small), answer, atol=1e-3)
        assert answer.std(axis=0).min() > 0.01
    if estimator.make.func is DCNRegressor:
        assert np.isfinite(estimator.make(dtype=dtype).fit(X, scale * small[:, 0]).predict(X)).all()


def test_far_outliers(estimator):
    table = with_value(X, 1e308)
    table.flat[1] = -1e308
    model = estimator.make().fit(table, Y > 0)
    assert np.isfinite(estimator.answer(model, table)).all()
    assert estimator.answer(model, table)[2:].std(axis=0).min() > 0.01  # the others are told apart


@pytest.mark.parametrize("rows", [1, 2, 3])
@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("cross", list(CROSSES))
def test_tiny_tables(rows, columns, cross, regressor):
    model = regressor(cross=cross).fit(X[:rows, :columns], Y[:rows])
    assert np.isfinite(model.predict(X[:, :columns])).all()


def test_constant_columns_say_nothing(table, estimator):
    constant = np.column_stack([table.X, np.full(300, 1e9), np.zeros(300)])
    model = estimator.make().fit(constant, estimator.y)
    answer = estimator.answer(model, constant)
    constant[:, 4:] += 1
    np.testing.assert_array_equal(estimator.answer(model, constant), answer)


@pytest.mark.parametrize(
    "parameters", [{"cross_layers": 50}, {"cross": Vector(initial_scale=1.0), "cross_layers": 300}]
)
def test_deep_crosses_far_from_the_training_rows(parameters, table, estimator):
    """A polynomial of degree 51 overflows outside; the border of the training rows answers."""
    model = estimator.make(max_iter=2, **parameters).fit(table.X, estimator.y)
    border = np.clip(1e5 * table.X, table.X.min(axis=0), table.X.max(axis=0))
    answer = estimator.answer(model, border)
    np.testing.assert_allclose(estimator.answer(model, 1e5 * table.X), answer, rtol=1e-4)
    # what is not finite would be answered as 0: so many corners, so many answers
    assert len(np.unique(answer, axis=0)) == len(np.unique(border, axis=0)) == 16


def test_neither_crosses_nor_hidden_layers_is_a_linear_model(table, regressor):
    model = regressor(
        cross_layers=0, hidden_layer_sizes=(), learning_rate_init=0.01, max_iter=100
    ).fit(table.X, table.X @ [1.0, -2, 3, 0])
    assert model.n_parameters_ == 5
    assert model.score(table.X, table.X @ [1.0, -2, 3, 0]) > 0.999


def test_more_classes_than_half_the_rows(classifier):
    with pytest.warns(UserWarning, match="number of unique classes"):
        model = classifier(early_stopping=True).fit(X, np.arange(ROWS))
    assert model.predict_proba(X).shape == (ROWS, ROWS)


def test_texts_of_dates_are_said_to_be_categories():
    few = {"n_members": 1, "max_iter": 1, "early_stopping": False, "datetime_features": True}
    x = np.arange(40.0)
    days = pd.date_range("2024-01-01", periods=40, freq="9h")
    table = pd.DataFrame({"day": days.strftime("%Y-%m-%d"), "at": days.astype(str), "x": x})
    with pytest.warns(UserWarning, match=r"texts in \['day', 'at'\].*pandas\.to_datetime"):
        fitted = DCNRegressor(**few).fit(table, x)
    assert set(fitted.embedding_dims_) == {"day", "at"}
    DCNRegressor(**few).fit(table.assign(day="2024-13-45", at="x-y"), x)  # no dates, no warning
    DCNRegressor(**few | {"datetime_features": None}).fit(table, x)
