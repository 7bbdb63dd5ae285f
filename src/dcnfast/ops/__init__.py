"""The kernels for people: NumPy in, NumPy out, forward above its backward.

Every function has its specification under the same name and with the same order of arguments in
:mod:`dcnfast.reference`. Arrays may be lists, strided, read-only or of mixed type: they are brought
to one C-contiguous array of one type before the kernel sees them, float32 if all are float32 and
float64 otherwise. Nothing is written into an argument. A shape that does not fit or a masked value
is a ValueError, an array that is not of numbers a TypeError; both name the function and the
argument.

Letters: B rows, F categorical fields, V rows and K width of a table, D width, L cross layers,
R rank, I and O inputs and outputs, H and C widths.
"""

from dcnfast.ops.cross import (
    cross_lowrank,
    cross_lowrank_backward,
    cross_matrix,
    cross_matrix_backward,
    cross_vector,
    cross_vector_backward,
)
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
from dcnfast.ops.losses import log_loss, poisson_loss, softmax_loss, squared_error

__all__ = [
    "combine",
    "combine_backward",
    "cross_lowrank",
    "cross_lowrank_backward",
    "cross_matrix",
    "cross_matrix_backward",
    "cross_vector",
    "cross_vector_backward",
    "dense",
    "dense_backward",
    "embedding",
    "embedding_backward",
    "layer_norm",
    "layer_norm_backward",
    "log_loss",
    "poisson_loss",
    "softmax_loss",
    "squared_error",
]
