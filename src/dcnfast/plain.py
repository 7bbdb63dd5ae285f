"""Plain state: dicts, lists, texts, numbers and arrays, and checks of what comes from outside.

What is fitted is written as a tree of these, and read back from one, whether it comes from a file
or from a pickle: somebody else may have made it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Tree = dict[str, Any]
Shape = tuple[int | None, ...]
T = TypeVar("T")

MOST = 2**63 - 1
ARRAY = "array"  # the key of what stands for an array in a document


def separate(tree: Tree) -> tuple[str, dict[str, Array]]:
    """Return a tree as a text of JSON and its arrays, by their place such as "encoder.mean"."""
    arrays: dict[str, Array] = {}

    def document(node: Any, where: str) -> Any:
        if isinstance(node, np.ndarray):
            # a dtype that was unpickled is not the one that others have, and pickles differ then
            dtype = np.dtype(node.dtype.newbyteorder("=").str)
            arrays[where] = np.ascontiguousarray(node).astype(dtype, copy=False).view(dtype)
            return {ARRAY: True}
        if isinstance(node, dict):
            return {key: document(child, _within(where, key)) for key, child in node.items()}
        if isinstance(node, list):
            return [document(child, _within(where, i)) for i, child in enumerate(node)]
        return node

    text = json.dumps(document(tree, ""), allow_nan=False, separators=(",", ":"))
    return text, arrays


def join(text: str, arrays: dict[str, Array]) -> Tree:
    """Return the tree of a document, each of the arrays at its place.

    Raises
    ------
    ValueError
        If the text is no document, or an array is missing or left over.
    """
    left = dict(arrays)

    def node(found: Any, where: str) -> Any:
        if isinstance(found, list):
            return [node(child, _within(where, i)) for i, child in enumerate(found)]
        if not isinstance(found, dict):
            return found
        if found != {ARRAY: True}:
            return {key: node(child, _within(where, key)) for key, child in found.items()}
        if where not in left:
            raise ValueError(f"there is no array {where!r}")
        return left.pop(where)

    try:
        tree = node(parse(text), "")
    except RecursionError:
        raise ValueError("the document is nested too deeply") from None
    if left:
        raise ValueError(f"nobody wants the array {next(iter(left))!r}")
    if not isinstance(tree, dict):
        raise ValueError("the document is no object of JSON, want one")
    return tree


def _within(where: str, name: object) -> str:
    return f"{where}.{name}" if where else str(name)


def interned(value: Any) -> Any:
    """Return a value in which equal texts are one object, as a pickle notes whether they are."""
    if type(value) is str:
        return sys.intern(value)
    if type(value) in (list, tuple):
        return type(value)(map(interned, value))
    if type(value) is dict:
        return {interned(key): interned(child) for key, child in value.items()}
    return value


def parse(text: str | bytes) -> Any:
    """Return what a text of JSON says; names that come twice, NaN and infinity are errors."""
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("the document is nested too deeply") from None


def _once(pairs: list[tuple[str, Any]]) -> Tree:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("the document has a name twice")
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"the document has the number {name}, want finite ones")


class State:
    """A dict that came from outside, read value by value.

    Every method takes a value out and raises ValueError, naming its place, unless it is what is
    wanted.

    Parameters
    ----------
    tree : object
    where : str
        Its place.
    """

    def __init__(self, tree: Any, where: str = "") -> None:
        if not isinstance(tree, dict):
            raise ValueError(f"the state's {where or 'root'} is {short(tree)}, want a dict")
        self._left, self.where = dict(tree), where

    def place(self, name: str) -> str:
        """Return the place of a value, for messages."""
        return f"the state's {_within(self.where, name)}"

    def has(self, name: str) -> bool:
        """Return whether there is such a value, other than None."""
        return self._left.get(name) is not None

    def names(self, name: str) -> bool:
        """Return whether it has such a value, be it None."""
        return name in self._left

    def has_list(self, name: str) -> bool:
        """Return whether such a value is a list."""
        return isinstance(self._left.get(name), list)

    def take(self, name: str) -> Any:
        """Return a value as it is."""
        if name not in self._left:
            raise ValueError(f"{self.place(name)} is missing")
        return self._left.pop(name)

    def _want(self, name: str, wanted: str, fits: Callable[[Any], bool]) -> Any:
        value = self.take(name)
        if not fits(value):
            raise ValueError(f"{self.place(name)} is {short(value)}, want {wanted}")
        return value

    def flag(self, name: str) -> bool:
        """Return True or False."""
        return bool(self._want(name, "true or false", lambda v: isinstance(v, bool)))

    def text(self, name: str, among: Collection[str] | None = None) -> str:
        """Return a text, one of some."""
        wanted = "a text" if among is None else f"one of {list(among)!r}"
        return str(
            self._want(name, wanted, lambda v: _is_text(v) and (among is None or v in among))
        )

    def integer(self, name: str, least: int = 0, most: int = MOST) -> int:
        """Return an integer of a range."""
        wanted = f"an integer from {least} to {most}"
        return int(self._want(name, wanted, lambda v: _is_integer(v, least, most)))

    def number(self, name: str, least: float = -np.inf) -> float:
        """Return a finite number."""
        wanted = f"a finite number of at least {least:g}"
        return float(self._want(name, wanted, lambda v: _is_number(v) and v >= least))

    def integers(self, name: str, least: int = 0, most: int = MOST) -> list[int]:
        """Return a list of integers of a range."""
        wanted = f"integers from {least} to {most}"
        return list(self._want_all(name, wanted, lambda v: _is_integer(v, least, most)))

    def numbers(self, name: str) -> list[float]:
        """Return a list of finite numbers."""
        return [float(v) for v in self._want_all(name, "finite numbers", _is_number)]

    def texts(self, name: str) -> list[str]:
        """Return a list of texts."""
        return list(self._want_all(name, "texts", _is_text))

    def _want_all(self, name: str, wanted: str, fits: Callable[[Any], bool]) -> Any:
        return self._want(
            name, f"a list of {wanted}", lambda v: isinstance(v, list) and all(map(fits, v))
        )

    def array(
        self, name: str, kinds: str | npt.DTypeLike, shape: Shape, *, finite: bool = True
    ) -> Array:
        """Return a copy of an array, of the machine's byte order.

        Parameters
        ----------
        name : str
        kinds : str or dtype
            Kinds of dtypes, such as "iu" for integers; or the one dtype that it becomes.
        shape : tuple of int or None
            None is any size.
        finite : bool, default=True
        """
        value = self.take(name)
        wanted = kinds if isinstance(kinds, str) and set(kinds) <= set("biuf") else None
        if not isinstance(value, np.ndarray):
            raise ValueError(f"{self.place(name)} is {short(value)}, want an array")
        dtype = value.dtype.newbyteorder("=")
        good = dtype.kind in wanted if wanted else dtype == np.dtype(kinds)
        if not good or len(value.shape) != len(shape) or not _fits(value.shape, shape):
            letters = ", ".join("any" if n is None else str(n) for n in shape)
            raise ValueError(
                f"{self.place(name)} has type {value.dtype} and shape {value.shape}, want "
                f"{kinds if wanted is None else f'one of the kinds {wanted}'} and ({letters})"
            )
        own = np.array(value, dtype=np.dtype(dtype.str), order="C")
        if finite and dtype.kind == "f" and not np.isfinite(own).all():
            raise ValueError(f"{self.place(name)} is not finite")
        return own

    def part(self, name: str) -> State:
        """Return a dict in it."""
        return State(self.take(name), _within(self.where, name))

    def maybe(self, name: str, read: Callable[..., T], *args: Any) -> T | None:
        """Return what a method such as ``self.part`` reads, None where there is None."""
        if name in self._left and self._left[name] is None:
            return self._left.pop(name)  # type: ignore[no-any-return]
        return read(name, *args)

    def parts(self, name: str) -> list[State]:
        """Return a list of dicts in it."""
        place = _within(self.where, name)
        found = self._want(name, "a list", lambda v: isinstance(v, list))
        return [State(tree, f"{place}.{i}") for i, tree in enumerate(found)]

    def lists(self, name: str) -> list[list[Any]]:
        """Return a list of lists, whatever is in these."""
        return list(self._want_all(name, "lists", lambda v: isinstance(v, list)))

    def refuse(self, wanted: str) -> ValueError:
        """Return the error of a state whose values do not fit together."""
        return ValueError(f"the state's {self.where or 'root'}: want {wanted}")

    def done(self) -> None:
        """Refuse what is left: it would be forgotten."""
        for name in self._left:
            raise ValueError(f"{self.place(name)} is not known, want a state without it")


def short(value: Any) -> str:
    """Return something of a value, for a message."""
    text = repr(value) if isinstance(value, str | int | float | bool | None) else ""
    return text if 0 < len(text) <= 40 else f"of type {type(value).__name__}"


def _is_text(value: Any) -> bool:
    """Return whether it is a text that the engine can read, without half characters."""
    return isinstance(value, str) and not any("\ud800" <= c <= "\udfff" for c in value)


def _is_integer(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return bool(abs(value) <= np.finfo(np.float64).max)


def _fits(shape: Sequence[int], wanted: Shape) -> bool:
    return all(n in (size, None) for size, n in zip(shape, wanted, strict=True))
