"""A fit that others see whole: readers have the model of before or the new one, never a mixture.

``fit`` works on a private copy of the estimator and publishes it with one assignment. A method that
reads what was fitted takes one reference to all of it before it begins.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from sklearn.callback import with_callbacks

F = TypeVar("F", bound=Callable[..., Any])
E = TypeVar("E")


def published_whole(fit: F) -> F:
    """Run ``fit`` on a private copy, and publish what it set when it has come to its end.

    Until then, and when it raises, the estimator is what it was before. The copy is what scorers
    and callbacks get: it holds the model in training.
    """

    @functools.wraps(fit)
    def whole_fit(self: Any, *args: Any, **kwargs: Any) -> Any:
        private = private_copy(self)
        before = dict(vars(private))
        with_callbacks(fit)(private, *args, **kwargs)
        after = vars(private)
        state = {k: v for k, v in vars(self).items() if k in after or k not in before}
        state |= {k: v for k, v in after.items() if k not in before or before[k] is not v}
        self.__dict__ = state  # one assignment: the dict of before stays as it is for its readers
        return self

    return whole_fit  # type: ignore[return-value]


def reads_one_fit(method: F) -> F:
    """Run a method on what is fitted as it begins, whatever another thread fits meanwhile."""

    @functools.wraps(method)
    def read(self: Any, *args: Any, **kwargs: Any) -> Any:
        return method(view(self), *args, **kwargs)

    return read  # type: ignore[return-value]


def private_copy(estimator: E) -> E:
    """Return an estimator with the same attributes, whose changes are its own."""
    other = object.__new__(type(estimator))
    other.__dict__ = dict(vars(estimator))
    return other


def view(estimator: E) -> E:
    """Return an estimator with the other's attributes of now, also when that is fitted anew."""
    other = object.__new__(type(estimator))
    other.__dict__ = estimator.__dict__
    return other
