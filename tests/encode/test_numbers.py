"""Scaling, missing numbers, and the ends of the floating point range."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from scipy.stats import norm
from sklearn.preprocessing import QuantileTransformer, StandardScaler

from dcnfast.encode.columns import BLOCK, SOME_ROWS
from dcnfast.encode.scaling import NumericScaler
from dcnfast.encode.standardizer import FARTHEST, Standardizer

SCALINGS = ["standard", "quantile", "log", "robust_smooth", None]
WITH_A_MEAN = ["standard", "quantile", "log", None]


def scale(X, scaling="standard", weight=None, dtype="float64"):
    X = np.asarray(X, float)
    return NumericScaler(scaling).fit(X, weight).transform(X, dtype)


@pytest.mark.parametrize("rows", [1, 2, BLOCK // 3 - 1, BLOCK // 3, BLOCK // 3 + 1, BLOCK])
def test_standard_is_scikit_learns(rows, rng):
    X = rng.normal(size=(rows, 3)) * [1, 10, 1e-3] + [0, 5, 100]
    weight = rng.random(rows) + 0.1
    expected = StandardScaler().fit(X, sample_weight=weight).transform(X)
    np.testing.assert_allclose(scale(X, weight=weight), expected, atol=1e-9)
    np.testing.assert_array_equal(
        Standardizer().fit(X, weight).transform(X, "float32"), scale(X, weight=weight, dtype="f4")
    )


def test_log_is_for_counts(rng):
    X = rng.poisson(100, (200, 2)) * rng.choice([-1.0, 1.0], (200, 2))
    signed = np.sign(X) * np.log1p(np.abs(X))
    np.testing.assert_array_equal(scale(X, "log"), scale(signed))


def test_none_leaves_numbers_as_they_are():
    X = np.array([[1.5, 1e300], [-2.0, -1e300], [7.0, 1.0]])
    np.testing.assert_array_equal(scale(X, None), X)
    large = np.finfo(np.float32).max
    np.testing.assert_array_equal(
        scale(X, None, dtype="float32"), np.array([[1.5, large], [-2, -large], [7, 1]], "f4")
    )


def test_quantiles_are_normal_and_those_of_scikit_learn(rng):
    x = np.exp(3 * rng.normal(size=(20_000, 1)))
    z = scale(x, "quantile")
    expected = QuantileTransformer(
        n_quantiles=1000, output_distribution="normal", random_state=0
    ).fit_transform(x)
    inside = np.abs(expected) < 2.5
    np.testing.assert_allclose(z[inside], expected[inside], atol=0.05)
    order = np.argsort(x[:, 0])
    assert (np.diff(z[order, 0]) >= 0).all()


def test_quantiles_of_equal_numbers_lie_in_the_middle():
    z = scale([[1.0]] * 6 + [[5.0]] * 2, "quantile", dtype="float64")
    shares = norm.ppf([3 / 8, 7 / 8])
    mean = (6 * shares[0] + 2 * shares[1]) / 8
    deviation = np.sqrt((6 * (shares[0] - mean) ** 2 + 2 * (shares[1] - mean) ** 2) / 8)
    np.testing.assert_allclose(z[[0, 7], 0], (shares - mean) / deviation)


def test_many_rows_of_quantiles_are_found_in_some(rng):
    x = rng.normal(size=(SOME_ROWS + 50_000, 1)) ** 3
    z = scale(x, "quantile")
    inside = np.abs(x) < 2**3
    np.testing.assert_allclose(z[inside], np.cbrt(x)[inside], atol=0.05)
    assert np.abs(z).max() < 6


@pytest.mark.parametrize("scaling", SCALINGS)
def test_a_row_counted_twice_is_a_row_of_weight_two(scaling, rng):
    X = rng.normal(size=(60, 2))
    X[rng.random(X.shape) < 0.2] = np.nan
    weight = rng.integers(0, 4, 60)
    repeated = NumericScaler(scaling).fit(np.repeat(X, weight, axis=0))
    weighted = NumericScaler(scaling).fit(X, weight.astype(float))
    np.testing.assert_allclose(
        repeated.transform(X, "float64"), weighted.transform(X, "float64"), atol=1e-12
    )


@pytest.mark.parametrize("scaling", WITH_A_MEAN)
def test_missing_numbers_are_the_mean_and_have_an_indicator(scaling):
    X = np.array([[1.0, 5], [np.nan, 6], [4, 7], [4, 8]])
    z = scale(X, scaling)
    assert z.shape == (4, 3)
    np.testing.assert_array_equal(z[:, 2], [0, 1, 0, 0])
    np.testing.assert_allclose(z[1, 0], z[[0, 2, 3], 0].mean(), atol=1e-12)
    known = scale(X[[0, 2, 3]], scaling)
    np.testing.assert_allclose(z[[0, 2, 3], 0], known[:, 0], atol=1e-12)


def test_missing_only_later_is_the_mean_without_an_indicator():
    scaler = NumericScaler().fit(np.array([[1.0], [3.0]]))
    np.testing.assert_array_equal(scaler.transform(np.array([[np.nan], [3.0]]), "f8"), [[0], [1]])


def test_a_column_of_missing_numbers_says_nothing(reader):
    X = pd.DataFrame({"a": [np.nan, np.nan], "b": [1.0, 3.0]})
    model = reader().fit(X)
    assert model.encoder.get_feature_names_out().tolist() == ["a", "b"]
    later = pd.DataFrame({"a": [7.0, np.nan], "b": [1.0, 3.0]})
    np.testing.assert_array_equal(model.encode(later).dense, [[0, -1], [0, 1]])


@pytest.mark.parametrize("scaling", ["standard", "quantile", "log", "robust_smooth"])
def test_constant_columns_are_0(scaling):
    scaler = NumericScaler(scaling).fit(np.array([[7.0], [7.0]]))
    np.testing.assert_array_equal(scaler.transform(np.array([[7.0], [-1e9], [np.nan]]), "f8"), 0)


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("end", [5e-324, 1e-308, 1e-30, 1e30, 1e200, np.finfo(float).max])
def test_finite_at_both_ends(scaling, dtype, end, rng):
    X = end * rng.uniform(-1, 1, (40, 2))
    X[3, 1], X[5, 0] = np.nan, end
    for scaler in (NumericScaler(scaling, clips=c).fit(X) for c in (True, False)):
        for Y in (X, rng.normal(size=(3, 2)), np.full((1, 2), -np.finfo(float).max)):
            z = scaler.transform(Y, dtype)
            assert np.isfinite(z).all()
            assert scaling is None or np.abs(z).max() <= FARTHEST


@pytest.mark.parametrize("scaling", ["auto", *SCALINGS])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("make", [np.asarray, np.float32, csr_array])
def test_numbers_beyond_training_are_read_as_its_border(scaling, dtype, make, rng):
    X = rng.normal(size=(50, 4)) * [1, 1e6, 1e-6, 0] + [0, 5, 0, 3]
    X[4, 1] = np.nan
    X[7, 0] = 40  # so that "auto" goes by the ranks of this column
    X = np.asarray(X, np.float32 if make is np.float32 else float)
    low, high = np.nanmin(X, axis=0), np.nanmax(X, axis=0)
    clips, extrapolates = (NumericScaler(scaling, clips=c).fit(make(X)) for c in (True, False))
    z = clips.transform(make(X), dtype)
    np.testing.assert_array_equal(z, extrapolates.transform(make(X), dtype))
    wide = 0.01 * (high - low) + [1e-3, 1, 1e-9, 0.5]
    for rows, border in ((high + wide, high), (high + 1e9, high), (low - wide, low)):
        row, border = make(rows[None].astype(X.dtype)), make(border[None])
        far = clips.transform(row, dtype)
        np.testing.assert_array_equal(far, clips.transform(border, dtype))
        if scaling not in ("auto", "quantile"):
            beyond = extrapolates.transform(row, dtype)[0, :3]
            assert (np.abs(beyond) > np.abs(far[0, :3])).all()
    np.testing.assert_array_equal(clips.clip(far), far)
    gap = np.full((1, 4), np.nan)
    np.testing.assert_array_equal(
        clips.transform(gap, dtype), extrapolates.transform(gap, dtype), strict=True
    )


@pytest.mark.parametrize("scaling", SCALINGS)
def test_clip_brings_rows_into_the_range_of_training(scaling, rng):
    X = rng.normal(size=(50, 3))
    X[4, 1] = np.nan
    scaler = NumericScaler(scaling, clips=False).fit(X)
    z = scaler.transform(X, "float64")
    np.testing.assert_array_equal(scaler.clip(z), z)
    far = scaler.clip(scaler.transform(1e6 * X, "float64"))
    assert (far <= z.max(axis=0)).all()
    assert (far >= z.min(axis=0)).all()
    assert scaler.clip(np.full((1, 4), 9.0, "float32")).dtype == np.float32


def test_clip_stays_in_the_dtype():
    scaler = NumericScaler(None).fit(np.array([[-1e300], [1e300]]))
    largest = np.finfo("float32").max
    z = scaler.clip(np.array([[largest], [-largest], [0]], "float32"))
    np.testing.assert_array_equal(z[:, 0], [largest, -largest, 0])


def test_float32_has_the_values_of_float64(rng):
    X = rng.normal(size=(100, 4)).astype("float32")
    for layout in (X, np.asfortranarray(X), X[::-1][::-1], csr_array(X)):
        z = NumericScaler().fit(layout).transform(layout, "float32")
        np.testing.assert_array_equal(z, scale(X, dtype="float32"))
        assert z.flags.c_contiguous


def test_a_row_stands_alone(rng):
    X = rng.normal(size=(9000, 5))
    X[::7, 2] = np.nan
    for scaling in SCALINGS:
        scaler = NumericScaler(scaling).fit(X)
        z = scaler.transform(X, "float32")
        for rows in ([8999], [0, 7], slice(5, 6000)):
            np.testing.assert_array_equal(scaler.transform(X[rows], "float32"), z[rows])


def test_names(reader):
    X = pd.DataFrame({"n": [1.0, None], "c": ["x", "y"], "m": [1, 2]})
    assert reader().fit(X).encoder.get_feature_names_out().tolist() == ["c", "n", "m", "missing_n"]
    encoder = reader().fit(X.to_numpy()).encoder
    assert encoder.get_feature_names_out().tolist() == ["x1", "x0", "x2", "missing_x0"]
    assert encoder.n_dense == 3


def test_weights_reach_the_scales(reader):
    X = np.array([[0.0], [1.0], [5.0]])
    model = reader().fit(X, weight=np.array([1.0, 1.0, 0.0]))
    np.testing.assert_allclose(model.encode(X).dense[:2, 0], [-1, 1])


def test_quantiles_of_rows_of_nearly_no_weight_are_finite():
    scaler = NumericScaler("quantile").fit(
        np.arange(4.0)[:, None], np.array([5e-324, 1, 1, 1e-300])
    )
    Z = scaler.transform(np.arange(-1.0, 5)[:, None], "float64")
    assert np.isfinite(Z).all()
    assert (np.diff(Z[:, 0]) >= 0).all()


@pytest.mark.parametrize("unit", [1.0, 1e-300, 1e-307, 1e-310, 1e-318])
def test_new_numbers_between_ranks_of_a_tiny_column(unit, rng):
    """Between denormal numbers the slope of a line overflows."""
    x = np.unique(np.round(rng.uniform(-1000, 1000, 60)))[:, None]
    new = (x[:-1] + x[1:]) / 2 + [0.0]
    usual, tiny = (NumericScaler("quantile").fit(x * u) for u in (1.0, unit))
    expected = usual.transform(new, "float64")
    assert np.ptp(expected) > 3
    found = tiny.transform(new * unit, "float64")
    np.testing.assert_allclose(found, expected, atol=0.01 if unit == 1e-318 else 1e-9)
