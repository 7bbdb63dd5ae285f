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
from dcnfast.numeric_embeddings import Periodic, PeriodicRelu, Piecewise

mpl.use("Agg")
X = np.random.default_rng(0).normal(size=(500, 4))
FAST = {  # a polynomial of the columns
    "numeric_embedding": None, "n_members": 1, "hidden_layer_sizes": (), "max_iter": 60,
    "learning_rate_init": 0.02, "random_state": 0,
}  # fmt: skip


def fitted(cls=DCNRegressor, **parameters):
    y = X[:, 0] * X[:, 1]
    return cls(**FAST | parameters).fit(X, y if cls is DCNRegressor else y > 0)


@pytest.mark.parametrize("layer", [0, 1])
def test_weights_of_every_kind(layer):
    matrix, vector, lowrank, gated = (
        fitted(cross=kind, cross_layers=2) for kind in ("matrix", "vector", "lowrank", "gated")
    )
    W = gated.parameters_["cross_W"][layer]
    np.testing.assert_array_equal(cross_weights(gated, layer), W / 2)
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


def test_one_member_over_scaled_numbers_is_a_polynomial_and_several_share_its_weights():
    z = X / X.std(axis=0) - X.mean(axis=0) / X.std(axis=0)
    for n_members in (1, 3):
        changes = {"n_members": n_members, "cross_layers": 1, "max_iter": 5, "cross_bias": False}
        changes["early_stopping"] = False
        model = fitted(numeric_scaling="standard", dtype="float64", **changes)
        W, p = cross_weights(model), model.parameters_
        members = p.get("member_r", np.ones((1, 4)))
        heads, biases = p["head_W"].reshape(-1, 4), p["head_b"].reshape(-1)
        answers = []
        for r, head, bias in zip(members, heads, biases, strict=True):
            products = z[:, :, None] * (np.outer(r, r) * W) * z[:, None, :]
            answers.append((products.sum(axis=2) + r * z) @ head + bias)
        y = X[:, 0] * X[:, 1]
        np.testing.assert_allclose(
            model.predict(X), y.std() * np.mean(answers, axis=0) + y.mean(), rtol=1e-9, atol=1e-9
        )


def test_untouched_a_cell_is_still_a_column():
    table = pd.DataFrame(X, columns=["age", "rum", "soda", "almond"])
    options = {"max_iter": 1, "random_state": 0, "hidden_layer_sizes": 8, "wide": False}
    model = DCNRegressor(**options).fit(table, X[:, 0])
    assert cross_weights(model).shape == (32, 32)
    display = CrossWeightsDisplay.from_estimator(model)
    assert names_on(display) == list(table.columns)
    assert np.shape(display.im_.get_array()) == (4, 4)


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


@pytest.fixture(scope="module")
def of_ids():
    """Return a model of two fields of widths 2 and 5, and two numbers of which one has gaps."""
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"age": X[:, 0], "city": rng.choice(list("abc"), 500)})
    table["user"] = rng.integers(0, 40, 500).astype(str)
    table["rate"] = np.where(rng.random(500) < 0.2, np.nan, X[:, 1])
    model = DCNRegressor(
        **FAST | {"max_iter": 2}, cross_layers=1, embedding_dim={"city": 2, "user": 5}
    )
    return model.fit(table, X[:, 0])


def names_on(display):
    return [label.get_text() for label in display.ax_.get_yticklabels()]


def test_a_cell_is_a_field(of_ids):
    display = CrossWeightsDisplay.from_estimator(of_ids)
    W = cross_weights(of_ids)
    assert W.shape == (10, 10)
    np.testing.assert_array_equal(display.weights, W)
    names = ["city", "user", *of_ids.encoder_.get_feature_names_out()[2:]]
    assert names_on(display) == names
    assert "Frobenius norm of each\nfield's block" in display.ax_.get_title()
    shown = np.asarray(display.im_.get_array())
    ends = [0, 2, 7, 8, 9, 10]
    for i, j in np.ndindex(5, 5):
        block = W[ends[i] : ends[i + 1], ends[j] : ends[j + 1]].astype(float)
        assert shown[i, j] == pytest.approx(np.linalg.norm(block), rel=1e-12)
    given = CrossWeightsDisplay.from_estimator(of_ids, feature_names="abcde")
    assert names_on(given) == list("abcde")


def test_a_cell_is_a_column_if_asked(of_ids):
    display = CrossWeightsDisplay.from_estimator(of_ids, by="column")
    np.testing.assert_array_equal(display.im_.get_array(), np.abs(cross_weights(of_ids)))
    counted = ["city_0", "city_1", *(f"user_{k}" for k in range(5))]
    assert names_on(display)[:8] == [*counted, "age"]
    assert len(names_on(display)) == 10
    assert "|W|" in display.ax_.get_title()


@pytest.mark.parametrize(
    "embedding",
    [Piecewise(width=1), Piecewise(width=3), Periodic(), PeriodicRelu(width=2)],
    ids=repr,
)
def test_embedded_numbers_are_blocks_behind_the_others(embedding):
    width = embedding.width
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"age": X[:, 0], "one": np.where(rng.random(500) < 0.2, np.nan, 1.0)})
    table["city"], table["rate"] = rng.choice(list("abc"), 500), X[:, 1]
    model = DCNRegressor(
        **FAST | {"max_iter": 2, "numeric_embedding": embedding}, cross_layers=1,
        embedding_dim=2,
    ).fit(table, X[:, 0])  # fmt: skip
    W, plain = cross_weights(model), ["one", "missing_one"]
    ends = np.cumsum([0, 2, 1, 1, width, width])
    assert W.shape == (ends[-1], ends[-1])
    display = CrossWeightsDisplay.from_estimator(model)
    assert names_on(display) == ["city", *plain, "age", "rate"]
    shown = np.asarray(display.im_.get_array())
    for i, j in np.ndindex(5, 5):
        block = W[ends[i] : ends[i + 1], ends[j] : ends[j + 1]].astype(float)
        assert shown[i, j] == pytest.approx(np.linalg.norm(block), rel=1e-12)
    by_column = CrossWeightsDisplay.from_estimator(model, by="column")
    counted = [f"{name}_{k}" for name in ("age", "rate") for k in range(width)]
    assert names_on(by_column) == ["city_0", "city_1", *plain, *counted]
    np.testing.assert_array_equal(by_column.im_.get_array(), np.abs(W))


def test_a_field_of_width_one_is_counted_by_column():
    table = pd.DataFrame({"age": X[:, 0], "member": X[:, 1] > 0})
    model = DCNRegressor(**FAST | {"max_iter": 1}, cross_layers=1, embedding_dim=1)
    model.fit(table, X[:, 0])
    assert names_on(CrossWeightsDisplay.from_estimator(model)) == ["member", "age"]
    assert names_on(CrossWeightsDisplay.from_estimator(model, by="column")) == ["member_0", "age"]


@pytest.mark.parametrize("n", [13, 26, 100, 300, 2000])
def test_many_columns_stay_a_picture_with_names_that_can_be_read(n):
    names = [f"column {j}" for j in range(n)]
    display = CrossWeightsDisplay(np.ones((n, n)), names).plot()
    width, height = display.figure_.get_size_inches()
    assert width <= 14
    assert height <= 12
    assert not display.ax_.texts
    display.figure_.draw_without_rendering()
    for axis, side in ((display.ax_.xaxis, "x"), (display.ax_.yaxis, "y")):
        labels = axis.get_ticklabels()
        assert len(labels) >= min(n, 40)
        for label in labels:
            where = label.get_position()["xy".index(side)]
            assert label.get_text() == names[round(where)]
        boxes = [label.get_window_extent() for label in labels]
        starts = [getattr(box, f"{side}0") for box in boxes]
        thick = max(getattr(box, "width" if side == "x" else "height") for box in boxes)
        if side == "y" or n > 40:  # those at 45 degrees have boxes that overlap
            assert np.abs(np.diff(starts)).min() >= 0.9 * thick


def test_long_names_are_shortened_and_dollars_are_no_formula():
    names = [f"price in $ of article\nnumber {j}, without tax, in $ {j}" for j in range(3)]
    display = CrossWeightsDisplay(np.eye(3), names).plot()
    display.figure_.draw_without_rendering()
    shown = names_on(display)
    assert shown[1] == "price in $ of art…ax, in $ 1"
    assert max(map(len, shown)) <= 28
    assert len(set(shown)) == 3
    assert display.feature_names == names
    CrossWeightsDisplay(np.eye(2), [r"$\frac", r"\no$"]).plot().figure_.draw_without_rendering()


@pytest.mark.parametrize(
    ("weights", "names", "widths", "text"),
    [
        (np.ones((4, 4)), "abc", None, "feature_names has 3 names, want 4 columns in all"),
        (np.ones((4, 4)), "abc", [2, 2], "feature_names has 3 names, want 2, one a width"),
        (np.ones((4, 4)), "ab", [2, 3], r"widths is \[2, 3\], want 4 columns in all"),
        (np.ones((4, 4)), "ab", [4, 0], r"widths is \[4, 0\], want 4 columns in all"),
        (np.ones((4, 3)), "abcd", None, r"weights has shape \(4, 3\), want \(D, D\)"),
        (np.ones(4), "abcd", None, r"weights has shape \(4,\), want \(D, D\)"),
        (np.ones((0, 0)), "", None, r"weights has shape \(0, 0\), want \(D, D\)"),
    ],
)
def test_what_does_not_fit_together(weights, names, widths, text):
    with pytest.raises(ValueError, match=text):
        CrossWeightsDisplay(weights, names, widths).plot()


def test_names_must_fit(of_ids):
    with pytest.raises(ValueError, match="feature_names has 3 names, want 4, one a field"):
        CrossWeightsDisplay.from_estimator(fitted(cross_layers=1), feature_names="abc")
    with pytest.raises(ValueError, match="feature_names has 5 names, want 10, one a column"):
        CrossWeightsDisplay.from_estimator(of_ids, by="column", feature_names="abcde")
    with pytest.raises(ValueError, match="by is 'row', want 'field' or 'column'"):
        CrossWeightsDisplay.from_estimator(of_ids, by="row")


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


def test_weights_of_a_member_are_those_of_its_products():
    table = pd.DataFrame({"city": list("abcd") * 50, "age": X[:200, 0], "rum": X[:200, 1]})
    model = DCNRegressor(
        n_members=3, max_iter=2, early_stopping=False, embedding_dim=2, random_state=0
    ).fit(table, X[:200, 0])
    assert model.n_members_ == 3
    W, r = cross_weights(model, 1), model.parameters_["member_r"]
    widths = [2, 8, 8]
    assert r.shape == (3, 3)
    for e in range(3):
        wide = np.repeat(r[e], widths)
        np.testing.assert_allclose(
            cross_weights(model, 1, member=e), np.outer(wide, wide) * W, rtol=1e-6
        )
    display = CrossWeightsDisplay.from_estimator(model, layer=1)
    ends = np.cumsum([0, *widths])
    shown = np.asarray(display.im_.get_array())
    for i, j in np.ndindex(3, 3):
        blocks = [
            cross_weights(model, 1, member=e)[ends[i] : ends[i + 1], ends[j] : ends[j + 1]]
            for e in range(3)
        ]
        wanted = np.sqrt(np.mean([(block.astype(float) ** 2).sum() for block in blocks]))
        assert shown[i, j] == pytest.approx(wanted, rel=1e-5)
    for wrong in (3, -1, True, 0.5):
        with pytest.raises(
            ValueError, match=f"member is {wrong}, want 0 to .* which is 2, or None"
        ):
            cross_weights(model, member=wrong)


def test_the_title_fits_into_the_picture(of_ids):
    display = CrossWeightsDisplay.from_estimator(of_ids)
    display.figure_.canvas.draw()
    box, width = display.ax_.title.get_window_extent(), display.figure_.bbox.width
    assert 0 <= box.x0 < box.x1 <= width
