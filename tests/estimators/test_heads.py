"""``heads`` of the crosses: slices of the embeddings, each with a cross of its own or the same."""

import pickle

import numpy as np
import pandas as pd
import pytest

import dcnfast
from dcnfast import DCNClassifier, DCNRegressor, crosses, ops, optimizers
from dcnfast.inspection import cross_weights, to_low_rank
from dcnfast.network.config import NetworkConfig
from dcnfast.network.structure import heads_of_columns, places_of_heads

rng = np.random.default_rng(5)
N = 300
TABLE = pd.DataFrame(
    {
        "city": rng.choice(list("abcde"), N),
        "user": rng.integers(0, 40, N).astype(str),
        "age": rng.normal(size=N),
    }
)
Y = TABLE["age"] * (TABLE["city"] == "a") + rng.normal(0, 0.1, N)
SHARED = [
    crosses.Matrix(heads=2, shared_heads=True),
    crosses.Matrix(heads=3, shared_heads=True, preactivation="tanh", symmetric=True),
    crosses.Exponential(heads=3),
    crosses.Exponential(heads=2, linear=True, bias=False),
]
ALL = [crosses.Matrix(heads=2), crosses.Matrix(heads=3, preactivation="gelu"), *SHARED]


def fitted(cross, cls=DCNRegressor, **parameters):
    given = {
        "cross_layers": 2, "hidden_layer_sizes": (8,), "max_iter": 4, "random_state": 0,
        "early_stopping": False, "n_members": 1, "batch_size": 64, "embedding_dim": 6,
        "numeric_embedding": None,
    }  # fmt: skip
    return cls(**given | {"cross": cross} | parameters).fit(TABLE, Y)


def test_which_columns_the_heads_split():
    config = NetworkConfig(
        fields=(("a", 9, 6), ("b", 9, 2), ("c", 9, 3)), n_dense=1, cross_layers=1, cross_heads=3
    )
    assert heads_of_columns(config).tolist() == [0, 0, 1, 1, 2, 2, -1, -1, 0, 1, 2, -1]
    assert places_of_heads(config).tolist() == [
        [0, 1, 6, 7, 8, 11], [2, 3, 6, 7, 9, 11], [4, 5, 6, 7, 10, 11]
    ]  # fmt: skip


def test_halves_of_exponential_heads():
    """The first halves of all slices come first, as in DCNv3."""
    config = NetworkConfig(
        fields=(("a", 9, 8), ("b", 9, 4)), cross="exponential", cross_layers=1, cross_heads=2
    )
    assert places_of_heads(config).tolist() == [[0, 1, 8, 2, 3, 9], [4, 5, 10, 6, 7, 11]]


@pytest.mark.parametrize(
    "optimizer",
    [optimizers.AdamW(weight_decay=0.1), "adagrad", optimizers.SGD(momentum=0.9)],
    ids=repr,
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_between_heads_stay_zero(optimizer, dtype):
    cross = crosses.Matrix(heads=3)
    model = fitted(cross, optimizer=optimizer, dtype=dtype, alpha=0.01, gradient_clip=0.5)
    head = np.array([0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2, -1])
    one, other = head[:, None], head[None, :]
    within = (one == other) | (one < 0) | (other < 0)
    for W in model.parameters_["cross_W"]:
        np.testing.assert_array_equal(W != 0, within)


def test_heads_are_crosses_beside_each_other():
    """Of embeddings alone xL is that of each head by itself, whose weights are its own."""
    model = fitted(crosses.Matrix(heads=2), dtype="float64")
    W, b = (model.parameters_[f"cross_{name}"] for name in "Wb")
    x0 = rng.normal(size=(20, 12))
    whole = ops.cross_matrix(x0, W[:, :12, :12], b[:, :12])
    blocks = []
    for h in range(2):
        mine = np.flatnonzero(np.repeat([0, 1, 0, 1], 3) == h)
        blocks.append(W[0][np.ix_(mine, mine)])
        of_head = ops.cross_matrix(x0[:, mine], W[:, mine[:, None], mine], b[:, mine])
        np.testing.assert_allclose(whole[:, mine], of_head, rtol=1e-12)
    assert np.abs(blocks[0] - blocks[1]).min() > 0


def test_one_head_is_the_cross_of_before():
    one, plain = fitted(crosses.Matrix(heads=1, shared_heads=True)), fitted("matrix")
    np.testing.assert_array_equal(one.predict(TABLE), plain.predict(TABLE))
    assert np.abs(fitted(crosses.Matrix(heads=2)).predict(TABLE) - one.predict(TABLE)).max() > 0


def test_heads_symmetric_and_without_pairs():
    for shared in (False, True):
        cross = crosses.Matrix(
            heads=2, shared_heads=shared, symmetric=True, forbidden_pairs=[("city", "user")]
        )
        model = fitted(cross)
        for layer, W in enumerate(model.parameters_["cross_W"]):
            np.testing.assert_array_equal(W, W.T)
            whole = cross_weights(model, layer)
            assert whole.shape == (13, 13)
            assert not whole[:6, 6:12].any()
            assert not whole[:3, 3:6].any()
            assert whole[:3, :3].all()
            if shared:
                np.testing.assert_array_equal(whole[:3, :3], whole[3:6, 3:6])


@pytest.mark.parametrize("cross", SHARED[:3], ids=repr)
def test_dense_weights_of_shared_heads(cross):
    """They multiply x0_i x_j: of what all heads see the mean of their results."""
    model = fitted(cross)
    p, heads = model.parameters_, cross.heads
    d = 12 // heads + 1
    outputs = (d + 1) // 2 if isinstance(cross, crosses.Exponential) else d
    assert p["cross_W"].shape == (2, outputs, d)
    assert p["cross_b"].shape == (2, d)
    W = cross_weights(model)
    places = places_of_heads(model._model.config)
    for columns in places:
        block = W[np.ix_(columns, columns)][:outputs]
        own = columns[:outputs] != 12
        np.testing.assert_array_equal(block[own], p["cross_W"][0][own])
    np.testing.assert_array_equal(W[:6, 6:12] != 0, W[:6, :6] != 0)


@pytest.mark.parametrize("cross", ALL, ids=repr)
def test_files_pickles_rows_candidates_and_c(cross, tmp_path):
    model = fitted(cross, n_members=2)
    y = model.predict(TABLE)
    model.save(tmp_path / "m.dcn")
    for other in (dcnfast.load(tmp_path / "m.dcn"), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.predict(TABLE), y)
        assert other.cross == cross
    row = TABLE.iloc[3].to_dict()
    np.testing.assert_allclose(model.row_predictor()(row), y[3], rtol=1e-5, atol=1e-6)
    scorer = model.candidate_scorer(context_columns=["user"])
    scores = scorer({"user": row["user"]}, TABLE.iloc[[3]][["city", "age"]])
    np.testing.assert_allclose(scores, y[3], rtol=1e-5, atol=1e-6)
    model.to_c(tmp_path / "model")
    assert (tmp_path / "model.c").exists()


@pytest.mark.parametrize("cross", [crosses.Matrix(heads=2), *SHARED[1:3]], ids=repr)
def test_any_number_of_threads(cross):
    one, more = (fitted(cross, n_jobs=n).predict(TABLE) for n in (1, 3))
    np.testing.assert_array_equal(one, more)


def test_heads_of_a_further_fit_are_those_of_the_last():
    model = fitted(crosses.Matrix(heads=2), warm_start=True)
    model.fit(TABLE, Y)
    model.partial_fit(TABLE[:64], Y[:64])
    assert not model.parameters_["cross_W"][:, :3, 3:6].any()
    with pytest.raises(ValueError, match="warm_start: cross_heads was 2"):
        model.set_params(cross=crosses.Matrix(heads=3)).fit(TABLE, Y)


def test_errors():
    for cross in (crosses.Matrix(heads=2), SHARED[0]):
        with pytest.raises(ValueError, match="cross has 2 heads"):
            to_low_rank(fitted(cross), 2)
    for kind in (crosses.Matrix, crosses.Exponential):
        with pytest.raises(ValueError, match="heads"):
            DCNClassifier(cross=kind(heads=0)).fit(TABLE, Y > 0)
        with pytest.raises(ValueError, match="cross_heads is 4, want a divisor of the width"):
            fitted(kind(heads=4))
    assert fitted(crosses.Matrix(heads=4), cross_layers=0).n_parameters_ > 0  # ignored
    with pytest.raises(ValueError, match="cross_heads is 2 and cross is 'vector', want 'matrix'"):
        NetworkConfig(
            fields=(("a", 9, 6),), cross="vector", cross_layers=1, cross_heads=2
        ).compile()
