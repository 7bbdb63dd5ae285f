"""AUC, of all rows and by group: scikit-learn is the oracle, and the definition for ties."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from dcnfast import metrics


def pairs(y, s, w):
    """AUC after its definition, pair by pair."""
    up, down = y == 1, y == 0
    won = (s[up][:, None] > s[down]) + 0.5 * (s[up][:, None] == s[down])
    weight = w[up][:, None] * w[down]
    return (won * weight).sum() / weight.sum()


def draw(n, levels, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    y[:2] = 0, 1
    scores = rng.normal(size=n) + y
    if levels:
        scores = np.round(scores * levels) / levels
    return y, scores.astype(dtype), rng.integers(0, 4, n).astype(float)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("levels", [0, 1, 10])
@pytest.mark.parametrize("shift", [-100, 0, 100])
@pytest.mark.parametrize("n", [2, 3, 50, 2000])
def test_equals_scikit_learn_and_the_definition(n, levels, shift, dtype):
    y, scores, _ = draw(n, levels)
    scores = (scores + shift).astype(dtype)
    got = metrics.auc(y, scores)
    assert got == pytest.approx(pairs(y, scores, np.ones(n)), rel=1e-13)
    assert got == pytest.approx(roc_auc_score(y, scores.astype(np.float64)), rel=1e-13)


def test_is_the_quotient_rounded_once():
    y, scores, _ = draw(1000, 3)
    up, down = scores[y == 1], scores[y == 0]
    twice = int((2 * (up[:, None] > down) + (up[:, None] == down)).sum())
    assert metrics.auc(y, scores) == twice / (2 * len(up) * len(down))


@pytest.mark.parametrize("levels", [0, 2])
@pytest.mark.parametrize("n", [5, 300])
def test_weights(n, levels):
    y, scores, weight = draw(n, levels, seed=3)
    weight[:2] = 1
    got = metrics.auc(y, scores, weight)
    assert got == pytest.approx(pairs(y, scores, weight), rel=1e-12)
    assert got == pytest.approx(roc_auc_score(y, scores, sample_weight=weight), rel=1e-12)
    rows = np.repeat(np.arange(n), weight.astype(int))
    assert got == pytest.approx(metrics.auc(y[rows], scores[rows]), rel=1e-12)
    assert metrics.auc(y, scores, np.full(n, 0.3)) == metrics.auc(y, scores)


def test_ties_zeros_and_infinity():
    assert metrics.auc([0, 1, 0, 1], [0.0, -0.0, 0.0, -0.0]) == 0.5
    assert metrics.auc([0, 0, 1, 1], [-np.inf, 1, 2, np.inf]) == 1
    assert metrics.auc([0, 1, 1], [-np.inf, -np.inf, 0.0]) == 0.75
    assert metrics.auc([1, 0], [-5e-324, 0.0]) == 0
    assert metrics.auc([1, 0], np.float32([-1e-45, -0.0])) == 0
    assert metrics.auc([0, 1], [2**53, 2**53 + 2]) == 1


@pytest.mark.parametrize(
    "y",
    [
        [False, True, True], [-1, 1, 1], [1, 2, 2], ["no", "yes", "yes"], [0.0, 1.0, 1.0],
        np.array(["a", "b", "b"], object), pd.Series([0, 1, 1], dtype="Int64"),
        pl.Series([0, 1, 1]), pa.chunked_array([[0, 1, 1]]), pd.Series(["n", "y", "y"]),
    ],
    ids=lambda y: f"{type(y).__module__}-{type(y[0]).__name__}",
)  # fmt: skip
def test_labels(y):
    assert metrics.auc(y, [0.2, 0.1, 0.7]) == 0.5
    assert metrics.auc(y, pd.Series([0.2, 0.1, 0.7], index=[5, 6, 7])) == 0.5


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (([1, 1], [0.1, 0.2]), ValueError, "y_true has one label, 1, want two"),
        ((["a", "a"], [0.1, 0.2]), ValueError, "y_true has one label, 'a', want two"),
        (([True, True], [0.1, 0.2]), ValueError, "y_true has one label only, want two"),
        (([0, 1, 2], [0, 1, 2]), ValueError, "y_true has 0, 1 and 2, want two labels"),
        (([0, 1], [0.1, np.nan]), ValueError, "y_pred has NaN in row 1"),
        (([0, np.nan], [0.1, 1]), ValueError, "y_true is missing in row 1"),
        (([0, None], [0.1, 1]), ValueError, "y_true is missing in row 1"),
        (([0, 1], [0.1]), ValueError, "y_true has 2 rows and y_pred 1, want as many"),
        (([0, 1], [[0.1, 0.2], [0, 1]]), ValueError, r"y_pred has shape \(2, 2\).*predict_proba"),
        (([[0, 1]], [0.1, 0.2]), ValueError, r"y_true has shape \(1, 2\)"),
        (([], []), ValueError, "y_pred has no rows"),
        (([0, 1], ["a", "b"]), TypeError, "y_pred has dtype <U1, want numbers"),
        (([0, 1], [1, "b"]), TypeError, "y_pred has dtype"),
        (([0, 1], [None, {}]), TypeError, "y_pred has values that are not numbers"),
        (([0, 1], np.ma.array([1, 2], mask=[0, 1])), ValueError, "y_pred has masked values"),
        (([0, 1], [0, 1], [1, -1]), ValueError, "sample_weight is -1.0 in row 1"),
        (([0, 1], [0, 1], [1, np.nan]), ValueError, "sample_weight is nan in row 1"),
        (([0, 1], [0, 1], [1, np.inf]), ValueError, "sample_weight is inf in row 1"),
        (([0, 1], [0, 1], [0, 0]), ValueError, "sample_weight is 0 in all rows"),
        (([0, 1], [0, 1], [1, 0]), ValueError, "one label only of the rows with a weight"),
        (([0, 1], [0, 1], [1]), ValueError, "sample_weight has 1 rows and y_pred 2"),
    ],
)
def test_bad_input(arguments, error, text):
    with pytest.raises(error, match=text):
        metrics.auc(*arguments)


# ---- by group


@pytest.mark.parametrize("levels", [0, 2])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("names", [False, True])
def test_groups_are_areas_one_by_one(levels, weighted, names):
    y, scores, weight = draw(600, levels, seed=1)
    user = np.random.default_rng(2).integers(0, 60, 600)
    areas, sizes = [], []
    for u in np.unique(user):
        of = (user == u) & ((weight > 0) | (not weighted))
        if 0 < y[of].sum() < of.sum():
            w = weight[of] if weighted else np.ones(of.sum())
            areas.append(roc_auc_score(y[of], scores[of], sample_weight=w))
            sizes.append(w.sum())
    group = np.array([f"u{u}" for u in user]) if names else user
    given = weight if weighted else None
    got = metrics.grouped_auc(y, scores, group, given)
    assert got == pytest.approx(np.average(areas, weights=sizes), rel=1e-12)
    got = metrics.grouped_auc(y, scores, group, given, average="macro")
    assert got == pytest.approx(np.mean(areas), rel=1e-12)


def test_groups_of_one_and_of_one_label_are_left_out():
    y, scores = [1, 0, 1, 1, 0], [0.1, 0.9, 0.3, 0.4, 0.2]
    assert metrics.grouped_auc(y, scores, [0, 1, 2, 2, 2]) == 1
    assert metrics.grouped_auc(y, scores, [5] * 5) == metrics.auc(y, scores)
    with pytest.raises(ValueError, match="one label only in each group"):
        metrics.grouped_auc(y, scores, range(5))


@pytest.mark.parametrize(
    ("group", "error", "text"),
    [
        ([2], ValueError, "group has 1 values for 2 rows.*numpy.repeat"),
        ([0, None], ValueError, "group is missing in row 1"),
        ([0, np.nan], ValueError, "group is missing in row 1"),
        (np.array(["NaT", "2020-01-01"], "M8[D]"), ValueError, "group is missing in row 0"),
        (np.array(["a", 1], object), TypeError, "group has values that have no order"),
        ([[0, 1]], ValueError, r"group has shape \(1, 2\)"),
    ],
)
def test_bad_groups(group, error, text):
    with pytest.raises(error, match=text):
        metrics.grouped_auc([0, 1], [0.1, 0.2], group)


def test_bad_average():
    with pytest.raises(ValueError, match=re.escape("average is 'rows', want 'weighted' or 'mac")):
        metrics.grouped_auc([0, 1], [0.1, 0.2], [0, 0], average="rows")


def test_all_won_is_1_however_weights_round():
    y, scores = np.arange(300) > 100, np.arange(300.0)
    group = np.arange(300) // 150 + (np.arange(300) % 2) * 2
    for seed in range(30):
        weight = np.random.default_rng(seed).random(300)
        assert metrics.auc(y, scores, weight) <= 1
        assert metrics.grouped_auc(y, scores, group, weight) <= 1
        assert metrics.ndcg(y, scores, np.arange(300) // 7, weight) <= 1


@pytest.mark.parametrize("heavy", [1e16, 1e200])
def test_groups_of_heavy_rows_leave_others_what_they_are(heavy):
    y, scores, weight = draw(60, 0)
    weight += 0.1
    group, first = np.arange(60) % 2, np.arange(60) % 2 == 0
    areas = [metrics.auc(y[g], scores[g], weight[g]) for g in (first, ~first)]
    weight[first] *= heavy
    found = metrics.grouped_auc(y, scores, group, weight, average="macro")
    assert found == pytest.approx(np.mean(areas), rel=1e-13)
