"""What an estimator was fitted to as plain state, and back; see :mod:`dcnfast.plain`."""

from __future__ import annotations

import numpy as np

from dcnfast.encode.saved import read_standardizer, standardizer_state
from dcnfast.encode.saved_values import read_values, values_state
from dcnfast.estimators.label_targets import LabelsTarget, Target
from dcnfast.estimators.ranking_target import RankingTarget
from dcnfast.estimators.targets import Array, ClassTarget, NumericTarget
from dcnfast.network.loss import ClassificationLoss, Loss, RankingLoss, RegressionLoss
from dcnfast.network.losses import LOSSES, RANKING_LOSSES, MultiLabel, loss_of
from dcnfast.plain import State, Tree

LABELS = tuple(np.dtype(code).name for code in "?bhilqBHILQefd")


def target_state(target: Target) -> Tree:
    """Return what makes answers of logits."""
    tree: Tree = {"loss": target.loss.name, "n_outputs": target.n_outputs}
    if constants := target.loss.constants():
        tree["loss_constants"] = list(constants)
    if isinstance(target, LabelsTarget | RankingTarget):
        return tree
    if isinstance(target, ClassTarget):
        labels = target.classes
        dtype = {"O": "object", "U": "text"}.get(labels.dtype.kind, labels.dtype.name)
        return tree | {"classes": {"dtype": dtype, "labels": values_state(labels.tolist())}}
    scaler, bounds = target.scaler, target.bounds
    return tree | {
        "one_column": target.one_column,
        "scaler": None if scaler is None else standardizer_state(scaler),
        "clips": target.clips,
        "bounds": None if bounds is None else np.stack(bounds).astype(np.float64),
    }


def read_target(state: State) -> Target:
    """Return the target of such a state, checked."""
    loss, C = _read_loss(state), state.integer("n_outputs", 1)
    target: Target
    if state.has("classes"):
        classes = _read_classes(state.part("classes"))
        if not isinstance(loss, ClassificationLoss) or loss.of_classes(len(classes)) != (loss, C):
            raise state.refuse(f"outputs for {len(classes)} classes, not {C}")
        target = ClassTarget(classes, loss, C)
    elif isinstance(loss, RankingLoss):
        target = RankingTarget(loss)
        if C != 1:
            raise state.refuse(f"one output with {loss.name!r}, not {C}")
    elif isinstance(loss, MultiLabel):
        target = LabelsTarget(*loss.of_labels(C))
    else:
        numeric = _of_numbers(loss, C, state)
        Y = C // numeric.outputs_of_a_target
        scaler, bounds = state.maybe("scaler", state.part), None
        if state.has("bounds"):
            low, high = state.array("bounds", np.float64, (2, Y))
            if not (low <= high).all():
                raise state.refuse("bounds that go upwards")
            bounds = low, high
        else:
            state.take("bounds")
        target = NumericTarget(
            loss=numeric,
            n_outputs=C,
            one_column=state.flag("one_column"),
            scaler=None if scaler is None else read_standardizer(scaler, Y),
            clips=state.flag("clips"),
            bounds=bounds,
        )
        if target.one_column and target.n_targets > 1:
            raise state.refuse("one output of one column")
    state.done()
    return target


def _read_loss(state: State) -> Loss:
    name = state.text("loss", (*LOSSES, *RANKING_LOSSES))
    constants = state.numbers("loss_constants") if state.names("loss_constants") else []
    try:
        return loss_of(name, constants)
    except (ValueError, TypeError) as error:
        raise state.refuse(f"a loss that there is: {error}") from None


def _of_numbers(loss: Loss, C: int, state: State) -> RegressionLoss:
    if not isinstance(loss, RegressionLoss) or C % loss.outputs_of_a_target:
        raise state.refuse(f"a loss of numbers with outputs for each, not {loss!r} with {C}")
    return loss


def _read_classes(state: State) -> Array:
    dtype = state.text("dtype", (*LABELS, "object", "text"))
    labels = read_values(state.part("labels"))
    state.done()
    if len(labels) < 2 or len(set(labels)) != len(labels):
        raise state.refuse("two labels or more that differ")
    if dtype == "text":
        if not all(isinstance(label, str) for label in labels):
            raise state.refuse("labels that are texts")
        return np.array(labels)
    classes = np.empty(len(labels), dtype)
    try:
        classes[:] = labels
    except (TypeError, ValueError, OverflowError) as error:
        raise state.refuse(f"labels of type {dtype}: {error}") from None
    return classes
