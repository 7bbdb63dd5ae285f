"""Target means and counts by category: what training rows see, what predictions see."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from dcnfast.encode import grouped_rows
from dcnfast.encode import target_statistics as module
from dcnfast.encode.grouped_rows import MOST_OUTPUTS, GroupedRows, Targets
from dcnfast.encode.target_statistics import Rule, Statistics

FOLDS, A = 10, 2.0


def rule(order=1, max_pairs=30, min_categories=2, folds=FOLDS):
    return Rule(order, folds, A, max_pairs, min_categories)


def targets(values, weight=None, seed=0, classes=None):
    values = np.asarray(values, float)
    values = values[:, None] if values.ndim == 1 else values
    weight = np.ones(len(values)) if weight is None else np.asarray(weight, float)
    names = [str(c) for c in range(values.shape[1] if classes is None else classes)]
    return Targets(values, names, classes is not None, weight, seed)


def by_hand(ids, y, weight, seed, later):
    """Return columns of training rows and of later ones, a row at a time."""
    w = weight / weight.mean()
    z = (y - (w @ y) / w.sum()) / np.sqrt(w @ (y - (w @ y) / w.sum()) ** 2 / w.sum())
    fold = np.random.RandomState(seed).permutation(len(y)) % FOLDS
    own, served = [], []
    for i in range(len(y)):
        same = [(ids[i] == other).all() for other in ids] & (fold != fold[i])
        total = w[same].sum()
        own.append([(w[same] @ z[same]) / (total + A), np.log1p(total)])
    for row in later:
        same = np.array([(row == other).all() for other in ids])
        total = w[same].sum()
        served.append([(w[same] @ z[same]) / (total + A), np.log1p(0.9 * total)])
    return np.array(own), np.array(served)


@pytest.fixture
def ids(rng):
    return rng.integers(1, [9, 5], (200, 2)).astype(np.int32)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("column", [0, 1])
def test_means_and_counts_as_by_hand(weighted, column, ids, rng):
    y = rng.normal(3, 5, 200)
    weight = rng.uniform(0.1, 3, 200) if weighted else np.ones(200)
    statistics = Statistics(rule(), [10, 6])
    own = statistics.fit(ids, targets(y, weight, seed=4))
    later = np.vstack([ids[:20], [[0, 0], [9, 5]]]).astype(np.int32)
    want, served = by_hand(ids[:, [column]], y, weight, 4, later[:, [column]])
    columns = slice(2 * column, 2 * column + 2)
    np.testing.assert_allclose(own[:, columns], want, atol=1e-12)
    np.testing.assert_allclose(statistics.columns(later)[:, columns], served, rtol=1e-6, atol=1e-7)
    assert statistics.columns(later)[-2:, 1::2].tolist() == [[0, 0]] * 2


def test_pairs_as_by_hand(ids, rng):
    effect = rng.normal(0, 3, (9, 5))
    y = effect[ids[:, 0], ids[:, 1]] + rng.normal(size=200)
    statistics = Statistics(rule(order=2), [10, 6])
    own = statistics.fit(ids, targets(y))
    assert statistics.groups == [(0,), (1,), (0, 1)]
    assert statistics.fields_of_columns() == [(0,)] * 2 + [(1,)] * 2 + [(0, 1)] * 2
    later = np.vstack([ids[:20], [[0, 3], [3, 0], [9, 5]]]).astype(np.int32)
    want, served = by_hand(ids, y, np.ones(200), 0, later)
    np.testing.assert_allclose(own[:, 4:], want, atol=1e-12)
    np.testing.assert_allclose(statistics.columns(later)[:, 4:], served, rtol=1e-6, atol=1e-7)
    assert statistics.names(["a", "b"], targets(y)) == [
        "target_mean_a", "log_count_a", "target_mean_b", "log_count_b",
        "target_mean_a_b", "log_count_a_b",
    ]  # fmt: skip


def test_a_rows_own_target_is_not_in_its_columns(ids, rng):
    """Two targets of one fold change so that the mean of all stays: their rows do not notice."""
    y = rng.normal(size=200)
    fold = np.random.RandomState(0).permutation(200) % FOLDS
    statistics = Statistics(rule(), [10, 6])
    first = statistics.fit(ids, targets(y))
    rows = np.flatnonzero(fold == 3)[:2]
    swapped = y.copy()
    swapped[rows] = y[rows[::-1]]
    other = statistics.fit(ids, targets(swapped))
    np.testing.assert_allclose(other[rows], first[rows], atol=1e-12)
    assert np.abs(other - first).max() > 1e-3


@pytest.mark.parametrize("rows_a_level", [1, 2, 5, 50])
def test_columns_of_noise_know_nothing_of_their_own_targets(rows_a_level, rng):
    n = 20_000
    ids = rng.permutation(np.arange(n) // rows_a_level + 2).astype(np.int32)[:, None]
    y = rng.normal(size=n)
    statistics = Statistics(rule(), [n + 2])
    own = statistics.fit(ids, targets(y))
    assert statistics.groups == ([] if rows_a_level == 1 else [(0,)])
    if rows_a_level > 1:
        assert abs(np.corrcoef(own[:, 0], y)[0, 1]) < 4 / np.sqrt(n)


def test_counts_that_are_served_are_those_of_training(rng):
    """A row sees nine tenths of the others, and later ones nine tenths of all."""
    ids = rng.integers(2, 12, (5000, 1)).astype(np.int32)
    statistics = Statistics(rule(), [12])
    own = statistics.fit(ids, targets(rng.normal(size=5000)))
    np.testing.assert_allclose(own[:, 1], statistics.columns(ids)[:, 1], atol=0.1)
    assert abs(own[:, 1].mean() - statistics.columns(ids)[:, 1].mean()) < 1e-2


def test_classes(ids, rng):
    codes = rng.choice(3, 200, p=[0.2, 0.3, 0.5])
    statistics = Statistics(rule(), [10, 6])
    own = statistics.fit(ids, targets(codes, classes=3))
    assert own.shape == (200, 8)
    assert statistics.names(["a", "b"], targets(codes, classes=3))[:4] == [
        "target_mean_a_0", "target_mean_a_1", "target_mean_a_2", "log_count_a",
    ]  # fmt: skip
    for c in range(3):
        one = Statistics(rule(), [10, 6]).fit(ids, targets(codes == c))
        np.testing.assert_allclose(own[:, c], one[:, 0], rtol=1e-12)
    two = Statistics(rule(), [10, 6]).fit(ids, targets(codes > 0, classes=2))
    np.testing.assert_array_equal(two, Statistics(rule(), [10, 6]).fit(ids, targets(codes > 0)))


def test_of_many_classes_and_targets_there_are_ten(rng):
    codes = np.repeat(np.arange(40), np.arange(40) + 1)
    many = targets(codes, classes=40)
    assert many.choose() == list(range(30, 40))
    many = targets(codes, np.where(codes < 20, 1e3, 1.0), classes=40)
    assert many.choose() == list(range(10, 20))
    assert targets(rng.normal(size=(9, 15))).choose() == list(range(MOST_OUTPUTS))
    ids = rng.integers(1, 5, (len(codes), 1)).astype(np.int32)
    assert Statistics(rule(), [5]).fit(ids, many).shape == (len(codes), MOST_OUTPUTS + 1)


def test_columns_of_few_categories_have_none(ids, rng):
    y = rng.normal(size=200)
    statistics = Statistics(rule(min_categories=5), [10, 6])
    assert statistics.fit(ids, targets(y)).shape == (200, 2)
    assert statistics.groups == [(0,)]
    statistics = Statistics(rule(min_categories=50), [10, 6])
    assert statistics.fit(ids, targets(y)).shape == (200, 0)
    assert statistics.columns(ids).shape == (200, 0)


@pytest.fixture
def crossed(rng):
    """Six fields; two pairs of them say what no single one does, the second says less."""
    ids = rng.integers(1, 9, (4000, 6)).astype(np.int32)
    effect = rng.choice([-1.0, 1.0], (2, 9, 9))
    y = 2 * effect[0][ids[:, 1], ids[:, 4]] + 0.5 * effect[1][ids[:, 0], ids[:, 5]]
    return ids, y + ids[:, 2] + rng.normal(size=4000)


@pytest.mark.parametrize(
    ("most", "pairs"), [(0, []), (1, [(1, 4)]), (2, [(0, 5), (1, 4)]), (30, [(0, 5), (1, 4)])]
)
def test_pairs_are_those_that_say_most(most, pairs, crossed):
    ids, y = crossed
    statistics = Statistics(rule(order=2, max_pairs=most), [9] * 6)
    statistics.fit(ids, targets(y))
    found = statistics.groups[6:]
    assert set(pairs) <= set(found)
    assert len(found) <= min(most, 3)  # by chance one that says nothing


def test_pairs_of_noise_and_of_sums_are_left_out(crossed, rng):
    ids, _ = crossed
    for y in (rng.normal(size=4000), ids.sum(axis=1) + rng.normal(size=4000)):
        statistics = Statistics(rule(order=2), [9] * 6)
        statistics.fit(ids, targets(y))
        assert len(statistics.groups) <= 6 + 1


def test_the_share_of_pairs(crossed, rng):
    """Of what two fields leave, 4 of 5.25 squares are of the first pair, or a bit less."""
    ids, y = crossed
    statistics = Statistics(rule(order=2), [9] * 6)
    fields = [0, 1, 4, 5]
    y = y - ids[:, 2]
    assert 0.7 < statistics.share_of_pairs(ids, targets(y), fields) < 4 / 5.25 + 0.05
    assert 0.01 < statistics.share_of_pairs(ids, targets(y), [0, 5]) < 0.1
    assert statistics.share_of_pairs(ids, targets(y), [1]) == 0
    for chance in (rng.normal(size=4000), ids.sum(axis=1) + rng.normal(size=4000)):
        assert statistics.share_of_pairs(ids, targets(chance), fields) < 0.01
    both = statistics.share_of_pairs(ids, targets(np.stack([y, y], axis=1)), fields, 2)
    assert both == pytest.approx(statistics.share_of_pairs(ids, targets(y), fields))


def test_several_outputs_leave_room_for_fewer_pairs(crossed):
    ids, y = crossed
    statistics = Statistics(rule(order=2, max_pairs=3), [9] * 6)
    statistics.fit(ids, targets(np.stack([y, -y, y**2], axis=1)))
    assert statistics.groups[6:] == [(1, 4)]


def test_bounds(crossed, monkeypatch):
    ids, y = crossed
    monkeypatch.setattr(module, "MOST_FIELDS", 3)
    monkeypatch.setattr(module, "JUDGES", 1000)
    statistics = Statistics(rule(order=2), [9] * 6)
    statistics.fit(ids, targets(y))
    assert len(statistics.groups) <= 6 + 3
    monkeypatch.setattr(module, "MOST_FIELDS", 32)
    monkeypatch.setattr(module, "JUDGES", 4000)
    monkeypatch.setattr(module, "MOST_KEYS", 100)
    statistics.fit(ids, targets(y))
    assert statistics.groups[6:] == [(1, 4)]


def test_keys_stay_within_64_bits(rng):
    size = 2**31 - 1
    ids = rng.integers(size - 5, size, (500, 4)).astype(np.int32)
    y = np.where(ids.sum(axis=1) % 2, 3.0, 0.0) + rng.normal(size=500)
    statistics = Statistics(rule(order=2), [size] * 4)
    own = statistics.fit(ids, targets(y))
    assert len(statistics.groups) <= 4 + 1
    assert own.shape[1] == 2 * len(statistics.groups)
    assert (statistics.columns(ids)[:, 1] > 0).all()
    groups = [(0, 1), (1, 2), (0,), (2, 3)]
    assert module._within_int64(groups, [size] * 4) == [(0, 1), (1, 2), (0,)]


@pytest.mark.parametrize("n", [1, 2, 3, 11])
@pytest.mark.parametrize("scale", [0.0, 1e-300, 1.0, 1e300])
def test_few_rows_and_numbers_of_any_size(n, scale, rng):
    ids = rng.integers(1, 4, (n, 2)).astype(np.int32)
    statistics = Statistics(rule(order=2, min_categories=1), [4, 4])
    own = statistics.fit(ids, targets(scale * rng.normal(size=n)))
    assert own.shape == (n, 2 * len(statistics.groups))
    assert np.isfinite(own).all()
    assert np.isfinite(statistics.columns(ids)).all()


@pytest.mark.parametrize("folds", [40, 10**9])
def test_more_folds_than_rows_are_as_many_as_there_are_rows(folds, ids, rng, monkeypatch):
    y = rng.normal(size=200)
    want = Statistics(rule(folds=200), [10, 6]).fit(ids, targets(y))
    some = Statistics(rule(folds=folds), [10, 6]).fit(ids, targets(y))
    assert (some == want).all() == (folds > 200)
    monkeypatch.setattr(grouped_rows, "MOST_SUMS", 1)  # counts what there is
    np.testing.assert_array_equal(Statistics(rule(folds=folds), [10, 6]).fit(ids, targets(y)), some)


def test_rows_of_a_number_are_in_one_fold(ids, rng):
    y, number = rng.normal(size=200), np.arange(200) // 4
    y, ids = y[4 * number], ids[4 * number]
    own = Statistics(rule(), [10, 6]).fit(ids, replace(targets(y), number=number))
    np.testing.assert_array_equal(own, own[4 * number])
    apart = Statistics(rule(), [10, 6]).fit(ids, targets(y))
    assert np.corrcoef(own[:, 0], y)[0, 1] < np.corrcoef(apart[:, 0], y)[0, 1] - 0.1


def test_what_is_trained_on_later_does_not_know_its_own_targets_either(ids, rng):
    y = rng.normal(size=200)
    statistics = Statistics(rule(), [10, 6])
    own = statistics.fit(ids, targets(y, seed=3))
    served = statistics.columns(ids)
    np.testing.assert_array_equal(statistics.cross_fit(ids, targets(y, seed=3)), own)
    assert (statistics.cross_fit(ids, targets(y, seed=5)) != own).any()
    np.testing.assert_array_equal(statistics.columns(ids), served)


def test_threads_and_pickles_change_no_bit(crossed):
    ids, y = (np.tile(a, (6,) + (1,) * (a.ndim - 1)) for a in crossed)
    fits = [Statistics(rule(order=2), [9] * 6) for _ in range(2)]
    one, other = (s.fit(ids, targets(y), jobs) for s, jobs in zip(fits, (1, 2), strict=True))
    np.testing.assert_array_equal(one, other)
    for statistics in (*fits, pickle.loads(pickle.dumps(fits[0]))):
        np.testing.assert_array_equal(statistics.columns(ids), fits[0].columns(ids))
    rows = [fits[0].columns(ids[i : i + 1])[0] for i in range(50)]
    np.testing.assert_array_equal(rows, fits[0].columns(ids[:50]))


def test_the_gain_of_a_column_of_no_use_is_1(rng):
    n, gains = 400, []
    rows = GroupedRows(
        np.zeros((n, 0), np.int32), rng.normal(size=(n, 1)), np.ones(n), np.zeros(n), 2
    )
    beside = [rng.normal(size=(n, 1)), np.ones((n, 1))]
    for _ in range(2000):
        gains.append(rows.gain(rng.normal(size=(n, 1)), beside))
    assert 2 * np.mean(gains) == pytest.approx(2 * 0.5, rel=0.15)  # half of them go the other way
    assert rows.gain(beside[0], beside) == rows.gain(np.zeros((n, 1)), beside) == 0
    assert 0.9 * n < rows.gain(rows.values + 0.1 * beside[0], []) < n
    assert rows.gain(-rows.values, []) == 0
