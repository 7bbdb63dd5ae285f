"""Stage 1 in ONNX: inputs -> ids (N, F), and dense columns as the network reads them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dcnfast.encode.encoder import TableEncoder
from dcnfast.encode.target_statistics import Statistics
from dcnfast.serving.onnx.categories import MISSING_OF, Missing, rows_of
from dcnfast.serving.onnx.graph import ML, Graph, Value
from dcnfast.serving.onnx.inputs import Columns, OnnxInput
from dcnfast.serving.onnx.numbers import Dense, scaled
from dcnfast.table.dates import DAY_NUMBER

DAY = 86400


def encoded(
    g: Graph, encoder: TableEncoder, inputs: Sequence[OnnxInput], columns: Columns
) -> tuple[str, Dense]:
    """Return ids of fields of one value, "" without any, and the dense columns."""
    _, mask, dates, lists = columns
    places = {*dates.places, *lists.taken}
    table = enumerate(of for of in inputs if not of.counts)
    given = [(of.name, of.missing) for j, of in table if j not in places]
    for date in dates.columns:
        moment = inputs[date.place].name
        given += [(_PARTS[part](g, moment), MISSING_OF["int64"]) for part in dates.parts]
    n_table = len(mask) - len(dates.made)
    names = [field.name for field in encoder.fields]
    single = [of for of, categorical in zip(given, mask, strict=True) if categorical]
    fields = zip(names, encoder.columns, single, strict=False)  # those of lists are behind them
    ids = [rows_of(g, name, column, *of) for name, column, of in fields]
    all_ids = g.beside(ids) if ids else ""
    numbers = [
        name if j < n_table else _day_as_number(g, name, missing)
        for j, ((name, missing), categorical) in enumerate(zip(given, mask, strict=True))
        if not categorical
    ]
    if encoder.statistics is not None:
        numbers.append(_statistics(g, encoder.statistics, all_ids))
    return all_ids, scaled(g, encoder.scaler, g.beside(numbers) if numbers else "")


def _statistics(g: Graph, found: Statistics, ids: str) -> str:
    """Return means of the target and counts of rows, by category and by pair of categories."""
    n_fields, n = len(found.sizes), len(found._keys)
    keys = g.op("Mul", g.columns(ids, found._first.tolist(), n_fields), found._times)
    if found._is_pair.any():
        second = g.columns(ids, found._second.tolist(), n_fields)
        keys = g.op("Add", keys, g.op("Mul", second, found._is_pair))
    keys = g.op("Add", keys, found._start)
    g.count_bytes(20 * n)
    at = g.op(
        "LabelEncoder", keys, domain=ML, keys_int64s=found._keys.tolist(),
        values_int64s=list(range(n)), default_int64=n,
    )  # fmt: skip
    of_groups = g.op("Gather", g.constant(found._table), at)
    return g.cast(g.flat(of_groups, len(found.groups) * found._table.shape[1]), np.float64)


# ---- dates: seconds since 1970 -> parts, as integers


def _floor(g: Graph, a: Value, b: int) -> str:
    """Return how often b is in a, rounded down: Mod has the sign of what divides."""
    rest = g.op("Mod", a, np.array(b))
    return g.op("Div", g.op("Sub", a, rest), np.array(b))


def _or_missing(g: Graph, seconds: str, part: str) -> str:
    missing = np.array(MISSING_OF["int64"], np.int64)
    return g.op("Where", g.op("Equal", seconds, missing), missing, part)


def _hour(g: Graph, seconds: str) -> str:
    hour = _floor(g, g.op("Mod", seconds, np.array(DAY)), 3600)
    return _or_missing(g, seconds, hour)


def _weekday(g: Graph, seconds: str) -> str:
    monday = g.op("Add", _floor(g, seconds, DAY), np.array(3))  # is day 0: 1970 began a Thursday
    return _or_missing(g, seconds, g.op("Mod", monday, np.array(7)))


def _month(g: Graph, seconds: str) -> str:
    """Return the month as Hinnant's civil_from_days has it: years begin in March."""
    day = g.op("Add", _floor(g, seconds, DAY), np.array(719468))
    in_era = g.op("Mod", day, np.array(146097))
    leap = [_floor(g, in_era, days) for days in (1460, 36524, 146096)]
    days = g.op("Add", g.op("Sub", in_era, leap[0]), g.op("Sub", leap[1], leap[2]))
    year = _floor(g, days, 365)
    before = g.op("Mul", year, np.array(365))
    before = g.op("Add", before, g.op("Sub", _floor(g, year, 4), _floor(g, year, 100)))
    in_year = g.op("Sub", in_era, before)
    month = _floor(g, g.op("Add", g.op("Mul", in_year, np.array(5)), np.array(2)), 153)
    month = g.op("Add", g.op("Mod", g.op("Add", month, np.array(2)), np.array(12)), np.array(1))
    return _or_missing(g, seconds, month)


def _day_number(g: Graph, seconds: str) -> str:
    return _or_missing(g, seconds, _floor(g, seconds, DAY))


def _day_as_number(g: Graph, day: str, missing: Missing) -> str:
    absent = g.op("Equal", day, np.array(missing, np.int64))
    return g.op("Where", absent, np.array(np.nan), g.cast(day, np.float64))


_PARTS = {"hour": _hour, "weekday": _weekday, "month": _month, DAY_NUMBER: _day_number}
