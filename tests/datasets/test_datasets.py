"""The almond study's rows are exactly those of its recipe."""

import numpy as np
import pytest

from dcnfast import datasets
from dcnfast.datasets import ALMOND_FEATURES, make_almond_clicks


def recipe(n, seed):
    """As the study wrote it down, with NumPy's global legacy generator."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    age = np.random.randint(18, 80, size=n) / (80 - 12)  # noqa: NPY002
    employed = np.random.randint(2, size=n) / 2  # noqa: NPY002
    rum = np.random.randint(2, size=n) / 2  # noqa: NPY002
    soda = np.random.randint(2, size=n) / 2  # noqa: NPY002
    almond = np.random.randint(2, size=n) / 2  # noqa: NPY002
    np.random.set_state(state)  # noqa: NPY002
    y = 0.1 * age + 1.2 * employed + 0.5 * rum + 0.2 * soda
    y = y + 1.8 * employed * rum + 0.1 * employed * soda + 3.1 * employed * almond
    y = y + 1.5 * rum * almond + 2 * employed * rum * soda * almond
    return np.column_stack([age, employed, rum, soda, almond]), y


def test_recipe():
    data = make_almond_clicks()
    X, y = recipe(100_000, 42)
    np.testing.assert_array_equal(data.data, X, strict=True)
    np.testing.assert_allclose(data.target, y, rtol=1e-15)
    assert (
        data.feature_names == list(ALMOND_FEATURES) == ["age", "employed", "rum", "soda", "almond"]
    )
    assert data.DESCR


def test_first_rows():
    data = make_almond_clicks()
    first = [[56 / 68, 0, 0, 0.5, 0], [69 / 68, 0.5, 0.5, 0.5, 0], [46 / 68, 0, 0, 0.5, 0.5]]
    np.testing.assert_array_equal(data.data[:3], first)
    targets = [0.1823529411764706, 1.526470588235294, 0.16764705882352943]
    np.testing.assert_allclose(data.target[:3], targets, rtol=1e-14)
    assert np.std(data.target[70_000:]) == pytest.approx(0.8087, abs=5e-5)


@pytest.mark.parametrize("n_samples", [1, np.int64(7), 1000])
def test_size_and_seed(n_samples):
    X, y = recipe(n_samples, 3)
    for state in (3, np.random.RandomState(3)):
        data = make_almond_clicks(n_samples, random_state=state)
        np.testing.assert_array_equal(data.data, X)
        np.testing.assert_allclose(data.target, y, rtol=1e-15)
    if n_samples == 1000:
        other = make_almond_clicks(n_samples, random_state=None)
        assert not np.array_equal(other.data, X)


@pytest.mark.parametrize("n_samples", [0, -1, 1.5, "x", None, True])
def test_bad_size(n_samples):
    with pytest.raises(ValueError, match=r"n_samples is .*, want an integer of at least 1"):
        datasets.make_almond_clicks(n_samples)


@pytest.mark.parametrize("state", [-1, 1.5, "x"])
def test_bad_seed(state):
    with pytest.raises(ValueError, match=r"seed|Seed"):
        make_almond_clicks(3, random_state=state)
