"""DCNClassifier: labels in, labels and probabilities out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin
from sklearn.utils._param_validation import Interval, StrOptions

from dcnfast.estimators.base import BaseDCN, shown
from dcnfast.estimators.calibrated import Calibrates
from dcnfast.estimators.class_labels import (
    read_classes,
    read_further_classes,
    read_further_labels,
    read_labels,
)
from dcnfast.estimators.codes import find_codes
from dcnfast.estimators.constraints import loss_constraints
from dcnfast.estimators.label_targets import LabelsTarget
from dcnfast.estimators.parameters import (
    ClassificationLossChoice,
    CrossChoice,
    Initializer,
    ListChoice,
    NumericChoice,
    NumericScaling,
    OptimizerChoice,
    PlannedScheduleChoice,
    ScheduleChoice,
    StatisticsChoice,
    add_parameters_to_doc,
)
from dcnfast.estimators.published import published_whole, reads_one_fit
from dcnfast.estimators.splits import Part
from dcnfast.estimators.targets import ClassTarget
from dcnfast.network.config import (
    Activation,
    Deterministic,
    DType,
    EmbeddingPenalty,
    SparseAdam,
    Structure,
)
from dcnfast.table.labels import plain_labels
from dcnfast.training.checkpoints import Checkpoints
from dcnfast.training.timing import Timing

Array = npt.NDArray[Any]
Scorer = Callable[[Any, Any, Any], float]
ClassWeight = dict[Any, float] | dict[Any, int] | Literal["balanced"] | None


@add_parameters_to_doc
class DCNClassifier(Calibrates, ClassifierMixin, BaseDCN):  # type: ignore[misc]
    """Deep & Cross Network for two classes or more.

    Takes tables as they are: numbers in any unit, categories, and gaps in both.

    Parameters
    ----------
    {parameters}
    class_weight : dict, "balanced" or None, default=None
        Weight of each class in the loss; "balanced" makes all classes weigh the same.
    label_smoothing : float, default=0.0
        Share of each training row's target that goes to all classes alike: probabilities become
        less sure, and single wrong labels count less. ``loss_curve_`` is of smoothed targets;
        held-out rows are judged by their true labels. "focal" and "ordinal" ignore it.
    task_weights : sequence of float or None, default=None
        What the loss of each label is multiplied by where y has several columns, one for each;
        None is 1. With one column it is an error.
    branch_loss : bool, default=False
        Whether the cross part and the deep part beside it have losses of their own, as in FCN. Each
        has logits of its own, whose mean predicts; what is minimised is L + max(0, L_C - L) L_C +
        max(0, L_D - L) L_D, with the losses of a batch of what is predicted, of the cross part and
        of the deep part. It wants ``structure="parallel"``, cross and hidden layers.
        Scores of held-out rows are without it.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels; where y has several columns, their numbers.
    {attributes}

    References
    ----------
    R. Wang et al., "Deep & Cross Network for Ad Click Predictions", 2017.
    R. Wang et al., "DCN V2: Improved Deep & Cross Network", 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from dcnfast import DCNClassifier
    >>> X = np.random.default_rng(0).normal(size=(300, 2))
    >>> y = np.where(X[:, 0] * X[:, 1] > 0, "same", "other")
    >>> DCNClassifier(random_state=0).fit(X, y).predict([[1, 1], [1, -1]])
    array(['same', 'other'], dtype='<U5')
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = BaseDCN._parameter_constraints | {
        "loss": loss_constraints("DCNClassifier"),
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "task_weights": ["array-like", None],
        "branch_loss": ["boolean"],
    }

    def __init__(
        self,
        *,
        cross: CrossChoice = "matrix",
        cross_layers: int = 2,
        cross_rank: int | None = None,
        diag_scale: float = 0.0,
        cross_bias: bool = True,
        preactivation: Activation = "identity",
        hidden_layer_sizes: Sequence[int] | int = (256, 256),
        activation: Activation = "relu",
        parametric_activation: bool = False,
        structure: Structure = "parallel",
        wide: bool | Literal["auto"] = "auto",
        dropout: float = 0.1,
        cross_dropout: float | Literal["auto"] = "auto",
        dropout_schedule: PlannedScheduleChoice = "constant",
        layer_norm: bool = False,
        n_members: int | Literal["auto"] = "auto",
        learned_scale: bool = False,
        cross_initializer: Initializer = "truncated_normal",
        deep_initializer: Initializer = "glorot_uniform",
        categorical_features: npt.ArrayLike | None = "from_dtype",
        datetime_features: bool | Sequence[str] | None = None,
        list_features: ListChoice = None,
        embedding_dim: int | Literal["auto"] | Mapping[str, int] = "auto",
        shared_embeddings: Sequence[Sequence[str]] | None = None,
        pretrained_embeddings: Mapping[str, Any] | None = None,
        frozen_embeddings: Sequence[str] | None = None,
        embedding_initial_scale: float = 0.05,
        min_frequency: float | None = None,
        max_categories: int | None = None,
        recycle_categories: bool = False,
        hash_buckets: int | Mapping[str, int] | None = None,
        collision_weights: bool = False,
        target_statistics: StatisticsChoice = "auto",
        numeric_scaling: NumericScaling | None = "auto",
        numeric_clip: bool | Literal["auto"] = "auto",
        numeric_embedding: NumericChoice = "auto",
        loss: ClassificationLossChoice = "log_loss",
        alpha: float | Literal["auto"] | Mapping[str, float] = "auto",
        embedding_penalty: EmbeddingPenalty | Literal["auto"] = "auto",
        optimizer: OptimizerChoice = "adamw",
        learning_rate: ScheduleChoice = "constant",
        learning_rate_init: float | Literal["auto"] = "auto",
        gradient_clip: float | None = 1.0,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        sparse_adam: SparseAdam = "lazy",
        ema_decay: float | Literal["auto"] = "auto",
        batch_size: int | Literal["auto"] = "auto",
        max_iter: int | Literal["auto"] = "auto",
        shuffle: bool = True,
        early_stopping: bool | Literal["auto"] = "auto",
        scoring: str | Scorer | None = None,
        validation_fraction: float = 0.15,
        n_iter_no_change: int = 10,
        tol: float | None = 1e-6,
        warm_start: bool = False,
        max_time: float | None = None,
        checkpoints: Checkpoints | None = None,
        prior_strength: float = 0.0,
        dtype: DType = "float32",
        deterministic: Deterministic = "threads",
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        class_weight: ClassWeight = None,
        label_smoothing: float = 0.0,
        task_weights: Sequence[float] | None = None,
        branch_loss: bool = False,
    ) -> None:
        self._store(locals())
        self.class_weight = class_weight
        self.label_smoothing = label_smoothing
        self.task_weights = task_weights
        self.branch_loss = branch_loss

    @published_whole
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Fit to a table.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Numbers and categories; what is missing is NaN, None or null.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Labels of two classes at least. Or several columns of 0 and 1, one for each label or
            task, where NaN and None are missing labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Not negative, not all zero.
        X_val, y_val, sample_weight_val : as X, y and sample_weight, default=None
            Rows for early stopping to watch, in place of a part of X.

        Returns
        -------
        self : DCNClassifier

        Raises
        ------
        ValueError, TypeError
            If an argument or a parameter is not as described; the estimator stays as it was.
        """
        self._validate_params()
        timing = Timing()
        with timing.measure("encode"):
            table, y = self._read_first(
                X, y, y_numeric=False, find_codes=find_codes(self, sample_weight)
            )
        weight = self._check_weight(sample_weight, table)
        read = read_labels if y.ndim == 2 else read_classes
        target, whole, codes, factors = read(self, table, y, weight)
        last = self._last_fit(table, "classes_", target.classes)
        given = self._given_part(X_val, y_val, sample_weight_val, target, factors)
        self.classes_ = target.classes
        of_callbacks = shown(X, y, sample_weight, weight)
        self._learn(whole, given, codes, target, last, of_callbacks, timing)
        return self

    @published_whole
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Go on with further rows, each once: from nothing, or from what is fitted.

        New categories get embeddings of their own, which begin as one never seen is predicted, as
        far as ``max_categories`` has room. Scales of numbers, bins, statistics of categories and
        the network's shape are those of the first rows. The learning rate is constant, and no rows
        are held out. See docs/updating.md.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Columns as in the first call.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Labels, of one class or more; or several labels of 0 and 1 for each row.
        sample_weight : array-like of shape (n_samples,), default=None
            Not negative, not all zero; taken as they are, so that they mean the same in each call.
        classes : array-like of shape (n_classes,), default=None
            All labels that there will be: wanted by the first call where nothing is fitted yet, and
            the same then if they are given again. Several labels for each row need none.

        Returns
        -------
        self : DCNClassifier

        Raises
        ------
        ValueError, TypeError
            If an argument or a parameter is not as described; the estimator stays as it was.
        """
        self._validate_params()
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"class_weight is {self.class_weight!r}, want a dict or None in partial_fit, which "
                "does not know how many rows of each class there will be"
            )
        timing = Timing()
        with timing.measure("encode"):
            table, y = self._read_further(X, y, y_numeric=False)
        weight = self._weight_as_given(sample_weight, table)
        read = read_further_labels if y.ndim == 2 else read_further_classes
        target, whole = read(self, table, y, weight, classes)
        self._update(whole, target, shown(X, y, sample_weight, weight), timing)
        return self

    def _given_part(
        self,
        X_val: Any,
        y_val: Any,
        sample_weight_val: Any,
        target: ClassTarget | LabelsTarget,
        factors: Array | None,
    ) -> Part | None:
        """Return the rows to watch that ``fit`` was given."""
        validation = self._read_validation(X_val, y_val, sample_weight_val, y_numeric=False)
        if validation is None:
            return None
        table, y, weight = validation
        columns = target.judged("y_val", y)
        if factors is None:
            return Part(table, y, columns, weight, weight)
        codes = columns[:, 0]
        loss_weight = weight * factors[codes]
        if not loss_weight.any():
            raise ValueError("X_val has only rows of classes whose class_weight is 0, want others")
        return Part(table, y, columns, loss_weight, weight)

    @reads_one_fit
    def decision_function(self, X: Any) -> Array:
        """Return log-odds of the second class, or one logit for each class.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Columns as in ``fit``. Categories that are new there are fine.

        Returns
        -------
        logits : ndarray of shape (n_samples,) for two classes, else (n_samples, n_classes)
            With several labels the log-odds of each, shape (n_samples, n_labels).
        """
        logits = self._logits(X)
        decision: Array = self._target.decision(logits)
        return decision

    @reads_one_fit
    def predict_proba(self, X: Any) -> Array:
        """Return probabilities.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Columns as in ``fit``. Categories that are new there are fine.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``. With several labels the probability of 1 of each, shape
            (n_samples, n_labels).
        """
        decision = self.decision_function(X)
        p: Array = self._target.probabilities(decision)
        return p

    @reads_one_fit
    def predict_log_proba(self, X: Any) -> Array:
        """Return logarithms of :meth:`predict_proba`, finite also where those are 0.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Columns as in ``fit``. Categories that are new there are fine.

        Returns
        -------
        log_p : ndarray of shape (n_samples, n_classes) or (n_samples, n_labels)
        """
        decision = self.decision_function(X)
        log_p: Array = self._target.log_probabilities(decision)
        return log_p

    @reads_one_fit
    def predict(self, X: Any) -> Array:
        """Predict labels.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Columns as in ``fit``. Categories that are new there are fine.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            With several labels 0 or 1 for each, shape (n_samples, n_labels).
        """
        decision = self.decision_function(X)
        labels: Array = self._target.labels(decision)
        return labels

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy; of several labels the share of rows in which all are right.

        Parameters
        ----------
        X, y : as of ``fit``
        sample_weight : array-like of shape (n_samples,), default=None
        """
        return float(super().score(X, plain_labels(y), sample_weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
