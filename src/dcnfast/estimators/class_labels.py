"""y of a classifier: one label a row, or several labels of 0 and 1."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.multiclass import _check_partial_fit_first_call, check_classification_targets

from dcnfast.estimators.configure import kind_of
from dcnfast.estimators.label_targets import LabelsTarget
from dcnfast.estimators.splits import Part
from dcnfast.estimators.targets import ClassTarget, class_factors, class_target
from dcnfast.network.loss import ClassificationLoss
from dcnfast.network.losses import LOSSES, LogLoss, MultiLabel
from dcnfast.table.schema import Table

Array = npt.NDArray[Any]


def read_classes(
    estimator: Any, table: Table, y: Array, weight: Array
) -> tuple[ClassTarget, Part, Array, Array]:
    """Return target and rows of one label a row, numbers of classes, and class weights."""
    _refuse_task_weights(estimator)
    check_classification_targets(y)
    classes, codes = np.unique(y, return_inverse=True)
    factors = class_factors(estimator.class_weight, classes, codes, weight)
    loss_weight = weight * factors[codes]
    _refuse_one_class(estimator, classes[np.unique(codes[loss_weight > 0])])
    target = class_target(classes, _classification_loss(estimator))
    return target, Part(table, y, codes.reshape(-1, 1), loss_weight, weight), codes, factors


def read_labels(
    estimator: Any, table: Table, y: Array, weight: Array
) -> tuple[LabelsTarget, Part, None, None]:
    """Return target and rows of several labels a row, of which each column has some."""
    unknown = np.isnan(y[weight > 0]).all(axis=0)
    if unknown.any():
        raise ValueError(
            f"{type(estimator).__name__}: y has no label in column {unknown.argmax()}, want at "
            "least one in a row with a weight"
        )
    target, whole = _of_labels(estimator, table, y, weight)
    return target, whole, None, None


def _of_labels(estimator: Any, table: Table, y: Array, weight: Array) -> tuple[LabelsTarget, Part]:
    if estimator.class_weight is not None:
        raise ValueError(
            f"class_weight is {estimator.class_weight!r} and y has {y.shape[1]} columns, want "
            "None; task_weights has a weight for each column"
        )
    named = estimator.loss == LogLoss.name  # which is this loss for several labels
    loss = copy.deepcopy(
        LOSSES.resolve(MultiLabel.name, vars(estimator)) if named else kind_of(LOSSES, estimator)
    )
    assert isinstance(loss, ClassificationLoss)  # as _validate_params wants it
    loss.check("loss")  # also what task_weights made of it
    of_labels, n_labels = loss.of_labels(y.shape[1])
    assert isinstance(of_labels, MultiLabel)
    target = LabelsTarget(of_labels, n_labels)
    return target, Part(table, y, y, weight, weight)


def read_further_classes(
    estimator: Any, table: Table, y: Array, weight: Array, classes: Any
) -> tuple[ClassTarget, Part]:
    """Return target and rows of one label a row."""
    if isinstance(before := getattr(estimator, "_target", None), LabelsTarget):
        raise ValueError(f"y has one column, want {before.n_outputs}, as in the first call")
    _refuse_task_weights(estimator)
    _check_partial_fit_first_call(estimator, classes)
    check_classification_targets(y)
    _refuse_one_class(estimator, estimator.classes_)
    target = class_target(estimator.classes_, _classification_loss(estimator))
    codes = target.codes("y", y, "classes")
    known = np.arange(len(estimator.classes_))
    factors = class_factors(estimator.class_weight, estimator.classes_, known, np.ones(len(known)))
    whole = Part(table, y, codes.reshape(-1, 1), weight * factors[codes], weight)
    if not whole.loss_weight.any():
        raise ValueError("y has only classes whose class_weight is 0, want others")
    return target, whole


def read_further_labels(
    estimator: Any, table: Table, y: Array, weight: Array, classes: Any
) -> tuple[LabelsTarget, Part]:
    """Return target and rows of several labels a row, each 0 or 1; columns may have none."""
    if classes is not None and not np.isin(classes, [0, 1]).all():
        raise ValueError(f"classes is {classes!r}, want None: several labels are 0 or 1")
    target, whole = _of_labels(estimator, table, y, weight)
    if (before := getattr(estimator, "_target", target)).n_outputs != target.n_outputs or not (
        isinstance(before, LabelsTarget)
    ):
        raise ValueError(f"y has {y.shape[1]} columns, want those of the first call")
    estimator.classes_ = target.classes
    return target, whole


def _classification_loss(estimator: Any) -> ClassificationLoss:
    loss = copy.deepcopy(kind_of(LOSSES, estimator))  # may be changed after the fit
    assert isinstance(loss, ClassificationLoss)  # as _validate_params wants it
    return loss


def _refuse_task_weights(estimator: Any) -> None:
    if estimator.task_weights is not None:
        raise ValueError(
            f"task_weights is {estimator.task_weights!r} and y has one column, want None; "
            "class_weight has a weight for each class"
        )


def _refuse_one_class(estimator: Any, seen: Array) -> None:
    if len(seen) < 2:
        raise ValueError(
            f"{type(estimator).__name__} needs at least two classes with a positive weight, "
            f"got {len(seen)} class(es): {seen.tolist()}"
        )
