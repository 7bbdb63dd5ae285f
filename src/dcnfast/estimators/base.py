"""What both estimators share: the way from a table to a trained model, and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.metrics import check_scoring
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from dcnfast.cpu import effective_threads
from dcnfast.encode.encoder import Encoded, TableEncoder
from dcnfast.estimators.configure import Circumstances, configure
from dcnfast.estimators.parameters import CONSTRAINTS
from dcnfast.estimators.published import private_copy, reads_one_fit
from dcnfast.network.model import Model
from dcnfast.serving.row_predictor import RowPredictor, finite_logits
from dcnfast.table.schema import Table, read_table, read_validation_table
from dcnfast.training.batches import (
    Part,
    Rows,
    automatic_batch_size,
    mean_one,
    rows_to_watch,
    split_for_validation,
)
from dcnfast.training.folds import FOLDS, LARGEST, Choice, Fold, assign_folds, choose_epochs
from dcnfast.training.optimizers import Adam
from dcnfast.training.outcome import judge
from dcnfast.training.shrinkage import shrink
from dcnfast.training.timing import Timing
from dcnfast.training.trainer import HeldOut, History, Settings, takes_weight, train

Array = npt.NDArray[Any]

FEW_ROWS = 64  # one tile at most, so one thread


@dataclass(frozen=True)
class Task:
    """What a fit is to do with its rows.

    Parameters
    ----------
    loss : str
    n_outputs : int
        Logits, C.
    continued : bool
        Whether it goes on from the last fit.
    shown : dict
        What callbacks may see of the data.
    timing : Timing
    """

    loss: str
    n_outputs: int
    continued: bool
    shown: dict[str, Any]
    timing: Timing


class BaseDCN(CallbackSupportMixin, BaseEstimator):  # type: ignore[misc]
    """Fitting and logits. See :class:`dcnfast.DCNRegressor`."""

    _model: Model
    _seen: list[Array]
    encoder_: TableEncoder
    embedding_dims_: dict[str, int]
    n_parameters_: int
    n_iter_: int
    loss_curve_: list[float]
    validation_scores_: list[float] | None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = CONSTRAINTS

    def _store(self, parameters: dict[str, Any]) -> None:
        """Take over the arguments of ``__init__``."""
        for name in CONSTRAINTS.keys() & parameters.keys() | {"loss"}:
            setattr(self, name, parameters[name])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.input_tags.sparse = True
        return tags

    @property
    @reads_one_fit
    def parameters_(self) -> dict[str, Array]:
        """Learned parameters by name, as read-only views: those that predict."""
        check_is_fitted(self)
        return self._model.averages

    # ---- fit: what comes in

    def _check_weight(self, sample_weight: Any, table: Table) -> Array:
        weight = _check_sample_weight(
            sample_weight, np.empty((len(table), 0)), dtype=np.float64, ensure_non_negative=True,
            allow_all_zero_weights=False,
        )  # fmt: skip
        return np.asarray(weight / weight.max())

    def _read_validation(
        self, X_val: Any, y_val: Any, sample_weight_val: Any, *, y_numeric: bool
    ) -> tuple[Table, Array, Array] | None:
        """Validate the rows that ``fit`` was given to watch; their table, y and weights."""
        if X_val is None and y_val is None:
            if sample_weight_val is not None:
                raise ValueError("sample_weight_val is given, want X_val and y_val as well")
            return None
        if X_val is None or y_val is None:
            given, missing = ("y_val", "X_val") if X_val is None else ("X_val", "y_val")
            raise ValueError(f"{given} is given and {missing} is None, want both or neither")
        if self.early_stopping is False:
            raise ValueError(
                "early_stopping is False and X_val is given, want True or 'auto': what are they "
                "watched for?"
            )
        try:
            table, y = read_validation_table(self, X_val, y_val, y_numeric=y_numeric)
            return table, y, self._check_weight(sample_weight_val, table)
        except (ValueError, TypeError) as error:  # which speaks of X, y and sample_weight
            raise type(error)(f"Of the rows in X_val: {error}") from error

    @staticmethod
    def _shown(X: Any, y: Any, sample_weight: Any, weight: Array) -> dict[str, Any]:
        """Return what callbacks may see of the data."""
        metadata = None if sample_weight is None else {"sample_weight": weight}
        return {"X": X, "y": y, "metadata": metadata}

    def _continued(self, table: Table, attribute: str, value: Any) -> bool:
        """Return whether this fit goes on from the last one, whose columns must be the same."""
        if not (self.warm_start and hasattr(self, "_model")):
            return False
        now = {"columns": (table.names, table.is_categorical.tolist()), attribute: value}
        before = {"columns": self._columns, attribute: getattr(self, attribute)}
        for name, got in now.items():
            if not np.array_equal(before[name], got) if name == attribute else before[name] != got:
                raise ValueError(
                    f"warm_start: {name} was {before[name]!r} in the last fit, got {got!r}, want "
                    "the same"
                )
        return True

    def _settings(self, n: int, random_state: np.random.RandomState) -> Settings:
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
            seed=int(random_state.randint(2**31)) if self.dropout else 0,
            tol=None if self.tol is None else float(self.tol),
            n_iter_no_change=int(self.n_iter_no_change),
            n_threads=effective_threads(self.n_jobs),
            verbose=int(self.verbose),
        )

    # ---- fit: training

    def _learn(
        self,
        whole: Part,
        given: Part | None,
        labels: Array | None,
        task: Task,
    ) -> None:
        """Hold out rows where that is wanted, and train; rows without weight count as absent."""
        random_state = check_random_state(self.random_state)
        present = np.flatnonzero(whole.loss_weight)
        whole, labels = whole.take(present), None if labels is None else labels[present]
        how, held, choice = rows_to_watch(self, len(whole), given is not None), given, None
        if how == "folds":
            with task.timing.measure("validate"):
                choice = self._cross_validate(whole, labels, task, random_state)
        if how == "part" or (how == "folds" and choice is None):
            rows, held_rows = split_for_validation(
                len(whole), self.validation_fraction, random_state, labels
            )
            whole, held = whole.take(rows), whole.take(held_rows)
        shrinks = held is not given and self.early_stopping == "auto" and not self.warm_start
        self._train(whole, held, choice, task, random_state, shrinks)

    def _cross_validate(
        self, whole: Part, labels: Array | None, task: Task, random_state: np.random.RandomState
    ) -> Choice | None:
        """Return how long to train; None for a network that is too large to be trained so often."""
        settings, folds = self._settings(len(whole), random_state), []
        number = assign_folds(len(whole), random_state, labels)
        for k in range(FOLDS):
            part, held = (whole.take(np.flatnonzero(rows)) for rows in (number != k, number == k))
            estimator = private_copy(self)
            estimator._prepare(part, True, task, random_state)
            model = estimator._model
            if model.n_parameters > LARGEST:
                return None
            seen = [field.counts for field in estimator.encoder_.fields]
            rows = estimator._rows(part), estimator._rows(held)
            folds.append(Fold(model, *rows, held.loss_weight, seen))
        return choose_epochs(folds, settings, random_state)

    def _prepare(
        self, part: Part, watched: bool, task: Task, random_state: np.random.RandomState
    ) -> None:
        """Make what training needs: scales of targets and columns, categories, and the network."""
        if task.continued:
            self._model = self._model.copy()
        else:
            self._fit_target(part)
            self.encoder_ = self._fit_encoder(part)
        config = configure(
            self, self.encoder_, task.loss, task.n_outputs,
            self._model.config if task.continued else Circumstances(len(part), watched),
        )  # fmt: skip
        if not task.continued:
            self._columns = part.table.names, part.table.is_categorical.tolist()
            self._model = Model(config).initialize(
                random_state, self.cross_initializer, self.deep_initializer
            )
        elif config != self._model.config:
            before, now = asdict(self._model.config), asdict(config)
            changed = [f"{k} was {before[k]!r}, got {now[k]!r}" for k in now if before[k] != now[k]]
            raise ValueError(f"warm_start: {'; '.join(changed)}, want the same network")

    def _train(
        self,
        part: Part,
        held: Part | None,
        choice: Choice | None,
        task: Task,
        random_state: np.random.RandomState,
        shrinks: bool,
    ) -> None:
        timing, history = task.timing, History(timing=task.timing)
        if task.continued:
            history = History(list(self.loss_curve_), list(self.validation_scores_ or []), timing)
        with timing.measure("encode"):
            self._prepare(part, held is not None or choice is not None, task, random_state)
            rows = self._rows(part)
        self.n_parameters_ = self._model.n_parameters
        self.embedding_dims_ = {name: width for name, _, width in self._model.config.fields}
        settings = self._settings(len(rows), random_state)
        if choice is not None:
            settings = replace(settings, max_iter=choice.n_epochs, tol=None)
        if task.continued:
            self._seen = [s + np.bincount(i, minlength=len(s)) for s, i in self._seen_and(rows)]
        else:
            self._seen = [field.counts for field in self.encoder_.fields]
        with timing.measure("encode"):
            held_out = None if held is None else self._held_out(held, shrinks)
        self._run(rows, held_out, choice, settings, random_state, history, task)
        if settings.verbose > 1:
            print(timing.report(self._model, settings.n_threads))

    def _fit_encoder(self, part: Part) -> TableEncoder:
        return TableEncoder(
            numeric_scaling=self.numeric_scaling,
            numeric_clip=bool(self.numeric_clip),
            min_frequency=self.min_frequency,
            max_categories=self.max_categories,
            hash_buckets=self.hash_buckets,
        ).fit(part.table, part.column_weight, self.n_jobs)

    def _fit_target(self, part: Part) -> None:
        """Learn the scales of the targets, where they have any."""

    def _scaled(self, part: Part) -> Part:
        """Return the rows with targets as the network sees them."""
        return part

    def _rows(self, part: Part) -> Rows:
        part = self._scaled(part)
        encoded = self.encoder_.transform(part.table, self.dtype, self.n_jobs)
        target = np.ascontiguousarray(part.target, dtype=self.dtype)
        return Rows(encoded.ids, encoded.dense, target, mean_one(part.loss_weight, self.dtype))

    def _seen_and(self, rows: Rows) -> Iterator[tuple[Array, Array]]:
        """Pair, field by field, how often training saw each row of the table with the ids."""
        return zip(self._seen, rows.ids.T, strict=True)

    def _held_out(self, part: Part, shrinks: bool) -> HeldOut:
        """Return the rows to watch, and how they are judged."""
        rows = self._rows(part)
        unseen = any((s[i] == 0).any() for s, i in self._seen_and(rows))
        seen = self._seen if unseen else None
        if self.scoring is None:
            return HeldOut(rows, None, seen, shrinks)
        scorer = check_scoring(self, self.scoring)
        encoded = Encoded(rows.ids, rows.dense)
        weighted = rows.weight is not None and takes_weight(scorer)
        weight = {"sample_weight": part.loss_weight} if weighted else {}
        return HeldOut(rows, lambda: scorer(self, encoded, part.y, **weight), seen)

    def _run(
        self,
        rows: Rows,
        held_out: HeldOut | None,
        choice: Choice | None,
        settings: Settings,
        random_state: np.random.RandomState,
        history: History,
        task: Task,
    ) -> None:
        """Train inside scikit-learn's callback context, one task an epoch."""
        context = self._init_callback_context(max_subtasks=settings.max_iter)
        context.call_on_fit_task_begin(estimator=self, **task.shown)

        def finish(model: Model) -> Array:
            model.settle_unseen(self._seen)
            held = held_out.rows if held_out is not None and held_out.shrinks else None
            factor = None if choice is None else choice.factor
            return shrink(model, rows, held, factor, settings.n_threads)

        def state() -> dict[str, Any]:
            model = self._model.copy()
            finish(model)
            return {"_model": model, "n_iter_": len(history.loss_curve)}

        def on_epoch(_: int) -> bool:
            epoch = context.subcontext(task_name="epoch")
            epoch.call_on_fit_task_begin(estimator=self, **task.shown)
            self.loss_curve_ = history.loss_curve
            return bool(
                epoch.call_on_fit_task_end(
                    estimator=self, reconstruction_attributes=state, **task.shown
                )
            )

        if settings.verbose > 1:
            self._model.network.start_timing()
        best = train(self._model, rows, held_out, settings, random_state, history, on_epoch)
        judge(self._model, rows, settings, best)
        self.shrinkage_ = finish(self._model)
        self.loss_curve_, self.n_iter_ = history.loss_curve, len(history.loss_curve)
        watched = history.validation_scores if choice is None else choice.scores[: self.n_iter_]
        self.validation_scores_ = None if held_out is None and choice is None else watched
        context.call_on_fit_task_end(
            estimator=self, reconstruction_attributes=lambda: {"_model": self._model}, **task.shown
        )

    # ---- predict

    @reads_one_fit
    def row_predictor(self, *, missing_columns: str = "error") -> RowPredictor:
        """Prepare to predict single rows in microseconds.

        Parameters
        ----------
        missing_columns : {"error", "allow"}, default="error"
            What happens to a dict without some of the columns: a ValueError that names them, or
            they are missing in this row, as None is.

        Returns
        -------
        predict_row : RowPredictor
            Called with a row, a dict or a sequence, it returns what ``predict`` of a regressor or
            ``predict_proba`` of a classifier says of it.
        """
        check_is_fitted(self)
        return RowPredictor(
            self.encoder_, self._model, self._columns, self._target(),
            missing_columns=missing_columns,
        )  # fmt: skip

    @reads_one_fit
    def count_unknown(self, X: Any) -> dict[str, int]:
        """Count the values of a table that training has not seen, to watch what is served.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Columns as in ``fit``.

        Returns
        -------
        counts : dict of str to int
            For each categorical column the rows with such a value; missing ones do not count. Of a
            column with ``hash_buckets`` only values in buckets that training left empty are known
            to be new.
        """
        check_is_fitted(self)
        return self.encoder_.count_unknown(self._encode(X))

    def _logits(self, X: Any) -> Array:
        """Return finite logits (N, C), whatever the table."""
        check_is_fitted(self)
        # early stopping's scorers come with rows that are encoded already
        rows = X if isinstance(X, Encoded) else self._encode(X)
        # to ask the system takes longer than to predict a few rows
        threads = effective_threads(self.n_jobs) if len(rows) > FEW_ROWS else 1
        return finite_logits(self.encoder_, self._model, rows, threads)

    def _encode(self, X: Any) -> Encoded:
        return self.encoder_.transform(read_table(self, X), self._model.config.dtype, self.n_jobs)
