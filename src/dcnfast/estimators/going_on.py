"""A fit that goes on from another: the same network, with rows for categories that came since."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace

from dcnfast.encode.encoder import TableEncoder
from dcnfast.encode.growth import padded
from dcnfast.estimators.fitted import Fitted
from dcnfast.estimators.label_targets import Target
from dcnfast.network.config import NetworkConfig
from dcnfast.training.spare import Spare
from dcnfast.training.state import Training


def refuse_other_network(what: str, before: NetworkConfig, now: NetworkConfig) -> None:
    """Raise ValueError unless the networks differ in rows of tables alone.

    Parameters
    ----------
    what : str
        Who goes on, for messages.
    before, now : NetworkConfig
    """
    one, other = (asdict(replace(config, fields=_widths(config))) for config in (before, now))
    if changed := [f"{k} was {one[k]!r}, got {other[k]!r}" for k in other if one[k] != other[k]]:
        raise ValueError(f"{what}: {'; '.join(changed)}, want the same network")


def _widths(config: NetworkConfig) -> tuple[tuple[str, int, int], ...]:
    return tuple((name, 0, width) for name, _, width in config.fields)


def go_on(
    last: Fitted,
    encoder: TableEncoder,
    target: Target,
    training_of: Callable[[Training, list[int]], Training],
) -> Fitted:
    """Return what is to be trained: a copy of what was, in which new categories have rows.

    A new category begins as one that training has not seen is predicted.

    Parameters
    ----------
    last : Fitted
        Stays as it is.
    encoder : TableEncoder
        That of ``last``, or one that has grown from it.
    target : NumericTarget or ClassTarget
    training_of : callable
        Returns a copy of a training with at least so many rows for each field.
    """
    before = [field.size for field in last.encoder.fields]
    now = [field.size for field in encoder.fields]
    training = training_of(last.training or Training(last.model.copy()), now)
    for number, (first, size) in enumerate(zip(before, now, strict=True)):
        if size > first:
            training.state.begin_rows(number, first, size - first)
    seen = [padded(counts, size) for counts, size in zip(last.seen, now, strict=True)]
    return replace(
        last, encoder=encoder, target=target, model=training.model, seen=seen, training=training
    )


def exactly(training: Training, rows: list[int]) -> Training:
    """Copy a training, with as many rows as are wanted or as there were."""
    had = [n for _, n, _ in training.model.config.fields]
    return training.resized([max(n, wanted) for n, wanted in zip(had, rows, strict=True)])


def with_room(training: Training, rows: list[int], spare: Spare | None) -> Training:
    """Copy a training; fields that need more rows get twice as many, so that growth is rare.

    Parameters
    ----------
    training : Training
    rows : list of int
        At least so many for each field.
    spare : Spare or None
        That may become the copy.
    """
    if spare is not None and (copy := spare.take(training, rows)) is not None:
        return copy
    had = [n for _, n, _ in training.model.config.fields]
    room = [n if wanted <= n else max(wanted, 2 * n) for n, wanted in zip(had, rows, strict=True)]
    try:
        return training.resized(room)
    except (ValueError, MemoryError):  # more than there is memory for
        return exactly(training, rows)
