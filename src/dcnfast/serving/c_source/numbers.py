"""Stage 1 in C, numbers: what ``serving/scale.hpp`` does to those of a row."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.encode.bins import MISSING_PLACE
from dcnfast.encode.scaling import NumericScaler, ScaleConstants
from dcnfast.serving.c_source import literals
from dcnfast.serving.c_source.source import Source

LINE = """\
/* A line through points, constant beyond the outer ones; without z that is 0, 1, 2 and so on. */
typedef struct {
  const double *x, *z;
  size_t n;
} line;"""

ON_LINE = """\
static double height(const line *l, size_t j) { return l->z ? l->z[j] : (double)j; }

static double on_line(const line *l, double number) {
  size_t j = 0, left = l->n;
  if (number <= l->x[0]) return height(l, 0);
  if (number >= l->x[left - 1]) return height(l, left - 1);
  while (left > 1) {
    const size_t half = left / 2;
    if (l->x[j + half] <= number) j += half;
    left -= half;
  }
  const double rise = height(l, j + 1) - height(l, j), run = l->x[j + 1] - l->x[j];
  if (number == l->x[j]) return height(l, j);
  if (isinf(rise / run)) return (number - l->x[j]) / run * rise + height(l, j);
  return rise / run * (number - l->x[j]) + height(l, j);
}"""

COLUMN = """\
typedef struct {
  line knots;       /* what numbers are interpolated between first, if there are any */
  double low, high; /* they are clipped to */
  double factor, mean, scale;
  double missing; /* what one that is missing becomes */
  int constant;
  line edges; /* of bins, if there are any */
  double unit;
  double missing_place; /* among the bins */
} column;"""

PLACE = """\
/* The number of a bin and the share of it that is below. */
static double place(const column *c, double number) {
  const double x = number * c->unit;
  if (isnan(number)) return c->missing_place;
%sreturn on_line(&c->edges, x);
}"""

PLACES_GO_ON = """\
const double *b = c->edges.x;
  const size_t n = c->edges.n - 1;
  if (x < b[0]) {
    const double beyond = (x - b[0]) / (b[1] - b[0]);
    return beyond > -1e4 ? beyond : -1e4;
  }
  if (x > b[n]) {
    const double beyond = (x - b[n]) / (b[n] - b[n - 1]);
    return (double)n + (beyond < 1e4 ? beyond : 1e4);
  }
  """


def write_scales(source: Source, scaler: NumericScaler, dtype: npt.DTypeLike) -> None:
    """Write ``scale_numbers(numbers, dense)``."""
    c = scaler.constants(dtype)
    source.write(f"#define MISSING_PLACE ({literals.real(MISSING_PLACE)})")
    m = len(c.mean)
    if not m:
        source.write(
            "static void scale_numbers(const double *numbers, double *dense) {\n"
            "  (void)numbers;\n  (void)dense;\n}"
        )
        return
    source.use(LINE, COLUMN)
    if scaler.bins or any(len(x) for x, _ in c.knots):
        source.use(ON_LINE)
    _write_columns(source, c)
    _write_standardize(source, c)
    if scaler.bins:
        source.write(PLACE % ("  " + PLACES_GO_ON if c.goes_on else "  "))
    source.write(_scale_numbers(source, scaler, c))


def _scale_numbers(source: Source, scaler: NumericScaler, c: ScaleConstants) -> str:
    m, n_plain, n_indicators = len(c.mean), len(scaler.plain), len(c.indicators)
    indicators, pairs, logarithm = "", "", "numbers[j]"
    if n_indicators:
        source.integers("indicators", c.indicators.tolist())
        indicators = f"""
  for (size_t k = 0; k < {n_indicators}; ++k)
    dense[{n_plain} + k] = isnan(numbers[indicators[k]]) ? 1 : 0;"""
    if scaler.bins:
        pairs = """
    if (c->edges.n) {
      pair[0] = (weight)standardize(c, x);
      pair[1] = (weight)place(c, x);
      pair += 2;
      continue;
    }"""
    if scaler.scaling == "log":
        logarithm = "copysign(log1p(fabs(numbers[j])), numbers[j])"
    start = f"\n  double *pair = dense + {n_plain + n_indicators};" if scaler.bins else ""
    return f"""\
/* The plain columns, indicators of what is missing, and of each column with bins its number and its
   place, rounded to the type of the weights. */
static void scale_numbers(const double *numbers, double *dense) {{
  double *plain = dense;{start}
  for (size_t j = 0; j < {m}; ++j) {{
    const column *c = &columns[j];
    const double x = {logarithm};{pairs}
    *plain++ = (weight)standardize(c, x);
  }}{indicators}
}}"""


def _write_columns(source: Source, c: ScaleConstants) -> None:
    lines = []
    bins = c.bins or [(np.empty(0), 1.0, 0.0)] * len(c.mean)
    for j, ((x, z), (edges, unit, place)) in enumerate(zip(c.knots, bins, strict=True)):
        knots = _line(source, f"knots_{j}", x, z)
        of_bins = _line(source, f"edges_{j}", edges, None)
        numbers = [a[j] for a in (c.low, c.high, c.factor, c.mean, c.scale, c.missing)]
        shown = ", ".join(map(literals.real, numbers))
        of_missing = f"{literals.real(unit)}, {literals.real(place)}"
        lines.append(f"  {{{knots}, {shown}, {int(c.constant[j])}, {of_bins}, {of_missing}}},")
    body = "\n".join(lines)
    source.write(f"static const column columns[{len(lines)}] = {{\n{body}\n}};")


def _line(source: Source, name: str, x: Any, z: Any) -> str:
    if not len(x):
        return "{0, 0, 0}"
    source.numbers(f"{name}_x", x)
    if z is None:
        return f"{{{name}_x, 0, {len(x)}}}"
    source.numbers(f"{name}_z", z)
    return f"{{{name}_x, {name}_z, {len(x)}}}"


def _write_standardize(source: Source, c: ScaleConstants) -> None:
    far, bend = literals.real(c.farthest), literals.real(c.bend)
    bent = f"\n  z /= sqrt(1 + (z / {bend}) * (z / {bend}));" if c.bend else ""
    knots = ""
    if any(len(x) for x, _ in c.knots):
        knots = "\n  if (c->knots.n) z = on_line(&c->knots, z);"
    source.write(
        f"""\
static double standardize(const column *c, double number) {{
  double z = number;
  if (c->constant) return 0;
  if (isnan(number)) return c->missing;{knots}
  z = z > c->high ? c->high : z < c->low ? c->low : z;
  z = (z * c->factor - c->mean) / c->scale;
  z = z > {far} ? {far} : z < -{far} ? -{far} : z;{bent}
  return z;
}}"""
    )
