"""Pairs of columns whose weights stay 0, and weights that stay symmetric."""

import re

import numpy as np
import pandas as pd
import pytest

from dcnfast import DCNClassifier, DCNRegressor, crosses, optimizers
from dcnfast.target_statistics import TargetStatistics

rng = np.random.default_rng(3)
N = 300
TABLE = pd.DataFrame(
    {
        "city": rng.choice(list("abcde"), N),
        "user": rng.integers(0, 40, N).astype(str),
        "age": rng.normal(size=N),
        "rate": np.where(rng.random(N) < 0.2, np.nan, rng.normal(size=N)),
    }
)
Y = TABLE["age"] * (TABLE["city"] == "a") + rng.normal(0, 0.1, N)
OPTIMIZERS = [
    optimizers.AdamW(weight_decay=0.1), "adam", "adagrad", "rowwise_adagrad",
    optimizers.SGD(momentum=0.9),
]  # fmt: skip


def fitted(cross, table=TABLE, cls=DCNRegressor, **parameters):
    given = {
        "cross_layers": 2, "hidden_layer_sizes": (8,), "max_iter": 4, "random_state": 0,
        "early_stopping": False, "n_members": 1, "batch_size": 64, "embedding_dim": 3,
    }  # fmt: skip
    y = Y if cls is DCNRegressor else Y > 0
    return cls(**given | {"cross": cross} | parameters).fit(table, y)


def blocks(model):
    """Return for each pair of columns which numbers of W they have."""
    names = model.encoder_.get_feature_names_out().tolist()
    ends = np.cumsum([0, *model._model.config.column_widths])
    spans = {n: slice(a, b) for n, a, b in zip(names, ends[:-1], ends[1:], strict=True)}
    return lambda a, b: model.parameters_["cross_W"][:, spans[a], spans[b]]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_forbidden_pairs_stay_zero(optimizer, dtype):
    pairs = [("city", "user"), ("rate", "age"), ("user", "user")]
    model = fitted(
        crosses.Matrix(forbidden_pairs=pairs), optimizer=optimizer, dtype=dtype, alpha=0.01,
        gradient_clip=0.5, ema_decay=0.9, numeric_embedding=None,
    )  # fmt: skip
    block = blocks(model)
    forbidden = {("city", "user"), ("age", "rate"), ("age", "missing_rate"), ("user", "user")}
    names = model.encoder_.get_feature_names_out().tolist()
    assert "missing_rate" in names
    for a in names:
        for b in names:
            assert block(a, b).any() == ((a, b) not in forbidden and (b, a) not in forbidden)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("preactivation", ["identity", "tanh"])
def test_symmetric_weights_stay_symmetric(optimizer, preactivation):
    cross = crosses.Matrix(
        symmetric=True, preactivation=preactivation, forbidden_pairs=[("age",) * 2]
    )
    model = fitted(cross, optimizer=optimizer, alpha=0.01)
    W = model.parameters_["cross_W"]
    np.testing.assert_array_equal(W, W.swapaxes(1, 2))
    assert not blocks(model)("age", "age").any()
    start = fitted(cross, optimizer=optimizer, max_iter=1, learning_rate_init=1e-30)
    assert not np.allclose(start.parameters_["cross_W"], W)


def test_allowed_pairs_are_all_that_is_left():
    cross = crosses.Matrix(allowed_pairs=[("age", "city"), ["rate", "rate"]])
    model = fitted(cross, numeric_embedding=None)
    block, names = blocks(model), model.encoder_.get_feature_names_out().tolist()
    left = {(a, b) for a in names for b in names if block(a, b).any()}
    assert left == {
        ("age", "city"), ("city", "age"), ("rate", "rate"), ("missing_rate", "missing_rate"),
        ("rate", "missing_rate"), ("missing_rate", "rate"),
    }  # fmt: skip


def test_statistics_of_a_column_have_its_pairs():
    statistics = TargetStatistics(min_categories=2, max_pairs=1)
    model = fitted(crosses.Matrix(forbidden_pairs=[("user", "age")]), target_statistics=statistics)
    block, names = blocks(model), model.encoder_.get_feature_names_out().tolist()
    made = [name for name in names if "user" in name]
    assert len(made) > 2
    assert all(not block(name, "age").any() and not block("age", name).any() for name in made)


def test_one_layer_has_no_such_product():
    """Without a deep part the answer is additive in columns that are not to be multiplied."""
    X = np.random.default_rng(0).normal(size=(200, 3))
    model = DCNRegressor(
        cross=crosses.Matrix(forbidden_pairs=[("x0", "x1")]), cross_layers=1, dtype="float64",
        hidden_layer_sizes=(), max_iter=20, n_members=1, random_state=0, numeric_clip=False,
    ).fit(X, X[:, 0] * X[:, 1] + X[:, 0] * X[:, 2])  # fmt: skip
    square = np.zeros((4, 3))
    square[[1, 3], 0] = 1
    square[[2, 3], 1] = 1
    additive, other = model.predict(square), model.predict(square[:, [0, 2, 1]])
    assert additive[3] - additive[2] - additive[1] + additive[0] == pytest.approx(0, abs=1e-12)
    assert abs(other[3] - other[2] - other[1] + other[0]) > 1e-4


def test_members_and_warm_starts_and_labels():
    cross = crosses.Matrix(symmetric=True, forbidden_pairs=[("age", "rate")])
    model = fitted(cross, cls=DCNClassifier, n_members=3, warm_start=True)
    before = model.parameters_["cross_W"].copy()
    model.fit(TABLE, Y > 0)
    W = model.parameters_["cross_W"]
    assert not np.array_equal(W, before)
    np.testing.assert_array_equal(W, W.swapaxes(1, 2))
    assert not blocks(model)("age", "rate").any()
    model.set_params(cross=crosses.Matrix(symmetric=True))
    with pytest.raises(ValueError, match="warm_start: cross_forbidden was"):
        model.fit(TABLE, Y > 0)


def test_the_network_is_what_it_was_without_any():
    plain, listed = fitted(crosses.Matrix()), fitted(crosses.Matrix(forbidden_pairs=[]))
    np.testing.assert_array_equal(plain.predict(TABLE), listed.predict(TABLE))


EVERY = ["city", "user", "age", "rate"]
BAD = {
    "cross: forbidden_pairs names ['town'], want columns that the network reads: ['city',": {
        "forbidden_pairs": [("town", "age")]
    },
    "cross: allowed_pairs names ['town']": {"allowed_pairs": [("town", "age")]},
    "which leaves no pair of columns to multiply, want at least one; cross_layers=0 is": {
        "forbidden_pairs": [(a, b) for a in EVERY for b in EVERY]
    },
    "cross: Matrix has forbidden_pairs and allowed_pairs, want one of the two": {
        "forbidden_pairs": [("age", "city")], "allowed_pairs": [("age", "city")],
    },
    "cross: allowed_pairs of Matrix is [], want at least one pair": {"allowed_pairs": []},
}  # fmt: skip


@pytest.mark.parametrize("text", BAD)
def test_pairs_without_meaning(text):
    with pytest.raises(ValueError, match=re.escape(text)):
        fitted(crosses.Matrix(**BAD[text]))


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_partial_fits_keep_them(strength):
    cross = crosses.Matrix(symmetric=True, forbidden_pairs=[("age", "rate"), ("city", "user")])
    model = fitted(cross, prior_strength=strength)
    before = model.parameters_["cross_W"].copy()
    later = TABLE.assign(city="a city of later", user=TABLE["user"] + "x")
    model.partial_fit(later, Y)
    W, block = model.parameters_["cross_W"], blocks(model)
    assert not np.array_equal(W, before)
    np.testing.assert_array_equal(W, W.swapaxes(1, 2))
    assert not block("age", "rate").any()
    assert not block("user", "city").any()


def test_a_forbidden_pair_has_no_statistics():
    rng, n = np.random.default_rng(1), 2_000
    shop, item, day = (rng.integers(0, size, n) for size in (350, 40, 7))
    table = pd.DataFrame({"shop": shop, "item": item, "day": day}).astype(str)
    y = 1.5 * rng.normal(size=(40, 7))[item, day]
    one_each = pd.DataFrame(
        {"shop": "1", "item": ["3", "3", "4", "4"], "day": ["1", "2", "1", "2"]}
    )
    met = []
    for masks in (
        {},
        {"forbidden_pairs": [("day", "item")]},
        {"allowed_pairs": [("shop", "item")]},
    ):
        model = DCNRegressor(
            cross=crosses.Matrix(**masks), cross_layers=1, hidden_layer_sizes=(), n_members=1,
            max_iter=5, early_stopping=False, random_state=0, dtype="float64",
        ).fit(table, y)  # fmt: skip
        assert (("item", "day") in model.encoder_.sources()) == (not masks)
        assert ("shop",) in model.encoder_.sources()
        p = model.predict(one_each)
        met.append(abs(p[0] - p[1] - p[2] + p[3]))
    assert met[0] > 0.1
    assert max(met[1:]) < 1e-12


@pytest.mark.parametrize("masks", [{"forbidden_pairs": [("age", "age")]},
                                   {"allowed_pairs": [("age", "rate")]}])  # fmt: skip
def test_a_diagonal_that_multiplies_what_is_forbidden_is_an_error(masks):
    with pytest.raises(
        ValueError, match=r"cross: .* keeps '\w+' from being multiplied with itself"
    ):
        fitted(crosses.Matrix(**masks, diag_scale=0.5))
    fitted(crosses.Matrix(forbidden_pairs=[("age", "rate")], diag_scale=0.5))
