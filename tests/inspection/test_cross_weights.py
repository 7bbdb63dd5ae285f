"""Reading the crosses that a model learned, and drawing them."""

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from sklearn.exceptions import NotFittedError

from dcnfast import DCNClassifier, DCNRegressor
from dcnfast.inspection import CrossWeightsDisplay, cross_weights

mpl.use("Agg")
X = np.random.default_rng(0).normal(size=(500, 4))
FAST = {"hidden_layer_sizes": (), "max_iter": 60, "learning_rate_init": 0.02, "random_state": 0}


def fitted(cls=DCNRegressor, **parameters):
    y = X[:, 0] * X[:, 1]
    return cls(**FAST | parameters).fit(X, y if cls is DCNRegressor else y > 0)


@pytest.mark.parametrize("layer", [0, 1])
def test_weights_of_every_kind(layer):
    matrix, vector, lowrank = (
        fitted(cross=kind, cross_layers=2) for kind in ("matrix", "vector", "lowrank")
    )
    np.testing.assert_array_equal(
        cross_weights(matrix, layer), matrix.parameters_["cross_W"][layer]
    )
    w = vector.parameters_["cross_w"][layer]
    np.testing.assert_array_equal(cross_weights(vector, layer), np.outer(np.ones(4), w))
    U, V = lowrank.parameters_["cross_U"][layer], lowrank.parameters_["cross_V"][layer]
    np.testing.assert_allclose(cross_weights(lowrank, layer), U @ V, rtol=1e-6)
    assert np.linalg.matrix_rank(cross_weights(lowrank, layer)) == 1


@pytest.mark.parametrize("cls", [DCNRegressor, DCNClassifier])
def test_the_pair_that_matters_stands_out(cls):
    size = np.abs(cross_weights(fitted(cls, cross_layers=1)))
    pair = size[0, 1] + size[1, 0]
    rest = size + size.T
    rest[[0, 1], [1, 0]] = 0
    assert pair > 3 * rest.max()


def test_weights_are_a_copy():
    model = fitted(cross_layers=1)
    cross_weights(model)[...] = 0
    assert model.parameters_["cross_W"].any()


@pytest.mark.parametrize("layer", [-1, 2, 1.5])
def test_layer_that_there_is_not(layer):
    with pytest.raises(ValueError, match=f"layer is {layer}, want 0 to .* which is 1"):
        cross_weights(fitted(cross_layers=2), layer)


def test_no_layers_and_no_fit():
    with pytest.raises(ValueError, match="no cross layers"):
        cross_weights(fitted(cross_layers=0, hidden_layer_sizes=(3,)))
    with pytest.raises(NotFittedError):
        cross_weights(DCNRegressor())


def test_display_shows_names_and_sizes():
    model = DCNRegressor(**FAST | {"cross_layers": 1, "max_iter": 2})
    model.fit(pd.DataFrame(X, columns=["age", "rum", "soda", "almond"]), X[:, 0])
    display = CrossWeightsDisplay.from_estimator(model)
    for axis in (display.ax_.get_xticklabels(), display.ax_.get_yticklabels()):
        assert [label.get_text() for label in axis] == ["age", "rum", "soda", "almond"]
    shown = np.asarray(display.im_.get_array())
    np.testing.assert_array_equal(shown, np.abs(cross_weights(model)))
    texts = [float(text.get_text()) for text in display.ax_.texts]
    np.testing.assert_allclose(np.reshape(texts, (4, 4)), shown, atol=0.006)


def test_display_takes_names_and_axes():
    model = fitted(cross="vector", cross_layers=2)
    ax = Figure().add_subplot()
    display = CrossWeightsDisplay.from_estimator(model, layer=1, feature_names="abcd", ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert [label.get_text() for label in ax.get_xticklabels()] == list("abcd")
    default = CrossWeightsDisplay.from_estimator(model)
    assert [t.get_text() for t in default.ax_.get_yticklabels()] == ["x0", "x1", "x2", "x3"]


def test_names_must_fit():
    with pytest.raises(ValueError, match="feature_names has 3 names, want 4"):
        CrossWeightsDisplay.from_estimator(fitted(cross_layers=1), feature_names="abc")


WITHOUT = """
import sys
sys.modules["matplotlib"] = None
from dcnfast.inspection import CrossWeightsDisplay
CrossWeightsDisplay([[1.0]], ["a"]).plot()
"""


def test_missing_matplotlib_is_named_with_its_extra():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=60, check=False
    )
    assert (
        "ImportError: drawing needs matplotlib, the extra 'plot': pip install matplotlib"
        in done.stderr
    )
