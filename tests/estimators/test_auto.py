"""What "auto" is for alpha, ema_decay and batch_size."""

import numpy as np
import pytest

from dcnfast import DCNRegressor
from dcnfast.training.batches import automatic_batch_size

FEW = {
    "max_iter": 2, "hidden_layer_sizes": (4,), "early_stopping": False, "random_state": 0,
    "n_jobs": 1,
}  # fmt: skip


def fit(n, **changes):
    X = np.random.default_rng(0).normal(size=(n, 2))
    return DCNRegressor(**FEW | changes).fit(X, X[:, 0])


@pytest.mark.parametrize(("n", "alpha"), [(100, 0.01), (5000, 0.002)])
def test_alpha_is_ten_over_the_rows(n, alpha):
    same = fit(n, alpha=alpha)
    np.testing.assert_array_equal(fit(n).parameters_["cross_W"], same.parameters_["cross_W"])


def test_averages_where_rows_are_watched():
    watched = [fit(500, early_stopping=True, **e).loss_curve_ for e in ({}, {"ema_decay": 0.999})]
    models = [fit(500, early_stopping=True, ema_decay=e) for e in ("auto", 0.999, 0.0)]
    scores = [model.validation_scores_ for model in models]
    assert watched[0] == watched[1]
    assert scores[0] == scores[1] != scores[2]
    W = [fit(500, ema_decay=e).parameters_["cross_W"] for e in ("auto", 0.0)]
    np.testing.assert_array_equal(*W)


def test_going_on_keeps_what_auto_was():
    X = np.random.default_rng(0).normal(size=(3000, 2))
    model = DCNRegressor(**FEW, warm_start=True).fit(X, X[:, 0])
    before = model._model.config
    model.set_params(early_stopping=True).fit(X[:2000], X[:2000, 0])
    assert model._model.config == before


@pytest.mark.parametrize(
    ("n", "size"),
    [(1, 1), (64, 64), (65, 16), (120, 16), (455, 64), (29_000, 256), (10**7, 1024)],
)
def test_batch_size(n, size):
    assert automatic_batch_size(n) == size
