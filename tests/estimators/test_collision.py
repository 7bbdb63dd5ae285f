"""``collision_weights``: factors of the embeddings of categories, in all that an estimator does."""

import pickle

import numpy as np
import pandas as pd
import pytest

import dcnfast
from dcnfast import DCNRegressor
from dcnfast.inspection import embedding_frame
from dcnfast.optimizers import AdamW

QUICK = {
    "max_iter": 5, "early_stopping": False, "random_state": 0, "n_jobs": 1, "embedding_dim": 4,
    "hidden_layer_sizes": (8,), "learning_rate_init": 0.02, "collision_weights": True,
}  # fmt: skip


def stream(n, n_users, seed=0):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"user": rng.integers(0, n_users, n).astype(str), "x": rng.normal(size=n)})
    X["word"] = rng.choice(list("abc"), n)
    X["seen"] = [rng.choice(list("abcd"), rng.integers(0, 4)).tolist() for _ in range(n)]
    return X, X.x * (X.user.astype(int) % 3) + (X.word == "b")


@pytest.fixture(scope="module")
def fitted():
    X, y = stream(400, 40)
    options = QUICK | {"hash_buckets": {"user": 10}, "shared_embeddings": [("word", "seen")]}
    return DCNRegressor(**options).fit(X, y), X


def test_hash_buckets_get_factors(fitted):
    model, _ = fitted
    factors = model.parameters_["collision_4"]
    assert factors.shape == model.parameters_["embedding_4"].shape[:1]
    seen = np.flatnonzero(factors != 1)
    assert len(seen) >= 10
    assert np.ptp(factors[seen]) > 0.01


def test_a_row_a_file_a_pickle_and_candidates_say_the_same(fitted, tmp_path):
    model, X = fitted
    answers = model.predict(X)
    predict = model.row_predictor()
    np.testing.assert_array_equal([predict(row) for row in X[:9].to_dict("records")], answers[:9])
    model.save(tmp_path / "model.dcn")
    for other in (dcnfast.load(tmp_path / "model.dcn"), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.predict(X), answers)
        assert other.collision_weights
    same = X.assign(user="7", x=0.5)
    scorer = model.candidate_scorer(context_columns=["user", "x"])
    got = scorer({"user": "7", "x": 0.5}, same[["word", "seen"]])
    np.testing.assert_allclose(got, model.predict(same), rtol=1e-4, atol=1e-5)


def test_frames_have_the_products(fitted):
    model, _ = fitted
    frame = embedding_frame(model, "word")
    tensor, rows = model._model.rows_of_field(1)
    rows = slice(rows.start + 2, rows.start + 2 + len(frame))
    want = model.parameters_[tensor][rows] * model.parameters_["collision_4"][rows, None]
    np.testing.assert_array_equal(frame.iloc[:, 2:], want)
    assert (model.parameters_["collision_4"][rows] != 1).any()


def test_decay_and_penalty_leave_them():
    X, y = stream(200, 20)
    still = AdamW(weight_decay=50.0, rate_factors={"collision_weight": 1e-9})
    model = DCNRegressor(**QUICK | {"optimizer": still, "alpha": 0.5}).fit(X, y)
    np.testing.assert_allclose(model.parameters_["collision_4"], 1, atol=1e-6)
    assert np.abs(model.parameters_["embedding_4"]).max() < 0.05


def test_given_and_frozen_embeddings():
    X, y = stream(200, 3)
    vectors = np.arange(12.0).reshape(3, 4)
    given = {"user": (["0", "1", "2"], vectors)}
    model = DCNRegressor(**QUICK | {"pretrained_embeddings": given})
    frozen = model.set_params(frozen_embeddings=["user"]).fit(X, y)
    np.testing.assert_array_equal(embedding_frame(frozen, "user").iloc[:, 2:], vectors)
    moved = embedding_frame(model.set_params(frozen_embeddings=None).fit(X, y), "user")
    assert (moved.iloc[:, 2:].to_numpy() != vectors).all()
    begun = model.set_params(learning_rate_init=1e-12).fit(X, y)
    np.testing.assert_allclose(embedding_frame(begun, "user").iloc[:, 2:], vectors, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"ema_decay": 0.9}, {"sparse_adam": "exact"}])
def test_updates_give_new_categories_factors_of_one(options):
    X, y = stream(600, 30)
    model = DCNRegressor(**QUICK | options).partial_fit(X[:300], y[:300])
    more = pd.concat([X, X[:50].assign(user="new")])
    still = model.set_params(learning_rate_init=1e-12)
    unseen = still.predict(more[-50:])
    still.partial_fit(more, y.tolist() + [0.0] * 50)
    if "ema_decay" not in options:  # averages go on to what was learned
        np.testing.assert_allclose(still.predict(more[-50:]), unseen, rtol=1e-4, atol=1e-5)
    _, rows = still._model.rows_of_field(0)
    row = rows.start + 2 + still.encoder_.categories("user").index("new")
    assert still._model.averages["collision_4"][row] == pytest.approx(1, abs=1e-6)
    for piece in range(3):  # copies of what was published
        still.set_params(learning_rate_init=0.02).partial_fit(X[piece::3], y[piece::3])
    again = pickle.loads(pickle.dumps(still))
    np.testing.assert_array_equal(again.predict(X), still.predict(X))


def test_compressed_they_are_in_the_embeddings(tmp_path):
    X, y = stream(300, 20)
    model = DCNRegressor(**QUICK).fit(X.drop(columns="seen"), y)
    small = model.compress()
    X = X.drop(columns="seen")
    np.testing.assert_allclose(small.predict(X), model.predict(X), rtol=0.1, atol=0.1)
    small.save(tmp_path / "small.dcn")
    np.testing.assert_array_equal(dcnfast.load(tmp_path / "small.dcn").predict(X), small.predict(X))
    assert "collision_4" not in small.parameters_


def test_a_warm_start_has_the_same_network():
    X, y = stream(200, 20)
    model = DCNRegressor(**QUICK, warm_start=True).fit(X, y)
    before = model.parameters_["collision_4"].copy()
    assert not np.array_equal(model.fit(X, y).parameters_["collision_4"], before)
    with pytest.raises(ValueError, match="collision_weights was True, got False"):
        model.set_params(collision_weights=False).fit(X, y)
