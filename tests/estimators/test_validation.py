"""Rows to watch: given or held out, judged by the loss or a scorer, and refused in words."""

from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import get_scorer, make_scorer, max_error, mean_pinball_loss
from sklearn.model_selection import train_test_split

from dcnfast import DCNRegressor
from dcnfast.estimators.splits import split_for_validation


@pytest.fixture
def estimator(estimator):
    return SimpleNamespace(
        **vars(estimator) | {"make": partial(estimator.make, early_stopping="auto")}
    )


@pytest.fixture
def regressor(regressor):
    return partial(regressor, early_stopping="auto")


@pytest.fixture
def classifier(classifier):
    return partial(classifier, early_stopping="auto")


@pytest.fixture
def parts(frame, estimator):
    X, X_val, y, y_val = train_test_split(frame.X, estimator.frame_y, test_size=0.3, random_state=0)
    return SimpleNamespace(X=X, y=y, val={"X_val": X_val, "y_val": y_val}, X_val=X_val, y_val=y_val)


def same(one, other, estimator, X):
    np.testing.assert_array_equal(estimator.answer(one, X), estimator.answer(other, X))
    assert one.validation_scores_ == other.validation_scores_
    assert one.loss_curve_ == other.loss_curve_


def test_given_rows_are_watched_whatever_their_number(parts, estimator):
    model = estimator.make(learning_rate_init=0.05, max_iter=60, n_iter_no_change=3, tol=0.0).fit(
        parts.X, parts.y, **parts.val
    )
    assert len(model.validation_scores_) == model.n_iter_ < 60
    assert np.argmax(model.validation_scores_) == model.n_iter_ - 4  # and three without a gain
    plain = estimator.make(early_stopping=False).fit(parts.X, parts.y)
    assert plain.validation_scores_ is None


def test_rows_held_out_are_as_good_as_the_same_rows_given(frame, estimator):
    rng = np.random.RandomState(0)
    labels = None
    if estimator.make.func is not DCNRegressor:
        labels = np.unique(estimator.frame_y, return_inverse=True)[1]
    rows, held = split_for_validation(300, 0.25, rng, labels)
    parameters = {"scoring": None, "max_iter": 5, "tol": None}
    inside = estimator.make(
        early_stopping=True, validation_fraction=0.25, random_state=np.random.RandomState(0),
        **parameters,
    ).fit(frame.X, estimator.frame_y)  # fmt: skip
    given = estimator.make(random_state=rng, **parameters).fit(
        frame.X.iloc[rows], estimator.frame_y[rows],
        X_val=frame.X.iloc[held], y_val=estimator.frame_y[held],
    )  # fmt: skip
    same(inside, given, estimator, frame.X)


def test_best_epoch_wins(parts, estimator):
    model = estimator.make(learning_rate_init=0.05, max_iter=80, tol=None).fit(
        parts.X, parts.y, **parts.val
    )
    best = int(np.argmax(model.validation_scores_))
    assert best < 79
    short = estimator.make(
        learning_rate_init=0.05, max_iter=best + 1, tol=None, early_stopping=False
    ).fit(parts.X, parts.y)
    np.testing.assert_array_equal(
        estimator.answer(model, frame_of(parts)), estimator.answer(short, frame_of(parts))
    )


def frame_of(parts):
    return pd.concat([parts.X, parts.X_val])


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_scores_are_those_of_the_model_with_its_unseen_categories(ema_decay, parts, estimator):
    regression = estimator.make.func is DCNRegressor
    for scoring in (
        ["neg_root_mean_squared_error", "r2", make_scorer(mean_pinball_loss, alpha=0.9)]
        if regression
        else ["roc_auc", "accuracy", "neg_log_loss", lambda m, X, y: np.mean(m.predict(X) == y)]
    ):
        model = estimator.make(
            scoring=scoring, max_iter=3, tol=None, ema_decay=ema_decay, learning_rate_init=0.01
        ).fit(parts.X, parts.y, **parts.val)
        scorer = get_scorer(scoring)
        score = scorer(model, parts.X_val, parts.y_val)
        assert max(model.validation_scores_) == pytest.approx(score, rel=1e-6)


def test_loss_is_the_score_without_scoring(parts, estimator):
    model = estimator.make(max_iter=3, tol=None).fit(parts.X, parts.y, **parts.val)
    if estimator.make.func is DCNRegressor:
        z = np.std(parts.y)
        loss = np.mean((model.predict(parts.X_val) - parts.y_val) ** 2) / z**2
        assert -max(model.validation_scores_) == pytest.approx(loss, rel=1e-4)
    else:
        score = get_scorer("neg_log_loss")(model, parts.X_val, parts.y_val)
        assert max(model.validation_scores_) == pytest.approx(score, rel=1e-4)


def test_scoring_decides_when_to_stop_and_what_to_keep(parts, estimator):
    scores = iter([0.1, 0.5, 0.3, 0.2, 0.5, 0.1])
    model = estimator.make(
        scoring=lambda *_: next(scores), n_iter_no_change=3, tol=1e-3, max_iter=50
    ).fit(parts.X, parts.y, **parts.val)
    assert model.validation_scores_ == [0.1, 0.5, 0.3, 0.2, 0.5]
    second = estimator.make(max_iter=2, early_stopping=False).fit(parts.X, parts.y)
    np.testing.assert_array_equal(
        estimator.answer(model, parts.X), estimator.answer(second, parts.X)
    )


def test_weights_of_given_rows(parts, estimator):
    """A row of weight 0 is none, one of weight 2 is two; equal weights say nothing."""
    twice = np.where(np.arange(len(parts.X_val)) % 3 == 0, 2.0, 1.0)
    twice[1] = 0
    repeated = np.repeat(np.arange(len(twice)), twice.astype(int))
    for scoring in (None, "r2" if estimator.make.func is DCNRegressor else "accuracy"):
        make = estimator.make(scoring=scoring, dtype="float64", tol=None, max_iter=4)
        weighted = make.fit(
            parts.X, parts.y, **parts.val, sample_weight_val=twice
        ).validation_scores_
        rows = make.fit(
            parts.X, parts.y, X_val=parts.X_val.iloc[repeated], y_val=parts.y_val[repeated]
        ).validation_scores_
        np.testing.assert_allclose(weighted, rows, rtol=1e-9)
        plain = make.fit(parts.X, parts.y, **parts.val).validation_scores_
        assert plain != weighted
        equal = np.full(len(twice), 3.0)
        make.fit(parts.X, parts.y, **parts.val, sample_weight_val=equal)
        np.testing.assert_allclose(make.validation_scores_, plain, rtol=1e-12)


def test_given_rows_teach_nothing(parts, estimator):
    """Neither categories nor scales nor parameters come from them."""
    X_val = parts.X_val.assign(city="Paris", a=1e6, b=np.nan)
    one = estimator.make(early_stopping=True, tol=None, max_iter=3, scoring=lambda *_: 0.0)
    other = estimator.make(early_stopping=True, tol=None, max_iter=3, scoring=lambda *_: 0.0)
    one.fit(parts.X, parts.y, **parts.val)
    other.fit(parts.X, parts.y, X_val=X_val, y_val=parts.y_val)
    same(one, other, estimator, parts.X)
    assert "Paris" not in other.encoder_.categories("city")


def test_class_weights_reach_given_rows(table, classifier):
    X, y = table.X, table.binary
    weight = np.where(y == "yes", 3.0, 1.0)
    parameters = {"numeric_scaling": None, "max_iter": 3, "dtype": "float64"}
    by_class = classifier(class_weight={"no": 1.0, "yes": 3.0}, **parameters)
    by_row = classifier(**parameters)
    by_class.fit(X, y, X_val=X, y_val=y)
    by_row.fit(X, y, weight, X_val=X, y_val=y, sample_weight_val=weight)
    np.testing.assert_allclose(by_class.validation_scores_, by_row.validation_scores_, rtol=1e-9)
    none = classifier(class_weight={"no": 1.0, "yes": 1.0, "maybe": 0.0})
    labels = np.where(np.arange(300) % 3, y, "maybe")
    with pytest.raises(ValueError, match="X_val has only rows of classes whose class_weight is 0"):
        none.fit(X, labels, X_val=X[:3], y_val=["maybe"] * 3)


def test_a_scorer_that_cannot_judge_is_named(parts, regressor):
    model = regressor(scoring="accuracy", early_stopping=True)
    with pytest.raises(ValueError, match=r"scoring of the held-out rows: .*continuous"):
        model.fit(parts.X, np.arange(len(parts.X)) / 7)


def plain(model, X, y):
    return float(np.mean(model.predict(X) == y))


def weighted(model, X, y, sample_weight=None):
    assert sample_weight is not None
    return float(np.average(model.predict(X) == y, weights=sample_weight))


def with_keywords(model, X, y, **keywords):
    assert set(keywords) == {"sample_weight"}
    return plain(model, X, y)


class Plain:
    def __call__(self, model, X, y):
        return plain(model, X, y)


@pytest.mark.parametrize("by", ["class_weight", "sample_weight"])
@pytest.mark.parametrize(
    "scoring", [plain, weighted, with_keywords, Plain(), partial(plain), "accuracy",
                make_scorer(max_error), lambda *_: 1.0]
)  # fmt: skip
def test_a_scorer_gets_weights_where_it_takes_them(scoring, by, frame, classifier):
    y = (frame.y > 0).astype(int)
    model = classifier(scoring=scoring, early_stopping=True, max_iter=2)
    if by == "class_weight":
        model.set_params(class_weight="balanced").fit(frame.X, y)
    else:
        model.fit(frame.X, y, sample_weight=1.0 + y)
    assert len(model.validation_scores_) == 2


BAD = {
    "y_val missing": ({"y_val": None}, "X_val is given and y_val is None, want both or neither"),
    "X_val missing": ({"X_val": None}, "y_val is given and X_val is None, want both or neither"),
    "weight alone": (
        {"X_val": None, "y_val": None, "sample_weight_val": [1.0]},
        "sample_weight_val is given, want X_val and y_val",
    ),
    "lengths": ({"y_val": np.zeros(3)}, "X_val: .*inconsistent numbers of samples"),
    "weight's length": ({"sample_weight_val": np.ones(3)}, "X_val: sample_weight.shape"),
    "negative weight": ({"sample_weight_val": -np.ones(90)}, "X_val: Negative values"),
    "no weight": ({"sample_weight_val": np.zeros(90)}, "X_val: .*at least one non-zero"),
    "no table": ({"X_val": np.zeros(90)}, "(?s)X_val: Expected 2D array"),
    "other columns": ({"X_val": np.zeros((90, 2))}, "X_val: X has 2 features, but .* expecting 7"),
    "other names": (
        {"X_val": pd.DataFrame(np.zeros((90, 7)), columns=list("abcdxyz"))},
        "X_val: The feature names should match",
    ),
    "empty": ({"X_val": pd.DataFrame(), "y_val": []}, "X_val: .*0 sample"),
    "words": ({"X_val": lambda X: X.assign(a="word")}, "X_val: .*not numeric"),
    "infinity": ({"X_val": lambda X: X.assign(a=np.inf)}, "(?s)X_val: .*infinity.*'a'"),
    "NaN": ({"y_val": np.full(90, np.nan)}, "X_val: .*y contains NaN"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_rows_are_said_and_change_nothing(case, parts, estimator):
    changes, text = BAD[case]
    changes = {k: v(parts.X_val) if callable(v) else v for k, v in changes.items()}
    model = estimator.make(max_iter=2).fit(parts.X, parts.y)
    before = dict(vars(model))
    with (
        pytest.warns(UserWarning, match="feature names")
        if isinstance(changes.get("X_val"), np.ndarray) and changes["X_val"].ndim == 2
        else nullcontext(),
        pytest.raises((ValueError, TypeError), match=text),
    ):
        model.fit(parts.X, parts.y, **parts.val | changes)
    assert vars(model) == before


def test_rows_that_nobody_watches_are_refused(parts, estimator):
    with pytest.raises(ValueError, match="early_stopping is False and X_val is given"):
        estimator.make(early_stopping=False).fit(parts.X, parts.y, **parts.val)


def test_unknown_labels_and_other_outputs_are_refused(frame, regressor, classifier):
    with pytest.raises(ValueError, match=r"y_val has the labels \['maybe'\], want those of y"):
        classifier().fit(frame.X, frame.binary, X_val=frame.X[:2], y_val=["yes", "maybe"])
    with pytest.raises(ValueError, match=r"y_val has the labels \[0, 1\]"):
        classifier().fit(frame.X, frame.binary, X_val=frame.X[:2], y_val=[0, 1])
    two = np.column_stack([frame.y, frame.y])
    with pytest.raises(ValueError, match="y_val has 2 columns, want 1, as many as y"):
        regressor().fit(frame.X, frame.y, X_val=frame.X, y_val=two)
    with pytest.raises(ValueError, match="y_val goes from -1 to 2, want rates between 0 and 1"):
        regressor(loss="log_loss").fit(frame.X, frame.y > 0, X_val=frame.X[:2], y_val=[-1, 2])


def test_one_column_of_targets(frame, regressor):
    column = frame.y[:, None]
    with pytest.warns(UserWarning, match="column-vector"):
        one = regressor(scoring="r2").fit(frame.X, column, X_val=frame.X, y_val=column)
    other = regressor(scoring="r2").fit(frame.X, frame.y, X_val=frame.X, y_val=frame.y)
    assert one.validation_scores_ == other.validation_scores_
