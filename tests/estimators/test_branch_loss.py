"""``branch_loss``: what estimators say of it."""

import pickle

import numpy as np
import pytest

import dcnfast
from dcnfast import DCNClassifier, DCNRanker, DCNRegressor

QUICK = {"max_iter": 3, "random_state": 0, "n_jobs": 1, "hidden_layer_sizes": (8,), "n_members": 2}


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    return X, X[:, 0] * X[:, 1] + X[:, 2]


def test_it_trains_another_network_of_the_same_kind(table, tmp_path):
    X, y = table
    for kind, target in ((DCNRegressor, y), (DCNClassifier, y > 0), (DCNClassifier, np.sign(y))):
        model = kind(branch_loss=True, early_stopping=True, **QUICK).fit(X, target)
        plain = kind(early_stopping=True, **QUICK).fit(X, target)
        assert list(model.parameters_) == list(plain.parameters_)
        assert model.loss_curve_[0] != plain.loss_curve_[0]
        assert not np.array_equal(model.predict(X[:9]), plain.predict(X[:9])) or target is not y
        other = pickle.loads(pickle.dumps(model))
        model.save(tmp_path / "model.dcn")
        for again in (other, dcnfast.load(tmp_path / "model.dcn")):
            np.testing.assert_array_equal(again.predict(X), model.predict(X))
        model.to_c(tmp_path / "model")
        model.partial_fit(X[:50], target[:50])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"structure": "stacked"}, "structure is 'stacked', want 'parallel'"),
        ({"structure": "stacked_parallel"}, "structure is 'stacked_parallel', want 'parallel'"),
        ({"cross_layers": 0}, "cross_layers is 0, want at least 1"),
        ({"hidden_layer_sizes": ()}, r"hidden_layer_sizes is \(\), want at least one layer"),
        ({"loss": "poisson"}, "loss is 'poisson', which may be negative, want one that never is"),
        ({"loss": "gamma"}, "loss is 'gamma', which may be negative, want one that never is"),
    ],
)
def test_where_it_has_no_meaning(table, options, text):
    X, y = table
    with pytest.raises(ValueError, match=f"branch_loss is True and {text}"):
        DCNRegressor(branch_loss=True, **QUICK | options).fit(X, np.exp(y))


def test_rankers_have_none():
    with pytest.raises(TypeError, match="branch_loss"):
        DCNRanker(branch_loss=True)
