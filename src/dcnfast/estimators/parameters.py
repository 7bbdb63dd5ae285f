"""The parameters of the estimators: what each means."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeVar

from dcnfast.encode.scaling import SCALINGS
from dcnfast.estimators.attributes import ATTRIBUTES
from dcnfast.estimators.constraints import LOSSES_OF
from dcnfast.estimators.splits import TRIED
from dcnfast.network.activations import ACTIVATIONS
from dcnfast.network.crosses import CROSSES, Cross, CrossName
from dcnfast.network.initializers import INITIALIZERS
from dcnfast.network.kinds import Family
from dcnfast.network.lists import Lists
from dcnfast.network.loss import ClassificationLoss, RankingLoss, RegressionLoss
from dcnfast.network.losses import ClassificationLossName, RankingLossName, RegressionLossName
from dcnfast.network.numeric_embeddings import (
    AUTOMATIC_COLUMNS,
    NUMERIC_EMBEDDINGS,
    TRIED_COLUMNS,
    NumericEmbedding,
    NumericEmbeddingName,
)
from dcnfast.training.automatic import AUTOMATIC_MEMBERS, MEMBERS_OF_ONE_TRAINING
from dcnfast.training.optimizers import OPTIMIZERS, Optimizer, OptimizerName
from dcnfast.training.schedules import (
    DROPOUT_SCHEDULES,
    SCHEDULES,
    PlannedScheduleName,
    Schedule,
    ScheduleName,
)
from dcnfast.training.target_statistics import TargetStatistics

C = TypeVar("C", bound=type)

Initializer = Literal["truncated_normal", "glorot_uniform", "he_normal"]
NumericScaling = Literal["auto", "standard", "quantile", "log", "robust_smooth"]

CrossChoice = CrossName | Cross
RegressionLossChoice = RegressionLossName | RegressionLoss
ClassificationLossChoice = ClassificationLossName | ClassificationLoss
RankingLossChoice = RankingLossName | RankingLoss
OptimizerChoice = OptimizerName | Optimizer
ScheduleChoice = ScheduleName | Schedule
PlannedScheduleChoice = PlannedScheduleName | Schedule
NumericChoice = NumericEmbeddingName | NumericEmbedding | Literal["auto"] | None
ListChoice = Mapping[str, str | Lists] | None
StatisticsChoice = Literal["auto"] | TargetStatistics | None

PARAMETERS = """
cross : {cross} or object, default="matrix"
    {about_crosses}
cross_layers : int, default=2
    With L layers the cross part holds every product of columns up to degree L + 1. 0 leaves a plain
    deep network.
cross_rank : int or None, default=None
    Rank R of the low-rank form, and of each expert of a mixture; None is a quarter of the width, or
    the width by twice the experts, at least 1. The other forms have no rank and ignore it.
diag_scale : float, default=0.0
    Added to the diagonal of every W; of "matrix" and "lowrank" alone, every other form ignores it.
cross_bias : bool, default=True
    Whether cross layers have a bias.
preactivation : {activation}, default="identity"
    Applied to W x + b, before ``diag_scale`` and the product with x0. Of "matrix" and "lowrank"
    alone: every other form ignores it.
hidden_layer_sizes : sequence of int, or int, default=(256, 256)
    Widths of the deep part; a number is one layer. () leaves a plain cross network.
activation : {activation}, default="relu"
    Of the deep part; gelu in its tanh form.
parametric_activation : bool, default=False
    Whether each hidden unit learns how much of its activation it uses, RealMLP's (1 - a) z +
    a act(z). a begins at 1, and learns at a tenth of the rate unless the optimizer's
    ``rate_factors`` say otherwise. Without effect on "identity".
structure : {"parallel", "stacked", "stacked_parallel"}, default="parallel"
    Deep part beside the cross part, both reading the columns; or behind it, reading its output; or
    both, with a deep part of its own for each.
wide : bool or "auto", default="auto"
    Whether to add a linear part, a weight for every category and every number as it is scaled.
    "auto" tries it where ``early_stopping="auto"`` holds rows out and a linear model predicts these
    better than the network, or targets and numbers are far out: the linear part begins as that
    model, the network beside it learns what is left, and numbers are not embedded. It is taken if
    that predicts the rows better. It holds for squared and absolute errors and Huber's, for classes
    of up to 10,000 rows, and where ``numeric_embedding`` and ``numeric_scaling`` are "auto".
dropout : float, default=0.1
    Share of the hidden units left out in each step of training.
cross_dropout : float or "auto", default="auto"
    Share of the numbers that the cross layers give left out in each step of training: what reads
    them, the logits or a deep part behind, then relies less on single products. "auto" is 0.5 with
    several members, 0.2 with one, and 0 without a deep part, so that a polynomial of the columns is
    learned exactly.
dropout_schedule : {planned} or object, default="constant"
    What ``dropout`` and ``cross_dropout`` are multiplied by, step by step, as the learning rate is
    by its schedule: by 1, or as ``learning_rate`` says of that name, or an object of
    :mod:`dcnfast.schedules`.
layer_norm : bool, default=False
    Whether hidden layers normalise each row before the activation.
n_members : int or "auto", default="auto"
    Members of the ensemble that the network is. Each multiplies the columns by numbers of its own,
    one a column of the table, and has its own weights for the logits; all else they share. They
    learn one by one, and the mean of what they predict is predicted. "auto" is {n_members}, or
    {n_members_once} where ``fit`` gets ``X_val`` and so trains once; and fewer the longer a fit
    on so many rows and columns would take, down to 1 for millions of rows.
learned_scale : bool, default=False
    Whether each column that the network reads, of embeddings as well, is multiplied by a learned
    number first, the same for all members: RealMLP's scaling layer. The numbers begin at 1, and
    learn at six times the rate unless the optimizer's ``rate_factors`` say otherwise.
cross_initializer : {initializer}, default="truncated_normal"
    {about_initializers}
deep_initializer : {initializer}, default="glorot_uniform"
    How the weights of the deep part are drawn.
categorical_features : "from_dtype", array-like or None, default="from_dtype"
    Categorical columns, as in HistGradientBoosting. "from_dtype": columns of a frame that hold
    categories, an Enum, strings or bools, and columns of objects with one of these among them;
    also whole numbers of at most 128 values and 50 rows or more each, where ``fit`` makes
    statistics because of ``target_statistics="auto"``. Or a mask, indices or names; None for no
    column.
datetime_features : bool, array-like of str or None, default=None
    What of each column of dates in a frame becomes columns: "hour", "weekday", "month", which are
    categories, and "day_number", or all with True. None: such a column is an error. Dates that are
    texts are categories: ``pandas.to_datetime`` reads them.
list_features : dict of str to str or object, or None, default=None
    How columns of lists are pooled, by name: "mean", "sum", "sqrtn", "max", or an object of
    :class:`dcnfast.lists.Lists`, which may also split texts and have weights. Columns of a frame
    that hold lists are found without it, and have the mean. See docs/lists.md.
embedding_dim : "auto", int or dict of str to int, default="auto"
    Width of the categories' embeddings, one for all fields or by name; fields not named have
    "auto", the power of two next to the square root of the number of categories, 2 to 16. In tables
    of categories alone, of 2,000 rows or more, it is that next to the number of categories itself,
    as long as all together are at most 256 wide.
shared_embeddings : list of tuple of str, or None, default=None
    Groups of categorical columns, of single values or lists, that share a table of embeddings: what
    one column says of a category is known of it in the others. ``[("clicked_item", "item")]`` is
    one such group. They have one vocabulary.
pretrained_embeddings : dict of str to frame or tuple, or None, default=None
    Embeddings that training begins with, by column: a pair of ids (n) and vectors (n, K), or a
    frame with the categories in the column of that name and numbers in the others, as
    :func:`dcnfast.inspection.embedding_frame` gives it. They are as wide as these; categories that
    are not among them are drawn, and those that training has not seen stay unknown. Files do not
    keep this parameter.
frozen_embeddings : list of str or None, default=None
    Categorical columns whose embeddings stay what they are when training begins, for pretrained
    ones that are good; so do those of columns that share them. With ``wide=True`` the linear part
    of such a column learns.
embedding_initial_scale : float, default=0.05
    Standard deviation of the categories' embeddings before training. Small ones, as 1e-4, start
    with all categories alike, so that what tells them apart is learned.
min_frequency : int, float or None, default=None
    Categories in fewer training rows (int), or in a smaller share of them (float), share one
    embedding.
max_categories : int or None, default=None
    Most embeddings of a field, but for unknown and missing ones: where there are more categories,
    the most frequent have their own, and the others share the last one.
recycle_categories : bool, default=False
    Whether new categories of ``partial_fit``, or of a fit with ``warm_start``, take the embeddings
    of the least used ones where ``max_categories`` has no room: those that lose theirs are as never
    seen. False: the new ones are. Without ``max_categories`` it has no effect.
hash_buckets : int, dict of str to int, or None, default=None
    That many embeddings in place of a vocabulary, for all fields or by name; a stable hash chooses
    among them. Fields not named keep a vocabulary.
collision_weights : bool, default=False
    Whether each row of the tables of embeddings has a learned factor, DCN^2's collision weight: how
    much the network makes of a row that several categories share, as they do in a hash bucket.
    Factors begin at 1, and no penalty or decay pulls at them.
target_statistics : None, "auto" or object, default="auto"
    Whether the mean of the target and the number of rows of each category are numeric columns as
    well, for columns of many categories, and of which pairs of columns. A row that is trained on
    gets those of the rows in other folds, so that its own target is never in its input. An object
    of :class:`dcnfast.target_statistics.TargetStatistics` has options; "auto" is one where a column
    has 100 categories or more, of 2 to 20 training rows each in the mean, or where pairs of two
    such columns, of any number of rows, say a tenth or more of what the two leave; else None, as it
    is in ``partial_fit``. With "auto" categories of fewer than 50 rows then share the embedding of
    new ones, if nothing else is said of that, and rows that are held out for a trial do not say
    that it is worse; see docs/categories.md. Statistics may do harm, above all where columns tell
    the date and later rows are predicted. With ``warm_start`` they stay those of the first fit.
numeric_scaling : {scaling} or None, default="auto"
    {about_scalings}
numeric_clip : bool or "auto", default="auto"
    Whether a number beyond the range that its column had in the training rows becomes the border of
    that range, as for a tree: a polynomial of numbers from outside may answer anything. False
    extrapolates, for columns such as time whose trend goes on, up to overflow; by ranks
    ("quantile") numbers end at the border. "auto" is False where the network begins as a linear
    model, see ``wide``, else True. With ``warm_start`` the range is that of the first fit.
numeric_embedding : None, "auto", {numeric} or object, default="auto"
    {about_numeric}
loss : {loss} or object, default="{default_loss}"
    {about_losses}
alpha : "auto", float or dict of str to float, default="auto"
    L2: the objective has alpha / 2 times the sum of squared weights. Biases are free. Of the
    embeddings only those of the batch's rows count, as the mean over these rows, so that the size
    of a batch does not matter. A dict gives it for "embedding", "cross" and "deep"; parts not named
    have 0. "auto" is 10 over the number of training rows, at most 0.01: the fewer rows, the more it
    takes to believe in large weights; with an optimizer that decays weights it is 0.
embedding_penalty : {"auto", "batch", "table"}, default="auto"
    Whether L2 is of the embeddings of the batch's rows, or of all in every step: then ``alpha`` for
    "embedding" is that of the whole table, as in FuxiCTR, and pulls rare categories to 0. "auto" is
    "table" with 0.001 for "embedding" where a field has 500 categories or more, all together no
    more than there are training rows, or where ``target_statistics="auto"`` makes statistics and
    rare categories do not share an embedding; if ``alpha`` is "auto", the optimizer decays weights,
    and there are neither other statistics nor pretrained embeddings. In ``partial_fit``, as
    everywhere else, it is "batch": ids that do not come for a while would be forgotten there. With
    "table" and such an alpha every embedding takes every step, whatever ``sparse_adam`` says; those
    not in the batch take theirs later, all at once, with the same result. See docs/categories.md.
optimizer : {optimizer} or object, default="adamw"
    {about_optimizers}
learning_rate : {schedule} or object, default="constant"
    {about_schedules}
learning_rate_init : float or "auto", default="auto"
    The optimizer's learning rate, which the schedule begins with or rises to. "auto" is 0.003,
    times the root of ``batch_size / 64`` for squared error, of ``batch_size / 256`` else, but at
    least 0.003 and at most 0.006.
gradient_clip : float or None, default=1.0
    The most that the norm of the gradients of all parameters together may be: a batch with more has
    them all shortened. The gradients are those of the loss, without penalties. None clips nothing.
beta_1, beta_2 : float, default=0.9, 0.999
    Decay of Adam's first and second moment.
epsilon : float, default=1e-7
    Added to the root of Adam's second moment.
sparse_adam : {"lazy", "exact"}, default="lazy"
    Embeddings whose category is not in the batch stay where they are, or move on with their first
    moment, as dense Adam moves them.
ema_decay : "auto" or float, default="auto"
    Decay of running averages of all parameters, which then predict; 0 keeps none. After t steps it
    is at most (1 + t) / (10 + t). "auto" is 0.998 where rows are watched (see ``early_stopping``),
    else 0.
batch_size : int or "auto", default="auto"
    Rows of a batch; "auto" is all rows up to 64; above, a hundredth of the rows, but 64 to 1024,
    and at most a quarter of them, rounded down to a power of two.
max_iter : int or "auto", default="auto"
    Most epochs. A ConvergenceWarning says where they were too few. "auto" is 200, or fewer where a
    fit would take longer than about half a minute on two cores, but at least 10; those with all
    rows come on top, see ``early_stopping``.
shuffle : bool, default=True
    Whether to draw a new order of the rows for every epoch.
early_stopping : bool or "auto", default="auto"
    Whether to hold out rows, stop when they are no longer predicted better, and keep the parameters
    that were best on them. "auto" does so from 60 rows on, but up to 50,000 the held-out rows only
    say for how many epochs a network is then trained on all rows; below 2,000 each row is held out
    once, from five networks, and below 5,001 where a part of the rows leaves a doubt. Above 10,000
    the network that was best on them goes on with all rows, for twice ``validation_fraction`` of
    its epochs; not where ``max_iter`` or schedules are given, targets make bins or statistics, or
    one of the first four epochs was best. So it does with fewer rows, of numbers in bins, if the
    best epoch was the 50th or later. It then also shrinks the logits towards the best
    constant, as far as held-out rows do not tell the network from chance, see ``shrinkage_``. Below
    60 a classifier ends after 30 epochs or more, once the training loss is less than a third of a
    constant's. With ``warm_start`` "auto" holds out rows above 10,000, with ``scoring`` a part,
    with ``X_val`` these rows; then it ends where it was best on them, and does not shrink. So it
    ends as well with ``max_time``, with ``tol=None`` from 2,000 rows on, and where rows are
    compared by group.
scoring : str, callable or None, default=None
    What early stopping watches, a scorer of scikit-learn; None is the loss. A callable
    ``scoring(estimator, X, y)`` gets X as the network reads it, which only the estimator's own
    methods understand, and ``sample_weight`` where it has such a parameter: that of ``fit`` over
    the largest, times the factors of ``class_weight``.
validation_fraction : float, default=0.15
    Of the rows to hold out.
n_iter_no_change : int, default=10
    Epochs without progress before training stops, or "plateau" cuts the learning rate.
tol : float or None, default=1e-6
    Least gain (of the held-out rows' score, or of the training loss) that is progress; None never
    stops.
warm_start : bool, default=False
    Whether ``fit`` goes on from where the last one ended, with embeddings for new categories.
max_time : float or None, default=None
    Seconds after which ``fit`` ends with what it has: no epoch begins that would end later, if it
    took as long as the last. One epoch is always run.
checkpoints : Checkpoints or None, default=None
    An object of :class:`dcnfast.checkpoints.Checkpoints`: where ``fit`` leaves checkpoints, and how
    often. A fit that was killed goes on from the last one when it is run again, to the same bits.
prior_strength : float, default=0.0
    How strongly ``partial_fit``, and ``fit`` with ``warm_start``, hold the parameters where the
    last ``fit`` with a strength above 0 left them: the objective has this times the sum of
    F (w - w')^2, w' being the parameters of then and F the diagonal of their Fisher information,
    which ``fit`` estimates at its end in one more pass over the rows. See docs/updating.md.
dtype : {"float32", "float64"}, default="float32"
    Of parameters and arithmetic.
deterministic : {"threads", "isa"}, default="threads"
    The same data and ``random_state`` give the same bits for any number of threads; with "isa" on
    every CPU as well. AVX2 and AVX-512 agree anyway, the portable code becomes several times
    slower.
n_jobs : int or None, default=None
    Threads; None is all that the process may use. The result does not depend on it, to the bit.
random_state : int, RandomState or None, default=None
    Draws weights, shuffles, dropout and held-out rows.
verbose : int, default=0
    1 prints a line an epoch, with its speed and what time is left at most; 2 also where the time
    went, and what share of the CPU's multiply-adds was used.
"""


ABOUT = {"DCNClassifier": "about_classes"}  # what a loss says of itself
EXAMPLES = {
    "DCNRegressor": "Quantile([.1, .5, .9])``, has options of its own. See docs/losses.md.",
    "DCNClassifier": "Focal(gamma=1)``, has options of its own. See docs/losses.md.",
    "DCNRanker": "Lambda(k=10)``, has options of its own. See docs/ranking.md.",
}  # of loss as an object


def _listed(names: Iterable[str | None]) -> str:
    return "{" + ", ".join(f'"{name}"' for name in names if name is not None) + "}"


def _told(kinds: Iterable[Any], attribute: str = "summary") -> str:
    return " ".join(f'"{kind.name}": {getattr(kind, attribute).rstrip(".")}.' for kind in kinds)


def _shorthands(family: Family[Any]) -> str:
    names = {name: None for kind in family.values() for name in kind.shorthands.values()}
    *first, last = (f"``{name}``" for name in names)
    return f"{', '.join(first)} and {last}"


def _texts(estimator: str) -> dict[str, str]:
    """Return what stands in the place of each key of the descriptions, from the records."""
    losses = LOSSES_OF[estimator]
    named = [record for record in SCALINGS.values() if record.name is not None]
    return {
        "cross": _listed(CROSSES),
        "about_crosses": f"Form of the cross layers. {_told(CROSSES.values())} An object of "
        f":mod:`dcnfast.crosses`, as ``crosses.LowRank(rank=8)``, has options of its own; "
        f"{_shorthands(CROSSES)} then stay at their defaults.",
        "activation": _listed(ACTIVATIONS),
        "initializer": _listed(INITIALIZERS),
        "about_initializers": "How cross weights are drawn. " + _told(INITIALIZERS.values()),
        "scaling": _listed(SCALINGS),
        "n_members": str(AUTOMATIC_MEMBERS),
        "n_members_once": str(MEMBERS_OF_ONE_TRAINING),
        "about_scalings": f"What happens to numbers. {_told(named)} None: they stay as they "
        "are. Of columns without an embedding missing numbers become the mean (the median with "
        '"robust_smooth"), and a column of 0 and 1 tells where they were.',
        "numeric": _listed(NUMERIC_EMBEDDINGS),
        "about_numeric": "Whether numeric columns have embeddings, as categories do. "
        f'{_told(NUMERIC_EMBEDDINGS.values())} "auto" is the first of them, narrower where there '
        f"are many columns, or the second where there are {min(TRIED):,} to {max(TRIED):,} rows, "
        "``early_stopping`` trains twice, the columns are "
        f"{TRIED_COLUMNS} at most, and it is better for the rows held out; and None above "
        f"{AUTOMATIC_COLUMNS:,} columns. None: each is one column, "
        "and the cross part a polynomial of the columns. A missing number has an embedding of its "
        "own. An object of :mod:`dcnfast.numeric_embeddings`, as "
        "``numeric_embeddings.Piecewise(width=16)``, has options.",
        "loss": _listed(loss.name for loss in losses),
        "default_loss": losses[0].name,
        "about_losses": _told(losses, ABOUT.get(estimator, "summary"))
        + " An object of :mod:`dcnfast.losses`, as ``losses."
        + EXAMPLES[estimator],
        "schedule": _listed(SCHEDULES),
        "planned": _listed(DROPOUT_SCHEDULES),
        "about_schedules": "How the learning rate goes over the steps of ``max_iter`` epochs. "
        f"{_told(SCHEDULES.values())} An object of :mod:`dcnfast.schedules`, as "
        "``schedules.Cosine(warmup=0.05)``, has options of its own.",
        "optimizer": _listed(OPTIMIZERS),
        "about_optimizers": f"{_told(OPTIMIZERS.values())} An object of "
        ":mod:`dcnfast.optimizers`, as ``optimizers.Adam(beta_2=0.99)``, has options of its "
        f"own; {_shorthands(OPTIMIZERS)} then stay at their defaults.",
    }


def add_parameters_to_doc(cls: C) -> C:
    """Put the shared descriptions into the class's docstring."""
    parameters = PARAMETERS
    for key, text in _texts(cls.__name__).items():
        wrapped = "\n    ".join(textwrap.wrap(text, 92, break_on_hyphens=False))
        parameters = parameters.replace(f"{{{key}}}", wrapped if key.startswith("about") else text)
    for key, text in (("{parameters}", parameters), ("{attributes}", ATTRIBUTES)):
        indented = text.strip().replace("\n", "\n    ")
        cls.__doc__ = (cls.__doc__ or "").replace(key, indented)
    return cls
