"""What training needs beside the encoder: the scales of targets, and a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dcnfast.encode.encoder import TableEncoder
from dcnfast.estimators.circumstances import Circumstances
from dcnfast.estimators.configure import (
    configure,
    fitted_numeric_kind,
    kind_of,
)
from dcnfast.estimators.fitted import Fitted, Task
from dcnfast.estimators.going_on import (
    exactly,
    go_on,
    refuse_other_bins,
    refuse_other_encoder,
    refuse_other_network,
)
from dcnfast.estimators.linear_start import begin_as_linear
from dcnfast.estimators.pretrained import check_pretrained, start_from
from dcnfast.estimators.rare import counts_as_unknown, rare_categories
from dcnfast.estimators.splits import Part
from dcnfast.network.config import NetworkConfig
from dcnfast.network.crosses import CROSSES
from dcnfast.network.model import Model
from dcnfast.table.pretrained import read_pretrained
from dcnfast.training.state import Training


def prepare(
    estimator: Any,
    part: Part,
    encoder: TableEncoder,
    watched: bool,
    task: Task,
    random_state: np.random.RandomState,
    *,
    in_fold: bool = False,
    what: str = "warm_start",
    training_of: Callable[[Training, list[int]], Training] = exactly,
) -> Fitted:
    """Make what training needs beside the encoder: the scales of targets, and the network.

    Of one that goes on, ``what`` is for messages and ``training_of`` as for :func:`go_on`.
    """
    last, table = task.last, part.table
    numeric = fitted_numeric_kind(estimator, encoder, task.numeric)
    auto: Circumstances | NetworkConfig
    if last is not None:
        target = task.target.scaled_as(last.target, part.target, part.loss_weight)
        auto = last.model.config
    else:
        target = task.target.fitted(part.target, part.loss_weight)
        given, n_table = task.given is not None, len(task.whole)
        auto = Circumstances(
            len(part), watched, in_fold, numeric, n_table, given, task.begins_linear,
            streams=what == "partial_fit", shares_rare=task.shares_rare,
        )  # fmt: skip
    pretrained = read_pretrained(estimator.pretrained_embeddings)
    widths = check_pretrained(pretrained, encoder, estimator.embedding_dim)
    config = configure(estimator, encoder, target.loss, target.n_outputs, auto, widths)
    if last is None:
        cross = kind_of(CROSSES, estimator)
        model = Model(config).initialize(
            random_state, cross.initializer, estimator.deep_initializer, float(cross.initial_scale),
            numeric, float(estimator.embedding_initial_scale),
        )  # fmt: skip
        start_from(pretrained, encoder, model)
        rare = rare_categories(encoder) if task.shares_rare else ()
        seen = counts_as_unknown([field.counts for field in encoder.fields], rare)
        columns = table.names, table.is_categorical.tolist(), table.dates, table.list_columns
        fitted = Fitted(columns, encoder, target, model, seen, None, rare)
        if task.begins_linear:
            begin_as_linear(model, fitted.rows(part, estimator.n_jobs))
        return fitted
    began_linear = estimator.wide == "auto" and last.model.config.wide
    refuse_other_encoder(what, last.encoder, estimator, began_linear)
    refuse_other_network(what, last.model.config, config)
    refuse_other_bins(what, last.encoder, estimator)
    return go_on(last, encoder, target, training_of)
