"""What every stage's tests share: the instruction set, the dtype, and sizes chosen to hurt."""

import os

import numpy as np
import pytest

from dcnfast.cpu import available_isas
from dcnfast.testing import assert_within_rounding, central_difference, force_isa

FORCED = os.environ.get("DCNFAST_ISA")

# Vectors hold 8 (float64) or 16 (float32) numbers, register tiles have up to 12 rows and 2 vectors,
# tiles of a batch 144 to 192 rows.
ROWS = [0, 1, 2, 11, 12, 13, 25, 144, 145, 192, 193]
WIDTHS = [1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 49]


@pytest.fixture(params=[FORCED] if FORCED else available_isas())
def isa(request):
    """Run the test on each instruction set; fails if it was not the active one."""
    with force_isa(request.param):
        yield request.param


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture
def rng():
    return np.random.default_rng(20)


@pytest.fixture(
    params=[(rows, 17) for rows in ROWS] + [(5, width) for width in WIDTHS],
    ids=lambda size: f"{size[0]}x{size[1]}",
)
def size(request):
    """(rows, width): each on its own, the other small and odd."""
    return request.param


@pytest.fixture
def check_gradients(rng):
    """check_gradients(gradients, forward, dout, *arguments): backward is forward's slope.

    ``forward`` is the reference's. Each gradient is compared with central differences along random
    directions, relative 1e-6.
    """

    def check(gradients, forward, dout, *arguments):
        for i, (gradient, argument) in enumerate(zip(gradients, arguments, strict=True)):
            assert gradient.shape == argument.shape

            def loss(value, i=i):
                return np.sum(dout * forward(*arguments[:i], value, *arguments[i + 1 :]))

            for _ in range(3):
                direction = rng.choice([-1.0, 1.0], size=argument.shape)
                numeric = central_difference(loss, argument, direction)
                scale = np.linalg.norm(gradient) * np.linalg.norm(direction)
                assert abs(np.sum(gradient * direction) - numeric) <= 1e-6 * scale, f"argument {i}"

    return check


@pytest.fixture
def check_rounding():
    """check_rounding(actuals, expecteds, magnitudes, n_roundings) for arrays or tuples of them."""

    def check(actual, expected, magnitude, n_roundings):
        if isinstance(expected, np.ndarray):
            actual, expected, magnitude = (actual,), (expected,), (magnitude,)
        for triple in zip(actual, expected, magnitude, strict=True):
            assert_within_rounding(*triple, n_roundings)

    return check
