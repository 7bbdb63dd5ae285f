"""The bounds that tests judge with: what they let pass, and what not."""

import numpy as np
import pytest

from dcnfast.testing import assert_close_in_norm, assert_within_rounding

EPS = float(np.finfo(np.float32).eps)


@pytest.fixture
def numbers(rng):
    return rng.normal(size=(200, 30))


def test_rounding_passes(numbers):
    single = numbers.astype(np.float32)
    assert_close_in_norm(single, numbers, EPS)
    assert_within_rounding(single, numbers, np.abs(numbers), 1)
    assert_close_in_norm(1e-300 * numbers, 1e-300 * numbers * (1 + 1e-12), 1e-9)
    assert_close_in_norm(np.zeros((0, 3)), np.zeros((0, 3)), 0.0)
    assert_close_in_norm(np.zeros(3), np.zeros(3), 0.0)


MUTANTS = {
    "zeros": np.zeros_like,
    "the mean": lambda a: np.full_like(a, a.mean()),
    "a factor": lambda a: a * (1 + 1 / 1000),
    "the wrong sign": np.negative,
    "a row is lost": lambda a: np.where(np.arange(len(a))[:, None] == 7, 0, a),
    "rows in another order": lambda a: a[::-1],
    "NaN": lambda a: np.where(np.arange(a.size).reshape(a.shape) == 5, np.nan, a),
    "infinity": lambda a: np.where(np.arange(a.size).reshape(a.shape) == 5, np.inf, a),
}


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
@pytest.mark.parametrize("mutant", MUTANTS)
def test_what_is_wrong_fails_whatever_its_size(mutant, scale, numbers):
    expected = scale * numbers
    with np.errstate(invalid="ignore"), pytest.raises(AssertionError, match="the error is"):
        assert_close_in_norm(MUTANTS[mutant](expected), expected, 256 * EPS)


def test_zeros_are_wanted_where_they_are_expected():
    with pytest.raises(AssertionError, match="the error is inf"):
        assert_close_in_norm([0.0, 1e-30], [0.0, 0.0], 1e-3)
    with pytest.raises(AssertionError, match=r"shape \(2,\), want \(1,\)"):
        assert_close_in_norm([0.0, 0.0], [0.0], 1e-3)


@pytest.mark.parametrize("rtol", [0.1, 1.0, -1e-9, np.nan])
def test_a_bound_that_says_little_is_refused(rtol, numbers):
    with pytest.raises(ValueError, match=r"rtol is .*, want at least 0 and less than 0.1"):
        assert_close_in_norm(numbers, numbers, rtol)


def test_the_fixture_does_not_accept_zeros_where_rounding_would(check_rounding, numbers):
    """With magnitudes like those of four cross layers zeros are within rounding."""
    zeros, huge = np.zeros(numbers.shape, np.float32), np.full(numbers.shape, 1e4)
    assert_within_rounding(zeros, numbers, huge, 10_000)
    with pytest.raises(AssertionError, match="the error is 1 of what is expected"):
        check_rounding(zeros, numbers, huge, 10_000)
    check_rounding(numbers.astype(np.float32), numbers, huge, 10_000)
