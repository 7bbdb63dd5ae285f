"""DCNRegressor: targets in, targets out."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import RegressorMixin
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
)

from dcnfast.estimators.base import BaseDCN, shown
from dcnfast.estimators.codes import find_codes
from dcnfast.estimators.configure import kind_of
from dcnfast.estimators.constraints import loss_constraints
from dcnfast.estimators.parameters import (
    CrossChoice,
    Initializer,
    ListChoice,
    NumericChoice,
    NumericScaling,
    OptimizerChoice,
    PlannedScheduleChoice,
    RegressionLossChoice,
    ScheduleChoice,
    StatisticsChoice,
    add_parameters_to_doc,
)
from dcnfast.estimators.published import published_whole, reads_one_fit
from dcnfast.estimators.splits import Part
from dcnfast.estimators.targets import NumericTarget
from dcnfast.network.config import (
    Activation,
    Deterministic,
    DType,
    EmbeddingPenalty,
    SparseAdam,
    Structure,
)
from dcnfast.network.loss import RegressionLoss
from dcnfast.network.losses import LOSSES, SquaredError
from dcnfast.training.checkpoints import Checkpoints
from dcnfast.training.timing import Timing

Array = npt.NDArray[Any]
Scorer = Callable[[Any, Any, Any], float]


@add_parameters_to_doc
class DCNRegressor(RegressorMixin, BaseDCN):  # type: ignore[misc]
    """Deep & Cross Network for regression, one or several targets.

    Takes tables as they are: numbers in any unit, categories, and gaps in both. Targets are
    standardised inside.

    Parameters
    ----------
    {parameters}
    prediction_clip : bool, default=False
        Whether ``predict`` and row predictors stay within the range that the targets of the
        training rows had, each output within its own. With ``warm_start`` it is that of all fits.
        The loss of training and of held-out rows is of what is not clipped.
    branch_loss : bool, default=False
        Whether the cross part and the deep part beside it have losses of their own, as in FCN. Each
        has logits of its own, whose mean predicts; what is minimised is L + max(0, L_C - L) L_C +
        max(0, L_D - L) L_D, with the losses of a batch of what is predicted, of the cross part and
        of the deep part. It wants ``structure="parallel"``, cross and hidden layers, and a loss
        that is never negative: not "poisson" or "gamma". Scores of held-out rows are without it.

    Attributes
    ----------
    {attributes}
    n_outputs_ : int
        Targets, columns of y.

    References
    ----------
    R. Wang et al., "Deep & Cross Network for Ad Click Predictions", 2017.
    R. Wang et al., "DCN V2: Improved Deep & Cross Network", 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from dcnfast import DCNRegressor
    >>> X = np.random.default_rng(0).normal(size=(1000, 3))
    >>> y = X[:, 0] * X[:, 1] + X[:, 2]
    >>> model = DCNRegressor(hidden_layer_sizes=(), learning_rate_init=0.03, random_state=0)
    >>> round(model.fit(X, y).score(X, y), 2)
    1.0

    Columns of words are categories; a word that training has not seen is answered as the mean.

    >>> X = [["cat", 1.0], ["dog", 2.0], ["cat", None], [None, 4.0]] * 100
    >>> model = DCNRegressor(random_state=0).fit(X, [3.0, 1.0, 2.0, 0.0] * 100)
    >>> model.predict([["cat", 1.0], ["dog", 2.0], ["cow", None]]).shape
    (3,)
    >>> model.embedding_dims_
    {'x0': 2}
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = BaseDCN._parameter_constraints | {
        "loss": loss_constraints("DCNRegressor"),
        "prediction_clip": ["boolean"],
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
        loss: RegressionLossChoice = "squared_error",
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
        prediction_clip: bool = False,
        branch_loss: bool = False,
    ) -> None:
        self._store(locals())
        self.prediction_clip = prediction_clip
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
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets; rates between 0 and 1 with ``loss="log_loss"``, not negative with "poisson" and
            "tweedie", above 0 with "gamma".
        sample_weight : array-like of shape (n_samples,), default=None
            Not negative, not all zero.
        X_val, y_val, sample_weight_val : as X, y and sample_weight, default=None
            Rows for early stopping to watch, in place of a part of X.

        Returns
        -------
        self : DCNRegressor

        Raises
        ------
        ValueError, TypeError
            If an argument or a parameter is not as described; the estimator stays as it was.
        """
        self._validate_params()
        timing = Timing()
        with timing.measure("encode"):
            table, y = self._read_first(
                X, y, y_numeric=True, find_codes=find_codes(self, sample_weight)
            )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        weight = self._check_weight(sample_weight, table)
        n_outputs = 1 if y.ndim == 1 else y.shape[1]
        target = self._target_of(n_outputs, y.ndim == 1)
        whole = Part(table, y, target.columns("y", y), weight, weight)
        last = self._last_fit(table, "n_outputs_", n_outputs)
        given = self._given_part(X_val, y_val, sample_weight_val, target)
        self.n_outputs_ = n_outputs
        of_callbacks = shown(X, y, sample_weight, weight)
        self._learn(whole, given, None, target, last, of_callbacks, timing)
        return self

    @published_whole
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Go on with further rows, each once: from nothing, or from what is fitted.

        New categories get embeddings of their own, which begin as one never seen is predicted, as
        far as ``max_categories`` has room. Scales of numbers and of targets, bins, statistics of
        categories and the network's shape are those of the first rows. The learning rate is
        constant, and no rows are held out. See docs/updating.md.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Columns as in the first call.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            As in ``fit``.
        sample_weight : array-like of shape (n_samples,), default=None
            Not negative, not all zero; taken as they are, so that they mean the same in each call.

        Returns
        -------
        self : DCNRegressor

        Raises
        ------
        ValueError, TypeError
            If an argument or a parameter is not as described; the estimator stays as it was.
        """
        self._validate_params()
        timing = Timing()
        with timing.measure("encode"):
            table, y = self._read_further(X, y, y_numeric=True)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        weight = self._weight_as_given(sample_weight, table)
        n_outputs = 1 if y.ndim == 1 else y.shape[1]
        if (before := getattr(self, "n_outputs_", n_outputs)) != n_outputs:
            raise ValueError(f"y has {n_outputs} columns, want {before}, as in the first call")
        target = self._target_of(n_outputs, y.ndim == 1)
        self.n_outputs_ = n_outputs
        whole = Part(table, y, target.columns("y", y), weight, weight)
        self._update(whole, target, shown(X, y, sample_weight, weight), timing)
        return self

    def _target_of(self, n_outputs: int, one_column: bool) -> NumericTarget:
        """Return what is learned, as yet without scales."""
        loss = copy.deepcopy(kind_of(LOSSES, self))  # may be changed after the fit
        assert isinstance(loss, RegressionLoss)  # as _validate_params wants it
        outputs, clips = n_outputs * loss.outputs_of_a_target, bool(self.prediction_clip)
        return NumericTarget(loss, outputs, one_column, clips=clips)

    def _given_part(
        self, X_val: Any, y_val: Any, sample_weight_val: Any, target: NumericTarget
    ) -> Part | None:
        """Return the rows to watch that ``fit`` was given."""
        validation = self._read_validation(X_val, y_val, sample_weight_val, y_numeric=True)
        if validation is None:
            return None
        table, y, weight = validation
        if y.ndim == 2 and y.shape[1] == 1:
            y = y[:, 0]
        return Part(table, y, target.columns("y_val", y), weight, weight)

    @reads_one_fit
    def predict(self, X: Any) -> Array:
        """Predict targets.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Columns as in ``fit``. Categories that are new there are fine.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            With several quantiles there is one more axis, for these.
        """
        logits = self._logits(X)  # which wants a fitted estimator
        answers: Array = self._target.answers(logits)
        return answers

    @reads_one_fit
    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of the deviance that is explained, D^2; with squared error that is R^2.

        The deviance is that of ``loss``, as fitted, and is compared with that of the best constant
        for these rows: the mean, or the quantiles. 1 is exact, 0 is as good as that constant. With
        several targets it is the mean over them.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Columns as in ``fit``.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        score : float
        """
        check_is_fitted(self)
        target: NumericTarget = self._target
        if target.loss.name == SquaredError.name:
            return float(super().score(X, y, sample_weight))
        given = check_array(y, ensure_2d=False, dtype="numeric", input_name="y")
        columns, answers = target.columns("y", given), self.predict(X)
        check_consistent_length(answers, columns)
        weight = _check_sample_weight(
            sample_weight, columns, dtype=np.float64, ensure_non_negative=True,
            allow_all_zero_weights=False,
        )  # fmt: skip
        return target.explained(answers, columns, weight)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
