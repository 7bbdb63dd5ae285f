"""``list_features``: how columns of lists are read and pooled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from dcnfast.network.kinds import Family, Kind, Option, one_of
from dcnfast.table.lists import POOLINGS, Rule


def _text_or_none(wanted: str) -> Option:
    return Option(
        wanted, lambda given: given is None or isinstance(given, str), lambda given: given != ""
    )


class Lists(Kind):
    """A column of lists: one field, whose items share a table of embeddings.

    Parameters
    ----------
    pooling : {"mean", "sum", "sqrtn", "max"}, default="mean"
        What the embeddings of a row's items become: their mean; their sum; their sum over the root
        of the number of items, with weights over the root of the sum of their squares; or the
        greatest number of each column of them. With weights w the mean is sum(w e) / sum(w) and
        the sum is sum(w e). An empty list gives 0 whatever the pooling.
    separator : str or None, default=None
        Between the items of a text, as in "Action|Drama". None where the column holds lists.
    weights : str or None, default=None
        Name of the column that has a list of numbers for each list, finite and not negative. It is
        no column of the network then. "max" has no use for weights.
    """

    name = "lists"
    summary = "A column of lists of categories."
    options: ClassVar[Mapping[str, Option]] = {
        "pooling": one_of(POOLINGS),
        "separator": _text_or_none("a text between items, or None"),
        "weights": _text_or_none("the name of a column, or None"),
    }

    def __init__(
        self, pooling: str = "mean", separator: str | None = None, weights: str | None = None
    ) -> None:
        self.pooling = pooling
        self.separator = separator
        self.weights = weights

    def check(self, argument: str) -> None:
        """Raise TypeError or ValueError, naming ``argument``, if an option is not as described."""
        super().check(argument)
        if self.pooling == "max" and self.weights is not None:
            raise ValueError(
                f"{argument}: weights of Lists is {self.weights!r} with the pooling 'max', want "
                "None: a maximum has no weights"
            )

    def rule(self) -> Rule:
        """Return what reading and encoding need to know."""
        return Rule(self.pooling, self.separator, self.weights)


LISTS = Family("list_features", Lists)


def list_rules(given: Mapping[str, str | Lists] | None) -> dict[str, Rule]:
    """Return the rule of each column that is named, its options checked.

    Parameters
    ----------
    given : dict of str to str or Lists, or None
        The name of a pooling stands for an object with it.
    """
    rules = {}
    for name, how in (given or {}).items():
        where = f"list_features[{name!r}]"
        if not isinstance(name, str):
            raise TypeError(f"list_features has the key {name!r}, want names of columns")
        if not isinstance(how, str | Lists):
            raise TypeError(f"{where} is {how!r}, want one of {POOLINGS!r} or an object of 'Lists'")
        kind: Any = Lists(how) if isinstance(how, str) else how
        kind.check(where)
        rules[name] = kind.rule()
    return rules
