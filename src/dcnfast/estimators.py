"""scikit-learn estimators: the only layer that knows scikit-learn's conventions."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.special import expit, softmax
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state, compute_class_weight
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from dcnfast._base import BaseDCN, add_parameters_to_doc, fit_or_leave_as_it_was
from dcnfast.encoder import Standardizer
from dcnfast.schema import read_training_table

Array = npt.NDArray[Any]


@add_parameters_to_doc
class DCNRegressor(RegressorMixin, BaseDCN):  # type: ignore[misc]
    """Deep & Cross Network for regression with the squared error, one or several targets.

    Columns and targets are standardised inside, so raw units just work.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

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
    """

    @fit_or_leave_as_it_was
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit to a numeric table.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Numeric and finite.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Not negative, not all zero.

        Returns
        -------
        self : DCNRegressor

        Raises
        ------
        ValueError, TypeError
            If an argument or a parameter is not as described; the estimator stays as it was.
        """
        self._validate_params()
        X, y = read_training_table(self, X, y, y_numeric=True)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        weight = self._check_weight(sample_weight, X)
        columns = y.reshape(len(y), -1)
        random_state = check_random_state(self.random_state)
        train, held = self._split(weight, random_state, None)
        continued = self._continued("n_outputs_", columns.shape[1])
        if not continued:
            self._target_scaler = Standardizer().fit(columns[train], weight[train])
        self.n_outputs_ = columns.shape[1]
        self._one_column = y.ndim == 1
        target = self._target_scaler.transform(columns, self.dtype)
        self._train(
            X, target, weight, weight, train, held, random_state, continued,
            loss="squared_error", n_outputs=columns.shape[1],
            shown=self._shown(X, y, sample_weight, weight),
        )  # fmt: skip
        return self

    def predict(self, X: Any) -> Array:
        """Predict targets.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        y = self._target_scaler_of().inverse(self._logits(X))
        return y[:, 0] if self._one_column else y

    def _target_scaler_of(self) -> Standardizer:
        check_is_fitted(self)
        return self._target_scaler

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


@add_parameters_to_doc
class DCNClassifier(ClassifierMixin, BaseDCN):  # type: ignore[misc]
    """Deep & Cross Network for two classes (log-loss) or more (softmax).

    Columns are standardised inside, so raw units just work.

    Parameters
    ----------
    {parameters}
    class_weight : dict, "balanced" or None, default=None
        Weight of each class in the loss; "balanced" makes all classes weigh the same.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    {attributes}

    References
    ----------
    R. Wang et al., "Deep & Cross Network for Ad Click Predictions", 2017.
    R. Wang et al., "DCN V2: Improved Deep & Cross Network", 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from dcnfast import DCNClassifier
    >>> X = np.random.default_rng(0).normal(size=(1000, 2))
    >>> y = np.where(X[:, 0] * X[:, 1] > 0, "same", "other")
    >>> DCNClassifier(random_state=0).fit(X, y).predict([[1, 1], [1, -1]])
    array(['same', 'other'], dtype='<U5')
    """

    _parameter_constraints = BaseDCN._parameter_constraints | {
        "class_weight": [dict, StrOptions({"balanced"}), None]
    }

    def __init__(
        self,
        *,
        cross: str = "matrix",
        cross_layers: int = 3,
        cross_rank: int | None = None,
        diag_scale: float = 0.0,
        hidden_layer_sizes: tuple[int, ...] = (128, 64),
        activation: str = "relu",
        structure: str = "parallel",
        alpha: float = 0.0,
        learning_rate_init: float = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        batch_size: int | str = "auto",
        max_iter: int = 100,
        shuffle: bool = True,
        early_stopping: bool | str = "auto",
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float | None = 1e-4,
        warm_start: bool = False,
        dtype: str = "float32",
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        class_weight: dict[Any, float] | str | None = None,
    ) -> None:
        super().__init__(
            cross=cross,
            cross_layers=cross_layers,
            cross_rank=cross_rank,
            diag_scale=diag_scale,
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            structure=structure,
            alpha=alpha,
            learning_rate_init=learning_rate_init,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            batch_size=batch_size,
            max_iter=max_iter,
            shuffle=shuffle,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            warm_start=warm_start,
            dtype=dtype,
            n_jobs=n_jobs,
            random_state=random_state,
            verbose=verbose,
        )
        self.class_weight = class_weight

    @fit_or_leave_as_it_was
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit to a numeric table.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Numeric and finite.
        y : array-like of shape (n_samples,)
            Labels of two classes at least.
        sample_weight : array-like of shape (n_samples,), default=None
            Not negative, not all zero.

        Returns
        -------
        self : DCNClassifier

        Raises
        ------
        ValueError, TypeError
            If an argument or a parameter is not as described; the estimator stays as it was.
        """
        self._validate_params()
        X, y = read_training_table(self, X, y, y_numeric=False)
        check_classification_targets(y)
        weight = self._check_weight(sample_weight, X)
        classes, codes = np.unique(y, return_inverse=True)
        loss_weight = weight * self._class_factors(classes, codes, weight)[codes]
        seen = classes[np.unique(codes[loss_weight > 0])]
        if len(seen) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least two classes with a positive weight, "
                f"got {len(seen)} class(es): {seen.tolist()}"
            )
        continued = self._continued("classes_", classes)
        self.classes_ = classes
        random_state = check_random_state(self.random_state)
        train, held = self._split(loss_weight, random_state, codes)
        binary = len(classes) == 2
        self._train(
            X, codes.reshape(-1, 1).astype(self.dtype), weight, loss_weight,
            train, held, random_state, continued,
            loss="log_loss" if binary else "softmax", n_outputs=1 if binary else len(classes),
            shown=self._shown(X, y, sample_weight, weight),
        )  # fmt: skip
        return self

    def _class_factors(self, classes: Array, codes: Array, weight: Array) -> Array:
        """Return by how much the rows of each class count more than their own weight."""
        factors = np.ones(len(classes))
        present = weight > 0
        seen = np.unique(codes[present])
        factors[seen] = compute_class_weight(
            self.class_weight, classes=classes[seen], y=classes[codes[present]],
            sample_weight=weight[present],
        )  # fmt: skip
        if not (np.isfinite(factors) & (factors >= 0)).all():
            raise ValueError(
                f"class_weight is {self.class_weight!r}, want finite weights that are not negative"
            )
        return factors

    def decision_function(self, X: Any) -> Array:
        """Return log-odds of the second class, or one logit for each class.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)

        Returns
        -------
        logits : ndarray of shape (n_samples,) for two classes, else (n_samples, n_classes)
        """
        check_is_fitted(self)
        logits = self._logits(X).astype(np.float64)
        return logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: Any) -> Array:
        """Return probabilities.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        logits = self.decision_function(X)
        if logits.ndim == 2:
            return np.asarray(softmax(logits, axis=1))
        return np.column_stack([expit(-logits), expit(logits)])

    def predict_log_proba(self, X: Any) -> Array:
        """Return logarithms of :meth:`predict_proba`, finite also where those are 0.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)

        Returns
        -------
        log_p : ndarray of shape (n_samples, n_classes)
        """
        logits = self.decision_function(X)
        if logits.ndim == 1:
            logits = np.column_stack([np.zeros_like(logits), logits])
        return np.asarray(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))

    def predict(self, X: Any) -> Array:
        """Predict labels.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        logits = self.decision_function(X)
        codes = (logits > 0).astype(np.intp) if logits.ndim == 1 else logits.argmax(axis=1)
        return np.asarray(self.classes_[codes])
