"""What both estimators share: parameters, the way from arrays to a trained model, and back."""

from __future__ import annotations

import functools
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from dcnfast.batch import Rows, automatic_batch_size, mean_one, split_for_validation
from dcnfast.config import NetworkConfig
from dcnfast.cpu import effective_threads
from dcnfast.encoder import Standardizer
from dcnfast.model import Model
from dcnfast.optim import Adam
from dcnfast.schema import read_table
from dcnfast.trainer import History, Settings, train, warn_if_constant

Array = npt.NDArray[Any]
C = TypeVar("C", bound=type)

PARAMETERS = """
cross : {"matrix", "vector", "lowrank"}, default="matrix"
    Form of the cross layers: x0 * (W x + b) + x with a full W, x0 (x . w) + b + x, or the first
    with W = U V of rank ``cross_rank``.
cross_layers : int, default=3
    With L layers the cross part holds every product of columns up to degree L + 1. 0 leaves a plain
    deep network.
cross_rank : int or None, default=None
    Rank R of the low-rank form; None is a quarter of the columns, at least 1. Only for "lowrank".
diag_scale : float, default=0.0
    Added to the diagonal of every W; not for "vector".
hidden_layer_sizes : tuple of int, default=(128, 64)
    Widths of the deep part. () leaves a plain cross network.
activation : {"relu", "tanh", "sigmoid", "identity", "gelu"}, default="relu"
    Of the deep part; gelu in its tanh form.
structure : {"parallel", "stacked"}, default="parallel"
    Deep part beside the cross part, both reading the columns, or behind it, reading its output.
alpha : float, default=0.0
    L2: the objective has alpha / 2 times the sum of squared weights. Biases are free, and the size
    of a batch does not matter.
learning_rate_init : float, default=0.001
    Adam's learning rate.
beta_1, beta_2 : float, default=0.9, 0.999
    Decay of Adam's first and second moment.
epsilon : float, default=1e-7
    Added to the root of Adam's second moment.
batch_size : int or "auto", default="auto"
    Rows of a batch; "auto" is a hundredth of the rows, rounded down to a power of two, and 128 to
    1024.
max_iter : int, default=100
    Most epochs.
shuffle : bool, default=True
    Whether to draw a new order of the rows for every epoch.
early_stopping : bool or "auto", default="auto"
    Whether to hold out rows, stop when their loss no longer falls, and keep the parameters that
    were best on them. "auto" does so above 10,000 rows.
validation_fraction : float, default=0.1
    Of the rows to hold out.
n_iter_no_change : int, default=10
    Epochs without progress before training stops.
tol : float or None, default=1e-4
    Least fall of the loss (of the held-out rows, or of training) that is progress; None never
    stops.
warm_start : bool, default=False
    Whether ``fit`` goes on from where the last one ended.
dtype : {"float32", "float64"}, default="float32"
    Of parameters and arithmetic.
n_jobs : int or None, default=None
    Threads; None is all that the process may use. The result does not depend on it, to the bit.
random_state : int, RandomState or None, default=None
    Draws weights, shuffles and held-out rows.
verbose : int, default=0
    1 prints a line an epoch.
"""

ATTRIBUTES = """
n_parameters_ : int
    How many numbers are learned.
n_iter_ : int
    Epochs run.
loss_curve_ : list of float
    Mean objective of every epoch, in standardised units.
validation_scores_ : list of float or None
    Negative loss of the held-out rows after every epoch; None without such rows.
parameters_ : dict of str to ndarray
    Read-only views: cross_W (L, D, D) as (out, in), cross_w, cross_U, cross_V, cross_b, deep_W_i
    (O, I), deep_b_i, head_W (C, D + H), head_b.
n_features_in_ : int
    Columns seen in ``fit``.
feature_names_in_ : ndarray of shape (n_features_in_,)
    Their names, where all are strings.
"""


def add_parameters_to_doc(cls: C) -> C:
    """Put the shared descriptions into the class's docstring."""
    for key, text in (("{parameters}", PARAMETERS), ("{attributes}", ATTRIBUTES)):
        indented = text.strip().replace("\n", "\n    ")
        cls.__doc__ = (cls.__doc__ or "").replace(key, indented)
    return cls


def fit_or_leave_as_it_was(fit: Callable[..., Any]) -> Callable[..., Any]:
    """Make ``fit`` all or nothing: when it raises, the estimator is what it was before."""

    @functools.wraps(fit)
    def whole_fit(self: BaseEstimator, *args: Any, **kwargs: Any) -> Any:
        before = dict(self.__dict__)
        try:
            return with_callbacks(fit)(self, *args, **kwargs)
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    return whole_fit


class BaseDCN(CallbackSupportMixin, BaseEstimator):  # type: ignore[misc]
    """Parameters, fitting and logits. See :class:`dcnfast.DCNRegressor`."""

    _doc_link_module = "dcnfast"

    _model: Model
    _encoder: Standardizer
    n_parameters_: int
    n_iter_: int
    loss_curve_: list[float]
    validation_scores_: list[float] | None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "cross": [StrOptions({"matrix", "vector", "lowrank"})],
        "cross_layers": [Interval(Integral, 0, None, closed="left")],
        "cross_rank": [Interval(Integral, 1, None, closed="left"), None],
        "diag_scale": [Interval(Real, 0, None, closed="left")],
        "hidden_layer_sizes": ["array-like"],
        "activation": [StrOptions({"relu", "tanh", "sigmoid", "identity", "gelu"})],
        "structure": [StrOptions({"parallel", "stacked"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "early_stopping": ["boolean", StrOptions({"auto"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left"), None],
        "warm_start": ["boolean"],
        "dtype": [StrOptions({"float32", "float64"})],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
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
    ) -> None:
        self.cross = cross
        self.cross_layers = cross_layers
        self.cross_rank = cross_rank
        self.diag_scale = diag_scale
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.structure = structure
        self.alpha = alpha
        self.learning_rate_init = learning_rate_init
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.dtype = dtype
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @property
    def parameters_(self) -> dict[str, Array]:
        """Learned parameters by name, as read-only views."""
        check_is_fitted(self)
        return self._model.parameters

    # ---- fit

    def _check_weight(self, sample_weight: Any, X: Array) -> Array:
        weight = _check_sample_weight(
            sample_weight, X, dtype=np.float64, ensure_non_negative=True,
            allow_all_zero_weights=False,
        )  # fmt: skip
        return np.asarray(weight / weight.max())

    @staticmethod
    def _shown(X: Array, y: Array, sample_weight: Any, weight: Array) -> dict[str, Any]:
        """Return what callbacks may see of the data."""
        metadata = None if sample_weight is None else {"sample_weight": weight}
        return {"X": X, "y": y, "metadata": metadata}

    def _split(
        self, loss_weight: Array, random_state: np.random.RandomState, labels: Array | None
    ) -> tuple[Array, Array | None]:
        """Return the rows to train on and to hold out; rows without weight count as absent."""
        rows = np.flatnonzero(loss_weight)
        n = len(rows)
        stop_early = n > 10_000 if self.early_stopping == "auto" else self.early_stopping
        if not stop_early:
            return rows, None
        labels = None if labels is None else labels[rows]
        train, held = split_for_validation(n, self.validation_fraction, random_state, labels)
        return rows[train], rows[held]

    def _continued(self, attribute: str, value: Any) -> bool:
        """Return whether this fit goes on from the last one, whose targets must be alike."""
        if not (self.warm_start and hasattr(self, "_model")):
            return False
        if not np.array_equal(getattr(self, attribute), value):
            raise ValueError(
                f"warm_start: {attribute} was {getattr(self, attribute)!r} in the last fit, "
                f"got {value!r}, want the same"
            )
        return True

    def _config(self, n_dense: int, loss: str, n_outputs: int) -> NetworkConfig:
        hidden: list[int] = []
        for width in self.hidden_layer_sizes:
            if isinstance(width, bool) or not isinstance(width, Integral) or width < 1:
                raise ValueError(
                    f"hidden_layer_sizes has the width {width!r}, want integers of at least 1"
                )
            hidden.append(int(width))
        lowrank, vector = self.cross == "lowrank", self.cross == "vector"
        if self.cross_rank is not None and not lowrank:
            raise ValueError(
                f"cross_rank is {self.cross_rank!r}, want None with cross={self.cross!r}: "
                "only 'lowrank' has a rank"
            )
        if self.diag_scale and vector:
            raise ValueError(
                f"diag_scale is {self.diag_scale!r}, want 0 with cross='vector': it has no diagonal"
            )
        return NetworkConfig(
            n_dense=n_dense,
            cross=self.cross,  # type: ignore[arg-type]
            cross_layers=int(self.cross_layers),
            cross_rank=int(self.cross_rank or max(1, n_dense // 4)) if lowrank else 0,
            diag_scale=float(self.diag_scale),
            hidden=tuple(hidden),
            activation=self.activation,  # type: ignore[arg-type]
            structure=self.structure,  # type: ignore[arg-type]
            n_outputs=n_outputs,
            loss=loss,  # type: ignore[arg-type]
            alpha_cross=float(self.alpha),
            alpha_deep=float(self.alpha),
            dtype=self.dtype,  # type: ignore[arg-type]
        )

    def _train(
        self,
        X: Array,
        target: Array,
        column_weight: Array,
        loss_weight: Array,
        train_rows: Array,
        held_rows: Array | None,
        random_state: np.random.RandomState,
        continued: bool,
        *,
        loss: str,
        n_outputs: int,
        shown: dict[str, Any],
    ) -> None:
        config = self._config(X.shape[1], loss, n_outputs)
        settings = self._settings(len(train_rows))
        if continued:
            if config != self._model.config:
                raise ValueError(
                    f"warm_start: the last fit had {self._model.config}, got {config}, "
                    "want the same"
                )
            self._model = self._model.copy()
            history = History(list(self.loss_curve_), list(self.validation_scores_ or []))
        else:
            self._encoder = Standardizer().fit(X[train_rows], column_weight[train_rows])
            self._model = Model(config).initialize(random_state)
            history = History()
        dense = self._encoder.transform(X, self.dtype)

        def rows(numbers: Array | None) -> Rows | None:
            if numbers is None:
                return None
            if len(numbers) == len(X):
                return Rows(dense, target, mean_one(loss_weight, self.dtype))
            weight = mean_one(loss_weight[numbers], self.dtype)
            return Rows(dense[numbers], target[numbers], weight)

        train_part = rows(train_rows)
        assert train_part is not None
        self.n_parameters_ = self._model.n_parameters
        self._run(train_part, rows(held_rows), settings, random_state, history, shown)
        self.loss_curve_ = history.loss_curve
        self.validation_scores_ = history.validation_scores if held_rows is not None else None
        self.n_iter_ = len(history.loss_curve)
        warn_if_constant(self._model, train_part.dense, train_part.target, settings)

    def _settings(self, n: int) -> Settings:
        # an epsilon that is 0 in the network's own type would divide 0 by 0
        smallest = float(np.finfo(self.dtype).tiny)
        return Settings(
            adam=Adam(
                float(self.learning_rate_init),
                float(self.beta_1),
                float(self.beta_2),
                max(float(self.epsilon), smallest),
            ),
            batch_size=automatic_batch_size(n)
            if self.batch_size == "auto"
            else min(int(self.batch_size), n),
            max_iter=int(self.max_iter),
            shuffle=bool(self.shuffle),
            tol=None if self.tol is None else float(self.tol),
            n_iter_no_change=int(self.n_iter_no_change),
            n_threads=effective_threads(self.n_jobs),
            verbose=int(self.verbose),
        )

    def _run(
        self,
        rows: Rows,
        held_out: Rows | None,
        settings: Settings,
        random_state: np.random.RandomState,
        history: History,
        shown: dict[str, Any],
    ) -> None:
        """Train inside scikit-learn's callback context, one task an epoch."""
        context = self._init_callback_context(max_subtasks=settings.max_iter)
        context.call_on_fit_task_begin(estimator=self, **shown)

        def state() -> dict[str, Any]:
            return {"_model": self._model.copy(), "n_iter_": len(history.loss_curve)}

        def on_epoch(_: int) -> bool:
            task = context.subcontext(task_name="epoch")
            task.call_on_fit_task_begin(estimator=self, **shown)
            self.loss_curve_ = history.loss_curve
            return bool(
                task.call_on_fit_task_end(estimator=self, reconstruction_attributes=state, **shown)
            )

        train(self._model, rows, held_out, settings, random_state, history, on_epoch)
        context.call_on_fit_task_end(estimator=self, reconstruction_attributes=state, **shown)

    # ---- predict

    def _logits(self, X: Any) -> Array:
        """Return finite logits (N, C), whatever the finite table."""
        check_is_fitted(self)
        X = read_table(self, X)
        dense = self._encoder.transform(X, self._model.config.dtype)
        threads = effective_threads(self.n_jobs)
        logits = self._model.logits(dense, threads)
        wild = ~np.isfinite(logits).all(axis=1)
        if wild.any():  # a polynomial of far-away numbers overflows: ask at the border of the known
            logits[wild] = self._model.logits(self._encoder.clip(dense[wild]), threads)
            logits = np.nan_to_num(logits, nan=0.0)
        return logits
