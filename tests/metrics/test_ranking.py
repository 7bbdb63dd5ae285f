"""NDCG against scikit-learn; the others against all orders of tied rows, one by one."""

from itertools import permutations

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from dcnfast import metrics


def draw(n=400, groups=40, levels=None, seed=0):
    rng = np.random.default_rng(seed)
    y = np.where(rng.random(n) < 0.4, rng.integers(1, 5, n), 0)
    scores = rng.normal(size=n) + 0.3 * y
    if levels:
        scores = np.round(scores * levels) / levels
    return y, scores, rng.integers(0, groups, n)


def by_group(y, scores, group, value):
    return [value(y[group == g], scores[group == g]) for g in np.unique(group)]


@pytest.mark.parametrize("levels", [None, 1])
@pytest.mark.parametrize("k", [None, 1, 3, 100])
@pytest.mark.parametrize("gain", ["linear", "exponential"])
def test_ndcg_equals_scikit_learn(gain, k, levels):
    y, scores, group = draw(levels=levels)
    worth = y if gain == "linear" else 2**y - 1
    want = by_group(
        worth, scores, group,
        lambda y, s: ndcg_score([y], [s], k=k) if len(y) > 1 else float(y[0] > 0),
    )  # fmt: skip
    assert metrics.ndcg(y, scores, group, k=k, gain=gain) == pytest.approx(np.mean(want), rel=1e-12)
    one = metrics.ndcg(y, scores, k=k, gain=gain)
    assert one == pytest.approx(ndcg_score([worth], [scores], k=k), rel=1e-12)


def mean_over_orders(y, scores, value):
    """Mean over all orders that the scores allow."""
    orders = [o for o in permutations(range(len(y))) if (np.diff(scores[list(o)]) <= 0).all()]
    return np.mean([value(y[list(o)]) for o in orders])


def reciprocal(k):
    return lambda y: next((1 / (i + 1) for i in np.flatnonzero(y) if i < k), 0.0)


def hit(k):
    return lambda y: float((y[:k] > 0).any())


@pytest.mark.parametrize("k", [1, 2, 3, 7])
@pytest.mark.parametrize("seed", range(4))
def test_ties_are_the_mean_over_their_orders(seed, k):
    y, scores, group = draw(60, 10, levels=0.5, seed=seed)
    sizes = np.bincount(group)
    kept = sizes[group] < 8
    y, scores, group = y[kept], scores[kept], group[kept]
    for metric, value in ((metrics.mrr, reciprocal(k)), (metrics.hit_rate, hit(k))):
        want = by_group(y, scores, group, lambda y, s, v=value: mean_over_orders(y, s, v))
        assert metric(y, scores, group, k=k) == pytest.approx(np.mean(want), rel=1e-12)
    want = by_group(y, scores, group, lambda y, s: mean_over_orders(y, s, reciprocal(99)))
    assert metrics.mrr(y, scores, group) == pytest.approx(np.mean(want), rel=1e-12)


def test_without_ties():
    y, scores, group = draw()
    for k in (1, 3, 10):
        first = by_group(y, scores, group, lambda y, s: reciprocal(99)(y[np.argsort(-s)]))
        assert metrics.mrr(y, scores, group) == pytest.approx(np.mean(first))
        hits = by_group(y, scores, group, lambda y, s, k=k: hit(k)(y[np.argsort(-s)]))
        assert metrics.hit_rate(y, scores, group, k=k) == pytest.approx(np.mean(hits))


def test_a_large_tie():
    """Of n rows, one of them relevant, the rank is uniform: the mean of 1 / rank is H_n / n."""
    n = 100_000
    y, harmonic = np.arange(n) == 7, (1 / np.arange(1, n + 1)).sum()
    assert metrics.mrr(y, np.zeros(n)) == pytest.approx(harmonic / n, rel=1e-12)
    assert metrics.hit_rate(y, np.zeros(n), k=10) == pytest.approx(10 / n, rel=1e-9)
    assert metrics.mrr(np.ones(n), np.zeros(n)) == 1


def test_many_places_for_many_rows_of_a_large_tie():
    n = 200_000
    y = np.arange(n) % 2
    assert metrics.hit_rate(y, np.zeros(n), k=n // 2) == 1
    assert metrics.hit_rate(np.arange(n) < 2, np.zeros(n), k=n // 2) == pytest.approx(0.75, 1e-5)


@pytest.mark.parametrize("gain", ["linear", "exponential"])
def test_large_relevance(gain):
    y, scores = np.array([0, 1, 3, 2]), np.array([0.3, 0.2, 0.1, 0.4])
    for unit in (1e308 / 4, 2.0**-1060):
        wanted = metrics.ndcg(y, scores)
        if gain == "linear":
            assert metrics.ndcg(unit * y, scores) == pytest.approx(wanted, rel=1e-9)
        assert 0 < metrics.ndcg(unit * y, scores, gain=gain) < 1
    assert metrics.ndcg(y + 5000, scores, gain="exponential") == pytest.approx(
        ndcg_score([2.0**y], [scores]), rel=1e-12
    )


RANKING = [metrics.ndcg, metrics.mrr, metrics.hit_rate]


@pytest.mark.parametrize("metric", RANKING, ids=lambda metric: metric.__name__)
def test_weights_are_of_groups_and_0_is_absent(metric):
    y, scores, group = draw(levels=2)
    of_group = np.random.default_rng(5).integers(0, 3, 40).astype(float)
    values = np.array([metric(y[group == g], scores[group == g]) for g in range(40)])
    want = np.average(values, weights=of_group)
    assert metric(y, scores, group, of_group[group]) == pytest.approx(want, rel=1e-12)
    assert metric(y, scores, group, np.full(400, 7.0)) == metric(y, scores, group)
    some = np.random.default_rng(6).random(400) < 0.5
    assert metric(y, scores, group, some) == pytest.approx(
        metric(y[some], scores[some], group[some]), rel=1e-12
    )


@pytest.mark.parametrize("metric", RANKING, ids=lambda metric: metric.__name__)
def test_groups_without_relevant_rows(metric):
    y, scores, group = np.array([0, 1, 0, 0]), np.array([0.1, 0.9, 0.5, 0.5]), [0, 0, 1, 1]
    assert metric(y, scores, group) == 0.5
    assert metric(y, scores, group, without_relevant=1.0) == 1
    assert metric(y, scores, group, without_relevant=None) == 1
    assert metric(y, scores, ["b", "b", "a", "a"]) == 0.5
    assert metric(0 * y, scores, group) == 0
    with pytest.raises(ValueError, match="y_true has no relevant row"):
        metric(0 * y, scores, group, without_relevant=None)
    with pytest.raises(ValueError, match="without_relevant is 'skip', want a number or None"):
        metric(y, scores, group, without_relevant="skip")


@pytest.mark.parametrize("metric", RANKING, ids=lambda metric: metric.__name__)
def test_groups_of_one_and_equal_labels(metric):
    assert metric([1, 0], [0.2, 0.1], [0, 1]) == 0.5
    assert metric([2, 2, 2], [0.2, 0.1, 0.3]) == 1
    assert metric([True], [-np.inf]) == 1


@pytest.mark.parametrize("metric", RANKING, ids=lambda metric: metric.__name__)
@pytest.mark.parametrize(
    ("arguments", "options", "error", "text"),
    [
        (([0, -1], [0, 1]), {}, ValueError, "y_true is -1.0 in row 1, want relevance of at least"),
        (([0, np.inf], [0, 1]), {}, ValueError, "y_true is inf in row 1"),
        (([0, np.nan], [0, 1]), {}, ValueError, "y_true is missing in row 1"),
        ((["a", "b"], [0, 1]), {}, TypeError, "y_true has dtype <U1, want numbers"),
        (([0, 1], [0, np.nan]), {}, ValueError, "y_pred has NaN in row 1"),
        (([0, 1], [0, 1], [2]), {}, ValueError, "group has 1 values for 2 rows.*numpy.repeat"),
        (([0, 1], [0, 1], [0, 0], [0, 0]), {}, ValueError, "sample_weight is 0 in all rows"),
        (([0, 1], [0, 1]), {"k": 0}, ValueError, "k is 0, want an integer of at least 1"),
        (([0, 1], [0, 1]), {"k": 1.5}, ValueError, "k is 1.5, want an integer"),
        (([0, 1], [0, 1]), {"k": True}, ValueError, "k is True, want an integer"),
    ],
)
def test_bad_input(metric, arguments, options, error, text):
    with pytest.raises(error, match=text):
        metric(*arguments, **options)


def test_bad_options():
    with pytest.raises(ValueError, match="gain is 'log2', want 'linear' or 'exponential'"):
        metrics.ndcg([0, 1], [0, 1], gain="log2")
    with pytest.raises(ValueError, match="k is None, want an integer"):
        metrics.hit_rate([0, 1], [0, 1], k=None)
