"""A fitted encoder as plain state, and back; see :mod:`dcnfast.plain`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.encode.bins import Bins
from dcnfast.encode.bins import Rule as BinRule
from dcnfast.encode.columns import Floats
from dcnfast.encode.encoded import Field
from dcnfast.encode.encoder import TableEncoder
from dcnfast.encode.saved_categories import column_state, read_column
from dcnfast.encode.scaling import SCALINGS, NumericScaler
from dcnfast.encode.sharing import for_owners, owners
from dcnfast.encode.standardizer import Standardizer
from dcnfast.encode.target_statistics import Rule, Statistics, span
from dcnfast.plain import State, Tree
from dcnfast.table.lists import POOLINGS

OF_COLUMNS = ("mean", "scale", "factor", "low", "high", "lowest", "highest")


def encoder_state(encoder: TableEncoder) -> Tree:
    """Return all that is known of the columns."""
    statistics, buckets = encoder.statistics, encoder.hash_buckets
    rule, bins, shared = encoder.target_statistics, encoder.numeric_bins, encoder.shared_embeddings
    return {
        "numeric_scaling": encoder.numeric_scaling,
        "numeric_clip": encoder.numeric_clip,
        "min_frequency": _plain_number(encoder.min_frequency),
        "max_categories": _plain_number(encoder.max_categories),
        **({"recycle_categories": True} if encoder.recycle_categories else {}),
        "hash_buckets": (
            [[name, int(n)] for name, n in buckets.items()]
            if isinstance(buckets, Mapping)
            else _plain_number(buckets)
        ),
        "target_statistics": None if rule is None else asdict(rule),
        "numeric_bins": None if bins is None else asdict(bins),
        "dense_names": list(encoder._dense_names),
        "n_dense": encoder.n_dense,
        "names": [field.name for field in encoder.fields],
        **({"poolings": list(encoder.poolings.values())} if encoder.poolings else {}),
        **({"shared": [list(group) for group in shared]} if shared else {}),
        "columns": [
            column_state(column)
            for f, column in enumerate(encoder.columns)
            if not encoder.table_of or encoder.table_of[f] == f
        ],
        "statistics": None if statistics is None else _statistics_state(statistics),
        "scaler": _scaler_state(encoder.scaler),
    }


def read_encoder(state: State) -> TableEncoder:
    """Return the encoder of such a state, checked."""
    encoder = TableEncoder(
        numeric_scaling=state.maybe("numeric_scaling", state.text, tuple(filter(None, SCALINGS))),
        numeric_clip=state.flag("numeric_clip"),
        min_frequency=_read_frequency(state),
        max_categories=state.maybe("max_categories", state.integer, 1),
        recycle_categories=state.names("recycle_categories") and state.flag("recycle_categories"),
        hash_buckets=_read_buckets(state),
        target_statistics=_read_rule(state.maybe("target_statistics", state.part)),
        numeric_bins=_read_bin_rule(state.maybe("numeric_bins", state.part)),
    )
    names, columns = state.texts("names"), state.parts("columns")
    encoder.poolings = _read_poolings(state, names)
    if state.names("shared"):
        encoder.shared_embeddings = [_texts(state, group) for group in state.lists("shared")]
    encoder.check_parameters(tuple(names))
    encoder.table_of = owners(encoder.shared_embeddings, names)
    own = encoder.table_of or tuple(range(len(names)))
    if len(set(own)) != len(columns):
        raise state.refuse(f"{len(columns)} names of its columns")
    parts = dict(zip(dict.fromkeys(own), columns, strict=True))
    read = for_owners(
        encoder.table_of,
        len(names),
        lambda owner, _: read_column(encoder.new_column(names[owner]), parts[owner]),
    )
    encoder.columns = read
    encoder.fields = [
        Field(name, column.size, column.counts) for name, column in zip(names, read, strict=True)
    ]
    part = state.maybe("statistics", state.part)
    if part is not None:
        encoder.statistics = _read_statistics(part, encoder)
    encoder.scaler = _read_scaler(state.part("scaler"), encoder)
    _read_dense_names(state, encoder)
    state.done()
    return encoder


def _texts(state: State, group: list[Any]) -> list[str]:
    return State({"shared": group}, state.where).texts("shared")


def _read_poolings(state: State, names: list[str]) -> dict[str, str]:
    """Return the poolings of the last fields, which are lists."""
    if not state.names("poolings"):
        return {}
    poolings = state.texts("poolings")
    if len(poolings) > len(names) or not set(poolings) <= set(POOLINGS):
        raise state.refuse(f"poolings among {POOLINGS!r}, at most as many as columns")
    return dict(zip(names[len(names) - len(poolings) :], poolings, strict=True))


def _read_dense_names(state: State, encoder: TableEncoder) -> None:
    scaler, encoder.n_dense = encoder.scaler, state.integer("n_dense")
    encoder._dense_names = state.texts("dense_names")
    plain = len(scaler.plain) + len(scaler.indicators)
    if (encoder.n_dense, len(encoder._dense_names)) != (plain, plain + len(scaler.bins)):
        raise state.refuse("as many dense columns and names as its scaler has")


def _plain_number(value: Any) -> Any:
    """Return an integer or a float of Python, or None."""
    if value is None or isinstance(value, Integral):
        return None if value is None else int(value)
    return float(value)


def _read_frequency(state: State) -> float | None:
    found = state.take("min_frequency")
    again = State({"min_frequency": found}, state.where)
    whole = isinstance(found, int)
    return again.maybe("min_frequency", again.integer if whole else again.number, 0)


def _read_buckets(state: State) -> int | dict[str, int] | None:
    again = State({"hash_buckets": state.take("hash_buckets")}, state.where)
    if not again.has_list("hash_buckets"):
        return again.maybe("hash_buckets", again.integer, 1)
    pairs = again.lists("hash_buckets")
    if not all(len(pair) == 2 and isinstance(pair[0], str) for pair in pairs):
        raise state.refuse("pairs of a name and a number in hash_buckets")
    return {name: State({name: n}, state.where).integer(name, 1, 2**31 - 3) for name, n in pairs}


def _read_rule(state: State | None) -> Rule | None:
    if state is None:
        return None
    rule = Rule(
        order=state.integer("order", 1, 2),
        folds=state.integer("folds", 2),
        smoothing=state.number("smoothing", 0),
        max_pairs=state.integer("max_pairs"),
        min_categories=state.integer("min_categories", 2),
        largest=state.integer("largest"),
    )
    state.done()
    return rule


def _read_bin_rule(state: State | None) -> BinRule | None:
    if state is None:
        return None
    rule = BinRule(
        max_bins=state.integer("max_bins", 1),
        max_distinct=state.integer("max_distinct"),
        tree=state.flag("tree"),
        min_rows=state.integer("min_rows", 1),
    )
    state.done()
    return rule


# ---- numbers


def standardizer_state(scaler: Standardizer) -> Tree:
    """Return what is known of the range of columns."""
    return {name: getattr(scaler, name) for name in (*OF_COLUMNS, "constant")}


def read_standardizer(state: State, n: int | None = None) -> Standardizer:
    """Return the standardizer of such a state, of n columns."""
    scaler = Standardizer()
    for name in OF_COLUMNS:
        setattr(scaler, name, state.array(name, np.float64, (n,)))
        n = len(getattr(scaler, name))
    scaler.constant = state.array("constant", np.bool_, (n,))
    if not ((scaler.scale > 0).all() and (scaler.factor > 0).all()):
        raise state.refuse("scales and factors above 0")
    if not ((scaler.low <= scaler.high).all() and (scaler.lowest <= scaler.highest).all()):
        raise state.refuse("ranges that go upwards")
    state.done()
    return scaler


def _scaler_state(scaler: NumericScaler) -> Tree:
    return {
        "standardizer": standardizer_state(scaler.standardizer),
        "indicators": scaler.indicators.astype(np.int64),
        "low": scaler.low,
        "high": scaler.high,
        "ranks": _ranks_state(scaler) if len(scaler._ranked) else None,
        "bins": _bins_state(scaler.bins) if scaler.bins else None,
    }


def _ranks_state(scaler: NumericScaler) -> Tree:
    return {
        "columns": np.asarray(scaler._ranked, np.int64),
        "knots": _pieces_state([x for x, _ in scaler._knots]),
        "normal": _pieces_state([z for _, z in scaler._knots]),
    }


def _bins_state(found: Mapping[int, Bins]) -> Tree:
    bins = list(found.values())
    return {
        "columns": np.array(list(found), np.int64),
        "edges": _pieces_state([b.edges for b in bins]),
        "units": np.array([b.unit for b in bins], np.float64),
        "has_gaps": np.array([b.has_gaps for b in bins], np.bool_),
        "effective": np.array([b.effective for b in bins], np.float64),
    }


def _read_scaler(state: State, encoder: TableEncoder) -> NumericScaler:
    scaler = NumericScaler(
        encoder.numeric_scaling, clips=encoder.numeric_clip, rule=encoder.numeric_bins
    )
    scaler.standardizer = read_standardizer(state.part("standardizer"))
    m = len(scaler.standardizer.mean)
    bins = state.maybe("bins", state.part)
    if bins is not None or encoder.numeric_bins is not None:
        scaler.bins = {} if bins is None else _read_bins(bins, m)
    scaler.indicators = _read_columns(state, "indicators", m).astype(int)
    if scaler.bins.keys() & set(scaler.indicators.tolist()):
        raise state.refuse("indicators of columns without bins")
    _read_ranks(state.maybe("ranks", state.part), scaler, m)
    width = len(scaler.plain) + len(scaler.indicators) + 2 * len(scaler.bins)
    scaler.low = state.array("low", np.float64, (width,))
    scaler.high = state.array("high", np.float64, (width,))
    state.done()
    scaler.scales(np.float32)  # which checks what the engine reads
    return scaler


def _read_ranks(state: State | None, scaler: NumericScaler, m: int) -> None:
    scaler._ranked, scaler._knots = np.arange(0), []
    if state is None:
        return
    scaler._ranked = _read_columns(state, "columns", m).astype(np.intp)
    n = len(scaler._ranked)
    knots, normal = (_read_pieces(state.part(name), n, 1) for name in ("knots", "normal"))
    if [len(x) for x in knots] != [len(z) for z in normal]:
        raise state.refuse("as many normal numbers as knots")
    scaler._knots = list(zip(knots, normal, strict=True))
    state.done()


def _read_bins(state: State, m: int) -> dict[int, Bins]:
    columns = _read_columns(state, "columns", m).tolist()
    n = len(columns)
    edges = _read_pieces(state.part("edges"), n, 2)
    units, effective = (state.array(k, np.float64, (n,)) for k in ("units", "effective"))
    gaps = state.array("has_gaps", np.bool_, (n,))
    if not ((units > 0).all() and (effective >= 1 - 1e-9).all()):
        raise state.refuse("units above 0, and effective numbers of bins of at least 1")
    if not all((np.diff(piece) > 0).all() for piece in edges):
        raise state.refuse("edges that ascend")
    state.done()
    found = zip(edges, units.tolist(), gaps.tolist(), effective.tolist(), strict=True)
    return {j: Bins(*bins) for j, bins in zip(columns, found, strict=True)}


def _read_columns(state: State, name: str, m: int) -> npt.NDArray[np.int64]:
    """Return ascending numbers of columns."""
    columns = state.array(name, np.int64, (None,))
    if len(columns) and not (columns[0] >= 0 and columns[-1] < m and (np.diff(columns) > 0).all()):
        raise state.refuse(f"ascending columns below {m} as its {name}")
    return columns


def _pieces_state(pieces: list[Floats]) -> Tree:
    lengths = np.array([len(piece) for piece in pieces], np.int64)
    return {"numbers": np.concatenate([np.empty(0), *pieces]), "lengths": lengths}


def _read_pieces(state: State, n: int, least: int) -> list[Floats]:
    """Return n arrays of so many numbers at least, which do not descend."""
    lengths = state.array("lengths", np.int64, (n,))
    numbers = state.array("numbers", np.float64, (None,))
    state.done()
    if ((lengths < least) | (lengths > len(numbers))).any() or lengths.sum() != len(numbers):
        raise state.refuse(f"lengths of at least {least} whose sum is that of the numbers")
    pieces = np.split(numbers, np.cumsum(lengths)[:-1]) if n else []
    if not all((np.diff(piece) >= 0).all() for piece in pieces):
        raise state.refuse("numbers that do not descend")
    return [np.ascontiguousarray(piece) for piece in pieces]


# ---- statistics of categories


def _statistics_state(statistics: Statistics) -> Tree:
    forgotten = [rows.astype(np.float64) for rows in statistics.forgotten]
    return {
        "outputs": [int(c) for c in statistics.outputs],
        "groups": [[int(j) for j in group] for group in statistics.groups],
        "scaler": standardizer_state(statistics._scaler),
        "prior": statistics._prior,
        "keys": statistics._keys,
        "table": statistics._table,
        **({"forgotten": _pieces_state(forgotten)} if forgotten else {}),
    }


def _read_statistics(state: State, encoder: TableEncoder) -> Statistics:
    n_single = len(encoder.fields) - len(encoder.poolings)
    columns = encoder.columns[:n_single]
    sizes = [getattr(column, "first_size", column.size) for column in columns]
    rule = encoder.target_statistics
    if rule is None:
        raise state.refuse("target_statistics beside")
    statistics = Statistics(rule, sizes)
    statistics.outputs = state.integers("outputs", 0, 2**31)
    groups = [
        State({"group": group}, state.where).integers("group", 0, len(sizes) - 1)
        for group in state.lists("groups")
    ]
    if not groups or not all(len(group) in (1, 2) for group in groups):
        raise state.refuse("groups of one field or two")
    statistics.groups = [tuple(group) for group in groups]
    if sum(span(group, sizes) for group in statistics.groups) >= 2**63:
        raise state.refuse("groups whose keys have 64 bits")
    C = len(statistics.outputs)
    statistics._scaler = read_standardizer(state.part("scaler"), C)
    statistics._prior = state.array("prior", np.float64, (C,))
    statistics._keys = state.array("keys", np.int64, (None,))
    n = len(statistics._keys)
    statistics._table = state.array("table", np.float32, (n + 1, C + 1))
    if not (np.diff(statistics._keys) > 0).all():
        raise state.refuse("keys that ascend")
    if state.names("forgotten"):
        pieces = _read_pieces(state.part("forgotten"), len(sizes), 0)
        statistics.forgotten = tuple(piece.astype(np.int32) for piece in pieces)
        ends = zip(pieces, statistics.forgotten, sizes, strict=True)
        if any(((was != now) | (now < 0) | (now >= n)).any() for was, now, n in ends):
            raise state.refuse("rows of the tables as forgotten")
    state.done()
    statistics._lay_out()
    return statistics
