"""Members of an estimator: their mean predicts, they can be seen one by one, and pruned."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone

from dcnfast import DCNClassifier, DCNRegressor
from dcnfast.network.members import choose_members

QUICK = {
    "n_members": 4, "max_iter": 4, "hidden_layer_sizes": (9,), "random_state": 0, "tol": None,
    "early_stopping": False, "learning_rate_init": 0.01,
}  # fmt: skip


@pytest.fixture
def table(rng):
    X = np.column_stack([rng.normal(size=(300, 2)), rng.integers(5, size=300)])
    return X, X[:, 0] * X[:, 1] + (X[:, 2] == 3)


def fitted(kind, table, **options):
    X, y = table
    options = QUICK | {"categorical_features": [2]} | options
    if kind == "regressor":
        return DCNRegressor(**options).fit(X, y)
    if kind == "two targets":
        return DCNRegressor(**options).fit(X, np.column_stack([y, X[:, 0]]))
    if kind == "counts":
        return DCNRegressor(loss="poisson", **options).fit(X, np.floor(np.abs(y)))
    classes = y > 0 if kind == "two classes" else np.digitize(y, [-0.5, 0.5])
    return DCNClassifier(**options).fit(X, classes)


@pytest.mark.parametrize(
    "kind", ["regressor", "two targets", "counts", "two classes", "three classes"]
)
def test_the_mean_of_the_members_is_predicted(kind, table):
    model, X = fitted(kind, table), table[0]
    want = model.predict_proba(X) if hasattr(model, "classes_") else model.predict(X)
    each = model.predict_members(X)
    assert each.shape == (300, 4, *want.shape[1:])
    assert (np.ptp(each, axis=1) > 0).any()
    np.testing.assert_allclose(each.mean(axis=1), want, rtol=1e-4, atol=1e-6)
    predict_row = model.row_predictor()
    np.testing.assert_allclose(predict_row(X[7].tolist()), want[7], rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))


def test_one_member_is_shown_as_one(table):
    model = fitted("regressor", table, n_members=1)
    each = model.predict_members(table[0])
    np.testing.assert_array_equal(each[:, 0], model.predict(table[0]))


@pytest.mark.parametrize("kind", ["regressor", "two targets", "two classes", "three classes"])
@pytest.mark.parametrize("kept", [1, 2, 4, None])
def test_pruned_members_predict_alone(kind, kept, table):
    model, (X, y) = fitted(kind, table), table
    each = model.predict_members(X)
    if kind == "two targets":
        y = np.column_stack([y, X[:, 0]])
    elif kind != "regressor":
        y = y > 0 if kind == "two classes" else np.digitize(y, [-0.5, 0.5])
    logits = model._logits(X)
    loss, target = model._target.loss, model._target.scaled(model._target.judged("y", y), float)
    before = loss.deviance(logits.astype(float), target).mean()
    assert model.prune_members(X, y, n_members=kept) is model
    pruned = model.predict_members(X)
    assert pruned.shape[1] == (max(kept, 2) if kept else pruned.shape[1])
    assert pruned.shape[1] == model.n_members_
    for member in np.moveaxis(pruned, 1, 0):  # which was there before, to the bit
        assert any(np.array_equal(member, old) for old in np.moveaxis(each, 1, 0))
    if kept is None:
        after = loss.deviance(model._logits(X).astype(float), target).mean()
        assert after <= before + 1e-6
    assert model.n_parameters_ == sum(p.size for p in model.parameters_.values())


def test_the_best_members_are_chosen():
    """Two that err to opposite sides are better than the best one."""
    target = np.zeros((50, 1))
    logits = np.stack([np.full((50, 1), z) for z in (3.0, 0.9, 2.0, -1.0)], axis=1)
    assert choose_members("squared_error", logits, target, None, None) == [1, 3]
    assert choose_members("squared_error", logits, target, None, 1) == [1]
    assert choose_members("squared_error", logits, target, None, 3) == [1, 3, 2]


def test_weights_say_which_rows_judge(table):
    model, (X, y) = fitted("regressor", table, n_members=8), table
    logits, target = model.predict_members(X), y[:, None]
    best = np.abs(logits[0] - target[0]).argmin()
    weight = np.zeros(300)
    weight[0] = 1
    model.prune_members(X, y, weight, n_members=1)
    np.testing.assert_array_equal(model.predict_members(X)[:, 0], logits[:, best])


@pytest.mark.parametrize("wrong", [0, 5, -1, 1.5, True, "two"])
def test_a_wrong_number_of_members_is_refused(wrong, table):
    model = fitted("regressor", table)
    before = model.predict(table[0])
    with pytest.raises(ValueError, match=r"n_members is .*, want an integer from 1 to 4, or None"):
        model.prune_members(*table, n_members=wrong)
    np.testing.assert_array_equal(model.predict(table[0]), before)


def test_pruning_wants_members_and_the_columns_of_fit(table):
    with pytest.raises(ValueError, match="has one member"):
        fitted("regressor", table, n_members=1).prune_members(*table)
    with pytest.raises(ValueError, match="feature"):
        fitted("regressor", table).prune_members(table[0][:, :2], table[1])
    with pytest.raises(ValueError, match="y has the labels"):
        fitted("two classes", table).prune_members(table[0], np.full(300, "no"))


def test_automatic_members_stay_what_they_were(table):
    X, y = table
    model = fitted("regressor", table, n_members="auto", warm_start=True)
    assert model.fit(X, y).predict_members(X).shape[1] > 1
    assert clone(model).n_members == "auto"


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "many", None])
def test_n_members_is_checked(wrong, table):
    with pytest.raises(ValueError, match="n_members"):
        fitted("regressor", table, n_members=wrong)


def test_a_warm_start_goes_on_from_the_members_that_are_left(table):
    X, y = table
    model = fitted("regressor", table, n_members="auto", warm_start=True)
    model.prune_members(X, y, n_members=3)
    assert model.fit(X, y).predict_members(X).shape[1] == 3
    model = fitted("regressor", table, warm_start=True).prune_members(X, y, n_members=3)
    with pytest.raises(ValueError, match="n_members was 3, got 4"):
        model.fit(X, y)
