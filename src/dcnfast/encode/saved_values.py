"""Categories, labels and counts as few bytes, and back."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.plain import State, Tree

Counts = npt.NDArray[np.int64]

KINDS = (bool, int, float, str)
MANY = 255  # counts from here on stand beside the others
WIDE = 2**20  # counts of a column; more of them keep the type of the file
_UNSIGNED = (np.uint8, np.uint16, np.uint32, np.uint64)
_SIGNED = (np.int8, np.int16, np.int32, np.int64)


def values_state(values: list[Any]) -> Tree:
    """Return bools, integers, floats and strings, which may be mixed, as arrays."""
    kinds = np.fromiter(map(_kind, values), np.uint8, len(values))
    tree: Tree = {"size": len(values)}
    uniform = len(values) > 0 and (kinds == kinds[0]).all()
    tree["kinds"] = int(kinds[0]) if uniform else kinds
    for number, kind in enumerate(KINDS):
        some = values if uniform else [v for v, k in zip(values, kinds, strict=True) if k == number]
        if (uniform and number == kinds[0]) or (not uniform and some):
            tree[kind.__name__] = _pack(kind, some)
    return tree


def _kind(value: Any) -> int:
    for number, kind in enumerate(KINDS):
        if isinstance(value, kind):
            return number
    raise TypeError(f"{value!r} is a {type(value).__name__}, want a bool, a number or a string")


def _pack(kind: type, values: list[Any]) -> Any:
    if kind is bool:
        return np.array(values, np.uint8)
    if kind is float:
        return np.array(values, np.float64)
    if kind is int:
        least, most = min(values), max(values)
        kinds = _UNSIGNED if least >= 0 else _SIGNED
        fitting = [t for t in kinds if np.iinfo(t).min <= least and most <= np.iinfo(t).max]
        return np.array(values, fitting[0]) if fitting else [int(value) for value in values]
    text = "".join(values).encode("utf-8", "surrogatepass")
    lengths = np.fromiter(map(len, values), np.int64, len(values))
    return {"text": np.frombuffer(text, np.uint8), "lengths": _narrow(lengths)}


def read_values(state: State) -> list[Any]:
    """Return what :func:`values_state` was given."""
    n = state.integer("size")
    tree = state.take("kinds")
    if isinstance(tree, np.ndarray):
        kinds = State({"kinds": tree}, state.where).array("kinds", "u", (n,)).tolist()
    else:
        number = State({"kinds": tree}, state.where).integer("kinds", 0, len(KINDS) - 1)
        found = _unpack(state, KINDS[number])
        state.done()
        if len(found) != n:
            raise state.refuse(f"{n} values, not {len(found)}")
        return found
    of_kinds = [iter(_unpack(state, k) if state.has(k.__name__) else ()) for k in KINDS]
    state.done()
    try:
        values = [next(of_kinds[number]) for number in kinds]
    except (StopIteration, IndexError):
        raise state.refuse("as many values of each kind as its kinds say") from None
    if any(next(rest, None) is not None for rest in of_kinds):
        raise state.refuse("as many values of each kind as its kinds say")
    return values


def _unpack(state: State, kind: type) -> list[Any]:
    name = kind.__name__
    if kind is str:
        return _strings(state.part(name))
    if kind is int:
        tree = state.take(name)
        again = State({name: tree}, state.where)
        if isinstance(tree, list):
            return again.integers(name, -(2**63), 2**64 - 1)
        return list(again.array(name, "iu", (None,)).tolist())
    if kind is bool:
        bits = state.array(name, np.uint8, (None,))
        if (bits > 1).any():
            raise state.refuse("bools of 0 and 1")
        return list(bits.astype(bool).tolist())
    found = state.array(name, np.float64, (None,), finite=False)
    if np.isnan(found).any():
        raise state.refuse("floats that are not NaN")
    return list(found.tolist())


def _strings(state: State) -> list[str]:
    lengths = state.array("lengths", "u", (None,)).astype(np.uint64)
    raw = state.array("text", np.uint8, (None,)).tobytes()
    state.done()
    try:
        text = raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise state.refuse(f"UTF-8: {error}") from None
    # a sum of few bytes each; larger ones would be beyond the text by themselves
    if (lengths > len(text)).any() or int(lengths.sum()) != len(text):
        raise state.refuse("lengths whose sum is that of the text")
    ends = list(accumulate(lengths.tolist()))
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def counts_state(counts: Counts) -> Tree:
    """Return numbers of rows, most of which are small."""
    large = counts[counts >= MANY]
    small = np.minimum(counts, MANY).astype(np.uint8)
    return {"small": small, "large": _narrow(large) if len(large) else None}


def read_counts(state: State, size: int) -> npt.NDArray[Any]:
    """Return what :func:`counts_state` was given, so many numbers; many in a narrow type."""
    small = state.array("small", np.uint8, (size,))
    many = small == MANY
    large = state.maybe("large", state.array, "u", (int(many.sum()),))
    state.done()
    if large is None and many.any():
        raise state.refuse(f"the counts from {MANY} on")
    if large is not None and not (large >= MANY).all():
        raise state.refuse(f"large counts from {MANY} on")
    if large is not None and not (large < 2**53).all():
        raise state.refuse("counts below 2^53")
    if size >= WIDE:
        wide = large is not None and large.itemsize == 8  # sums with int64 would be floats
        counts = small if large is None else small.astype(np.int64 if wide else large.dtype)
    else:
        counts = small.astype(np.int64)
    if large is not None:
        counts[many] = large
    return counts


def _narrow(numbers: Counts) -> npt.NDArray[Any]:
    """Return numbers that are not negative in as few bytes as all of them need."""
    most = int(numbers.max(initial=0))
    return numbers.astype(next(t for t in _UNSIGNED if most <= np.iinfo(t).max))
