"""Products of weights and numbers in C, and activations: what stages 3 to 5 share."""

from __future__ import annotations

from dcnfast.serving.c_source.source import Source

ADD_PRODUCT = """\
/* y (O) += W x: W lies by inputs, (I, O), so that the loop over outputs may become vectors. */
static void add_product(double *restrict y, const weight *restrict W, const double *restrict x,
                        size_t I, size_t O) {
  for (size_t i = 0; i < I; ++i) {
    const double xi = x[i];
    const weight *w = W + i * O;
    if (xi == 0) continue;
    for (size_t o = 0; o < O; ++o) y[o] += w[o] * xi;
  }
}"""

SET = """\
static void set(double *y, const weight *b, size_t n) {
  for (size_t i = 0; i < n; ++i) y[i] = b[i];
}"""

CLEAR = """\
static void clear(double *y, size_t n) {
  for (size_t i = 0; i < n; ++i) y[i] = 0;
}"""

SIGMOID = "static double sigmoid(double z) { return 1 / (1 + exp(-z)); }"

# name -> what its function needs, and the function; None is no function at all
ACTIVATIONS: dict[str, tuple[str, ...] | None] = {
    "identity": None,
    "relu": ("static double relu(double z) { return z > 0 ? z : 0; }",),
    "tanh": (),  # of the library of C
    "sigmoid": (SIGMOID,),
    "gelu": (
        """\
static double gelu(double z) {
  return 0.5 * z * (1 + tanh(0.79788456080286535588 * (z + 0.044715 * z * z * z)));
}""",
    ),
}


def activated(source: Source, activation: str, z: str) -> str:
    """Write what an activation takes; return the expression of it.

    Raises
    ------
    TypeError
        If it is one that is not written as C.
    """
    if activation not in ACTIVATIONS:
        raise TypeError(
            f"to_c: the activation is {activation!r}, which is not written as C, want one of "
            f"{list(ACTIVATIONS)!r}"
        )
    functions = ACTIVATIONS[activation]
    if functions is None:
        return z
    source.use(*functions)
    return f"{activation}({z})"
