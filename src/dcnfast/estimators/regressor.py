"""DCNRegressor: targets in, targets out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.base import RegressorMixin
from sklearn.utils.validation import column_or_1d

from dcnfast.encode.encoder import Standardizer
from dcnfast.estimators.base import BaseDCN, Task
from dcnfast.estimators.parameters import (
    Initializer,
    NumericScaling,
    RegressionLoss,
    add_parameters_to_doc,
    one_of,
)
from dcnfast.estimators.published import published_whole, reads_one_fit
from dcnfast.estimators.targets import NumericTarget
from dcnfast.network.config import Activation, Cross, Deterministic, DType, SparseAdam, Structure
from dcnfast.table.schema import read_training_table
from dcnfast.training.batches import Part
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

    Attributes
    ----------
    {attributes}
    n_outputs_ : int
        Targets, C.

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
        "loss": [one_of(RegressionLoss)]
    }

    def __init__(
        self,
        *,
        cross: Cross = "matrix",
        cross_layers: int = 3,
        cross_rank: int | None = None,
        diag_scale: float = 0.0,
        cross_bias: bool = True,
        preactivation: Activation = "identity",
        hidden_layer_sizes: Sequence[int] | int = (128, 64),
        activation: Activation = "relu",
        structure: Structure = "parallel",
        wide: bool = False,
        dropout: float = 0.0,
        layer_norm: bool = False,
        cross_initializer: Initializer = "truncated_normal",
        deep_initializer: Initializer = "glorot_uniform",
        categorical_features: npt.ArrayLike | None = "from_dtype",
        embedding_dim: int | Literal["auto"] | Mapping[str, int] = "auto",
        min_frequency: float | None = None,
        max_categories: int | None = None,
        hash_buckets: int | Mapping[str, int] | None = None,
        numeric_scaling: NumericScaling | None = "auto",
        numeric_clip: bool = True,
        loss: RegressionLoss = "squared_error",
        alpha: float | Literal["auto"] | Mapping[str, float] = "auto",
        learning_rate_init: float = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        sparse_adam: SparseAdam = "lazy",
        ema_decay: float | Literal["auto"] = "auto",
        batch_size: int | Literal["auto"] = "auto",
        max_iter: int = 100,
        shuffle: bool = True,
        early_stopping: bool | Literal["auto"] = "auto",
        scoring: str | Scorer | None = None,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float | None = 1e-4,
        warm_start: bool = False,
        dtype: DType = "float32",
        deterministic: Deterministic = "threads",
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self._store(locals())

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
            Targets; rates between 0 and 1 with ``loss="log_loss"``.
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
            table, y = read_training_table(
                self, X, y, categorical_features=self.categorical_features, y_numeric=True
            )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        weight = self._check_weight(sample_weight, table)
        columns = self._targets("y", y)
        n_outputs = columns.shape[1]
        continued = self._continued(table, "n_outputs_", n_outputs)
        validation = self._read_validation(X_val, y_val, sample_weight_val, y_numeric=True)
        whole = Part(table, y, columns, weight, weight)
        held = None
        if validation is not None:
            table_val, targets, weight_val = validation
            if targets.ndim == 2 and targets.shape[1] == 1:
                targets = targets[:, 0]
            columns = self._targets("y_val", targets)
            if columns.shape[1] != n_outputs:
                raise ValueError(
                    f"y_val has {columns.shape[1]} columns, want {n_outputs}, as many as y"
                )
            held = Part(table_val, targets, columns, weight_val, weight_val)
        self.n_outputs_ = n_outputs
        self._one_column = y.ndim == 1
        shown = self._shown(X, y, sample_weight, weight)
        self._learn(whole, held, None, Task(self.loss, n_outputs, continued, shown, timing))
        return self

    def _targets(self, name: str, y: Array) -> Array:
        columns = y.reshape(len(y), -1)
        if self.loss == "log_loss" and not ((columns >= 0) & (columns <= 1)).all():
            raise ValueError(
                f"{name} goes from {columns.min():g} to {columns.max():g}, want rates between 0 "
                "and 1 with loss='log_loss'"
            )
        return columns

    def _fit_target(self, part: Part) -> None:
        self._target_scaler = Standardizer().fit(part.target, part.loss_weight)

    def _scaled(self, part: Part) -> Part:
        """Return the rows with targets as the network sees them; rates stay what they are."""
        if self.loss == "log_loss":
            return part
        return replace(part, target=self._target_scaler.transform(part.target, self.dtype))

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
        """
        logits = self._logits(X)
        rates = self._model.config.loss == "log_loss"
        y = expit(logits.astype(np.float64)) if rates else self._target_scaler.inverse(logits)
        return np.asarray(y[:, 0] if self._one_column else y)

    def _target(self) -> NumericTarget:
        """Return what the logits of one row say."""
        rates = self._model.config.loss == "log_loss"
        return NumericTarget(None if rates else self._target_scaler, self._one_column)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
