"""A plugin of pytest that spoils one result of the kernels: ``PYTHONPATH=tests pytest -p mutants``.

The environment variable DCNFAST_MUTANT says which and how, as in ``dense_backward:1:zeros``: the
second gradient, all zero. Tests that still pass do not look. See tests/package/test_mutants.py.
"""

import os

import numpy as np

from dcnfast import _core
from dcnfast.network.crosses import CROSSES
from dcnfast.network.losses import LOSSES

HOWS = {
    "zeros": np.zeros_like,
    "a factor": lambda a: a * a.dtype.type(1 + 1 / 1000),
    "a row is lost": lambda a: np.where(np.arange(len(a)).reshape(-1, *[1] * (a.ndim - 1)) == 0,
                                        a.dtype.type(0), a),
}  # fmt: skip


def spoil(value, how):
    if isinstance(value, list):
        return [spoil(part, how) for part in value]
    if isinstance(value, float):
        return float(HOWS[how](np.array([value]))[0])
    return HOWS[how](value)


# function of ops -> kernel, and the kind that is its first argument
KINDS = {loss.reference: ("loss", name) for name, loss in LOSSES.items()}
for name, cross in CROSSES.items():
    KINDS |= dict(zip(cross.reference, (("cross", name), ("cross_backward", name)), strict=True))


class Mutant:
    """The kernels of one type, of which one function has one wrong result."""

    def __init__(self, kernels, function, index, how):
        self.kernels, self.index, self.how = kernels, index, how
        self.kernel, self.kind = KINDS.get(function, (function, None))

    def __getattr__(self, name):
        return self.call if name == self.kernel else getattr(self.kernels, name)

    def call(self, *arguments):
        in_place = self.kernel == "optimizer_update" and self.index < 3
        before = [np.copy(a) for a in arguments[:3]] if in_place else []
        out = getattr(self.kernels, self.kernel)(*arguments)
        if self.kind not in (None, arguments[0]):
            return out
        if in_place:  # what was changed is wrong
            array, start = arguments[self.index], before[self.index]
            array[...] = start + spoil(array - start, self.how)
            return out
        if not isinstance(out, tuple):
            return spoil(out, self.how)
        return tuple(spoil(o, self.how) if i == self.index else o for i, o in enumerate(out))


def pytest_configure():
    function, index, how = os.environ["DCNFAST_MUTANT"].split(":")
    for name in ("ops_f32", "ops_f64"):
        setattr(_core, name, Mutant(getattr(_core, name), function, int(index), how))
