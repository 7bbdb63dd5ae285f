"""The linear part begins as a ridge or a logistic regression, and nothing else says anything."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression, RidgeCV

from dcnfast.estimators.linear_start import PENALTIES, begin_as_linear
from dcnfast.network.config import NetworkConfig
from dcnfast.network.model import Model
from dcnfast.training.batches import Rows

N = 120


def network(**changes):
    given = {
        "fields": (("a", 4, 2), ("b", 3, 3), ("c", 4, 2)), "table_of": (0, 1, 0), "n_dense": 2,
        "wide": True, "hidden": (5,), "n_members": 2, "cross_layers": 1, "dtype": "float64",
    }  # fmt: skip
    return Model(NetworkConfig(**given | changes)).initialize(np.random.RandomState(0))


def rows_of(model, target, weight=None):
    rng = np.random.default_rng(0)
    ids = rng.integers(0, [4, 3, 4], (N, 3)).astype(np.int32)
    dense = rng.normal(size=(N, 2))
    return Rows(model, ids, dense, np.asarray(target, float), weight)


def columns(rows):
    """Columns a and c share the rows of a table, and so the weights of the linear part."""
    one_hot = [rows.ids[:, [f]] == np.arange(size) for f, size in ((0, 4), (1, 3), (2, 4))]
    a, b, c = (part.astype(float) for part in one_hot)
    return np.hstack([rows.dense, a + c, b])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_members", [1, 2])
def test_ridge(n_members, weighted):
    rng = np.random.default_rng(1)
    weight = rng.uniform(0.5, 2, N) if weighted else None
    model = network(n_members=n_members, n_outputs=2)
    rows = rows_of(model, rng.normal(size=(N, 2)), weight)
    assert begin_as_linear(model, rows)
    X = columns(rows)
    ridge = RidgeCV(PENALTIES).fit(X, rows.target, sample_weight=weight)
    logits = model.logits(rows.ids, rows.dense, 1)
    np.testing.assert_allclose(logits, ridge.predict(X), atol=1e-10)


def test_two_classes():
    model = network(loss="log_loss")
    y = np.random.default_rng(1).integers(0, 2, N)
    rows = rows_of(model, y[:, None])
    assert begin_as_linear(model, rows)
    X = columns(rows)
    logistic = LogisticRegression().fit(X, y)
    logits = model.logits(rows.ids, rows.dense, 1)[:, 0]
    np.testing.assert_allclose(logits, logistic.decision_function(X), atol=1e-10)


def test_several_classes():
    model = network(loss="softmax", n_outputs=3)
    y = np.random.default_rng(1).integers(0, 3, N)
    rows = rows_of(model, y[:, None])
    assert begin_as_linear(model, rows)
    X = columns(rows)
    logistic = LogisticRegression().fit(X, y)
    found = softmax(model.logits(rows.ids, rows.dense, 1), axis=1)
    np.testing.assert_allclose(found, logistic.predict_proba(X), atol=1e-10)


@pytest.mark.parametrize(
    ("config", "y"),
    [
        ({"loss": "softmax", "n_outputs": 3}, np.arange(N) % 2),  # a class without rows
        ({"loss": "log_loss"}, np.zeros(N)),
    ],
)
def test_classes_that_are_not_there(config, y):
    model = network(**config)
    before = model.snapshot()
    assert not begin_as_linear(model, rows_of(model, y[:, None]))
    np.testing.assert_array_equal(model.snapshot(), before)


def test_no_fields():
    model = network(fields=(), table_of=())
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(N, 2))
    rows = Rows(model, np.empty((N, 0), np.int32), dense, dense @ [[1.0], [2.0]], None)
    assert begin_as_linear(model, rows)
    found = model.logits(rows.ids, dense, 1)
    np.testing.assert_allclose(found, rows.target, atol=1e-3)
