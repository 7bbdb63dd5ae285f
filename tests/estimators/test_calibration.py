"""``calibrate_isotonic``: the layer, how it is fitted, and everything that predicts with it."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest

import dcnfast
from dcnfast import DCNClassifier, DCNRegressor, metrics
from dcnfast.estimators.isotonic import IsotonicLayer, IsotonicLoss, fit_isotonic
from dcnfast.estimators.saved_targets import read_target, target_state
from dcnfast.inspection import to_low_rank
from dcnfast.plain import State
from dcnfast.reference.calibration import isotonic, isotonic_backward

QUICK = {
    "n_members": 1, "max_iter": 3, "hidden_layer_sizes": (8,), "random_state": 0, "tol": None,
    "early_stopping": False, "learning_rate_init": 0.01,
}  # fmt: skip
EDGES = np.array([-2.0, -0.5, 0.0, 0.25, 3.0])
SLOPES = np.array([0.5, 0.0, 3.0, 1.25])


@pytest.fixture
def table(rng):
    X = rng.normal(size=(900, 3))
    return X, (rng.random(900) < 1 / (1 + np.exp(1 - 2 * X[:, 0] * X[:, 1]))).astype(int)


def fitted(table, **options):
    X, y = table
    return DCNClassifier(**QUICK | options).fit(X[:500], y[:500])


def calibrated(table, **options):
    X, y = table
    return fitted(table, **options).calibrate_isotonic(X[500:], y[500:], n_bins=8)


# ---- the layer


def test_layer_is_the_reference(rng):
    layer, z = IsotonicLayer(EDGES, SLOPES, -1.5), np.concatenate([rng.normal(0, 3, 400), EDGES])
    np.testing.assert_allclose(layer(z), isotonic(z, EDGES, SLOPES, -1.5), rtol=1e-14, atol=1e-14)
    np.testing.assert_array_equal([layer(one) for one in z], layer(z))
    one_bin = IsotonicLayer(EDGES[:2], SLOPES[:1], 2.0)
    np.testing.assert_allclose(one_bin(z), 2 + 0.5 * (z + 2), rtol=1e-14)


def test_layer_never_falls_and_stays_finite(rng):
    edges = np.sort(rng.normal(size=31))
    layer = IsotonicLayer(edges, rng.exponential(size=30), 0.3)
    near = edges[:, None] + np.spacing(edges)[:, None] * np.arange(-3, 4)  # rounding at the edges
    z = np.sort(np.concatenate([near.ravel(), rng.normal(size=2000)]))
    assert (np.diff(layer(z)) >= 0).all()
    steep = IsotonicLayer(EDGES, np.full(4, 1e6), 0.0)
    ends = steep(np.array([-1.7e308, 1.7e308]))
    assert np.isfinite(ends).all()
    assert ends[0] < 0 < ends[1]


def test_gradient_of_the_loss(rng):
    z, weight = rng.normal(0, 2, 200), rng.exponential(size=200)
    hit = rng.integers(2, size=200).astype(float)
    loss, at = IsotonicLoss(z, hit, weight, EDGES), np.array([-1.2, 0.7, 0.2, 2.0, 1.1])
    _, gradient = loss(at)
    for i in range(5):
        step = np.eye(5)[i] * 1e-6
        slope = (loss(at + step)[0] - loss(at - step)[0]) / 2e-6
        np.testing.assert_allclose(gradient[i], slope, rtol=1e-6, atol=1e-9)
    b, w = at[0], at[1:]
    dlogit = weight / weight.sum() * (1 / (1 + np.exp(-isotonic(z, EDGES, w, b))) - hit)
    dw, db = isotonic_backward(z, EDGES, w, dlogit)
    np.testing.assert_allclose(gradient, np.append(db, dw + (w - 1) / 200), rtol=1e-12)


def test_fit_finds_the_least_loss(rng):
    z = rng.normal(0, 2, 20_000)
    bent = IsotonicLayer(np.array([-9.0, 0.0, 9.0]), np.array([0.4, 1.8]), -4.5)
    hit = (rng.random(20_000) < 1 / (1 + np.exp(-bent(z)))).astype(float)
    layer = fit_isotonic(z, hit, np.ones(20_000), 12)
    inside = np.linspace(-3, 3, 50)
    got, want = (1 / (1 + np.exp(-f(inside))) for f in (layer, bent))
    np.testing.assert_allclose(got, want, atol=0.03)
    p = 1 / (1 + np.exp(-layer(z)))
    assert abs(p.mean() - hit.mean()) < 1e-6
    loss = IsotonicLoss(z, hit, np.ones(20_000), layer.edges)
    best, gradient = loss(np.append(layer.intercept, layer.slopes))
    free = np.append(True, layer.slopes > 0)
    assert np.abs(gradient[free]).max() < 1e-5
    assert best < loss(np.append(layer.edges[0], np.ones(len(layer.slopes))))[0]


def test_fit_on_rows_that_say_little():
    same = fit_isotonic(np.full(10, 2.0), np.arange(10) % 2.0, np.ones(10), 5)  # one logit
    assert abs(same(np.array([2.0]))[0]) < 1e-4
    assert same(np.array([3.0]))[0] >= same(np.array([2.0]))[0]
    apart = fit_isotonic(np.array([-1.0, 1.0]), np.array([0.0, 1.0]), np.ones(2), 20)
    assert (apart(np.array([-1.0, 1.0])) * [-1, 1] > 0).all()
    assert np.isfinite(apart.slopes).all()
    falls = fit_isotonic(np.arange(40.0), np.repeat([1.0, 0.0], 20), np.ones(40), 4)
    assert (falls.slopes >= 0).all()  # against the order: as flat as it can be


def test_weights_count_as_rows(rng):
    z, hit = rng.normal(size=60), rng.integers(2, size=60).astype(float)
    edges, at = np.array([-3.0, 0.0, 3.0]), np.array([-2.0, 1.0, 1.0])  # slopes of 1: no prior
    twice = np.where(np.arange(60) < 20, 2.0, 1.0)
    rows = np.repeat(np.arange(60), twice.astype(int))
    got = IsotonicLoss(z, hit, twice, edges)(at)
    want = IsotonicLoss(z[rows], hit[rows], np.ones(80), edges)(at)
    np.testing.assert_allclose(np.append(*got), np.append(*want), rtol=1e-12)


# ---- estimators


@pytest.mark.parametrize("options", [{}, {"n_members": 3}, {"loss": "focal"}, {"dtype": "float64"}])
def test_probabilities_are_calibrated_in_the_same_order(table, options):
    X, y = table
    model = fitted(table, class_weight={0: 1, 1: 5}, **options)
    z = model.decision_function(X)
    members = model.predict_members(X)
    assert model.calibrate_isotonic(X[500:], y[500:], n_bins=8) is model
    order = np.argsort(z)
    after = model.decision_function(X)
    assert (np.diff(after[order]) >= 0).all()
    p = model.predict_proba(X)
    assert abs(metrics.calibration_ratio(y[500:], p[500:, 1]) - 1) < 1e-4
    np.testing.assert_allclose(p[:, 1], 1 / (1 + np.exp(-after)), rtol=1e-12)
    np.testing.assert_allclose(model.predict_log_proba(X), np.log(p), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(model.predict(X), (after > 0).astype(int))
    np.testing.assert_array_equal(model.predict_members(X), members)
    again = copy.copy(model).calibrate_isotonic(X[500:], y[500:], n_bins=8)
    np.testing.assert_array_equal(again.predict_proba(X), p)


def test_all_that_predicts_is_calibrated(table, tmp_path):
    X, y = table
    frame = pd.DataFrame(X, columns=["user", "item", "price"])
    model = DCNClassifier(**QUICK, class_weight="balanced").fit(frame[:500], y[:500])
    plain = model.predict_proba(frame)
    model.calibrate_isotonic(frame[500:], y[500:])
    p = model.predict_proba(frame)
    assert np.abs(p - plain).max() > 0.05
    predict_row = model.row_predictor()
    rows = [predict_row(row) for row in frame[:40].to_dict("records")]
    np.testing.assert_allclose(rows, p[:40], rtol=1e-5, atol=1e-7)
    scorer = model.candidate_scorer(context_columns=["user"])
    one = frame[:30].assign(user=frame.user[3])
    scores = scorer({"user": frame.user[3]}, one[["item", "price"]])
    np.testing.assert_allclose(scores, model.predict_proba(one)[:, 1], rtol=1e-5, atol=1e-7)
    model.save(tmp_path / "m.dcn")
    for other in (dcnfast.load(tmp_path / "m.dcn"), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.predict_proba(frame), p)
        np.testing.assert_array_equal(other.row_predictor()(frame.iloc[5].to_dict()), rows[5])
    with pytest.raises(ValueError, match="calibrated by calibrate_isotonic"):
        model.to_c(tmp_path / "model")
    assert not (tmp_path / "model.h").exists()


def test_each_label_has_its_own_layer(table, tmp_path):
    X, y = table
    labels = np.column_stack([y, X[:, 2] > 1]).astype(float)
    labels[::3, 1] = np.nan
    model = DCNClassifier(**QUICK).fit(X[:500], labels[:500])
    members = model.predict_members(X)
    model.calibrate_isotonic(X[500:], labels[500:], n_bins=6)
    p = model.predict_proba(X)
    for c in range(2):
        known = np.flatnonzero(~np.isnan(labels[:, c]))
        known = known[known >= 500]
        assert abs(p[known, c].mean() - labels[known, c].mean()) < 1e-4
    np.testing.assert_allclose(model.row_predictor()(X[7].tolist()), p[7], rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(model.predict_members(X), members)
    model.save(tmp_path / "m.dcn")
    np.testing.assert_array_equal(dcnfast.load(tmp_path / "m.dcn").predict_proba(X), p)
    with pytest.raises(ValueError, match="calibrated by"):
        model.to_c(tmp_path / "model")
    labels[500:, 1] = 0
    with pytest.raises(ValueError, match="column 1 of y has not both labels"):
        model.calibrate_isotonic(X[500:], labels[500:])


def test_what_changes_the_logits_removes_the_layer(table):
    X, y = table
    model = calibrated(table, n_members=2)
    plain = fitted(table, n_members=2)
    np.testing.assert_array_equal(
        copy.copy(model).fit(X[:500], y[:500]).predict_proba(X), plain.predict_proba(X)
    )
    pruned = [copy.copy(m).prune_members(X, y, n_members=1) for m in (model, plain)]
    np.testing.assert_array_equal(*(m.predict_proba(X) for m in pruned))
    np.testing.assert_array_equal(*(to_low_rank(m, 2).predict_proba(X) for m in (model, plain)))
    further = [copy.copy(m).partial_fit(X[:100], y[:100]) for m in (model, plain)]
    np.testing.assert_array_equal(*(m.predict_proba(X) for m in further))
    warm = [fitted(table, warm_start=True) for _ in range(2)]
    warm[0].calibrate_isotonic(X[500:], y[500:])
    np.testing.assert_array_equal(*(m.fit(X[:500], y[:500]).predict_proba(X) for m in warm))


def test_errors_leave_the_estimator_as_it_was(table):
    X, y = table
    model = calibrated(table)
    p = model.predict_proba(X)
    for wrong in (0, 1001, 2.5, True, "many", None):
        with pytest.raises(ValueError, match=r"n_bins is .*, want an integer from 1 to 1000"):
            model.calibrate_isotonic(X, y, n_bins=wrong)
    with pytest.raises(ValueError, match="y has not both labels"):
        model.calibrate_isotonic(X, np.ones(900, int))
    with pytest.raises(ValueError, match="y has not both labels"):
        model.calibrate_isotonic(X, y, sample_weight=y)
    with pytest.raises(ValueError, match=r"labels \[7\]"):
        model.calibrate_isotonic(X, np.where(y, 7, 0))
    with pytest.raises(ValueError, match="features"):
        model.calibrate_isotonic(X[:, :2], y)
    with pytest.raises(ValueError, match="sample_weight"):
        model.calibrate_isotonic(X, y, sample_weight=np.ones(3))
    np.testing.assert_array_equal(model.predict_proba(X), p)
    three = DCNClassifier(**QUICK).fit(X, np.arange(900) % 3)
    with pytest.raises(ValueError, match="there are 3 classes, want two"):
        three.calibrate_isotonic(X, np.arange(900) % 3)
    with pytest.raises(ValueError, match="not fitted"):
        DCNClassifier().calibrate_isotonic(X, y)
    assert not hasattr(DCNRegressor, "calibrate_isotonic")


def test_weights_of_rows_are_heeded(table):
    X, y = table
    model, weight = fitted(table), np.where(np.arange(400) < 100, 0.0, 1.0)
    model.calibrate_isotonic(X[500:], y[500:], weight, n_bins=5)
    some = fitted(table).calibrate_isotonic(X[600:], y[600:], n_bins=5)
    np.testing.assert_array_equal(model.predict_proba(X), some.predict_proba(X))


def test_layers_of_a_file_are_checked(table):
    state = target_state(calibrated(table)._target)
    layer = state["calibration"][0]
    ascending, flat = layer["edges"], np.zeros(len(layer["slopes"]))
    assert read_target(State(state)).calibration[0].intercept == layer["intercept"]
    for part, message in [
        ({"edges": ascending[::-1]}, "edges that go upwards"),
        ({"edges": ascending * 1e300}, "edges that go upwards"),
        ({"edges": ascending[:1], "slopes": flat[:0]}, "edges that go upwards"),
        ({"edges": np.full_like(ascending, np.nan)}, "not finite"),
        ({"slopes": flat - 1}, "slopes from 0"),
        ({"slopes": flat + 1e9}, "slopes from 0"),
        ({"slopes": flat[1:]}, "shape"),
        ({"intercept": 1e200}, "an intercept"),
        ({"intercept": "none"}, "finite number"),
        ({"more": 1}, "more"),
    ]:
        with pytest.raises(ValueError, match=message):
            read_target(State({**state, "calibration": [layer | part]}))
    for layers in ([], [layer, layer]):
        with pytest.raises(ValueError, match="1 layers of a calibration"):
            read_target(State({**state, "calibration": layers}))
