"""What a fit means: units, weights, outputs, classes."""

import numpy as np
import pytest
from sklearn.exceptions import DataConversionWarning
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.preprocessing import StandardScaler

FULL_BATCH = {
    "dtype": "float64", "shuffle": False, "tol": None, "batch_size": 10_000, "max_iter": 30,
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_raw_units_just_work(dtype, table, regressor):
    units = np.array([1e6, 1e-6, 1.0, 1e3])
    plain = regressor(dtype=dtype).fit(table.X, table.y).predict(table.X)
    raw = regressor(dtype=dtype).fit(table.X * units + 5 * units, 1e9 * table.y - 1e10)
    predicted = (raw.predict(table.X * units + 5 * units) + 1e10) / 1e9
    assert plain.std() > 0.1
    np.testing.assert_allclose(predicted, plain, atol=1e-3)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_row_without_weight_is_as_good_as_absent(early_stopping, table, estimator):
    present = np.arange(300) % 3 > 0
    X = np.where(present[:, None], table.X, 1e9)
    make = estimator.make(early_stopping=early_stopping)
    weighted = make.fit(X, estimator.y, sample_weight=present.astype(float))
    answer = estimator.answer(weighted, table.X)
    absent = estimator.make(early_stopping=early_stopping).fit(X[present], estimator.y[present])
    np.testing.assert_array_equal(answer, estimator.answer(absent, table.X))


def test_weight_is_repetition(table, estimator):
    times = np.arange(300) % 4
    weighted = estimator.make(**FULL_BATCH).fit(table.X, estimator.y, sample_weight=times)
    repeated = estimator.make(**FULL_BATCH).fit(
        np.repeat(table.X, times, axis=0), np.repeat(estimator.y, times)
    )
    answer = estimator.answer(weighted, table.X)
    np.testing.assert_allclose(answer, estimator.answer(repeated, table.X), rtol=1e-9)
    without = estimator.answer(estimator.make(**FULL_BATCH).fit(table.X, estimator.y), table.X)
    assert np.abs(answer - without).mean() > 0.01


@pytest.mark.parametrize("scale", [1e-300, 1.7e308])
def test_scale_of_weights_does_not_matter(scale, table, estimator):
    weight = 2.0 ** -(np.arange(300) % 3)
    one = estimator.make().fit(table.X, estimator.y, sample_weight=weight)
    other = estimator.make().fit(table.X, estimator.y, sample_weight=weight * scale)
    answer = estimator.answer(one, table.X)
    np.testing.assert_allclose(estimator.answer(other, table.X), answer, rtol=1e-4, atol=1e-5)
    without = estimator.answer(estimator.make().fit(table.X, estimator.y), table.X)
    assert np.abs(answer - without).mean() > 0.005  # weights matter, only their scale does not


def test_several_outputs_each_learn_their_own(table, regressor):
    Y = np.column_stack([table.y, 1e6 * table.X[:, 0], -table.X[:, 3]])
    model = regressor(max_iter=100, learning_rate_init=0.01).fit(table.X, Y)
    assert model.predict(table.X).shape == (300, 3)
    assert (r2_score(Y, model.predict(table.X), multioutput="raw_values") > 0.9).all()
    assert model.score(table.X, Y) > 0.9


def test_single_column_target_warns_and_gives_one_dimension(table, regressor):
    with pytest.warns(DataConversionWarning):
        model = regressor().fit(table.X, table.y[:, None])
    assert model.predict(table.X).shape == (300,)


@pytest.mark.parametrize("kind", ["strings", "integers", "booleans", "floats"])
def test_labels_come_back_as_they_went_in(kind, table, classifier):
    positive = table.y > 0
    y = {
        "strings": np.where(positive, "b", "a"),
        "integers": np.where(positive, 7, -3),
        "booleans": positive,
        "floats": np.where(positive, 2.0, 1.0),
    }[kind]
    model = classifier(max_iter=60, learning_rate_init=0.01).fit(table.X, y)
    assert model.classes_.dtype == y.dtype
    assert model.predict(table.X).dtype == y.dtype
    assert model.score(table.X, y) == accuracy_score(y, model.predict(table.X)) > 0.9


@pytest.mark.parametrize(("target", "n_logits"), [("binary", 1), ("multiclass", 3)])
def test_probabilities_and_decisions(target, n_logits, table, classifier):
    y = getattr(table, target)
    model = classifier(max_iter=80, learning_rate_init=0.01).fit(table.X, y)
    p, decision = model.predict_proba(table.X), model.decision_function(table.X)
    assert decision.shape == ((300,) if n_logits == 1 else (300, n_logits))
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(table.X)), p, rtol=1e-9)
    np.testing.assert_array_equal(model.predict(table.X), model.classes_[p.argmax(axis=1)])
    assert log_loss(y, p) < 0.4
    far = 1e6 * table.X
    assert np.isfinite(model.predict_log_proba(far)).all()
    np.testing.assert_allclose(model.predict_proba(far).sum(axis=1), 1, rtol=1e-12)


def test_loss_is_the_log_loss(table, classifier):
    model = classifier(learning_rate_init=1e-30, max_iter=1, batch_size=300).fit(
        table.X, table.multiclass
    )
    expected = log_loss(table.multiclass, model.predict_proba(table.X))
    assert model.loss_curve_[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("class_weight", ["balanced", {"yes": 9.0}, {"yes": 9.0, "no": 1.0}])
def test_class_weight_favours_the_rare_class(class_weight, table, classifier):
    y = np.where(table.y > 1.2, "yes", "no")
    plain = classifier().fit(table.X, y).predict_proba(table.X)[:, 1]
    model = classifier(class_weight=class_weight).fit(table.X, y)
    favoured = model.predict_proba(table.X)[:, 1]
    assert (favoured > plain).mean() > 0.95
    assert favoured.mean() > plain.mean() + 0.05


def test_class_weight_is_sample_weight_in_the_loss(table, classifier):
    """Rows' weights also count in the columns' mean and scale, classes' do not."""
    X = StandardScaler().fit_transform(table.X)
    X = np.vstack(
        [X, X]
    )  # both classes with the same columns: weights then change no mean or scale
    y = np.repeat(["no", "yes"], 300)
    by_class = classifier(**FULL_BATCH, class_weight={"no": 1, "yes": 3}).fit(X, y)
    by_row = classifier(**FULL_BATCH).fit(X, y, sample_weight=np.where(y == "yes", 3.0, 1.0))
    p = by_row.predict_proba(X)
    np.testing.assert_allclose(by_class.predict_proba(X), p, rtol=1e-8)
    assert np.abs(p - classifier(**FULL_BATCH).fit(X, y).predict_proba(X)).mean() > 0.01


def test_balanced_counts_weights_and_not_rows(table, classifier):
    times = np.arange(300) % 4
    weighted = classifier(**FULL_BATCH, class_weight="balanced")
    weighted.fit(table.X, table.binary, sample_weight=times)
    repeated = classifier(**FULL_BATCH, class_weight="balanced")
    repeated.fit(np.repeat(table.X, times, axis=0), np.repeat(table.binary, times))
    np.testing.assert_allclose(
        weighted.predict_proba(table.X), repeated.predict_proba(table.X), rtol=1e-9
    )


def test_class_seen_only_without_weight_stays_a_class(table, classifier):
    weight = (table.multiclass != 2).astype(float)
    model = classifier(class_weight="balanced").fit(table.X, table.multiclass, sample_weight=weight)
    assert model.classes_.tolist() == [0, 1, 2]
    assert model.predict_proba(table.X)[:, 2].mean() < 0.33


@pytest.mark.parametrize("value", [0.0, -3e-9, 7.0, 1e308])
def test_constant_target_is_predicted(value, table, regressor):
    predicted = regressor().fit(table.X, np.full(300, value)).predict(table.X)
    np.testing.assert_allclose(predicted, value, rtol=1e-14)


def test_one_row_is_learned_by_heart(regressor):
    assert regressor().fit([[3.0, 4.0]], [5.0]).predict([[1.0, 2.0]]) == 5.0


def test_prediction_does_not_depend_on_the_other_rows(table, estimator):
    model = estimator.make().fit(table.X, estimator.y)
    whole = estimator.answer(model, table.X)
    rows = [estimator.answer(model, table.X[i : i + 1])[0] for i in range(0, 300, 7)]
    np.testing.assert_array_equal(whole[::7], rows)
