"""DCNRanker: relevance in, scores out."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

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
    RankingLossChoice,
    ScheduleChoice,
    StatisticsChoice,
    add_parameters_to_doc,
)
from dcnfast.estimators.published import published_whole, reads_one_fit
from dcnfast.estimators.ranked_rows import part_of_groups
from dcnfast.estimators.ranking_target import RankingTarget
from dcnfast.estimators.splits import Part
from dcnfast.estimators.takes_kinds import FAMILIES
from dcnfast.metrics.ranking import ndcg
from dcnfast.network.config import (
    Activation,
    Deterministic,
    DType,
    EmbeddingPenalty,
    SparseAdam,
    Structure,
)
from dcnfast.network.losses import RANKING_LOSSES
from dcnfast.training.checkpoints import Checkpoints
from dcnfast.training.timing import Timing

Array = npt.NDArray[Any]
Scorer = Callable[..., float]


@add_parameters_to_doc
class DCNRanker(BaseDCN):
    """Deep & Cross Network that ranks the rows of each group, such as items for a user.

    Learns scores of which only the order within a group counts: the loss compares the rows of a
    group, which come in one batch.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    C. Burges et al., "Learning to Rank using Gradient Descent", 2005.
    Z. Cao et al., "Learning to Rank: From Pairwise Approach to Listwise Approach", 2007.
    C. Burges, "From RankNet to LambdaRank to LambdaMART: An Overview", 2010.
    R. Wang et al., "DCN V2: Improved Deep & Cross Network", 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from dcnfast import DCNRanker
    >>> random = np.random.default_rng(0)
    >>> X, users = random.normal(size=(600, 2)), np.repeat(np.arange(60), 10)
    >>> y = np.digitize(X[:, 0] * X[:, 1], [0, 1])
    >>> model = DCNRanker(hidden_layer_sizes=(), learning_rate_init=0.03, random_state=0)
    >>> model = model.fit(X, y, group=users)
    >>> model.score(X, y, group=users) > 0.95
    True
    """

    _families = FAMILIES | {"loss": RANKING_LOSSES}
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = BaseDCN._parameter_constraints | {
        "loss": loss_constraints("DCNRanker"),
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
        loss: RankingLossChoice = "pairwise",
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
    ) -> None:
        self._store(locals())

    @published_whole
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        group: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
        group_val: Any = None,
    ) -> Self:
        """Fit to a table.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Numbers and categories; what is missing is NaN, None or null.
        y : array-like of shape (n_samples,)
            How relevant each row is: any numbers with ``loss="pairwise"``, which compares them, not
            negative with the others.
        sample_weight : array-like of shape (n_samples,), default=None
            Not negative, not all zero. A group weighs the mean of its rows' weights; rows of weight
            0 count as absent.
        group : array-like of shape (n_samples,), default=None
            The group of each row, such as the query or the user; rows of a group need not stand
            together. None is one group. Groups of one row, or whose rows are all as relevant, say
            nothing. Early stopping holds out whole groups.
        X_val, y_val, sample_weight_val, group_val : as X, y and the others, default=None
            Rows for early stopping to watch, in place of a part of X.

        Returns
        -------
        self : DCNRanker

        Raises
        ------
        ValueError, TypeError
            If an argument or a parameter is not as described, or no group has rows that differ in
            y; the estimator stays as it was.
        """
        self._validate_params()
        timing = Timing()
        with timing.measure("encode"):
            table, y = self._read_first(
                X, y, y_numeric=True, find_codes=find_codes(self, sample_weight)
            )
        weight = self._check_weight(sample_weight, table)
        target = self._ranking_target()
        whole = part_of_groups("y", table, y, weight, group, target, self.dtype)
        last = self._last_fit(table)
        given = self._given_part(X_val, y_val, sample_weight_val, group_val, target)
        self._learn(whole, given, None, target, last, shown(X, y, sample_weight, weight), timing)
        return self

    @published_whole
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, *, group: Any = None) -> Self:
        """Go on with further rows, each once: from nothing, or from what is fitted.

        See :meth:`dcnfast.DCNRegressor.partial_fit` and docs/updating.md. Rows of a group that come
        in several calls are compared within each call.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Columns as in the first call.
        y : array-like of shape (n_samples,)
            As in ``fit``.
        sample_weight : array-like of shape (n_samples,), default=None
            Not negative, not all zero; taken as they are, so that they mean the same in each call.
        group : array-like of shape (n_samples,), default=None
            As in ``fit``.

        Returns
        -------
        self : DCNRanker

        Raises
        ------
        ValueError, TypeError
            If an argument or a parameter is not as described; the estimator stays as it was.
        """
        self._validate_params()
        timing = Timing()
        with timing.measure("encode"):
            table, y = self._read_further(X, y, y_numeric=True)
        weight = self._weight_as_given(sample_weight, table)
        target = self._ranking_target()
        whole = part_of_groups("y", table, y, weight, group, target)
        self._update(whole, target, shown(X, y, sample_weight, weight), timing)
        return self

    def _ranking_target(self) -> RankingTarget:
        """Return what is learned."""
        return RankingTarget(copy.deepcopy(kind_of(RANKING_LOSSES, self)))  # may be changed later

    def _given_part(
        self, X_val: Any, y_val: Any, weight_val: Any, group_val: Any, target: RankingTarget
    ) -> Part | None:
        """Return the rows to watch that ``fit`` was given."""
        validation = self._read_validation(X_val, y_val, weight_val, y_numeric=True)
        if validation is None:
            if group_val is not None:
                raise ValueError("group_val is given, want X_val and y_val as well")
            return None
        table, y, weight = validation
        try:
            part = part_of_groups("y_val", table, y, weight, group_val, target, self.dtype)
        except (ValueError, TypeError) as error:  # which speaks of group
            raise type(error)(f"Of the rows in X_val: {error}") from error
        return part.take(np.flatnonzero(part.loss_weight))

    @reads_one_fit
    def predict(self, X: Any) -> Array:
        """Return scores; the higher the better, within a group.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Columns as in ``fit``. Categories that are new there are fine.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            The mean of what the members say.
        """
        logits = self._logits(X)  # which wants a fitted estimator
        answers: Array = self._target.answers(logits)
        return answers

    @reads_one_fit
    def score(self, X: Any, y: Any, sample_weight: Any = None, *, group: Any = None) -> float:
        """Return the NDCG of the scores, :func:`dcnfast.metrics.ndcg`, whatever ``loss`` is.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Columns as in ``fit``.
        y : array-like of shape (n_samples,)
            Relevance, not negative.
        sample_weight : array-like of shape (n_samples,), default=None
        group : array-like of shape (n_samples,), default=None
            As in ``fit``.

        Returns
        -------
        score : float
        """
        return ndcg(y, self.predict(X), group, sample_weight)

    @reads_one_fit
    def rank(
        self, context: Mapping[str, Any], candidates: Any, top_k: int | None = None
    ) -> tuple[npt.NDArray[np.intp], Array]:
        """Rank candidates for one request, such as items for a user.

        For many requests ``candidate_scorer`` is made once, and reads the candidates once.

        Parameters
        ----------
        context : dict of str to object
            The columns that all candidates share, by name.
        candidates : array-like, sparse matrix or DataFrame of shape (n, n_candidate_columns)
            The other columns of ``fit``, in order.
        top_k : int or None, default=None
            How many of the best are wanted; None is all.

        Returns
        -------
        places : ndarray of shape (min(top_k, n),)
            Of the candidates, the best first; of equal scores the earlier comes first.
        scores : ndarray of shape (min(top_k, n),)

        Raises
        ------
        ValueError, TypeError
            If the context is no dict of columns of ``fit``, the candidates have others than the
            rest, or ``top_k`` is less than 1.
        """
        check_is_fitted(self)
        if not isinstance(context, Mapping):
            raise TypeError(f"context is {context!r}, want a dict of columns by name")
        scorer = self.candidate_scorer(context_columns=list(context))
        read = scorer.read(candidates)
        return scorer.top_k(context, read, max(1, len(read)) if top_k is None else top_k)

    def prune_members(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        n_members: int | None = None,
        group: Any = None,
    ) -> Self:
        """Keep the members of the ensemble whose mean ranks rows best.

        See :meth:`dcnfast.DCNRegressor.prune_members`.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows that training has not seen, columns as in ``fit``.
        y, sample_weight, group : array-like of shape (n_samples,)
            As in ``fit``.
        n_members : int or None, default=None
            How many to keep; None keeps as many as have the least loss.

        Returns
        -------
        self : DCNRanker
        """
        return self._pruned(X, y, sample_weight, n_members, y_numeric=True, group=group)
