"""Bins of numeric columns: edges, places of numbers among them, the layout of the columns."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from dcnfast.encode import columns
from dcnfast.encode.bins import MISSING_PLACE, STATISTICS_BINS, Rule
from dcnfast.encode.grouped_rows import Targets
from dcnfast.encode.scaling import SCALINGS, NumericScaler
from dcnfast.encode.target_statistics import Rule as StatisticsRule

RULE = Rule(max_bins=48, max_distinct=128)
HUGE = 1.7e308


def fitted(X, scaling="standard", weight=None, rule=RULE, clips=True):
    return NumericScaler(scaling, clips=clips, rule=rule).fit(np.asarray(X), weight)


def edges(x, **options):
    """Return the edges of the only column, in its own unit."""
    scaler = fitted(np.asarray(x)[:, None], **options)
    return scaler.bins[0].edges / scaler.bins[0].unit


def places(scaler, x, dtype="float64"):
    """Return u of the only column."""
    return scaler.transform(np.asarray(x)[:, None], dtype)[:, -1]


def by_numpy(scaler, x, j=0):
    """Return the place of each number as numpy.interp has it, with the outer pieces."""
    bins = scaler.bins[j]
    e, n, x = bins.edges, bins.n, np.asarray(x, np.float64) * bins.unit
    u = np.interp(x, e, np.arange(n + 1))
    if not scaler.clips:
        u = np.where(x < e[0], np.maximum((x - e[0]) / (e[1] - e[0]), -1e4), u)
        u = np.where(x > e[-1], n + np.minimum((x - e[-1]) / (e[-1] - e[-2]), 1e4), u)
    return np.where(np.isnan(x), -1e9, u)


# ---- edges


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8", "bool"])
def test_few_distinct_values_have_an_edge_each(dtype, rng):
    x = rng.integers(0, 120, 3000).astype(dtype)
    scaler = fitted(x[:, None])
    np.testing.assert_array_equal(scaler.bins[0].edges, np.unique(x).astype("f8"))
    np.testing.assert_array_equal(places(scaler, x), np.unique(x, return_inverse=True)[1])


def test_as_many_values_as_may_be_and_one_more(rng):
    x = rng.permutation(np.arange(11.0) ** 2)
    np.testing.assert_array_equal(edges(x, rule=Rule(3, 11)), np.sort(x))
    few = edges(x, rule=Rule(3, 10))
    assert 4 <= len(few) <= 8
    assert {0, 100} < set(few) < set(x)


def test_edges_of_many_values_are_quantiles_of_rows_and_of_values(rng):
    """Nine tenths of the rows are 0, which leaves quantiles of rows few edges."""
    x = np.where(rng.random(20_000) < 0.9, 0.0, np.round(rng.lognormal(8, 1, 20_000), 2))
    found, values = edges(x), np.unique(x)
    assert len(found) > RULE.max_bins
    assert np.isin(found, values).all()
    share = np.searchsorted(values, found) / (len(values) - 1)
    assert np.diff(share).max() < 1.01 / RULE.max_bins
    only_rows = edges(x, rule=Rule(10, 1))
    assert len(only_rows) <= 13
    y = rng.normal(size=20_000)
    assert np.diff(np.searchsorted(np.sort(y), edges(y))).max() <= 20_000 / RULE.max_bins + 1


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize(
    "x", [[], [3.0], [0.0, -0.0], [np.nan] * 3, [HUGE, HUGE], [np.nan, 5.0, 5.0]], ids=str
)
def test_fewer_than_two_values_have_no_bins(scaling, x):
    X = np.full((6, 2), np.nan)
    X[: len(x), 0] = x
    X[:, 1] = np.arange(6)
    scaler = fitted(X, scaling)
    assert list(scaler.bins) == [1]
    got = scaler.transform(X, "float64")
    plain = NumericScaler(scaling).fit(X[:, :1]).transform(X[:, :1], "float64")
    np.testing.assert_array_equal(got[:, :-2], plain)  # and its indicator, where there is one
    np.testing.assert_array_equal(got[:, -1], np.arange(6.0))


WIDE = {
    "two values": [1.0, 2.0],
    "huge": [-HUGE, 0, HUGE],
    "huge, near each other": [1e300, np.nextafter(1e300, np.inf)],
    "tiny": [0, 1e-300, 2e-300],
    "denormal": [0, 5e-324, 1e-323],
    "both": [-1e300, -1e-300, 0, 1e-300, 1e300],
    "denormal beside ordinary": [0, 5e-324, 1e-320, 1.0],
    "denormal below ordinary": [-1.0, -1e-320, -5e-324],
    "exact to the last digit": [1.0, 1.0 + 2**-52, 1.0 + 2**-51],
    "of ids": [2.0**53, 2.0**53 + 2, 2.0**60],
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("clips", [True, False])
@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("name", WIDE)
def test_columns_near_the_ends_of_the_range(name, scaling, clips, dtype):
    x = np.tile(WIDE[name], 5)
    scaler = fitted(np.append(x, np.nan)[:, None], scaling, clips=clips)
    far = np.array([-HUGE, HUGE, -1e300, 1e300, 0.0, 5e-324, -1e-300, 1.0, np.nan])
    with np.errstate(over="ignore"):
        got = scaler.transform(np.append(x, far)[:, None], dtype)
    assert np.isfinite(got).all()
    if not scaler.bins:  # the logarithms are equal
        assert scaling == "log"
        return
    n, u = scaler.bins[0].n, got[: len(x), -1]
    assert u.min() == 0
    assert u.max() == n
    assert np.abs(got[:-1, -1] - n / 2).max() <= n / 2 + (0 if clips else 1e4)
    assert (np.diff(u[np.argsort(x)]) >= 0).all()
    assert got[-1].tolist() == [0, MISSING_PLACE]
    if scaling != "log" and name not in ("both", *(name for name in WIDE if "ordinary" in name)):
        np.testing.assert_array_equal(u, np.unique(x, return_inverse=True)[1])


def test_values_that_lie_too_near_for_a_line_between_them_share_a_place():
    x = np.array([0, 5e-324, 1e-320, 1.0, 2.0])
    assert edges(x).tolist() == [0, 1, 2]
    np.testing.assert_allclose(places(fitted(x[:, None]), x), [0, 0, 0, 1, 2], atol=1e-300)


def test_rows_without_weight_count_as_absent(rng):
    X = np.round(rng.normal(size=(900, 2)), 1)
    X[:, 1] = 4
    X[::3, 1] = 7  # two values, of which one has no weight
    weight = np.where(np.arange(900) % 3 == 0, 0.0, 2.5)
    scaler = fitted(X, weight=weight)
    assert list(scaler.bins) == [0]
    np.testing.assert_array_equal(scaler.bins[0].edges, np.unique(X[weight > 0, 0]))


@pytest.mark.parametrize("factor", [1.0, 1 / 3, 1e300])
def test_a_row_of_weight_two_is_a_row_that_comes_twice(factor, rng):
    x = rng.normal(size=(700, 1)) ** 3
    times = rng.integers(0, 4, 700)
    one = fitted(x, weight=times * factor).bins[0].edges
    np.testing.assert_array_equal(one, fitted(np.repeat(x, times, axis=0)).bins[0].edges)


def test_many_rows_all_lie_within_the_edges(monkeypatch, rng):
    monkeypatch.setattr(columns, "SOME_ROWS", 50)
    x = rng.normal(size=3000)
    x[::7] = np.nan
    found = edges(x)
    assert found[[0, -1]].tolist() == [np.nanmin(x), np.nanmax(x)]
    rare = np.zeros(3000)
    rare[17] = 5.0  # that none of the rows looked at has
    assert edges(rare).tolist() == [0, 5]
    seen_missing = np.full(3000, np.nan)
    seen_missing[[17, 19]] = 1.0, 2.0
    assert edges(seen_missing).tolist() == [1, 2]


# ---- places


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("clips", [True, False])
@pytest.mark.parametrize("scaling", SCALINGS)
def test_places_are_those_of_numpy(scaling, clips, dtype, rng):
    x = rng.normal(size=5000)
    scaler = fitted(np.append(x, np.nan)[:, None], scaling, clips=clips)
    new = np.concatenate([rng.normal(0, 3, 3000), x[:100], [-1e7, 1e7, -HUGE, HUGE, np.nan]])
    shown = np.copysign(np.log1p(np.abs(new)), new) if scaling == "log" else new
    got = places(scaler, new, dtype)
    np.testing.assert_array_equal(got, by_numpy(scaler, shown).astype(dtype))
    n = scaler.bins[0].n
    assert got[-1] == MISSING_PLACE
    if clips or scaling != "log":
        assert got[[-3, -2]].tolist() == ([0, n] if clips else [-1e4, n + 1e4])
    assert (got[:3000] < 0).any() == (got[:3000] > n).any() == (not clips)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scaling", SCALINGS)
def test_a_missing_number_that_training_never_saw_is_the_mean(scaling, dtype, rng):
    """What such a column's vector for missing numbers means was never learned."""
    x, gap = rng.lognormal(size=(3001, 1)), np.array([[np.nan]])
    for unit in (1.0, 1e-305, 1e300):
        scaler = fitted(unit * x, scaling)
        missing = scaler.transform(gap, dtype)
        without = NumericScaler(scaling).fit(unit * x).transform(gap, dtype)
        np.testing.assert_array_equal(missing[:, 0], without[:, 0])
        by_ranks = scaling in ("auto", "quantile", "robust_smooth")
        usual = np.median(x) if by_ranks else np.mean(x)
        if scaling == "log":
            usual = np.expm1(np.log1p(unit * x).mean()) / unit
        near = scaler.transform(np.array([[usual * unit]]), dtype)
        np.testing.assert_allclose(missing, near, rtol=1e-3, atol=0.02)
    gaps = np.append(x, np.nan)[:, None]
    absent = np.append(np.ones(3001), 0.0)  # the missing number has no weight
    assert fitted(gaps, scaling).transform(gap, dtype)[0, 1] == MISSING_PLACE
    unseen = fitted(gaps, scaling, weight=absent).transform(gap, dtype)[0, 1]
    assert unseen == fitted(x, scaling).transform(gap, dtype)[0, 1] > 0


def test_places_say_which_number_it_was(rng):
    x = rng.lognormal(size=4000)
    scaler = fitted(x[:, None])
    bins = scaler.bins[0]
    back = np.interp(places(scaler, x), np.arange(bins.n + 1), bins.edges)
    np.testing.assert_allclose(back, x, rtol=1e-12)


# ---- columns


def table(rng, n=400):
    X = rng.normal(size=(n, 6))
    X[:, 1] = 3.0
    X[:, 4] = np.nan
    X[rng.random((n, 6)) < 0.2] = np.nan
    return X


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scaling", SCALINGS)
def test_plain_columns_then_indicators_then_pairs(scaling, dtype, rng):
    X = table(rng)
    scaler = fitted(X, scaling)
    got, without = (s.transform(X, dtype) for s in (scaler, NumericScaler(scaling).fit(X)))
    assert (scaler.plain, list(scaler.bins)) == ([1, 4], [0, 2, 3, 5])
    assert scaler.indicators.tolist() == [1]
    assert got.shape == (400, 3 + 8)
    assert scaler.low.shape == scaler.high.shape == (11,)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got[:, :2], without[:, [1, 4]])
    np.testing.assert_array_equal(got[:, 2], np.isnan(X[:, 1]))
    there = ~np.isnan(X[:, [0, 2, 3, 5]])
    np.testing.assert_array_equal(got[:, 3::2], np.where(there, without[:, [0, 2, 3, 5]], 0))
    for k, j in enumerate(scaler.bins):
        x = np.copysign(np.log1p(np.abs(X[:, j])), X[:, j]) if scaling == "log" else X[:, j]
        np.testing.assert_array_equal(got[:, 4 + 2 * k], by_numpy(scaler, x, j).astype(dtype))


@pytest.mark.parametrize("scaling", SCALINGS)
def test_without_a_rule_nothing_changes(scaling, rng):
    X = table(rng)
    scaler = NumericScaler(scaling).fit(X)
    assert (scaler.plain, dict(scaler.bins)) == (list(range(6)), {})
    assert scaler.indicators.tolist() == [0, 1, 2, 3, 5]
    assert scaler.transform(X, "float64").shape == (400, 11)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scaling", SCALINGS)
def test_one_row_has_the_bits_of_the_table(scaling, dtype, rng):
    X = table(rng)
    scaler = fitted(X, scaling, clips=False)
    new = np.concatenate([X[:50], 5 * X[:50]])
    rows = [scaler.transform(new[[i]], dtype) for i in range(100)]
    np.testing.assert_array_equal(np.concatenate(rows), scaler.transform(new, dtype))


def test_sparse_columns(rng):
    X = np.where(rng.random((600, 3)) < 0.8, 0, np.round(rng.normal(size=(600, 3)), 3))
    sparse = scipy.sparse.csr_array(X)
    weight = rng.integers(0, 3, 600).astype(float)
    got, want = (fitted_as_is(x, weight).transform(x, "float64") for x in (sparse, X))
    np.testing.assert_array_equal(got, want)


def fitted_as_is(X, weight):
    return NumericScaler("standard", rule=RULE).fit(X, weight)


def test_clip_leaves_the_missing_missing(rng):
    X = table(rng)
    for scaling in ("standard", None):
        scaler = fitted(X + 10, scaling, clips=False)
        known = scaler.transform(X + 10, "float32")
        np.testing.assert_array_equal(scaler.clip(known), known)
        far = scaler.transform(1e6 * X, "float32")
        clipped = scaler.clip(far)
        assert (clipped != far).any()
        missing = far[:, 4::2] == MISSING_PLACE
        assert missing.any()
        np.testing.assert_array_equal(clipped[:, 4::2] == MISSING_PLACE, missing)
        n = np.array([bins.n for bins in scaler.bins.values()])
        assert ((clipped[:, 4::2] >= 0) & (clipped[:, 4::2] <= n))[~missing].all()
        assert (clipped[:, 3::2][missing] == 0).all()


@pytest.mark.parametrize("how", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_a_scaler_with_bins_can_be_copied(how, rng):
    X = table(rng)
    scaler = fitted(X)
    want = scaler.transform(X, "float32")
    np.testing.assert_array_equal(how(scaler).transform(X, "float32"), want)
    again = scaler.fit(X[:, :2])
    assert list(again.bins) == [0]


# ---- the encoder


def frame(rng, n=300):
    return pd.DataFrame(
        {
            "city": rng.choice(["A", "B", None], n),
            "a": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "one": np.where(rng.random(n) < 0.2, np.nan, 1.0),
            "b": rng.integers(0, 5, n),
            "yes": rng.random(n) < 0.5,
        }
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_names_and_widths(dtype, reader, rng):
    table = frame(rng)
    read = reader().fit(table, numeric_bins=RULE)
    encoder, encoded = read.encoder, read.encode(table, dtype)
    kinds = [field.name for field in encoder.fields]
    numeric = [name for name in table.columns if name not in kinds]
    binned = [name for name in numeric if name != "one"]
    assert encoder.numeric_names == numeric
    assert encoder.get_feature_names_out().tolist() == [*kinds, "one", "missing_one", *binned]
    assert encoder.sources() == [("one",), ("one",), *((name,) for name in binned)]
    assert encoder.n_dense == 2
    assert encoder.bins == [encoder.scaler.bins[numeric.index(name)].n for name in binned]
    assert encoder.bins[1] == 4
    assert encoded.dense.shape == (300, 2 + 2 * len(binned))
    one = [read.encode(table.iloc[[i]], dtype).dense for i in range(20)]
    np.testing.assert_array_equal(np.concatenate(one), encoded.dense[:20])
    np.testing.assert_array_equal(encoder.clip(encoded.dense), encoded.dense)
    missing = encoded.dense[:, 3] == MISSING_PLACE
    np.testing.assert_array_equal(missing, table["a"].isna())


def test_names_without_a_rule(reader, rng):
    encoder = reader().fit(frame(rng)).encoder
    assert encoder.bins == []
    assert encoder.get_feature_names_out().tolist()[-2:] == ["missing_a", "missing_one"]
    assert len(encoder.get_feature_names_out()) == len(encoder.fields) + encoder.n_dense


def test_statistics_of_categories_have_bins_too(reader, rng):
    read = reader().fit(frame(rng))
    n = len(read.table)
    targets = Targets(rng.normal(size=(n, 1)), ["y"], False, np.ones(n), seed=0)
    encoder = type(read.encoder)(
        numeric_bins=RULE, target_statistics=StatisticsRule(1, 5, 2.0, 0, 2)
    )
    own = encoder.fit_own(read.table, None, 1, targets)
    made = [name for name in encoder.numeric_names if name.startswith(("target_", "log_"))]
    assert len(made) == own.shape[1] > 0
    assert set(made) <= set(encoder.get_feature_names_out()[-len(encoder.bins) :])
    assert encoder.sources()[-4:] == [("city",), ("city",), ("yes",), ("yes",)]
    dense = encoder.transform(read.table, "float32", own=own).dense
    assert dense.shape[1] == encoder.n_dense + 2 * len(encoder.bins)
    assert np.isfinite(dense).all()


@pytest.mark.parametrize("max_bins", [3, 48])
@pytest.mark.parametrize("tree", [False, True])
def test_statistics_of_categories_have_few_bins(max_bins, tree, reader, rng):
    """Of 60 categories the means are some hundred numbers, which no bins may tell apart."""
    n = 600
    table = pd.DataFrame({"id": rng.integers(0, 60, n).astype(str), "x": rng.normal(size=n)})
    read = reader().fit(table)
    targets = Targets(rng.normal(size=(n, 1)), ["y"], False, np.ones(n), seed=0)
    rule = Rule(max_bins, max_distinct=1000, tree=tree)
    encoder = type(read.encoder)(
        numeric_bins=rule, target_statistics=StatisticsRule(1, 10, 2.0, 0, 2)
    )
    own = encoder.fit_own(read.table, None, 1, targets)
    assert len(np.unique(own[:, 0])) > 300
    of_table, mean, count = encoder.bins
    most = min(max_bins, STATISTICS_BINS) * (1 if tree else 2)
    assert 1 <= mean <= most
    assert 1 <= count <= most
    assert of_table == n - 1 if not tree else 1 < of_table <= max_bins
