"""What a kind is: a cross, a loss, an optimizer, with its name, its facts and its options.

A class is the record of a kind: what a stage needs to know about it is an attribute or a method of
the class. An object of the class has options: ``LowRank(rank=8)``. Objects follow scikit-learn's
conventions for parameters without importing it: ``get_params`` and ``set_params``, so that
``clone`` and a search over ``cross__rank`` work, and no check before they are used.
"""

from __future__ import annotations

import copy
import html
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np

from dcnfast.plain import interned


@dataclass(frozen=True)
class Option:
    """What an option may be.

    Parameters
    ----------
    wanted : str
        In words.
    has_type, has_value : callable
        Whether something is of a type that may be, and, if so, whether it is a value that may be.
    """

    wanted: str
    has_type: Callable[[Any], bool]
    has_value: Callable[[Any], bool] = lambda _: True

    def check(self, given: Any, where: str) -> None:
        """Raise TypeError or ValueError, beginning with ``where``, unless ``given`` may be."""
        if not self.has_type(given):
            raise TypeError(f"{where} is {given!r}, want {self.wanted}")
        if not self.has_value(given):
            raise ValueError(f"{where} is {given!r}, want {self.wanted}")


def is_number(given: Any) -> bool:
    """Return whether it is a number, other than True and False."""
    return isinstance(given, Real) and not isinstance(given, bool)


def are_numbers(given: Any) -> bool:
    """Return whether it is a list, a tuple or an array (n) of numbers."""
    if isinstance(given, np.ndarray):
        return given.ndim == 1 and given.dtype.kind in "iuf"
    return isinstance(given, list | tuple) and all(map(is_number, given))


def _is_whole_number_or_none(given: Any) -> bool:
    return given is None or (isinstance(given, Integral) and not isinstance(given, bool))


BOOLEAN = Option("True or False", lambda given: isinstance(given, bool | np.bool_))
POSITIVE = Option("a finite number > 0", is_number, lambda given: 0 < float(given) < np.inf)
NOT_NEGATIVE = Option("a finite number >= 0", is_number, lambda given: 0 <= float(given) < np.inf)
DECAY = Option("a number in [0, 1)", is_number, lambda given: 0 <= float(given) < 1)
COUNT = Option(
    "an integer of at least 1",
    lambda given: given is not None and _is_whole_number_or_none(given),
    lambda given: given >= 1,
)
COUNT_OR_NONE = Option(
    "an integer of at least 1, or None",
    _is_whole_number_or_none,
    lambda given: given is None or given >= 1,
)


def one_of(names: Mapping[str, Any] | tuple[str, ...]) -> Option:
    """Return the option of being one of these names."""
    wanted = "one of " + ", ".join(repr(name) for name in names)
    return Option(wanted, lambda given: isinstance(given, str), lambda given: given in names)


class Kind:
    """Base class: an object with options, equal to others by value.

    A subclass names its options in ``__init__``, as keywords with defaults, and keeps each under
    its own name. They may be changed, and are checked where they are used.

    Attributes
    ----------
    name : str
        Of the kind, as in ``cross="lowrank"``.
    summary : str
        What the documentation says about it, in a sentence or two.
    options : dict of str to Option
        What each option may be.
    shorthands : dict of str to str
        Parameter of an estimator that means the option where the kind is given by its name.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    options: ClassVar[Mapping[str, Option]] = {}
    shorthands: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Return the options with their defaults."""
        if cls.__init__ is object.__init__:
            return {}
        parameters = inspect.signature(cls).parameters.values()
        return {parameter.name: parameter.default for parameter in parameters}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the options by name.

        Parameters
        ----------
        deep : bool, default=True
            Whether to return those of options that are kinds as well, as ``option__its_option``.
        """
        params = {name: getattr(self, name) for name in self.defaults()}
        if deep:
            for name, value in list(params.items()):
                if isinstance(value, Kind):
                    params |= {f"{name}__{own}": v for own, v in value.get_params().items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set options by name, also those of an option that is a kind: ``option__its_option``.

        Raises
        ------
        ValueError
            If there is no such option; none is set then.
        """
        names, nested = list(self.defaults()), list[tuple[Kind, str, Any]]()
        for given, value in params.items():
            name, inner, own = given.partition("__")
            kind = params.get(name, getattr(self, name, None)) if name in names else None
            if name not in names or (inner and not isinstance(kind, Kind)):
                raise ValueError(
                    f"{given!r} is no option of {type(self).__name__}, want one of {names!r}"
                )
            if inner:
                assert isinstance(kind, Kind)
                copy.copy(kind).set_params(**{own: value})  # or nothing is set
                nested.append((kind, own, value))
        for name, value in params.items():
            if name in names:
                setattr(self, name, value)
        for kind, own, value in nested:
            kind.set_params(**{own: value})
        return self

    def check(self, argument: str) -> None:
        """Raise TypeError or ValueError, naming ``argument``, if an option is not as described."""
        for name, option in self.options.items():
            option.check(getattr(self, name), f"{argument}: {name} of {type(self).__name__}")

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = interned(vars(self))
        return state

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        assert isinstance(other, Kind)
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), tuple(self._values().items())))

    def _values(self) -> dict[str, Any]:
        return {name: _by_value(value) for name, value in self.get_params(deep=False).items()}

    def __repr__(self) -> str:
        defaults = self.defaults()
        changed = [
            f"{name}={value!r}"
            for name, value in self.get_params(deep=False).items()
            if type(value) is not type(defaults[name]) or _by_value(value) != defaults[name]
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

    def _repr_html_(self) -> str:
        """Return a table of the options, for notebooks."""
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{html.escape(repr(value))}</td></tr>"
            for name, value in self.get_params(deep=False).items()
        )
        return f"<table><caption>{type(self).__name__}</caption><tbody>{rows}</tbody></table>"


def _by_value(value: Any) -> Any:
    """Return what is equal for equal values, and has a hash: of a sequence a tuple."""
    if isinstance(value, Mapping):
        return frozenset(value.items())
    if isinstance(value, np.ndarray):
        value = value.tolist()
    return tuple(map(_by_value, value)) if isinstance(value, list | tuple) else value


K = TypeVar("K", bound=Kind)


class Family(Mapping[str, type[K]], Generic[K]):
    """The kinds that one parameter chooses from, by name.

    Parameters
    ----------
    parameter : str
        As in ``cross``.
    *kinds : type
        In the order in which they are shown.
    """

    def __init__(self, parameter: str, *kinds: type[K]) -> None:
        self.parameter = parameter
        self._kinds = {kind.name: kind for kind in kinds}

    @property
    def first(self) -> type[K]:
        """The kind that is shown first."""
        return next(iter(self._kinds.values()))

    def __getitem__(self, name: str) -> type[K]:
        return self._kinds[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)

    def resolve(self, given: str | K, flat: Mapping[str, Any]) -> K:
        """Return the object that is meant, its options checked.

        Parameters
        ----------
        given : str or Kind
            A name takes its options from ``flat``, as far as the kind has them; the others are
            ignored, so that a search may mix kinds.
        flat : dict
            Parameters of an estimator by name, among them the shorthands.

        Raises
        ------
        ValueError
            If there is no kind of that name, an option is out of range, or a shorthand says
            something beside an object, which has its own options.
        TypeError
            If it is neither, or an option is of a wrong type.
        """
        if isinstance(given, str):
            if given not in self:
                raise ValueError(f"{self.parameter} is {given!r}, want one of {list(self)!r}")
            kind = self[given]
            kept = {o: flat[name] for o, name in kind.shorthands.items() if name in flat}
            return kind(**kept)
        if type(given) not in self._kinds.values():
            wanted = [kind.__name__ for kind in self._kinds.values()]
            raise TypeError(
                f"{self.parameter} is {given!r}, want one of {list(self)!r} or an object of "
                f"{wanted!r}"
            )
        given.check(self.parameter)
        self._refuse_shorthands(given, flat)
        return given

    def _refuse_shorthands(self, given: K, flat: Mapping[str, Any]) -> None:
        """Raise ValueError if a shorthand is not at its default: the object has its own options."""
        for kind in self._kinds.values():
            defaults = kind.defaults()
            for option, name in kind.shorthands.items():
                if name in flat and _by_value(flat[name]) != defaults[option]:
                    raise ValueError(
                        f"{name} is {flat[name]!r} beside {self.parameter}={given!r}, want "
                        f"{self.parameter} as a name with {name}, or the object with {option} and "
                        f"{name} at its default, {defaults[option]!r}"
                    )
