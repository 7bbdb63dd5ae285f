"""Embeddings that a fit begins with, where somebody has them already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.encode.encoder import TableEncoder
from dcnfast.encode.vocabulary import Vocabulary
from dcnfast.network.model import Model
from dcnfast.table.pretrained import Pretrained


def check_pretrained(
    given: Mapping[str, Pretrained], encoder: TableEncoder, embedding_dim: object
) -> dict[str, int]:
    """Return the width of the embeddings of each field that begins with given ones.

    Parameters
    ----------
    given : dict of str to Pretrained
    encoder : TableEncoder
        Fitted.
    embedding_dim : "auto", int or dict of str to int
        The estimator's parameter.

    Raises
    ------
    ValueError
        If a name is of no field with a vocabulary, two of them share a table, or ``embedding_dim``
        says another width.
    """
    names = [field.name for field in encoder.fields]
    if unknown := [name for name in given if name not in names]:
        raise ValueError(
            f"pretrained_embeddings names {unknown!r}, want categorical fields: {names!r}"
        )
    widths = dict[str, int]()
    owners = encoder.table_of or tuple(range(len(names)))
    taken = dict[int, str]()
    for name, pretrained in given.items():
        f = names.index(name)
        if not isinstance(encoder.columns[f], Vocabulary):
            raise ValueError(
                f"pretrained_embeddings names {name!r}, which is hashed, want a field with a "
                "vocabulary"
            )
        if (other := taken.setdefault(owners[f], name)) != name:
            raise ValueError(
                f"pretrained_embeddings names {[other, name]!r}, which share a table, want one"
            )
        sharing = [names[g] for g, owner in enumerate(owners) if owner == owners[f]]
        for one in sharing:
            said = embedding_dim.get(one) if isinstance(embedding_dim, Mapping) else embedding_dim
            if said not in (None, "auto", pretrained.width):
                raise ValueError(
                    f"embedding_dim is {said!r} for {one!r}, and its pretrained embeddings have "
                    f"{pretrained.width} columns, want 'auto' or the same"
                )
            widths[one] = pretrained.width
    return widths


def start_from(given: Mapping[str, Pretrained], encoder: TableEncoder, model: Model) -> None:
    """Give the categories that training has seen the vectors that are given for them.

    Raises
    ------
    ValueError
        If a number is too large for the type of the parameters.
    """
    if not given:
        return
    flat: npt.NDArray[Any] = np.array(model.network.flat_parameters)
    for name, pretrained in given.items():
        largest = np.abs(pretrained.vectors).max(initial=0)
        if largest > np.finfo(flat.dtype).max:
            raise ValueError(
                f"pretrained_embeddings: {name!r} has {largest:g}, want what {flat.dtype} holds"
            )
    tensors = {name: (shape, offset) for name, shape, offset in model.network.tensors}
    for name, pretrained in given.items():
        f = [field.name for field in encoder.fields].index(name)
        column = encoder.columns[f]
        assert isinstance(column, Vocabulary)
        tensor, rows = model.rows_of_field(f)
        (_, K), offset = tensors[tensor]
        own = flat[offset + rows.start * K : offset + rows.stop * K].reshape(-1, K)
        known = [(column.rows_by_value[v], pretrained.places[v])
                 for v in column.values if v in pretrained.places]  # fmt: skip
        if known:
            to, places = np.array(known).T
            own[to] = pretrained.vectors[places]
    model.network.set_parameters(flat)


def frozen_fields(given: Any, encoder: TableEncoder) -> tuple[int, ...]:
    """Return the numbers of the fields whose embeddings stay, the first of those that share.

    Parameters
    ----------
    given : sequence of str or None
        Names of fields.
    encoder : TableEncoder
        Fitted.

    Raises
    ------
    ValueError
        If there is no such field.
    """
    names = [field.name for field in encoder.fields]
    listed = [] if given is None else list(given)
    if unknown := [name for name in listed if not isinstance(name, str) or name not in names]:
        raise ValueError(f"frozen_embeddings names {unknown!r}, want categorical fields: {names!r}")
    owners = encoder.table_of or tuple(range(len(names)))
    return tuple(sorted({owners[names.index(name)] for name in listed}))
