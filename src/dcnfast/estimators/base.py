"""What all estimators share: public methods and attributes, and checks of the input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, is_regressor
from sklearn.callback import CallbackSupportMixin
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from dcnfast.encode.encoder import TableEncoder
from dcnfast.estimators.compressing import Compresses, refuse_compressed
from dcnfast.estimators.configure import numeric_kinds
from dcnfast.estimators.constraints import CONSTRAINTS
from dcnfast.estimators.exports import Exports
from dcnfast.estimators.fitted import Columns, Fitted, Result, Task
from dcnfast.estimators.fitting import fit_network
from dcnfast.estimators.going_on import refuse_other_columns, refuse_other_lists
from dcnfast.estimators.label_targets import Target
from dcnfast.estimators.prediction import encode_table, predict_logits
from dcnfast.estimators.pruning import pruned_attributes
from dcnfast.estimators.published import reads_one_fit, view
from dcnfast.estimators.saved import (
    attributes_of,
    trimmed,
)
from dcnfast.estimators.splits import Part
from dcnfast.estimators.stored import Stored
from dcnfast.estimators.takes_kinds import TakesKinds
from dcnfast.estimators.updating import update_network
from dcnfast.network.lists import list_rules
from dcnfast.network.model import Model
from dcnfast.serving.candidates import CandidateScorer
from dcnfast.serving.row_predictor import RowPredictor
from dcnfast.table.schema import (
    FindCodes,
    Table,
    read_further_table,
    read_training_table,
    read_validation_table,
)
from dcnfast.training.settings import History
from dcnfast.training.spare import Spare
from dcnfast.training.state import Training
from dcnfast.training.timing import Timing

Array = npt.NDArray[Any]


class BaseDCN(TakesKinds, Stored, Exports, Compresses, CallbackSupportMixin, BaseEstimator):  # type: ignore[misc]
    """Fitting and logits. See :class:`dcnfast.DCNRegressor`."""

    _columns: Columns
    _model: Model
    _seen: list[Array]
    _training: Training | None = None  # of the model, where it goes on
    _spare: Spare | None = None  # of partial_fit
    _target: Any
    encoder_: TableEncoder
    embedding_dims_: dict[str, int]
    n_members_: int
    n_parameters_: int
    n_iter_: int
    loss_curve_: list[float]
    validation_scores_: list[float] | None
    _unwatched: int = 0  # epochs after the last that has a score; of a pickle that does not say it

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = CONSTRAINTS

    def _store(self, parameters: dict[str, Any]) -> None:
        """Take over the arguments of ``__init__``, in their order."""
        for name, value in parameters.items():
            if name in CONSTRAINTS or name == "loss":
                setattr(self, name, value)

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
        return dict(trimmed(vars(self))["_model"].averages)

    @property
    @reads_one_fit
    def history_(self) -> dict[str, Array]:
        """What happened in each epoch, as columns of a table: ``pandas.DataFrame(model.history_)``.

        ``epoch``, ``loss``, ``learning_rate`` at its end, ``seconds``, and ``validation_score``
        where rows were watched. Learning rates and seconds are NaN for epochs before a pickle.
        """
        check_is_fitted(self)
        n = len(self.loss_curve_)
        known = list(getattr(self, "_epochs", []))
        of_epochs = np.full((n, 2), np.nan)
        of_epochs[n - len(known) :] = np.reshape(known, (-1, 2))
        rates, seconds = of_epochs.T
        table: dict[str, Array] = {
            "epoch": np.arange(1, n + 1), "loss": np.array(self.loss_curve_, np.float64),
            "learning_rate": rates, "seconds": seconds,
        }  # fmt: skip
        if self.validation_scores_ is not None:
            scores = np.full(n, np.nan)  # the last fits may be the only ones that watched rows
            end = n - self._unwatched
            scores[end - len(self.validation_scores_) : end] = self.validation_scores_
            table["validation_score"] = scores
        return table

    # ---- fit: input

    def _read_first(
        self, X: Any, y: Any, *, y_numeric: bool, find_codes: FindCodes | None = None
    ) -> tuple[Table, Array]:
        """Validate X and y of ``fit``, or of the first ``partial_fit``."""
        return read_training_table(
            self, X, y, categorical_features=self.categorical_features, y_numeric=y_numeric,
            datetime_features=self.datetime_features,
            list_features=list_rules(self.list_features), find_codes=find_codes,
        )  # fmt: skip

    def _check_weight(self, sample_weight: Any, table: Table) -> Array:
        weight = self._weight_as_given(sample_weight, table)
        return np.asarray(weight / weight.max())

    def _weight_as_given(self, sample_weight: Any, table: Table) -> Array:
        try:
            weight: Array = _check_sample_weight(
                sample_weight, np.empty((len(table), 0)), dtype=np.float64,
                ensure_non_negative=True, allow_all_zero_weights=False,
            )  # fmt: skip
        except OverflowError as error:
            raise ValueError(f"sample_weight: {error}") from error
        except (TypeError, ValueError) as error:
            if "weight" in str(error):
                raise
            raise type(error)(f"sample_weight: {error}") from error
        return weight

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

    def _last_fit(
        self, table: Table, attribute: str | None = None, value: Any = None
    ) -> Fitted | None:
        """Return what this fit goes on from, if it does; the columns must be the same."""
        if not (self.warm_start and hasattr(self, "_model")):
            return None
        columns = table.names, table.is_categorical.tolist(), table.dates, table.list_columns
        refuse_other_columns("warm_start", self._columns, columns)
        if attribute is None:
            return self._fitted_before()
        if not np.array_equal(before := getattr(self, attribute), value):
            raise ValueError(
                f"warm_start: {attribute} was {before!r} in the last fit, got {value!r}, want the "
                "same"
            )
        return self._fitted_before()

    def _fitted_before(self) -> Fitted | None:
        """Return what is fitted, if anything is, to go on from it."""
        if not hasattr(self, "_model"):
            return None
        refuse_compressed(self)
        return Fitted(
            self._columns, self.encoder_, self._target, self._model, self._seen, self._training
        )

    # ---- partial_fit

    def _read_further(self, X: Any, y: Any, *, y_numeric: bool) -> tuple[Table, Array]:
        """Validate X and y of ``partial_fit``: as of ``fit`` if they are the first."""
        if hasattr(self, "_model"):
            refuse_other_lists("partial_fit", self._columns[3], list_rules(self.list_features))
            return read_further_table(self, X, y, y_numeric=y_numeric)
        return self._read_first(X, y, y_numeric=y_numeric)

    def _update(self, whole: Part, target: Target, shown: dict[str, Any], timing: Timing) -> None:
        """Train on rows once; see :func:`dcnfast.estimators.updating.update_network`."""
        last = self._fitted_before()
        history = History(timing=timing) if last is None else self._history_so_far(timing)
        history.validation_scores.clear()
        kinds = numeric_kinds(self, whole.table.numbers.shape[1])
        update_network(self, Task(whole, None, None, target, last, shown, history, kinds[0]))

    # ---- fit: training and result

    def _learn(
        self,
        whole: Part,
        given: Part | None,
        labels: Array | None,
        target: Target,
        last: Fitted | None,
        shown: dict[str, Any],
        timing: Timing,
    ) -> None:
        """Train, and take over the result; see :class:`dcnfast.estimators.fitted.Task`."""
        history = History(timing=timing)
        if last is not None:
            history = self._history_so_far(timing)
        kinds = numeric_kinds(self, whole.table.numbers.shape[1])
        fit_network(self, Task(whole, given, labels, target, last, shown, history, kinds[0]))

    def _history_so_far(self, timing: Timing) -> History:
        """Return what happened in the fits that this one goes on from."""
        before, scores = self.history_, list(self.validation_scores_ or [])
        if self._unwatched:  # scores would no longer be those of the last epochs
            scores = []
        rates, seconds = (before[name].tolist() for name in ("learning_rate", "seconds"))
        return History(list(self.loss_curve_), scores, rates, seconds, timing)

    def _take_result(self, result: Result) -> None:
        """Take over the result of training."""
        for name, value in result.attributes().items():
            setattr(self, name, value)

    def _take_fitted(self, fitted: Fitted) -> None:
        """Take over what predicts, in training as well: scorers and callbacks ask it."""
        for name, value in attributes_of(fitted).items():
            setattr(self, name, value)

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
            self.encoder_, self._model, self._columns, self._target,
            missing_columns=missing_columns,
        )  # fmt: skip

    @reads_one_fit
    def candidate_scorer(self, *, context_columns: Sequence[str | int]) -> CandidateScorer:
        """Prepare to score many candidates for one request, such as items for a user.

        Parameters
        ----------
        context_columns : sequence of str or int
            Columns that all candidates of a request share, by name or by place. The others are the
            candidates'.

        Returns
        -------
        scorer : CandidateScorer
            ``scorer(context, candidates)`` returns what ``predict`` of a regressor says of each, or
            the probability of a classifier's second class; ``scorer.top_k`` the best.

        Raises
        ------
        ValueError
            If a column is unknown or named twice, or none is left for the candidates.
        """
        check_is_fitted(self)
        return CandidateScorer(
            self.encoder_, self._model, self._columns, self._target, context_columns,
            named=hasattr(self, "feature_names_in_"), n_jobs=self.n_jobs,
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
        return self.encoder_.count_unknown(encode_table(self, X))

    @reads_one_fit
    def predict_members(self, X: Any) -> Array:
        """Predict with each member of the ensemble; where they disagree, less is known.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Columns as in ``fit``.

        Returns
        -------
        answers : ndarray of shape (n_samples, n_members) or (n_samples, n_members, n_outputs)
            Of a regressor what each member predicts, of a classifier the probabilities of the
            classes. Their mean is what ``predict`` or ``predict_proba`` gives, of a classifier
            before ``calibrate_isotonic``.
        """
        check_is_fitted(self)
        answers: Array = self._target.answers_of_members(predict_logits(self, X, of_members=True))
        return answers

    def prune_members(
        self, X: Any, y: Any, sample_weight: Any = None, *, n_members: int | None = None
    ) -> Self:
        """Keep the members of the ensemble whose mean predicts rows best.

        Gorishniy, Kotelnikov and Babenko ("TabM", 2025) report that 8 of 32 members trained predict
        better than 8 trained. They are taken one after the other, always the one with which the
        mean has the least loss. The estimator then predicts with these alone, and faster. With
        ``warm_start`` and ``n_members="auto"`` the next fit goes on from the members that are left,
        with new moments; with a number of members it raises, since the network is another.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows that training has not seen, columns as in ``fit``.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
        n_members : int or None, default=None
            How many to keep; None keeps as many as have the least loss. A single one is kept as
            two that are the same.

        Returns
        -------
        self : DCNRegressor or DCNClassifier

        Raises
        ------
        ValueError
            If the network has one member, or ``n_members`` is no integer from 1 to those it has.
        """
        numeric = is_regressor(self)
        return self._pruned(X, y, sample_weight, n_members, y_numeric=numeric)

    def _pruned(
        self, X: Any, y: Any, weight: Any, n_members: Any, *, y_numeric: bool, group: Any = None
    ) -> Self:
        """Keep the best members; one assignment: others see the model of before or the new one."""
        fit: Any = view(self)
        pruned = pruned_attributes(fit, X, y, weight, n_members, y_numeric=y_numeric, group=group)
        self.__dict__ = vars(fit) | pruned
        return self

    def _logits(self, X: Any) -> Array:
        """Return finite logits (N, C), whatever the table."""
        check_is_fitted(self)
        return predict_logits(self, X)


def shown(X: Any, y: Any, sample_weight: Any, weight: Array) -> dict[str, Any]:
    """Return what callbacks may see of the data."""
    metadata = None if sample_weight is None else {"sample_weight": weight}
    return {"X": X, "y": y, "metadata": metadata}
