"""What tests need and people may use: force an instruction set, and judge what it computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast import _core
from dcnfast.cpu import active_isa


@contextmanager
def force_isa(name: str) -> Iterator[None]:
    """Run the body on the instruction set ``name``, and restore the one before.

    Raises
    ------
    ValueError
        If the build or the CPU does not have it.
    AssertionError
        If at the end another one is active: what ran did not test what it was meant to.
    """
    before = active_isa()
    _core.force_isa(name)
    try:
        yield
        if active_isa() != name:
            raise AssertionError(f"instruction set {name} was forced, {active_isa()} is active")
    finally:
        _core.force_isa(before)


def draw_dense(config: Any, rows: int, rng: Any) -> npt.NDArray[np.float64]:
    """Draw the dense columns (rows, M + 2 J) of a network: numbers, and places among bins.

    A tenth of the embedded numbers is missing, a tenth lies beyond the outer bins.

    Parameters
    ----------
    config : NetworkConfig
    rows : int
    rng : Generator or RandomState
    """
    dense: npt.NDArray[np.float64] = rng.normal(0, 0.8, (rows, config.dense_columns))
    for j, bins in enumerate(config.numeric_bins):
        places = rng.uniform(-0.06 * bins, 1.06 * bins, rows)
        places[rng.uniform(size=rows) < 0.1] = -1e9  # missing
        dense[:, config.n_dense + 2 * j + 1] = places
    return dense


def assert_within_rounding(
    actual: npt.ArrayLike, expected: npt.ArrayLike, magnitude: npt.ArrayLike, n_roundings: int
) -> None:
    """Fail unless ``actual`` differs from ``expected`` by rounding alone.

    A sum of products, in any order, fused or not, is off by at most ``n u / (1 - n u)`` times the
    sum of the absolute products, where n is the most roundings that any product goes through and u
    half the spacing of the numbers at 1 (Higham, "Accuracy and Stability of Numerical Algorithms",
    2002, section 3.1).

    Parameters
    ----------
    actual : array-like of float32 or float64
        Its dtype says what u is.
    expected : array-like
        The same in more exact arithmetic.
    magnitude : array-like
        What the computation gives for absolute values of all inputs, or anything larger.
    n_roundings : int
        The n above.

    Raises
    ------
    AssertionError
        If shapes differ or a number lies outside.
    """
    got, want = np.asarray(actual), np.asarray(expected)
    if got.shape != want.shape:
        raise AssertionError(f"shape {got.shape}, want {want.shape}")
    # expected has been rounded to float64 itself, hence twice
    nu = 2 * n_roundings * float(np.finfo(got.dtype).eps) / 2
    bound = np.broadcast_to(nu / (1 - nu) * np.asarray(magnitude), want.shape)
    error = np.abs(got.astype(np.float64) - want)
    if not (error <= bound).all():  # this way round NaN fails
        worst = np.unravel_index(np.argmax(np.where(error <= bound, 0, error)), error.shape)
        raise AssertionError(
            f"{int((~(error <= bound)).sum())} of {error.size} are off by more than rounding; "
            f"at {tuple(int(i) for i in worst)} got {got[worst]!r}, want {want[worst]!r}, "
            f"error {error[worst]:.3g}, allowed {bound[worst]:.3g}"
        )


def assert_close_in_norm(actual: npt.ArrayLike, expected: npt.ArrayLike, rtol: float) -> None:
    """Fail unless the error of the whole array is at most ``rtol`` of the whole array.

    A bound of this kind cannot be passed by zeros, nor by anything that leaves out more than that
    share, however small the expected numbers are.

    Parameters
    ----------
    actual, expected : array-like
        Where all expected numbers are 0, the actual ones have to be 0, too.
    rtol : float
        Of the root of the sum of squares; below 0.1, or it would say little.

    Raises
    ------
    AssertionError
        If shapes differ or the error is larger, or not a number.
    ValueError
        If rtol is not below 0.1.
    """
    if not 0 <= rtol < 0.1:
        raise ValueError(f"rtol is {rtol!r}, want at least 0 and less than 0.1")
    got, want = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    if got.shape != want.shape:
        raise AssertionError(f"shape {got.shape}, want {want.shape}")
    # by the largest number, so that no square leaves the range
    largest = float(np.abs(want).max(initial=0)) or 1.0
    error, size = (float(np.linalg.norm(a / largest)) for a in (got - want, want))
    if not error <= rtol * size:  # this way round NaN fails
        share = error / size if size else np.inf
        raise AssertionError(f"the error is {share:.3g} of what is expected, allowed {rtol:.3g}")


def central_difference(
    f: Callable[[npt.NDArray[np.float64]], Any],
    x: npt.NDArray[np.float64],
    direction: npt.NDArray[np.float64],
    step: float = 1e-5,
) -> float:
    """Return the slope of the scalar function ``f`` at ``x`` along ``direction``.

    Parameters
    ----------
    f : callable
        From an array like x to a number.
    x, direction : ndarray of float64
    step : float, default=1e-5
        The error is of the order of ``step**2`` from curvature and ``1e-16 / step`` from rounding.

    Returns
    -------
    float
    """
    return float((f(x + step * direction) - f(x - step * direction)) / (2 * step))
