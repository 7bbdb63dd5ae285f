"""A fitted estimator holds what predicts; what only training needs stays where it is asked for."""

import pickle
from copy import deepcopy

import numpy as np
import pytest

N_NUMBERS = 4 * 30 + 30 + 30 * 30 + 30  # of the hidden layers, most of the parameters


@pytest.fixture
def fit(estimator, table):
    def fit(**options):
        model = estimator.make(hidden_layer_sizes=(30, 30), max_iter=3, **options)
        return model.fit(table.X, estimator.y)

    return fit


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_pickles_have_parameters_once(fit, ema_decay, estimator, table):
    model = fit(ema_decay=ema_decay)
    size = model.n_parameters_ * 4
    assert size > N_NUMBERS * 4
    state = model._model.__getstate__()
    assert state.keys() == {"config", "parameters"}
    assert model._training is None
    pickled = pickle.dumps(model)
    copy = pickle.loads(pickled)
    np.testing.assert_array_equal(estimator.answer(copy, table.X), estimator.answer(model, table.X))
    trained = pickle.dumps(fit(ema_decay=ema_decay, warm_start=True))
    assert len(trained) - len(pickled) > (2 + (ema_decay > 0)) * size


def test_warm_start_goes_on_after_a_pickle_as_without(fit, estimator, table):
    model = fit(warm_start=True, ema_decay=0.9)
    copy = pickle.loads(pickle.dumps(model))
    for one in (model, copy):
        one.fit(table.X, estimator.y)
    np.testing.assert_array_equal(estimator.answer(copy, table.X), estimator.answer(model, table.X))


def test_the_training_that_goes_on_is_the_models(fit):
    model = fit(warm_start=True)
    for copy in (model, pickle.loads(pickle.dumps(model)), deepcopy(model)):
        assert copy._training.model is copy._model
        assert copy._training.state.network is copy._model.network
        assert copy._training.state.step > 0


def test_warm_start_may_be_asked_for_later(fit, estimator, table):
    """Then the moments begin anew."""
    model = fit()
    before = model.loss_curve_[-1]
    model.set_params(warm_start=True).fit(table.X, estimator.y)
    assert model.n_iter_ == 6
    assert model.loss_curve_[-1] < before


class Checkpoints:
    def setup(self, estimator, context):
        self.kept = []

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context, *, fitted_estimator):
        if context.task_name == "epoch":
            self.kept.append(fitted_estimator)


@pytest.mark.parametrize("warm_start", [False, True])
def test_checkpoints_have_a_training_of_their_own_where_it_goes_on(warm_start, estimator, table):
    checkpoints = Checkpoints()
    model = estimator.make(max_iter=3, warm_start=warm_start, tol=None).set_callbacks(checkpoints)
    model.fit(table.X, estimator.y)
    steps = []
    assert [one.n_iter_ for one in checkpoints.kept] == [1, 2, 3]
    assert [len(one.loss_curve_) for one in checkpoints.kept] == [1, 2, 3]
    for one in checkpoints.kept:
        assert (one._training is not None) == warm_start
        assert one._model is not model._model
        if warm_start:
            assert one._training.model is one._model
            steps.append(one._training.state.step)
    assert steps == ([steps[0], 2 * steps[0], 3 * steps[0]] if warm_start else [])
    answer = estimator.answer(model, table.X)
    checkpoints.kept[0].set_callbacks().set_params(warm_start=True).fit(table.X, estimator.y)
    np.testing.assert_array_equal(estimator.answer(model, table.X), answer)
