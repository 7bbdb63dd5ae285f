"""What an estimator was fitted to as plain state, and back; see :mod:`dcnfast.plain`."""

from __future__ import annotations

import numpy as np

from dcnfast.encode.saved import read_standardizer, standardizer_state
from dcnfast.encode.saved_values import read_values, values_state
from dcnfast.estimators.targets import Array, ClassTarget, NumericTarget, Target
from dcnfast.network.losses import LOSSES
from dcnfast.plain import State, Tree

LABELS = tuple(np.dtype(code).name for code in "?bhilqBHILQefd")


def target_state(target: Target) -> Tree:
    """Return what makes answers of logits."""
    tree: Tree = {"loss": target.loss, "n_outputs": target.n_outputs}
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
    loss, C = state.text("loss", tuple(LOSSES)), state.integer("n_outputs", 1)
    target: Target
    if state.has("classes"):
        classes = _read_classes(state.part("classes"))
        if (1 if loss == "log_loss" and len(classes) == 2 else len(classes)) != C:
            raise state.refuse(f"outputs for {len(classes)} classes, not {C}")
        target = ClassTarget(classes, loss, C)
    else:
        scaler, bounds = state.maybe("scaler", state.part), None
        if state.has("bounds"):
            low, high = state.array("bounds", np.float64, (2, C))
            if not (low <= high).all():
                raise state.refuse("bounds that go upwards")
            bounds = low, high
        else:
            state.take("bounds")
        target = NumericTarget(
            loss=loss,
            n_outputs=C,
            one_column=state.flag("one_column"),
            scaler=None if scaler is None else read_standardizer(scaler, C),
            clips=state.flag("clips"),
            bounds=bounds,
        )
        if target.one_column and C > 1:
            raise state.refuse("one output of one column")
    state.done()
    return target


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
