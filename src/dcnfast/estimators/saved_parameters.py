"""The parameters of an estimator as JSON, and back: no code, only what is listed here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from dcnfast.estimators.takes_kinds import FAMILIES
from dcnfast.network.kinds import Kind
from dcnfast.network.losses import LOSSES, RANKING_LOSSES
from dcnfast.plain import short

FLOATS = {"nan": np.nan, "inf": np.inf, "-inf": -np.inf}
ARRAYS = "biufU"  # kinds of dtypes


def parameters_state(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as JSON can say them.

    Raises
    ------
    TypeError
        If one is something that a file cannot hold, such as a function.
    """
    return {name: _say(value, name) for name, value in parameters.items()}


def read_parameters(found: Any) -> dict[str, Any]:
    """Return the parameters of such a state; ValueError if it is none."""
    if not isinstance(found, dict):
        raise ValueError(f"the file's parameters are {short(found)}, want a dict")
    return {name: _read(value, name) for name, value in found.items()}


def _say(value: Any, name: str) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return {"float": str(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, list | tuple):
        return {type(value).__name__: [_say(child, name) for child in value]}
    if isinstance(value, Mapping):
        return {"dict": [[_say(k, name), _say(v, name)] for k, v in value.items()]}
    if isinstance(value, Kind):
        return {"kind": type(value).__name__, "options": parameters_state(value.get_params())}
    if isinstance(value, np.random.RandomState):
        kind, keys, *rest = value.get_state(legacy=True)
        return {"random_state": [kind, np.asarray(keys).tolist(), *rest]}
    if hasattr(value, "__array__"):
        array = np.asarray(value)
        if array.dtype.kind in ARRAYS:
            return {"array": _say(array.tolist(), name), "dtype": array.dtype.newbyteorder("=").str}
        if array.dtype.kind == "O":
            return {"array": _say(array.tolist(), name), "dtype": "O"}
    raise TypeError(
        f"{name} is {value!r}, which a file cannot hold: it has no code. Want numbers, texts, "
        f"lists, dicts, arrays and kinds; set_params({name}=...) changes it without a new fit"
    )


def _read(found: Any, name: str) -> Any:
    if found is None or isinstance(found, bool | int | float | str):
        return found
    try:
        return _read_tagged(found, name)
    except (KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
        raise ValueError(f"the file's parameter {name} is not as save writes it: {error}") from None


def _read_tagged(found: dict[str, Any], name: str) -> Any:
    match found:
        case {"float": str(text), **rest} if not rest:
            return FLOATS[text]
        case {"list": list(items), **rest} if not rest:
            return [_read(item, name) for item in items]
        case {"tuple": list(items), **rest} if not rest:
            return tuple(_read(item, name) for item in items)
        case {"dict": list(pairs), **rest} if not rest:
            return {_read(key, name): _read(value, name) for key, value in pairs}
        case {"kind": str(kind), "options": dict(options), **rest} if not rest:
            return _read_kind(kind, options, name)
        case {"array": items, "dtype": str(dtype), **rest} if not rest:
            return _read_array(_read(items, name), dtype, name)
        case {"random_state": [str(kind), list(keys), *state], **rest} if not rest:
            made = np.random.RandomState()
            made.set_state((kind, np.array(keys, np.uint32), *state))
            return made
    raise ValueError(f"the file's parameter {name} is not as save writes it")


def _read_array(items: Any, dtype: str, name: str) -> Any:
    made: np.dtype[Any] = np.dtype(object) if dtype == "O" else np.dtype(dtype)
    if made.kind not in f"{ARRAYS}O":
        raise ValueError(f"the file's parameter {name} is an array of type {dtype!r}")
    if made.kind == "U":  # as wide as its longest text, whatever the file says
        return np.array(items)
    return np.array(items, made)


def _read_kind(kind: str, options: dict[str, Any], name: str) -> Kind:
    """Return an object of a kind, its options checked; they may be kinds of their own."""
    families = [FAMILIES[name]] if name in FAMILIES else list(FAMILIES.values())
    if name == LOSSES.parameter:  # of rows, or of lists
        families.append(RANKING_LOSSES)
    known = {cls.__name__: cls for family in families for cls in family.values()}
    if kind not in known:
        raise ValueError(f"the file's {name} is a {kind!r}, want one of {list(known)!r}")
    made: Kind = known[kind]().set_params(**read_parameters(options))
    made.check(name)
    return made
