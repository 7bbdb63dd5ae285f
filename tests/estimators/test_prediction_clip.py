"""prediction_clip: answers of a regressor stay within the targets that it was trained on."""

import pickle

import numpy as np
import pytest

from dcnfast import DCNClassifier


def targets(table):
    """Return two outputs of different ranges, of which a network exceeds both here and there."""
    return np.column_stack([table.y, -3 * np.abs(table.y) + 7])


@pytest.fixture
def far(table):
    """Rows from beyond the table, whose answers are, too."""
    return table.X * 3


def make(regressor, **changes):
    return regressor(numeric_clip=False, learning_rate_init=0.02, **changes)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("several", [False, True])
def test_answers_end_at_the_range_of_each_output(several, dtype, table, far, regressor):
    y = targets(table) if several else table.y
    free, clipped = (
        make(regressor, dtype=dtype, prediction_clip=clip).fit(table.X, y) for clip in (False, True)
    )
    said = free.predict(far)
    want = np.clip(said, y.min(axis=0), y.max(axis=0))
    assert (np.mean(said != want, axis=0) > 0.1).all()
    assert (np.mean(said == want, axis=0) > 0.1).all()
    np.testing.assert_array_equal(clipped.predict(far), want)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(clipped)).predict(far), want)
    predict_row = clipped.row_predictor()
    rows = [predict_row(row) for row in far.tolist()]
    np.testing.assert_allclose(rows, want, rtol=1e-5, atol=1e-5)
    assert (np.max(rows, axis=0) == y.max(axis=0)).all()


@pytest.mark.parametrize("loss", ["log_loss", "poisson"])
def test_rates_and_counts(loss, table, far, regressor):
    y = np.clip(table.y / 10 + 0.5, 0.3, 0.6) if loss == "log_loss" else 1 + np.round(table.y**2)
    model = make(regressor, loss=loss, prediction_clip=True).fit(table.X, y)
    said = model.predict(far)
    assert (said.min(), said.max()) == (y.min(), y.max())


def test_training_is_the_same_and_scorers_see_the_clipped(table, regressor):
    seen = []

    def scoring(model, X, y):
        seen.append(np.ptp(model.predict(X)))
        return -np.mean((model.predict(X) - y) ** 2)

    narrow = np.clip(table.y, -0.2, 0.2)
    fits = [
        make(regressor, prediction_clip=clip, early_stopping=True, scoring=scoring).fit(
            table.X, narrow
        )
        for clip in (False, True)
    ]
    assert fits[0].loss_curve_[:2] == fits[1].loss_curve_[:2]
    half = len(seen) // 2
    assert max(seen[half:]) <= 0.4 + 1e-12 < max(seen[:half])


def test_rows_that_are_held_out_or_have_no_weight_say_nothing_of_the_range(table, far, regressor):
    X, y = np.vstack([table.X, far[:2]]), np.append(table.y, [1e3, -1e3])
    model = make(regressor, prediction_clip=True)
    model.fit(X, y, np.append(np.ones(len(table.y)), [0.0, 0.0]))
    assert np.ptp(model.predict(far)) == np.ptp(table.y)
    model.set_params(early_stopping=True).fit(table.X, table.y, X_val=far[:2], y_val=[1e3, -1e3])
    assert np.ptp(model.predict(far * 10)) == np.ptp(table.y)


def test_a_fit_that_goes_on_has_the_range_of_all_rows(table, far, regressor):
    """Also of those of the first fit, which did not clip."""
    model = make(regressor, warm_start=True).fit(table.X, table.y)
    model.set_params(prediction_clip=True).fit(table.X[:50], np.append(table.y[:49], 30.0))
    assert model._target.bounds == (table.y.min(), 30.0)
    model.set_params(prediction_clip=False).fit(table.X[:50], table.y[:50])
    assert model.predict(far * 100).max() > 30


def test_changed_after_fit_it_changes_nothing(table, far, regressor):
    model = make(regressor).fit(table.X, table.y)
    before = model.predict(far)
    np.testing.assert_array_equal(model.set_params(prediction_clip=True).predict(far), before)


def test_members_are_not_clipped_alone(table, far, regressor):
    model = make(regressor, n_members=3, prediction_clip=True).fit(table.X, table.y)
    members = model.predict_members(far)
    assert (members > table.y.max()).any()
    want = np.clip(members.mean(axis=1), table.y.min(), table.y.max())
    np.testing.assert_allclose(model.predict(far), want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bad", ["x", None, 3])
def test_nonsense_is_refused(bad, table, regressor):
    with pytest.raises(ValueError, match="prediction_clip"):
        regressor(prediction_clip=bad).fit(table.X, table.y)


def test_a_classifier_has_none():
    with pytest.raises(TypeError, match="prediction_clip"):
        DCNClassifier(prediction_clip=True)
