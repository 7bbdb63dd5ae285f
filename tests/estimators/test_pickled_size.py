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
