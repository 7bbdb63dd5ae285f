"""A fit that goes on from another: the same network, with rows for categories that came since."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from dcnfast.encode.encoder import TableEncoder
from dcnfast.encode.growth import padded, recycled
from dcnfast.estimators.configure import kind_of
from dcnfast.estimators.encoding import clips, scaling_of
from dcnfast.estimators.fitted import Columns, Fitted
from dcnfast.estimators.label_targets import Target
from dcnfast.network.config import NetworkConfig
from dcnfast.network.numeric_embeddings import NUMERIC_EMBEDDINGS
from dcnfast.table.lists import ListColumns, Rule
from dcnfast.training.spare import Spare
from dcnfast.training.state import Training

COLUMNS = ("columns", "categorical columns", "dates", "lists")  # what Columns has
ENCODING = (
    "numeric_scaling", "numeric_clip", "min_frequency", "max_categories", "recycle_categories",
    "hash_buckets", "shared_embeddings",
)  # fmt: skip

PARAMETERS = {  # of an estimator, by what a network has
    "hidden": "hidden_layer_sizes", "loss_constants": "constants of loss",
    "numeric_width": "width of numeric_embedding",
    "numeric_frequencies": "frequencies of numeric_embedding",
    "alpha_embedding": "alpha of 'embedding'", "alpha_cross": "alpha of 'cross'",
    "alpha_deep": "alpha of 'deep'", "sparse_adam": "sparse_adam (or optimizer)",
}  # fmt: skip


def refuse_other_network(what: str, before: NetworkConfig, now: NetworkConfig) -> None:
    """Raise ValueError unless the networks differ in rows of tables alone.

    Parameters
    ----------
    what : str
        Who goes on, for messages.
    before, now : NetworkConfig
    """
    widths = [{name: width for name, _, width in config.fields} for config in (before, now)]
    one, other = (asdict(replace(config, fields=())) for config in (before, now))
    changed = [
        f"{PARAMETERS.get(k, k)} was {one[k]!r}, got {other[k]!r}"
        for k in other if one[k] != other[k]
    ]  # fmt: skip
    for name in [name for name in widths[0] if widths[0][name] != widths[1][name]]:
        changed.append(f"embedding_dim of {name!r} was {widths[0][name]}, got {widths[1][name]}")
    if changed:
        raise ValueError(f"{what}: {'; '.join(changed)}, want the same network")


def refuse_other_columns(what: str, before: Columns, now: Columns) -> None:
    """Raise ValueError unless a table has the columns of the rows before, read in the same way.

    Parameters
    ----------
    what : str
        Who goes on, for messages.
    before, now : Columns
    """
    refuse_other_lists(what, before[3], {c.name: c.rule for c in now[3].columns})
    for name, k in zip(COLUMNS, range(4), strict=True):
        if before[k] != now[k]:
            one, other = _told(before, k), _told(now, k)
            raise ValueError(f"{what}: {name} were {one}, got {other}, want the same")


def _told(columns: Columns, k: int) -> list[str]:
    """Return the names that differ where part ``k`` of the columns does."""
    names, mask, dates, lists = columns
    categorical = [name for name, is_one in zip(names, mask, strict=True) if is_one]
    zones = {column.name: column.zone for column in dates.columns}
    of_dates = [f"{name} ({', '.join(dates.parts)}; {zone})" for name, zone in zones.items()]
    return (list(names), categorical, of_dates, list(lists.names))[k]


def refuse_other_lists(what: str, before: ListColumns, now: Mapping[str, Rule]) -> None:
    """Raise ValueError unless columns of lists are to be read and pooled as before.

    Parameters
    ----------
    what : str
        Who goes on, for messages.
    before : ListColumns
    now : dict of str to Rule
        Of those that are named; others have a Rule's defaults.
    """
    known = {column.name: column.rule for column in before.columns}
    for name in {**known, **now}:
        one, other = known.get(name), now.get(name, Rule())
        if one != other:
            raise ValueError(
                f"{what}: list_features of {name!r} was {one or 'no list'}, got {other}, want the "
                "same"
            )


def refuse_other_encoder(
    what: str, encoder: TableEncoder, estimator: Any, begins_linear: bool
) -> None:
    """Raise ValueError unless the parameters say to encode as ``encoder`` does.

    Parameters
    ----------
    what : str
        Who goes on, for messages.
    encoder : TableEncoder
        Of the rows before.
    estimator : DCNRegressor or DCNClassifier
        Its parameters; ``target_statistics`` are those of the first rows whatever they say.
    begins_linear : bool
        Whether the network began as a linear model.
    """
    resolved = {
        "numeric_scaling": scaling_of(estimator, len(encoder.numeric_names), begins_linear),
        "numeric_clip": clips(estimator, begins_linear),
    }
    changed = []
    for name in ENCODING:
        before = getattr(encoder, name)
        now = resolved.get(name, getattr(estimator, name))
        if _plain(before) != _plain(now):
            changed.append(f"{name} was {before!r}, got {getattr(estimator, name)!r}")
    if changed:
        raise ValueError(f"{what}: {'; '.join(changed)}, want the same encoding of columns")


def refuse_other_bins(what: str, encoder: TableEncoder, estimator: Any) -> None:
    """Raise ValueError unless ``numeric_embedding`` has the bins of before, or is "auto".

    Parameters
    ----------
    what : str
        Who goes on, for messages.
    encoder : TableEncoder
        Of the rows before.
    estimator : DCNRegressor or DCNClassifier
        With an embedding of the same kind and width.
    """
    given, before = estimator.numeric_embedding, encoder.numeric_bins
    if before is None or given is None or (isinstance(given, str) and given == "auto"):
        return
    now = kind_of(NUMERIC_EMBEDDINGS, estimator).rule()
    one, other = asdict(before), asdict(now)
    changed = [
        f"{name} of the bins was {one[name]}, got {other[name]}"
        for name in one
        if one[name] != other[name]
    ]
    if changed:
        raise ValueError(
            f"{what}: numeric_embedding: {'; '.join(changed)}, want the same encoding of columns"
        )


def _plain(given: Any) -> Any:
    """Return a value of a parameter without the type of what holds it."""
    if isinstance(given, Mapping):
        return dict(given)
    is_list = isinstance(given, Sequence) and not isinstance(given, str)
    return [list(group) for group in given] if is_list else given


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
    seen = [padded(counts, size) for counts, size in zip(last.seen, now, strict=True)]
    taken = recycled(last.encoder, encoder)
    for number, (first, size, rows) in enumerate(zip(before, now, taken, strict=True)):
        new = np.concatenate([rows, np.arange(first, size, dtype=np.int32)])
        if len(new):
            training.state.begin_rows(number, new)
        if len(rows):
            seen[number] = np.array(seen[number])
            seen[number][rows] = 0
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
