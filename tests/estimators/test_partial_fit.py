"""partial_fit: a stream in pieces is learned as in one pass, and nothing known is lost."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss

import dcnfast
from dcnfast import DCNClassifier, DCNRegressor
from dcnfast.losses import Quantile
from tests.estimators.streams import SMALL, pieces, stream


def ids_of(model):
    return model.encoder_.categories("user")


def test_a_stream_in_pieces_learns_as_one_epoch_of_fit():
    """Of rows in the same order, by batches of the same size."""
    X, y = stream(40_000, 300)
    options = SMALL | {"batch_size": 200, "shuffle": False, "learning_rate_init": 0.003}
    whole = DCNRegressor(early_stopping=False, max_iter=1, tol=None, **options).fit(X, y)
    piecewise = DCNRegressor(**options)
    for piece in pieces(X, y, 10_000):
        piecewise.partial_fit(*piece)
    X, y = stream(10_000, 300, seed=5)
    losses = [np.mean((model.predict(X) - y) ** 2) for model in (whole, piecewise)]
    assert losses[1] == pytest.approx(losses[0], rel=0.01)
    assert losses[0] < 0.1 * np.var(y)


@pytest.mark.parametrize("estimator", [DCNRegressor, DCNClassifier])
def test_so_it_does_with_batches_and_rates_of_its_own_choice(estimator):
    """Of which "auto" counts all rows so far; the last batch of no call is a small one."""
    X, y = stream(40_000, 300)
    Z, z = stream(10_000, 300, seed=5)
    known = {}
    if estimator is DCNClassifier:
        y, z, known = y > 0, z > 0, {"classes": [False, True]}
    options = SMALL | {"shuffle": False}
    whole = estimator(early_stopping=False, max_iter=1, tol=None, **options).fit(X, y)
    piecewise = estimator(**options)
    for piece in pieces(X, y, 10_000):
        piecewise.partial_fit(*piece, **known)
    if known:
        losses = [log_loss(z, model.predict_proba(Z)) for model in (whole, piecewise)]
    else:
        losses = [np.mean((model.predict(Z) - z) ** 2) for model in (whole, piecewise)]
    assert losses[1] < 1.01 * losses[0]
    assert piecewise._training.streamed == 40_000


@pytest.mark.parametrize("size", [1, 7, 150])
def test_growing_in_pieces_is_the_vocabulary_at_once(size):
    X, y = stream(150 if size == 1 else 600, 90)
    model = DCNRegressor(**SMALL)
    for piece in pieces(X, y, size):
        before = ids_of(model) if hasattr(model, "encoder_") else []
        model.partial_fit(*piece)
        assert ids_of(model)[: len(before)] == before
    found = ids_of(model)
    assert sorted(found) == sorted(set(X.user.tolist()))
    assert len(set(found)) == len(found)
    counts = model.encoder_.by_name()["user"].counts
    rows = X.user.value_counts()
    assert counts.tolist() == [0, 0, *(rows[value] for value in found)]


def test_rows_are_copied_seldom():
    """Tables have room for twice as many categories when they grow."""
    X, y = stream(3000, 500)
    X, y = X.sort_values("user"), y[X.sort_values("user").index]
    model, rows = DCNRegressor(**SMALL), []
    for piece in pieces(X, y, 50):
        model.partial_fit(*piece)
        rows.append(model._model.config.fields[0][1])
    assert len(set(rows)) <= np.log2(500) + 1
    sizes = [field.size for field in model.encoder_.fields]
    shapes = {name: len(p) for name, p in model.parameters_.items() if name.startswith("embedding")}
    assert sum(shapes.values()) == sum(sizes)
    assert model.n_parameters_ == sum(p.size for p in model.parameters_.values())


def test_a_new_category_begins_as_an_unseen_one_is_predicted():
    X, y = stream(500, 20)
    model = DCNRegressor(**SMALL, learning_rate_init=1e-12).partial_fit(X, y)
    other = X[:30].assign(user=pd.Series(range(30), dtype="category"))
    before = model.predict(other)
    model.partial_fit(other, y[:30])
    assert ids_of(model)[-30:] == list(range(30))
    np.testing.assert_allclose(model.predict(other), before, rtol=1e-5)


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
@pytest.mark.parametrize("sparse_adam", ["lazy", "exact"])
def test_old_categories_keep_theirs(sparse_adam, ema_decay):
    """Rows that a call does not name stand still, but for what exact Adam and averages want."""
    X, y = stream(500, 20)
    options = {"sparse_adam": sparse_adam, "ema_decay": ema_decay, "embedding_dim": {"user": 3}}
    model = DCNRegressor(**SMALL, **options).partial_fit(X, y)
    before = np.array(model.parameters_["embedding_3"])
    new = X[:50].assign(user=pd.Series([7] * 50, dtype="category"))
    after = model.partial_fit(new, y[:50]).parameters_["embedding_3"]
    assert after.shape == (len(before) + 1, 3)
    if (sparse_adam, ema_decay) == ("lazy", 0.0):
        np.testing.assert_array_equal(after[2 : len(before)], before[2:])
    np.testing.assert_allclose(after[2 : len(before)], before[2:], atol=0.05)


def test_a_bound_holds():
    X, y = stream(2000, 300)
    model = DCNRegressor(**SMALL, max_categories=50)
    for piece in pieces(X, y, 100):
        model.partial_fit(*piece)
    field = model.encoder_.by_name()["user"]
    assert field.size == 52
    unknown = X[:3].assign(user=pd.Series([1, 2, 3], dtype="category"))
    assert model.count_unknown(unknown) == {"user": 3, "word": 0}
    assert np.isfinite(model.predict(unknown)).all()


def test_rare_categories_of_a_call_have_no_row():
    X, y = stream(300, 3)
    model = DCNRegressor(**SMALL, min_frequency=5).partial_fit(X, y)
    users = pd.Series([1] * 4 + [2] * 5, dtype="category")
    model.partial_fit(X[:9].assign(user=users), y[:9])
    assert ids_of(model)[-1] == 2
    assert 1 not in ids_of(model)


def test_buckets_stay_as_many():
    X, y = stream(2000, 300)
    model = DCNRegressor(**SMALL, hash_buckets={"user": 16})
    for piece in pieces(X, y, 500):
        model.partial_fit(*piece)
    field = model.encoder_.by_name()["user"]
    assert field.size == 18
    assert field.counts.sum() == 2000


def test_the_answer_goes_on_after_a_pickle_to_the_bit():
    X, y = stream(1500, 200)
    model = DCNRegressor(**SMALL)
    for piece in pieces(X[:1000], y[:1000], 250):
        model.partial_fit(*piece)
    other = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    for one in (model, other):
        one.partial_fit(X[1000:], y[1000:])
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    assert pickle.dumps(other) == pickle.dumps(model)


def test_files_have_no_room_and_go_on_with_new_moments(tmp_path):
    X, y = stream(1500, 200)
    model = DCNRegressor(**SMALL)
    for piece in pieces(X, y, 250):
        model.partial_fit(*piece)
    model.save(tmp_path / "model.dcn")
    other = dcnfast.load(tmp_path / "model.dcn")
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    assert other.n_parameters_ == model.n_parameters_ == other._model.n_parameters
    before = np.mean((other.predict(X) - y) ** 2)
    X, y = stream(1500, 400)
    other.partial_fit(X, y)
    assert len(ids_of(other)) > len(ids_of(model))
    assert np.mean((other.predict(X) - y) ** 2) < 2 * before + np.var(y)


def test_a_fit_is_gone_on_from():
    X, y = stream(3000, 100)
    model = DCNRegressor(**SMALL, max_iter=30).fit(X, y)
    epochs, before = model.n_iter_, np.mean((model.predict(X) - y) ** 2)
    for piece in pieces(X, y, 1000):
        model.partial_fit(*piece)
    assert model.n_iter_ == epochs + 3 == len(model.loss_curve_)
    assert model.validation_scores_ is None
    assert np.mean((model.predict(X) - y) ** 2) < 1.5 * before + 0.05


def test_members_are_pruned_of_a_model_with_room():
    X, y = stream(600, 60)
    model = DCNRegressor(**SMALL | {"n_members": 4})
    for piece in pieces(X, y, 100):
        model.partial_fit(*piece)
    members = model.predict_members(X)
    assert members.shape == (600, 4)
    model.prune_members(X, y, n_members=2)
    assert model.n_parameters_ == sum(p.size for p in model.parameters_.values())
    assert model.embedding_dims_ == {"user": 8, "word": 2}
    other = pickle.loads(pickle.dumps(model))
    model.set_params(n_members="auto").partial_fit(X, y)
    assert np.isfinite(model.predict(X)).all()
    assert other.predict_members(X).shape == (600, 2)


def test_a_warm_start_takes_new_categories_too():
    X, y = stream(2000, 50)
    model = DCNRegressor(**SMALL, warm_start=True, max_iter=5).fit(X, y)
    known = ids_of(model)
    X, y = stream(2000, 100, seed=2)
    model.fit(X, y)
    assert ids_of(model)[: len(known)] == known
    assert set(ids_of(model)) == set(known) | set(X.user.tolist())
    assert model.count_unknown(X) == {"user": 0, "word": 0}
    model.partial_fit(X, y).fit(X, y)  # after one another
    row = model.row_predictor()
    np.testing.assert_allclose(row(dict(X.iloc[0])), model.predict(X[:1])[0], rtol=1e-5)


def test_classes_are_told_once():
    X, y = stream(400, 20)
    labels = np.where(y > 0, "yes", "no")
    model = DCNClassifier(**SMALL)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        model.partial_fit(X, labels)
    assert not hasattr(model, "classes_")
    one = labels == "yes"
    model.partial_fit(X[one], labels[one], classes=["yes", "no", "maybe"])  # of one class
    assert list(model.classes_) == ["maybe", "no", "yes"]
    model.partial_fit(X, labels)
    assert model.predict_proba(X).shape == (400, 3)
    with pytest.raises(ValueError, match="not the same as on last call"):
        model.partial_fit(X, labels, classes=["yes", "no"])
    with pytest.raises(ValueError, match=r"y has the labels \['never'\], want those of classes"):
        model.partial_fit(X[:1], ["never"])
    with pytest.raises(ValueError, match="at least two classes"):
        DCNClassifier(**SMALL).partial_fit(X[one], labels[one], classes=["yes"])


def test_weights_mean_the_same_in_each_call():
    X, y = stream(300, 10)
    options = SMALL | {"shuffle": False, "dropout": 0.0, "cross_dropout": 0.0, "dtype": "float64"}
    labels = np.where(y > 0, 1, 0)
    weighted = DCNClassifier(**options).partial_fit(X, labels, np.full(300, 2.0), classes=[0, 1])
    by_class = DCNClassifier(**options, class_weight={0: 2, 1: 2})
    by_class.partial_fit(X, labels, classes=[0, 1])
    np.testing.assert_array_equal(weighted.predict_proba(X), by_class.predict_proba(X))
    plain = DCNClassifier(**options).partial_fit(X, labels, classes=[0, 1])
    assert not np.array_equal(weighted.predict_proba(X), plain.predict_proba(X))
    assert weighted.loss_curve_[0] == pytest.approx(2 * plain.loss_curve_[0], rel=0.1)
    with pytest.raises(ValueError, match="class_weight is 'balanced', want a dict or None"):
        plain.set_params(class_weight="balanced").partial_fit(X, labels)


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_the_same_bits_for_any_number_of_threads(n_jobs):
    X, y = stream(2000, 300)
    models = [DCNRegressor(**SMALL, n_jobs=n) for n in (1, n_jobs)]
    for model in models:
        for piece in pieces(X, y, 500):
            model.partial_fit(*piece)
    np.testing.assert_array_equal(models[0].predict(X), models[1].predict(X))


@pytest.mark.parametrize(
    "options",
    [
        {"n_members": 2}, {"wide": True}, {"target_statistics": "auto"}, {"ema_decay": 0.9},
        {"embedding_penalty": "table", "alpha": 0.01}, {"sparse_adam": "exact"},
        {"numeric_embedding": "periodic"}, {"numeric_scaling": "quantile", "dtype": "float64"},
        {"optimizer": "rowwise_adagrad"}, {"early_stopping": True}, {"learning_rate": "cosine"},
    ],
    ids=str,
)  # fmt: skip
def test_every_kind_goes_on(options):
    X, y = stream(2400, 200)
    model = DCNRegressor(**SMALL | options)
    for piece in pieces(X, y, 300):
        model.partial_fit(*piece)
    assert np.mean((model.predict(X) - y) ** 2) < 0.8 * np.var(y)
    other = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    row = model.row_predictor()
    np.testing.assert_allclose(row(dict(X.iloc[3])), model.predict(X[3:4])[0], rtol=1e-4)


@pytest.mark.parametrize("loss", ["squared_error", Quantile([0.1, 0.9])])
@pytest.mark.parametrize("again", ["partial_fit", "fit"])
def test_a_target_that_was_constant_first_is_learned_later(loss, again):
    """Its scale would be 0 for all time, and so would all that is learned."""
    X, y = stream(2_000, 5)
    y = 1000 + 30 * y
    model = DCNRegressor(**SMALL, loss=loss, max_iter=3, warm_start=again == "fit")
    with warnings.catch_warnings(action="ignore"):
        getattr(model, again)(X, np.full(len(y), 5.0))
        for _ in range(8):
            getattr(model, again)(X, y)
    assert model.score(X, y) > 0.5
    assert model._target.scaler.constant.tolist() == [False]
    scale = model._target.scaler.scale
    assert model.partial_fit(X, 2 * y)._target.scaler.scale == scale


def test_a_column_of_labels_may_be_missing_in_a_call():
    X, y = stream(400, 5)
    labels = np.column_stack([y > 0, np.full(len(y), np.nan)])
    model = DCNClassifier(**SMALL).partial_fit(X, labels)
    model.partial_fit(X, np.column_stack([y > 0, y < 0]))
    assert model.predict_proba(X).shape == (400, 2)
    with pytest.raises(ValueError, match="y has no label in column 1"):
        DCNClassifier(**SMALL).fit(X, labels)
    known = np.where(np.arange(400)[:, None] < 9, np.column_stack([y > 0, y < 0]), labels)
    with pytest.raises(ValueError, match=r"y has no label in column 1, .* with a weight"):
        DCNClassifier(**SMALL).fit(X, known, sample_weight=np.arange(400) > 8)


@pytest.mark.parametrize("way", ["partial_fit", "fit"])
@pytest.mark.parametrize(
    ("first", "then", "anew"),
    [
        ("sgd", "adam", True),
        ("adam", "adagrad", True),
        ("adagrad", "rowwise_adagrad", True),
        ("adamw", "sgd", True),
        ("adam", "adamw", False),
        ("adagrad", "adagrad", False),
    ],
)
def test_moments_of_another_optimizer_are_not_gone_on_with(first, then, anew, way):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    options = SMALL | {"max_iter": 2, "warm_start": True, "early_stopping": False}
    model = DCNRegressor(**options, optimizer=first, learning_rate_init=0.01).fit(X, X[:, 0])
    model.set_params(optimizer=then)
    copies = [pickle.loads(pickle.dumps(model)) for _ in range(2)]
    copies[1]._training.reset()
    assert model._training.state.step
    for copy in copies:
        getattr(copy, way)(X, X[:, 0])
    same = np.array_equal(*(copy.predict(X) for copy in copies))
    assert same == anew
