"""What both estimators share: the way from a table to a trained model, and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.metrics import check_scoring
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from dcnfast._configure import Circumstances, configure
from dcnfast._parameters import CONSTRAINTS
from dcnfast.batch import Rows, automatic_batch_size, mean_one, split_for_validation
from dcnfast.cpu import effective_threads
from dcnfast.encoder import Encoded, TableEncoder
from dcnfast.model import Model
from dcnfast.optim import Adam
from dcnfast.published import reads_one_fit
from dcnfast.row_predictor import RowPredictor, finite_logits
from dcnfast.schema import Table, read_table, read_validation_table
from dcnfast.timing import Timing
from dcnfast.trainer import HeldOut, History, Settings, takes_weight, train, warn_if_constant

Array = npt.NDArray[Any]

FEW_ROWS = 64  # one tile at most, so one thread


@dataclass(frozen=True)
class Part:
    """Rows of a table with their targets, as yet without scales.

    Parameters
    ----------
    table : Table
    y : ndarray of shape (n,) or (n, C)
        As scorers want it.
    target : ndarray of shape (n, C), for softmax (n, 1) with class numbers
    loss_weight : ndarray of shape (n,)
        Of the rows in the loss.
    column_weight : ndarray of shape (n,)
        Of the rows in the scales of columns.
    """

    table: Table
    y: Array
    target: Array
    loss_weight: Array
    column_weight: Array

    def __len__(self) -> int:
        return len(self.target)

    def take(self, rows: Array) -> Part:
        """Return some of the rows."""
        if len(rows) == len(self):
            return self
        return Part(self.table.take(rows), *(
            a[rows] for a in (self.y, self.target, self.loss_weight, self.column_weight)
        ))  # fmt: skip


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

    def _split(
        self,
        whole: Part,
        validation: Part | None,
        random_state: np.random.RandomState,
        labels: Array | None,
    ) -> tuple[Part, Part | None]:
        """Return the rows to train on and to watch; rows without weight count as absent."""
        rows = np.flatnonzero(whole.loss_weight)
        n = len(rows)
        stop_early = n > 10_000 if self.early_stopping == "auto" else self.early_stopping
        if validation is not None or not stop_early:
            return whole.take(rows), validation
        labels = None if labels is None else labels[rows]
        train_rows, held = split_for_validation(n, self.validation_fraction, random_state, labels)
        return whole.take(rows[train_rows]), whole.take(rows[held])

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

    def _train(
        self,
        train_part: Part,
        held_part: Part | None,
        random_state: np.random.RandomState,
        continued: bool,
        *,
        loss: str,
        n_outputs: int,
        shown: dict[str, Any],
        timing: Timing,
    ) -> None:
        history = History(timing=timing)
        if continued:
            self._model = self._model.copy()
            history = History(list(self.loss_curve_), list(self.validation_scores_ or []), timing)
        else:
            with timing.measure("encode"):
                self.encoder_ = self._fit_encoder(train_part)
        config = configure(
            self, self.encoder_, loss, n_outputs,
            self._model.config if continued
            else Circumstances(len(train_part), held_part is not None),
        )  # fmt: skip
        if not continued:
            self._columns = train_part.table.names, train_part.table.is_categorical.tolist()
            self._model = Model(config).initialize(
                random_state, self.cross_initializer, self.deep_initializer
            )
        elif config != self._model.config:
            before, now = asdict(self._model.config), asdict(config)
            changed = [f"{k} was {before[k]!r}, got {now[k]!r}" for k in now if before[k] != now[k]]
            raise ValueError(f"warm_start: {'; '.join(changed)}, want the same network")
        self.n_parameters_ = self._model.n_parameters
        self.embedding_dims_ = {name: width for name, _, width in config.fields}
        with timing.measure("encode"):
            rows = self._rows(train_part)
        settings = self._settings(len(rows), random_state)
        if continued:
            seen = [s + np.bincount(i, minlength=len(s)) for s, i in self._seen_and(rows)]
        else:
            seen = [field.counts for field in self.encoder_.fields]
        self._seen = seen
        with timing.measure("encode"):
            held_out = None if held_part is None else self._held_out(held_part)
        self._run(rows, held_out, settings, random_state, history, shown)
        self._model.settle_unseen(self._seen)
        self.loss_curve_ = history.loss_curve
        self.validation_scores_ = history.validation_scores if held_out is not None else None
        self.n_iter_ = len(history.loss_curve)
        warn_if_constant(self._model, rows, settings)
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

    def _rows(self, part: Part) -> Rows:
        encoded = self.encoder_.transform(part.table, self.dtype, self.n_jobs)
        target = np.ascontiguousarray(part.target, dtype=self.dtype)
        return Rows(encoded.ids, encoded.dense, target, mean_one(part.loss_weight, self.dtype))

    def _seen_and(self, rows: Rows) -> Iterator[tuple[Array, Array]]:
        """Pair, field by field, how often training saw each row of the table with the ids."""
        return zip(self._seen, rows.ids.T, strict=True)

    def _held_out(self, part: Part) -> HeldOut:
        """Return the rows to watch, and how they are judged."""
        rows = self._rows(part)
        unseen = any((s[i] == 0).any() for s, i in self._seen_and(rows))
        seen = self._seen if unseen else None
        if self.scoring is None:
            return HeldOut(rows, None, seen)
        scorer = check_scoring(self, self.scoring)
        encoded = Encoded(rows.ids, rows.dense)
        weighted = rows.weight is not None and takes_weight(scorer)
        weight = {"sample_weight": part.loss_weight} if weighted else {}
        return HeldOut(rows, lambda: scorer(self, encoded, part.y, **weight), seen)

    def _run(
        self,
        rows: Rows,
        held_out: HeldOut | None,
        settings: Settings,
        random_state: np.random.RandomState,
        history: History,
        shown: dict[str, Any],
    ) -> None:
        """Train inside scikit-learn's callback context, one task an epoch."""
        context = self._init_callback_context(max_subtasks=settings.max_iter)
        context.call_on_fit_task_begin(estimator=self, **shown)

        def state() -> dict[str, Any]:
            model = self._model.copy()
            model.settle_unseen(self._seen)
            return {"_model": model, "n_iter_": len(history.loss_curve)}

        def on_epoch(_: int) -> bool:
            task = context.subcontext(task_name="epoch")
            task.call_on_fit_task_begin(estimator=self, **shown)
            self.loss_curve_ = history.loss_curve
            return bool(
                task.call_on_fit_task_end(estimator=self, reconstruction_attributes=state, **shown)
            )

        if settings.verbose > 1:
            self._model.network.start_timing()
        train(self._model, rows, held_out, settings, random_state, history, on_epoch)
        context.call_on_fit_task_end(estimator=self, reconstruction_attributes=state, **shown)

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
