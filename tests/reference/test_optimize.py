"""Stage 8 as specified: lazy and exact Adam on tables, and the average of the parameters."""

import numpy as np
import pytest

from dcnfast import reference
from dcnfast.training.optimizers import OPTIMIZERS

ADAM = {"learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-7}
V, K = 12, 3


@pytest.fixture
def table(rng):
    """Parameters and moments as in the midst of training."""
    return rng.normal(size=(V, K)), rng.normal(size=(V, K)), rng.uniform(0.1, 2, size=(V, K))


def test_lazy_adam_moves_its_rows_alone(table, rng):
    rows, g, l2 = np.array([7, 2, 3]), rng.normal(size=(3, K)), rng.uniform(size=(3, 1))
    before = [part.copy() for part in table]
    got = reference.update_rows("adam", table, g, rows, 4, **ADAM, l2=l2)
    dense = np.zeros((V, K))
    dense[rows] = g + l2 * table[0][rows]
    want = reference.adam_update(*table, dense, 4, **ADAM)
    others = np.setdiff1d(np.arange(V), rows)
    for new, all_moved, old in zip(got, want, before, strict=True):
        np.testing.assert_array_equal(new[rows], all_moved[rows])
        np.testing.assert_array_equal(new[others], old[others])
    for old, given in zip(before, table, strict=True):
        np.testing.assert_array_equal(old, given)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_catching_up_is_the_dense_optimizer(kind, table, rng):
    """Rows touched now and then: made up before they are touched and at the end, all is equal."""
    options = ADAM | {"weight_decay": 0.5}
    dense, sparse, last = table, table, np.zeros(V, np.int64)
    for step in range(1, 30):
        rows = rng.choice(V, size=3, replace=False)
        g = rng.normal(size=(3, K))
        all_g = np.zeros((V, K))
        all_g[rows] = g
        dense = reference.update_rows(kind, dense, all_g, np.arange(V), step, **options)
        sparse = reference.catch_up_rows(kind, sparse, rows, last[rows], step - 1, **options)
        sparse = reference.update_rows(kind, sparse, g, rows, step, **options)
        last[rows] = step
    sparse = reference.catch_up_rows(kind, sparse, np.arange(V), last, 29, **options)
    for got, want in zip(sparse, dense, strict=True):
        np.testing.assert_array_equal(got, want)


def test_rowwise_adagrad_by_hand():
    """Two steps of a row: means of squares 12.5 and, with a penalty, 0.5; other rows stay."""
    table = np.array([[1.0, 2.0], [5.0, 6.0]]), np.zeros((2, 2)), np.zeros((2, 2))
    options = {"learning_rate": 0.1, "epsilon": 0.5}
    one = reference.update_rows(
        "rowwise_adagrad", table, np.array([[3.0, 4.0]]), np.array([0]), 1, **options
    )
    row = np.array([1.0, 2.0]) - 0.1 * np.array([3.0, 4.0]) / (np.sqrt(12.5) + 0.5)
    np.testing.assert_allclose(one[0], [row, [5, 6]], rtol=1e-15)
    np.testing.assert_array_equal(one[2], [[12.5, 0], [0, 0]])
    g = np.array([[1.0, 0.0]]) - 0.2 * row
    two = reference.update_rows(
        "rowwise_adagrad", one, g, np.array([0]), 2, l2=np.array([[0.2]]), **options
    )
    row = row - 0.1 * np.array([1.0, 0.0]) / (np.sqrt(13) + 0.5)
    np.testing.assert_allclose(two[0], [row, [5, 6]], rtol=1e-15)
    np.testing.assert_allclose(two[2], [[13, 0], [0, 0]], rtol=1e-15)


def test_nothing_to_catch_up(table):
    for rows, last in ((np.arange(V), np.full(V, 6)), (np.arange(0), np.arange(0))):
        got = reference.catch_up_rows("adam", table, rows, last, 6, **ADAM)
        for new, old in zip(got, table, strict=True):
            np.testing.assert_array_equal(new, old)


def test_average_is_a_weighted_mean(rng):
    """Weights of all parameters so far add up to 1, the last has 1 - decay."""
    decay, series = 0.9, rng.normal(size=(200, 4))
    average, weights = series[0], np.array([1.0])
    for step in range(1, 200):
        average = reference.average_update(average, series[step], step, decay)
        d = min(decay, (1 + step) / (10 + step))
        weights = np.append(d * weights, 1 - d)
    assert weights.sum() == pytest.approx(1)
    assert weights[-1] == pytest.approx(0.1)
    np.testing.assert_allclose(average, weights @ series, rtol=1e-12)


def test_average_follows_at_first():
    """After the first step 9 parts of 11 are new, whatever the decay."""
    got = reference.average_update(np.array([0.0]), np.array([11.0]), 1, 0.9999)
    np.testing.assert_allclose(got, [9.0], rtol=1e-14)


def test_clipped_gradients_have_the_norm_and_the_direction(rng):
    g = {"a": rng.normal(size=(3, 4)), "b": rng.normal(size=5)}
    norm = np.sqrt(sum((part**2).sum() for part in g.values()))
    clipped = reference.clip_gradients(g, norm / 4)
    for name, part in g.items():
        np.testing.assert_allclose(clipped[name], part / 4)
    for most in (0.0, norm, 2 * norm):
        assert reference.clip_gradients(g, most) is g
