"""Stage 1 in ONNX, numbers: what ``serving/scale.hpp`` does, to all columns at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dcnfast.encode.bins import MISSING_PLACE
from dcnfast.encode.scaling import NumericScaler, ScaleConstants
from dcnfast.serving.onnx.graph import Graph

Floats = npt.NDArray[np.float64]

KNOWN = ("auto", "standard", "quantile", "log", "robust_smooth", None)  # scalings
FARTHEST_BIN = 1e4  # beyond the outer edge
ONE = np.array(1.0)


@dataclass(frozen=True)
class Dense:
    """Dense columns, of the type of the network; "" where there are none.

    Parameters
    ----------
    plain : str
        Plain columns and indicators (N, M).
    scaled, place : str
        Of columns with bins (N, J): the scaled number, and its place among the bins.
    """

    plain: str = ""
    scaled: str = ""
    place: str = ""


def scaled(g: Graph, scaler: NumericScaler, numbers: str) -> Dense:
    """Return numbers (N, P + J), NaN where they are missing, as the network reads them.

    Raises
    ------
    TypeError
        If they are scaled in a way that is not written as ONNX.
    """
    if scaler.scaling not in KNOWN:
        raise TypeError(
            f"to_onnx: numeric_scaling is {scaler.scaling!r}, which is not written as ONNX, want "
            f"one of {KNOWN!r}"
        )
    if not numbers:
        return Dense()
    c = scaler.constants(g.dtype)
    m, plain, binned = len(c.mean), scaler.plain, list(scaler.bins)
    missing = g.op("IsNaN", numbers)
    x = g.op("Where", missing, np.array(0.0), numbers)
    if scaler.scaling == "log":
        x = _logarithm(g, x)
    z = _standardized(g, c, x, missing)
    parts = [g.cast(g.columns(z, plain, m), g.dtype)] if plain else []
    if len(c.indicators):
        parts.append(g.cast(g.columns(missing, c.indicators.tolist(), m), g.dtype))
    together = g.beside(parts) if parts else ""
    if not binned:
        return Dense(together)
    place = _places(g, c, g.columns(x, binned, m), g.columns(missing, binned, m), binned)
    return Dense(together, g.cast(g.columns(z, binned, m), g.dtype), g.cast(place, g.dtype))


def clipped(g: Graph, scaler: NumericScaler, dense: Dense) -> Dense:
    """Return dense columns within the range of the training rows; missing ones stay missing."""
    largest = float(np.finfo(g.dtype).max)
    low, high = (
        np.clip(ends, -largest, largest).astype(g.dtype) for ends in (scaler.low, scaler.high)
    )
    first = len(low) - 2 * len(scaler.bins)
    plain = g.between(dense.plain, low[:first], high[:first]) if dense.plain else ""
    if not dense.place:
        return Dense(plain)
    missing = g.op("Equal", dense.place, g.number(MISSING_PLACE))
    z = g.between(dense.scaled, low[first::2], high[first::2])
    place = g.between(dense.place, low[first + 1 :: 2], high[first + 1 :: 2])
    return Dense(
        plain,
        g.op("Where", missing, g.number(0), z),
        g.op("Where", missing, g.number(MISSING_PLACE), place),
    )


def _logarithm(g: Graph, x: str) -> str:
    """Return sign(x) log(1 + |x|); small numbers keep their digits, as Kahan has it."""
    size = g.op("Abs", x)
    more = g.op("Add", size, ONE)
    rounded = g.op("Sub", more, ONE)
    tiny = g.op("Equal", rounded, np.array(0.0))
    ratio = g.op("Div", size, g.op("Where", tiny, ONE, rounded))
    log = g.op("Where", tiny, size, g.op("Mul", g.op("Log", more), ratio))
    return g.op("Mul", g.op("Sign", x), log)


def _standardized(g: Graph, c: ScaleConstants, x: str, missing: str) -> str:
    m = len(c.mean)
    ranked = [j for j, (knots, _) in enumerate(c.knots) if len(knots)]
    if ranked:
        of_ranked = on_lines(g, g.columns(x, ranked, m), [c.knots[j] for j in ranked])
        both = g.beside([x, of_ranked])
        order = [m + ranked.index(j) if j in ranked else j for j in range(m)]
        x = of_ranked if len(ranked) == m else g.columns(both, order, m + len(ranked))
    if np.isfinite(c.low).any() or np.isfinite(c.high).any():
        x = g.between(x, c.low, c.high)
    factor, mean, scale = in_units_of_scale(c.factor, c.mean, c.scale)
    z = g.op("Mul", x, factor) if (factor != 1).any() else x
    z = g.op("Div", g.op("Sub", z, mean), scale)
    z = g.between(z, np.array(-c.farthest), np.array(c.farthest))
    if c.bend:
        share = g.op("Div", z, np.array(c.bend))
        z = g.op("Div", z, g.op("Sqrt", g.op("Add", g.op("Mul", share, share), ONE)))
    z = g.op("Where", missing, c.missing, z)
    return g.op("Where", c.constant, np.array(0.0), z) if c.constant.any() else z


def in_units_of_scale(factor: Floats, mean: Floats, scale: Floats) -> tuple[Floats, Floats, Floats]:
    """Return all three times a power of two that brings the scale to 1.5 to 3.

    The quotient is the same. Optimizers may leave out what a single number adds or subtracts that
    float32 takes for 0, as onnxruntime's does.
    """
    power = np.where(np.frexp(scale)[0] < 0.75, 2, 1) - np.frexp(scale)[1]
    found = [np.ldexp(a, power) for a in (factor, mean, scale)]
    if not all(np.isfinite(a).all() for a in found):  # of a column without numbers, say
        return factor, mean, scale
    return found[0], found[1], found[2]


def _away(g: Graph, x: str, edge: Floats, bin_: Floats) -> str:
    """Return how far x is from an edge, in bins."""
    factor, edge, bin_ = in_units_of_scale(np.ones_like(edge), edge, bin_)
    return g.op("Div", g.op("Sub", g.op("Mul", x, factor), edge), bin_)


def _places(g: Graph, c: ScaleConstants, x: str, missing: str, binned: Sequence[int]) -> str:
    """Return the places among the bins of columns (N, J) that have some."""
    bins = [c.bins[j] for j in binned]
    units = np.array([unit for _, unit, _ in bins])
    if (units != 1).any():
        x = g.op("Mul", x, units)
    lines = [(edges, np.arange(len(edges), dtype=np.float64)) for edges, _, _ in bins]
    place = on_lines(g, x, lines)
    if c.goes_on:
        first, second, before, last = (
            np.array([edges[i] for edges, _, _ in bins]) for i in (0, 1, -2, -1)
        )
        zero, far = np.array(0.0), np.array(FARTHEST_BIN)
        below = g.op("Min", _away(g, x, first, second - first), zero)
        above = g.op("Max", _away(g, x, last, last - before), zero)
        below, above = g.op("Max", below, -far), g.op("Min", above, far)
        place = g.chain("Add", place, below, above)
    of_missing = np.array([absent for _, _, absent in bins])
    return g.op("Where", missing, of_missing, place)


def on_lines(g: Graph, x: str, lines: Sequence[tuple[Floats, Floats]]) -> str:
    """Interpolate columns (N, R), each between points of its own, constant beyond the outer ones.

    The points of all lie behind one another, and all are searched at a time: in as many rounds as
    the longest list takes, each of which goes on by half as many points as the round before, where
    that is not beyond x.
    """
    counts = np.array([len(points) for points, _ in lines])
    starts = np.cumsum(counts) - counts
    points = np.concatenate([points for points, _ in lines])
    heights = np.concatenate([z for _, z in lines])
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        slopes = np.concatenate([np.append(np.diff(z) / np.diff(p), 0.0) for p, z in lines])
    slopes = np.nan_to_num(slopes)  # of points nearer than numbers are: a height is enough
    x = g.between(x, points[starts], points[starts + counts - 1])
    last, all_points, at = counts - 1, g.constant(points), g.constant(np.zeros(len(lines), int))
    for power in reversed(range(int(counts.max() - 1).bit_length())):
        ahead = g.op("Min", g.op("Add", at, np.array(2**power)), last)
        there = g.op("Gather", all_points, g.op("Add", ahead, starts))
        at = g.op("Where", g.op("LessOrEqual", there, x), ahead, at)
    at = g.op("Add", at, starts)
    beyond = g.op("Sub", x, g.op("Gather", all_points, at))
    rise = g.op("Mul", g.op("Gather", g.constant(slopes), at), beyond)
    return g.op("Add", rise, g.op("Gather", g.constant(heights), at))
