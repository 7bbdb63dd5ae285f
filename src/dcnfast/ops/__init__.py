"""The kernels for people: NumPy in, NumPy out, forward above its backward.

Every function has its specification under the same name and with the same order of arguments in
:mod:`dcnfast.reference`. Arrays may be lists, strided, read-only or of mixed type: they are brought
to one C-contiguous array of one type before the kernel sees them, float32 if all are float32 and
float64 otherwise. Nothing is written into an argument. A shape that does not fit or a masked value
is a ValueError, an array that is not of numbers a TypeError; both name the function and the
argument.

There is a function and its backward for each form of the cross layers, and a function for each
loss.

Letters: B rows, F categorical fields, V rows and K width of a table, D width, L cross layers,
R rank, I and O inputs and outputs, H and C widths.

Examples
--------
>>> import numpy as np
>>> from dcnfast import ops
>>> ops.cross_matrix([[0.1, 0.2, 0.3]], W=np.ones((1, 3, 3)), b=np.zeros((1, 3))).round(2)
array([[0.16, 0.32, 0.48]])
"""

from collections.abc import Callable
from typing import Any

from dcnfast.ops.cross import FUNCTIONS as _OF_CROSSES
from dcnfast.ops.layers import (
    combine,
    combine_backward,
    dense,
    dense_backward,
    embedding,
    embedding_backward,
    layer_norm,
    layer_norm_backward,
)
from dcnfast.ops.losses import FUNCTIONS as _OF_LOSSES

_OF_KINDS: dict[str, Callable[..., Any]] = _OF_CROSSES | _OF_LOSSES

__all__ = [
    "combine",
    "combine_backward",
    "dense",
    "dense_backward",
    "embedding",
    "embedding_backward",
    "layer_norm",
    "layer_norm_backward",
]
__all__ += sorted(_OF_KINDS)


def __getattr__(name: str) -> Callable[..., Any]:
    if name in _OF_KINDS:
        return _OF_KINDS[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_OF_KINDS})
