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

NORMALIZE = """\
/* Mean 0 and deviation 1 over the units of a layer, then scaled and shifted. */
static void normalize(double *z, const weight *scale, const weight *shift, size_t n) {
  double mean = 0, variance = 0;
  for (size_t o = 0; o < n; ++o) mean += z[o];
  mean /= (double)n;
  for (size_t o = 0; o < n; ++o) variance += (z[o] - mean) * (z[o] - mean);
  variance /= (double)n;
  for (size_t o = 0; o < n; ++o)
    z[o] = (z[o] - mean) / sqrt(variance + 1e-5) * scale[o] + shift[o];
}"""

SIGMOID = "static double sigmoid(double z) { return 1 / (1 + exp(-z)); }"

SOFTMAX = """\
static void softmax(double *p, const double *z, size_t n) {
  double most = z[0], total = 0;
  for (size_t i = 1; i < n; ++i) most = z[i] > most ? z[i] : most;
  for (size_t i = 0; i < n; ++i) total += p[i] = exp(z[i] - most);
  for (size_t i = 0; i < n; ++i) p[i] /= total;
}"""

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
