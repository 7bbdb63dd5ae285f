"""What only looks at a network in training writes nothing to it; what is set has one order."""

import inspect

import numpy as np
import pytest

from dcnfast import DCNClassifier, DCNRegressor
from dcnfast.inspection import cross_weights
from dcnfast.network.config import NetworkConfig
from dcnfast.network.model import Model
from dcnfast.training.batches import Rows
from dcnfast.training.early_stopping import HeldOut, Settled
from dcnfast.training.folds import Fold
from dcnfast.training.state import Training

SEEN = [np.array([0, 2, 3, 0])]


@pytest.fixture(params=[0.0, 0.9])
def model(request):
    config = NetworkConfig(fields=(("city", 4, 3),), n_dense=1, wide=True, ema_decay=request.param)
    return Model(config).initialize(np.random.RandomState(0))


def rows(model, ids):
    ids = np.array(ids, np.int32)[:, None]
    dense = np.ones((len(ids), 1), np.float32)
    return Rows(model, ids, dense, np.arange(len(ids), dtype=np.float32)[:, None], None)


def state(model):
    return [model.snapshot(), *(np.array(p) for p in model.parameters.values())]


@pytest.mark.parametrize("ids", [[0, 1, 3], [1, 2, 1]])
def test_scoring_writes_no_parameters_and_says_what_predicts(ids, model):
    before, held = state(model), rows(model, ids)
    score = HeldOut(held, Settled(model, held.encoded, SEEN)).score(1)
    said = Fold(Training(model), held, held, np.ones(3), SEEN).logits(1)
    assert all(map(np.array_equal, before, state(model)))
    model.settle_unseen(SEEN)
    assert not np.array_equal(before[0], model.snapshot())  # or nothing is tested
    np.testing.assert_array_equal(said, model.logits(held.ids, held.dense, 1))
    assert score == -model.evaluate(held.table, 1)


def test_a_score_is_of_now(model):
    held = rows(model, [0, 3])
    held_out = HeldOut(held, Settled(model, held.encoded, SEEN))
    before = held_out.score(1)
    model.restore(2 * model.snapshot())
    assert held_out.score(1) != before


def test_scorers_see_what_predicts_and_not_the_network_in_training():
    """The held-out rows have categories of their own."""
    seen = []

    def scoring(estimator, X, y):
        seen.append(estimator.parameters_["embedding_2"].copy())
        return -float(np.mean((estimator.predict(X) - y) ** 2))

    X = np.arange(80)[:, None] % 70
    model = DCNRegressor(
        categorical_features=[0], embedding_dim=2, max_iter=4, early_stopping=True, tol=None,
        scoring=scoring, random_state=0,
    ).fit(X, X[:, 0] % 7.0)  # fmt: skip
    assert len(seen) == 4
    assert not np.array_equal(seen[0], seen[1])
    best = seen[int(np.argmax(model.validation_scores_))]
    np.testing.assert_array_equal(model.parameters_["embedding_2"], best)


@pytest.mark.parametrize("weight", [None, 2.0, "growing"])
@pytest.mark.parametrize("class_weight", [None, {0: 1.0, 1: 3.0}])
def test_functions_that_score_get_the_weights(weight, class_weight):
    seen = []

    def scoring(estimator, X, y, sample_weight):
        seen.append((y, sample_weight))
        return estimator.score(X, y, sample_weight=sample_weight)

    X, y = np.arange(80)[:, None] / 80, np.arange(80) % 2
    given = {None: None, 2.0: np.full(80, 2.0), "growing": 1.0 + np.arange(80)}[weight]
    more = {} if given is None else {"sample_weight": given[:40], "sample_weight_val": given[40:]}
    model = DCNClassifier(class_weight=class_weight, scoring=scoring, max_iter=1, n_members=1)
    model.fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:], **more)
    (labels, got), want = seen[0], np.ones(40) if given is None else given[40:] / given.max()
    np.testing.assert_array_equal(labels, y[40:])
    np.testing.assert_allclose(got, want * np.where(labels & (class_weight is not None), 3, 1))


def test_metrics_that_refuse_weights_score_rows_that_weigh_the_same():
    X, y = np.arange(90)[:, None] / 90, np.arange(90) % 3
    options = {"scoring": "roc_auc_ovo", "early_stopping": True, "max_iter": 1, "n_members": 1}
    model = DCNClassifier(**options, random_state=0).fit(X, y, sample_weight=np.full(90, 3.0))
    assert len(model.validation_scores_) == 1


@pytest.mark.parametrize("cls", [DCNRegressor, DCNClassifier])
def test_parameters_are_set_in_the_order_of_the_signature(cls):
    assert list(vars(cls())) == list(inspect.signature(cls).parameters)


def test_inspection_reads_one_fit(table, regressor):
    """Another thread's fit, between two looks at the estimator, is not seen."""

    class Refitted(DCNRegressor):
        @property
        def parameters_(self):
            self.__dict__ = other.__dict__  # as fit publishes
            return super().parameters_

    model = Refitted(max_iter=1, random_state=0, cross_layers=1).fit(table.X, table.y)
    other = regressor(max_iter=1, cross_layers=2).fit(table.X, table.y)
    cross_weights(model)
    assert model.cross_layers == 1
