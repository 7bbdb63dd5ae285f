"""What the engine does to numeric columns, against NumPy."""

import copy
import pickle

import numpy as np
import pytest

from dcnfast import _core
from dcnfast.encode.robust import BEND, bent
from dcnfast.encode.scaling import NumericScaler
from dcnfast.encode.standardizer import FARTHEST

M = 4


def by_numpy(
    X, knots, low, high, factor, mean, scale, missing, constant, indicators, farthest, bend=0.0
):
    Z = X.copy()
    for j, (x, z) in enumerate(knots):
        if len(x):
            Z[:, j] = np.interp(X[:, j], x, z)
    Z = np.clip((np.clip(Z, low, high) * factor - mean) / scale, -farthest, farthest)
    Z = bent(Z) if bend else Z
    Z = np.where(constant, 0.0, np.where(np.isnan(Z), missing, Z))
    return np.concatenate([Z, np.isnan(X[:, indicators])], axis=1)


@pytest.mark.parametrize("bend", [0.0, BEND])
@pytest.mark.parametrize("n", [0, 1, 7, 500])
def test_the_same_bits_as_numpy(n, bend, dtype, rng):
    x = np.cumsum(rng.uniform(0.01, 1, 60)) - 15
    knots = [(x, np.sort(rng.normal(size=60))), ([], []), ([0.5, 0.75], [2.0, 2.5]), ([], [])]
    low, high = np.array([-2.0, -np.inf, -9.0, -1e300]), np.array([2.0, 3.0, np.inf, 1e300])
    factor, mean, scale = (
        np.array([1, 1, 0.5, 2.0**-1000]),
        rng.normal(size=M),
        rng.uniform(1, 2, M),
    )
    constant = np.array([False, False, False, n == 7])
    rest = (
        low,
        high,
        factor,
        mean,
        scale,
        rng.normal(size=M),
        constant,
        np.array([3, 0]),
        2.5,
        bend,
    )
    X = np.asfortranarray(rng.normal(0, 5, (n, M)))
    X[rng.random((n, M)) < 0.1] = np.nan
    X[: n // 2, 0] = rng.choice(x, n // 2)  # on the knots
    X[: n // 3, 1:] *= 1e300
    got = np.empty((n, M + 2), dtype)
    _core.ColumnScales(list("abcd"), knots, *rest).transform(X, got)
    want = by_numpy(X, knots, *rest).astype(dtype)
    np.testing.assert_array_equal(got, want)
    assert n < 500 or (got != 0).any(axis=0)[[0, 1, 2, 4, 5]].all()


def test_numbers_below_the_normal_range_stay_what_they_are():
    tiny = np.array([[5e-324], [2e-310]])
    one, zero = np.ones(1), np.zeros(1)
    scales = _core.ColumnScales(
        ["a"], [([], [])], -one, one, one, zero, one, zero, zero.astype(bool),
        np.empty(0, np.int64), FARTHEST,
    )  # fmt: skip
    got = np.empty((2, 1))
    scales.transform(tiny, got)
    np.testing.assert_array_equal(got, tiny)


def test_out_is_written_where_it_is_or_refused():
    one, zero = np.ones(1), np.zeros(1)
    scales = _core.ColumnScales(
        ["a"], [([], [])], -one, one, one, zero, one, zero, zero.astype(bool),
        np.array([0]), FARTHEST,
    )  # fmt: skip
    with pytest.raises(
        ValueError, match=r"transform: out has shape \(3, 1\), want \(n, M \+ I \+ J\)"
    ):
        scales.transform(np.ones((3, 1)), np.empty((3, 1)))
    with pytest.raises(ValueError, match=r"transform: X has shape \(3, 2\), want \(n, M\)"):
        scales.transform(np.ones((3, 2), order="F"), np.empty((3, 2)))
    read_only = np.empty((3, 2))
    read_only.flags.writeable = False
    with pytest.raises(ValueError, match="not writeable"):
        scales.transform(np.ones((3, 1)), read_only)


@pytest.mark.parametrize("scaling", ["quantile", "standard"])
def test_a_column_of_one_number_says_where_it_is_missing(scaling):
    X = np.where(np.arange(20) % 3 == 0, np.nan, 5.0)[:, None]
    got = NumericScaler(scaling).fit(X).transform(X, "float64")
    np.testing.assert_array_equal(got, np.concatenate([0 * got[:, :1], np.isnan(X)], axis=1))


@pytest.mark.parametrize("how", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_a_scaler_that_has_scaled_can_be_copied(how, rng):
    X = rng.normal(size=(50, 3))
    scaler = NumericScaler("quantile").fit(X)
    want = scaler.transform(X, "float32")
    np.testing.assert_array_equal(how(scaler).transform(X, "float32"), want)
    assert scaler.transform(X, "float64").dtype == np.float64  # not what was made for float32
    again = scaler.fit(3 * X + 1).transform(X, "float32")
    assert (again != want).any()


def test_a_missing_number_whose_mean_float32_cannot_hold(rng):
    X = np.stack([rng.normal(size=60), np.full(60, 1e300)], axis=1)
    X[::3, 1] = np.nan
    got = NumericScaler(None).fit(X).transform(X[:1], "float32")
    np.testing.assert_array_equal(got, [[X[0, 0].astype("f4"), np.finfo("f4").max, 1]])
