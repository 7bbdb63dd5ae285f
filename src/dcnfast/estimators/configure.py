"""From an estimator's parameters to the network they describe, and how to train it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral
from typing import Any, TypeVar

import numpy as np

from dcnfast.cpu import effective_threads
from dcnfast.encode.encoder import TableEncoder
from dcnfast.encode.sharing import same_in_groups
from dcnfast.estimators.circumstances import Circumstances
from dcnfast.estimators.penalties import penalties
from dcnfast.estimators.pretrained import frozen_fields
from dcnfast.estimators.splits import FOLDED
from dcnfast.network.config import NetworkConfig, automatic_embedding_dim
from dcnfast.network.crosses import CROSSES
from dcnfast.network.kinds import Family, Kind
from dcnfast.network.loss import Loss
from dcnfast.network.numeric_embeddings import (
    AUTOMATIC_COLUMNS,
    NUMERIC_EMBEDDINGS,
    NumericEmbedding,
    automatic_numeric,
)
from dcnfast.training.automatic import (
    AUTOMATIC_MEMBERS,
    MEMBERS_OF_ONE_TRAINING,
    automatic_batch_size,
    automatic_epochs,
    automatic_members,
    automatic_rate,
)
from dcnfast.training.optimizers import OPTIMIZERS
from dcnfast.training.schedules import DROPOUT_SCHEDULES, SCHEDULES
from dcnfast.training.settings import Settings

K = TypeVar("K", bound=Kind)

WIDEST_ALONE = 256  # input of categories alone
MEMBERS_IN_FOLDS = 4  # stop about when all of them would, in half the time

AS_THEY_ARE = (
    "learned_scale", "collision_weights", "cross_layers", "activation", "structure",
    "dropout", "layer_norm", "dtype", "deterministic",
)  # fmt: skip


def configure(
    estimator: Any,
    encoder: TableEncoder,
    loss: Loss,
    n_outputs: int,
    circumstances: Circumstances | NetworkConfig,
    pretrained: Mapping[str, int] | None = None,
) -> NetworkConfig:
    """Return the network for an encoder's columns.

    Parameters
    ----------
    estimator : DCNRegressor or DCNClassifier
        Its parameters have passed scikit-learn's validation.
    encoder : TableEncoder
        Fitted.
    loss : Loss
    n_outputs : int
    circumstances : Circumstances or NetworkConfig
        Of this fit, or the network of the fit that this one goes on from: what "auto" was there.
    pretrained : dict of str to int or None, default=None
        Widths of embeddings that there are already.

    Raises
    ------
    ValueError
        If a parameter has a value without meaning.
    """
    fields = encoder.fields
    widths = _embedding_widths(estimator.embedding_dim, encoder, circumstances)
    widths |= dict(pretrained or {})
    same_in_groups(widths, encoder.shared_embeddings, "embedding_dim")
    described = _numeric(estimator, encoder, circumstances)
    D = sum(widths.values()) + encoder.n_dense
    D += len(encoder.bins) * described["numeric_width"]
    described |= {name: getattr(estimator, name) for name in AS_THEY_ARE}
    described["wide"] = _wide(estimator.wide, circumstances)
    described["wide_numeric"] = _wide_numeric(described["wide"], encoder, circumstances)
    # the identity is what it is bent to
    bends = estimator.parametric_activation and estimator.activation != "identity"
    described["parametric_activation"] = bends
    cross = kind_of(CROSSES, estimator)
    described |= cross.engine_options(D)
    of_fields: list[tuple[str, ...]] = [(field.name,) for field in fields]
    described["cross_forbidden"] = cross.forbidden_columns([*of_fields, *encoder.sources()])
    optimizer = kind_of(OPTIMIZERS, estimator)
    described["sparse_adam"] = optimizer.sparse
    described |= penalties(estimator, optimizer.decays, encoder, circumstances, bool(pretrained))
    described["ema_decay"] = _ema_decay(estimator.ema_decay, circumstances)
    described |= _of_loss(estimator, loss) | {"n_outputs": n_outputs}
    one = NetworkConfig(
        **described,
        fields=tuple((field.name, field.size, widths[field.name]) for field in fields),
        table_of=encoder.table_of,
        frozen=frozen_fields(estimator.frozen_embeddings, encoder),
        poolings=tuple("max" if p == "max" else "sum" for p in encoder.poolings.values()),
        n_dense=encoder.n_dense,
        hidden=_hidden(estimator),
    )
    n_members = _n_members(estimator.n_members, one, circumstances)
    dropout = _cross_dropout(estimator.cross_dropout, one, n_members)
    return replace(one, n_members=n_members, cross_dropout=dropout)


def _of_loss(estimator: Any, loss: Loss) -> dict[str, Any]:
    return {
        "loss": loss.name,
        "loss_constants": loss.constants(),
        "label_smoothing": float(getattr(estimator, "label_smoothing", 0.0)),  # of classes
        "branch_loss": _branch_loss(estimator, loss),
    }


def _branch_loss(estimator: Any, loss: Loss) -> bool:
    """Return whether branches have losses; raise ValueError where that has no meaning."""
    if not getattr(estimator, "branch_loss", False):  # DCNRanker has none
        return False
    if estimator.structure != "parallel":
        wrong = f"structure is {estimator.structure!r}", "'parallel'"
    elif not estimator.cross_layers:
        wrong = "cross_layers is 0", "at least 1"
    elif not _hidden(estimator):
        wrong = f"hidden_layer_sizes is {estimator.hidden_layer_sizes!r}", "at least one layer"
    elif loss.may_be_negative:
        wrong = f"loss is {loss.name!r}, which may be negative", "one that never is"
    else:
        return True
    raise ValueError("branch_loss is True and {}, want {}".format(*wrong))


def kind_of(family: Family[K], estimator: Any) -> K:
    """Return the object that an estimator's parameter means, as a name or by itself."""
    return family.resolve(getattr(estimator, family.parameter), vars(estimator))


def dropout_seed(estimator: Any, random_state: np.random.RandomState) -> int:
    """Draw the seed of what to leave out, if anything is."""
    return int(random_state.randint(2**31)) if _has_dropout(estimator) else 0


def settings_of(
    estimator: Any,
    config: NetworkConfig,
    n: int,
    seed: int,
    before: int = 0,
    times: int = 1,
    alone: bool = False,
) -> Settings:
    """Return how to train a network on n rows, after so many of the same stream; or several."""
    given = estimator.batch_size
    batch_size = automatic_batch_size(n, before) if given == "auto" else min(int(given), n)
    given = estimator.max_iter
    max_iter = automatic_epochs(config, n * times, alone) if given == "auto" else int(given)
    given = estimator.learning_rate_init
    rate = automatic_rate(config, batch_size) if given == "auto" else float(given)
    optimizer = kind_of(OPTIMIZERS, estimator)
    step = optimizer.step(rate, estimator.dtype)
    return Settings(
        step=replace(
            step,
            gradient_clip=float(estimator.gradient_clip or 0),
            prior_strength=float(estimator.prior_strength),
        ),
        batch_size=batch_size,
        max_iter=max_iter,
        shuffle=bool(estimator.shuffle),
        seed=seed,
        tol=None if estimator.tol is None else float(estimator.tol),
        n_iter_no_change=int(estimator.n_iter_no_change),
        n_threads=effective_threads(estimator.n_jobs),
        verbose=int(estimator.verbose),
        schedule=kind_of(SCHEDULES, estimator),
        decay_schedule=optimizer.decay_schedule(),
        dropout_schedule=kind_of(DROPOUT_SCHEDULES, estimator),
        planned_epochs=max_iter,
    )


def numeric_kinds(estimator: Any, n_columns: int) -> tuple[NumericEmbedding | None, ...]:
    """Return how numbers may be embedded in a table of so many of them, if they are.

    The first is what is taken where none is tried.
    """
    given = estimator.numeric_embedding
    if given is None:
        return (None,)
    if isinstance(given, str) and given == "auto":
        return automatic_numeric(n_columns) or (None,)
    return (kind_of(NUMERIC_EMBEDDINGS, estimator),)


def fitted_numeric_kind(
    estimator: Any, encoder: TableEncoder, taken: NumericEmbedding | None
) -> NumericEmbedding | None:
    """Return how the numbers of a fitted encoder are embedded, where that kind is taken."""
    if taken is None or not encoder.bins:
        return None
    # statistics of targets may come on top of the most columns that "auto" embeds
    kinds = numeric_kinds(estimator, min(len(encoder.bins), AUTOMATIC_COLUMNS))
    return next(kind for kind in kinds if type(kind) is type(taken))


def _numeric(
    estimator: Any, encoder: TableEncoder, circumstances: Circumstances | NetworkConfig
) -> dict[str, Any]:
    if not encoder.bins:
        return {"numeric_width": 0}
    scales = tuple(found.scale for found in encoder.scaler.bins.values())
    of_bins = {"numeric_bins": tuple(encoder.bins), "numeric_scales": scales}
    if isinstance(circumstances, Circumstances):
        kind = circumstances.numeric
    elif estimator.numeric_embedding != "auto":
        (kind,) = numeric_kinds(estimator, len(encoder.bins))
    else:
        names = ("numeric_embedding", "numeric_width", "numeric_frequencies")
        return {name: getattr(circumstances, name) for name in names} | of_bins
    return {"numeric_width": 0} if kind is None else kind.engine_options() | of_bins


def _has_dropout(estimator: Any) -> bool:
    of_cross = estimator.cross_dropout
    if isinstance(of_cross, str):
        of_cross = bool(_hidden(estimator)) and estimator.cross_layers > 0
    return bool(estimator.dropout or of_cross)


def _hidden(estimator: Any) -> tuple[int, ...]:
    given, hidden = estimator.hidden_layer_sizes, list[int]()
    for width in (given,) if isinstance(given, Integral) else given:
        if isinstance(width, bool) or not isinstance(width, Integral) or width < 1:
            raise ValueError(
                f"hidden_layer_sizes has the width {width!r}, want integers of at least 1"
            )
        hidden.append(int(width))
    return tuple(hidden)


def _wide(given: bool | str, circumstances: Circumstances | NetworkConfig) -> bool:
    if not isinstance(given, str):
        return bool(given)
    if isinstance(circumstances, NetworkConfig):
        return circumstances.wide
    return circumstances.begins_linear


def _wide_numeric(
    wide: bool, encoder: TableEncoder, circumstances: Circumstances | NetworkConfig
) -> bool:
    if isinstance(circumstances, NetworkConfig):
        return wide and circumstances.wide_numeric  # older networks do not have it
    return wide and bool(encoder.bins)


def _ema_decay(given: float | str, circumstances: Circumstances | NetworkConfig) -> float:
    if not isinstance(given, str):
        return given
    if isinstance(circumstances, NetworkConfig):
        return circumstances.ema_decay
    return 0.998 if circumstances.watched else 0.0


def _n_members(
    given: int | str, one: NetworkConfig, circumstances: Circumstances | NetworkConfig
) -> int:
    if not isinstance(given, str):
        return int(given)
    if isinstance(circumstances, NetworkConfig):
        return circumstances.n_members
    most = MEMBERS_OF_ONE_TRAINING if circumstances.given else AUTOMATIC_MEMBERS
    found = automatic_members(one, circumstances.n_rows, most)
    return min(MEMBERS_IN_FOLDS, found) if circumstances.in_fold else found


def _cross_dropout(given: float | str, one: NetworkConfig, n_members: int) -> float:
    if not isinstance(given, str):
        return float(given)
    if not one.hidden or not one.cross_layers:
        return 0.0
    return 0.5 if n_members > 1 else 0.2


def _embedding_widths(
    given: Any, encoder: TableEncoder, circumstances: Circumstances | NetworkConfig
) -> dict[str, int]:
    names = [field.name for field in encoder.fields]
    if isinstance(given, Mapping):
        if unknown := [name for name in given if name not in names]:
            raise ValueError(f"embedding_dim names {unknown!r}, want categorical fields: {names!r}")
        for name, width in given.items():
            if isinstance(width, bool) or not isinstance(width, Integral) or width < 1:
                raise ValueError(
                    f"embedding_dim has {width!r} for {name!r}, want integers of at least 1"
                )
    elif given != "auto":
        given = dict.fromkeys(names, given)
    else:
        given = {}
    automatic = _automatic_widths(encoder, circumstances)
    return {name: int(given.get(name, automatic[name])) for name in names}


def _automatic_widths(
    encoder: TableEncoder, circumstances: Circumstances | NetworkConfig
) -> dict[str, int]:
    """Return those of the last fit, or what suits the categories: more where they are alone."""
    of_roots, alone = (
        {field.name: automatic_embedding_dim(field.size, how) for field in encoder.fields}
        for how in (False, True)
    )
    if isinstance(circumstances, NetworkConfig):
        return of_roots | {name: width for name, _, width in circumstances.fields}
    has_numbers = encoder.n_dense or encoder.bins
    if has_numbers or circumstances.n_table < FOLDED or sum(alone.values()) > WIDEST_ALONE:
        return of_roots
    return alone
