"""Stage 6 in C: logits of the members -> what ``predict`` or ``predict_proba`` says."""

from __future__ import annotations

from collections.abc import Callable

from dcnfast.network.config import NetworkConfig
from dcnfast.serving.answers import Answer
from dcnfast.serving.c_source.products import SIGMOID, SOFTMAX
from dcnfast.serving.c_source.source import Source

SOFTPLUS = """\
/* log(1 + exp(z)) */
static double softplus(double z) { return (z > 0 ? z : 0) + log1p(exp(-fabs(z))); }"""


def write_answer(source: Source, config: NetworkConfig, answer: Answer) -> None:
    """Write ``answer(logits, out)``: the mean of what the logits (E, C) of members say.

    Raises
    ------
    TypeError
        If the loss is one whose inverse link is not written as C.
    """
    if answer.loss not in LINKS:
        raise TypeError(
            f"to_c: loss is {answer.loss!r}, whose inverse link is not written as C, want one of "
            f"{list(LINKS)!r}"
        )
    C, E, size = config.n_outputs, config.n_members, answer.size
    link = LINKS[answer.loss](source, answer)
    ends = ["if (fabs(out[c]) < DBL_MIN) out[c] = 0; /* no denormal numbers */"]
    if answer.scaled is not None:
        for name, values in zip(("scale", "mean", "factor"), answer.scaled, strict=True):
            source.numbers(f"target_{name}", values)
        ends.append("out[c] = (out[c] * target_scale[c] + target_mean[c]) / target_factor[c];")
        ends.append("out[c] = out[c] > DBL_MAX ? DBL_MAX : out[c] < -DBL_MAX ? -DBL_MAX : out[c];")
    if answer.bounds is not None:
        for name, values in zip(("target_least", "target_most"), answer.bounds, strict=True):
            source.numbers(name, values)
        ends.append(
            "out[c] = out[c] > target_most[c] ? target_most[c]\n"
            "             : out[c] < target_least[c] ? target_least[c] : out[c];"
        )
    body = "\n".join(f"    {line}" for line in ends)
    source.write(
        f"""\
/* The mean of what the members say. */
static void answer(const double *logits, double *out) {{
  double said[{size}];
  for (size_t c = 0; c < {size}; ++c) out[c] = 0;
  for (size_t e = 0; e < {E}; ++e) {{
    const double *z = logits + e * {C};
{link}
    for (size_t c = 0; c < {size}; ++c) out[c] += said[c] / {E};
  }}
  for (size_t c = 0; c < {size}; ++c) {{
{body}
  }}
}}"""
    )


# ---- each kind returns the statements that make answers `said` of the logits z of one member


def _each(of_one: str) -> Callable[[Source, Answer], str]:
    def link(source: Source, answer: Answer) -> str:
        del source
        return f"    for (size_t c = 0; c < {answer.n_logits}; ++c) said[c] = {of_one};"

    return link


def _rates(source: Source, answer: Answer) -> str:
    source.use(SIGMOID)
    if answer.labels:
        return "    said[0] = sigmoid(-z[0]);\n    said[1] = sigmoid(z[0]);"
    return _each("sigmoid(z[c])")(source, answer)


def _softmax(source: Source, answer: Answer) -> str:
    source.use(SOFTMAX)
    return f"    softmax(said, z, {answer.n_logits});"


def _ordinal(source: Source, answer: Answer) -> str:
    """Return the probabilities of K classes by the log-odds of what is above each but the last."""
    source.use(SIGMOID, SOFTPLUS)
    C = answer.n_logits
    return f"""\
    double above = z[0];
    said[0] = sigmoid(-above);
    for (size_t c = 1; c < {C}; ++c) {{ /* above the class before, and not above it */
      const double before = above;
      above -= softplus(z[c]);
      said[c] = sigmoid(before) * sigmoid(-above) * sigmoid(z[c]);
    }}
    said[{C}] = sigmoid(above);"""


def _quantiles(source: Source, answer: Answer) -> str:
    C, Q = answer.n_logits, answer.logits_of_a_target
    if Q == 1:
        return _each("z[c]")(source, answer)
    source.use(SOFTPLUS)
    return f"""\
    for (size_t c = 0; c < {C}; ++c)
      said[c] = c % {Q} ? said[c - 1] + softplus(z[c]) : z[c];"""


_MEANS = _each("exp(z[c] < 0x1.62e42fefa39efp9 ? z[c] : 0x1.62e42fefa39efp9)")

LINKS: dict[str, Callable[[Source, Answer], str]] = {
    "squared_error": _each("z[c]"),
    "log_loss": _rates,
    "softmax": _softmax,
    "poisson": _MEANS,
    "absolute_error": _each("z[c]"),
    "huber": _each("z[c]"),
    "quantile": _quantiles,
    "gamma": _MEANS,
    "tweedie": _MEANS,
    "focal": _softmax,
    "ordinal": _ordinal,
    "multi_label": _rates,
}
