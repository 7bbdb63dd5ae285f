"""Edges of bins that a decision tree of the column and the target finds."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from dcnfast import DCNClassifier, DCNRegressor
from dcnfast.encode import columns
from dcnfast.encode.bins import MISSING_PLACE, Rule
from dcnfast.encode.encoder import TableEncoder
from dcnfast.encode.grouped_rows import Targets
from dcnfast.encode.scaling import SCALINGS, NumericScaler
from dcnfast.numeric_embeddings import Piecewise
from dcnfast.target_statistics import TargetStatistics

HUGE = 1.7e308


def targets_of(y, are_classes=False, weight=None):
    y = np.asarray(y).reshape(len(y), -1)
    n = int(y.max()) + 1 if are_classes else y.shape[1]
    weight = np.ones(len(y)) if weight is None else weight
    return Targets(y, [str(c) for c in range(n)], are_classes, weight, 0)


def fitted(X, y, *, weight=None, bins=48, rows=64, scaling="standard", classes=False):
    rule = Rule(bins, 128, tree=True, min_rows=rows)
    X = X if scipy.sparse.issparse(X) else np.asarray(X)
    return NumericScaler(scaling, rule=rule).fit(X, weight, targets_of(y, classes, weight))


def inner(x, y, **options):
    """Return the edges of a column that are not its ends."""
    bins = fitted(np.asarray(x)[:, None], y, **options).bins[0]
    return bins.edges[1:-1] / bins.unit


def by_scikit_learn(x, y, kind, bins, rows, weight=None):
    tree = kind(max_leaf_nodes=bins, min_samples_leaf=rows).fit(x[:, None], y, weight).tree_
    return np.sort(tree.threshold[tree.children_left >= 0])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("n", "bins", "rows"), [(3000, 48, 64), (700, 5, 1), (400, 9, 30)])
def test_edges_are_those_of_scikit_learn(n, bins, rows, weighted, rng):
    """Of numbers, several at once, and classes; numbers that float32 holds, as its trees do."""
    x = rng.permutation(np.arange(n, dtype=float))
    y = np.sin(8 * x / n)[:, None] * [1, -1] + rng.normal(size=(n, 2))
    y /= np.sqrt(np.average((y - y.mean(axis=0)) ** 2, axis=0))
    weight = rng.uniform(0.1, 2, n) if weighted else None
    given = {"bins": bins, "rows": rows, "weight": weight}
    np.testing.assert_array_equal(
        inner(x, y[:, 0], **given), by_scikit_learn(x, y[:, 0], DecisionTreeRegressor, **given)
    )
    code = np.digitize(y[:, 0], [-0.5, 0.5])
    np.testing.assert_array_equal(
        inner(x, code, **given, classes=True),
        by_scikit_learn(x, code, DecisionTreeClassifier, **given),
    )
    if not weighted:
        np.testing.assert_array_equal(
            inner(x, y, **given), by_scikit_learn(x, y, DecisionTreeRegressor, **given)
        )


def test_an_edge_lies_where_the_target_steps(rng):
    x = rng.normal(size=5000)
    y = 3.0 * (x > 0.1234) + rng.normal(0, 0.1, 5000)
    assert np.abs(inner(x, y, bins=4) - 0.1234).min() < 1e-3
    values = Rule(4, 128)
    quantiles = NumericScaler(rule=values).fit(x[:, None]).bins[0].edges
    assert np.abs(quantiles - 0.1234).min() > 1e-2


def test_few_distinct_values_are_for_the_tree_too(rng):
    x = rng.integers(0, 9, 900).astype(float)
    np.testing.assert_array_equal(inner(x, (x > 4) * 1.0), [4.5])
    np.testing.assert_array_equal(inner(x, (x > 4).astype(int), classes=True), [4.5])


def test_leaves_have_so_many_rows(rng):
    x, y = rng.normal(size=1000), rng.normal(size=1000)
    edges = fitted(x[:, None], y, rows=50).bins[0].edges
    counts = np.histogram(x, edges)[0]
    assert 1 < len(counts) <= 20
    assert counts.min() >= 50
    assert len(inner(x, y, rows=501)) == 0  # one bin, the range of the column
    assert len(inner(x, y, bins=1)) == 0


def test_a_constant_target_leaves_one_bin(rng):
    x = rng.normal(size=500)
    for y in (np.full(500, 0.1), np.full(500, 1e300), np.zeros(500)):
        assert fitted(x[:, None], y, rows=1).bins[0].n == 1
    assert fitted(x[:, None], np.zeros(500, int), rows=1, classes=True).bins[0].n == 1


def test_rows_without_weight_and_missing_numbers_count_as_absent(rng):
    x, y = rng.normal(size=600), rng.normal(size=600)
    want = inner(x, y, rows=20, weight=np.full(600, 0.25))
    np.testing.assert_array_equal(inner(x, y, rows=20), want)
    weight = np.append(np.full(600, 2.0), np.zeros(300))
    more, of_more = np.append(x, rng.normal(size=300)), np.append(y, 1e6 * rng.normal(size=300))
    np.testing.assert_array_equal(inner(more, of_more, rows=20, weight=weight), want)
    gaps = np.append(x, np.full(300, np.nan))
    np.testing.assert_allclose(inner(gaps, np.append(y, rng.normal(size=300)), rows=20), want)


def test_the_unit_of_a_target_makes_no_difference(rng):
    x, y = rng.normal(size=600), rng.normal(size=600)
    want = inner(x, y, rows=20)
    for unit in (1e-300, 1e-3, 1e300):
        np.testing.assert_allclose(inner(x, y * unit, rows=20), want)
    both = np.column_stack([y, 1e6 * (x > 0.3)])  # neither of two targets is drowned
    assert np.abs(inner(x, both, bins=2, rows=20) - 0.3).min() < 0.01


WIDE = {
    "two values": [1.0, 2.0],
    "huge": [-HUGE, 0, HUGE],
    "huge, near each other": [1e300, np.nextafter(1e300, np.inf)],
    "tiny": [0, 1e-300, 2e-300],
    "denormal": [0, 5e-324, 1e-323],
    "both": [-1e300, -1e-300, 0, 1e-300, 1e300],
    "exact to the last digit": [1.0, 1.0 + 2**-52, 1.0 + 2**-51],
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("name", WIDE)
def test_columns_near_the_ends_of_the_range(name, scaling, dtype):
    x = np.append(np.tile(WIDE[name], 5), np.nan)
    y = np.nan_to_num(np.argsort(np.argsort(x)).astype(float))
    scaler = fitted(x[:, None], y, rows=1, scaling=scaling)
    with np.errstate(over="ignore"):
        got = scaler.transform(np.append(x, [-HUGE, HUGE, 0.0])[:, None], dtype)
    assert np.isfinite(got).all()
    if scaler.bins:  # else the logarithms are equal
        places = got[: len(x) - 1, -1]
        assert (places.min(), places.max()) == (0, scaler.bins[0].n)
        assert (np.diff(places[np.argsort(x[:-1], kind="stable")]) >= 0).all()
        assert got[len(x) - 1, -1] == MISSING_PLACE


def test_columns_without_two_values_have_no_bins():
    X = np.column_stack([np.full(100, np.nan), np.ones(100), np.arange(100.0)])
    assert list(fitted(X, np.arange(100.0), rows=1).bins) == [2]


def test_sparse_columns_and_many_rows(rng, monkeypatch):
    X = np.where(rng.random((3000, 3)) < 0.8, 0.0, rng.normal(size=(3000, 3)))
    y = (X[:, 0] > 0.5) + X[:, 2]
    dense, sparse = fitted(X, y), fitted(scipy.sparse.csr_array(X), y)
    for j, bins in dense.bins.items():
        np.testing.assert_array_equal(bins.edges, sparse.bins[j].edges)
    monkeypatch.setattr(columns, "SOME_ROWS", 1000)
    few = fitted(X, y)
    assert all(few.bins[j].edges[0] == X[:, j].min() for j in range(3))
    assert any(few.bins[j].n != dense.bins[j].n for j in range(3))


def test_a_tree_wants_targets():
    encoder = NumericScaler(rule=Rule(4, 4, tree=True))
    with pytest.raises(ValueError, match="numeric_bins: edges of decision trees want the targets"):
        encoder.fit(np.arange(9.0)[:, None])


# ---- estimators

FAST = {
    "max_iter": 8, "hidden_layer_sizes": (8,), "random_state": 0, "learning_rate_init": 0.01,
    "n_members": 1, "cross_layers": 1,
    "numeric_embedding": Piecewise(width=3, edges="tree", min_samples_leaf=10),
}  # fmt: skip


def frame(n=600, seed=0):
    rng = np.random.default_rng(seed)
    a = np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n))
    table = pd.DataFrame({"a": a, "b": rng.normal(size=n), "city": rng.choice(list("ABC"), n)})
    return table, (table.b > 0.4) * 1.0 + table.a.fillna(0) + rng.normal(0, 0.1, n)


def edges(model):
    return [bins.edges for bins in model.encoder_.scaler.bins.values()]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", [DCNRegressor, DCNClassifier])
def test_a_row_has_the_answer_of_the_table(kind, dtype):
    table, y = frame()
    model = kind(dtype=dtype, **FAST).fit(table, y if kind is DCNRegressor else y > 0)
    assert all(len(found) > 4 for found in edges(model))
    new = frame(60, seed=1)[0]
    new.loc[:8, "b"] = [np.nan, -50, 50, 1e6, 1e300, -1e300, 0, 5e-324, 3]
    answers, predict = model.predict(new), model.row_predictor()
    rows = [predict(row) for row in new.to_dict("records")]
    if kind is DCNRegressor:
        np.testing.assert_array_equal(rows, answers)
    else:
        np.testing.assert_array_equal(rows, model.predict_proba(new))
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        np.testing.assert_array_equal(other.predict(new), answers)


@pytest.mark.parametrize("how", ["given", "part", "folds"])
def test_held_out_rows_are_not_looked_at(how, monkeypatch):
    """What the edges are made of is what the network trains on, in each fold as well."""
    table, y = frame()
    seen = []

    def fit_own(self, table, weight=None, n_jobs=1, targets=None, forbids=None):
        seen.append((len(table), len(targets.values)))
        return original(self, table, weight, n_jobs, targets, forbids)

    original = TableEncoder.fit_own
    monkeypatch.setattr(TableEncoder, "fit_own", fit_own)
    if how == "given":
        one, other = (
            DCNRegressor(**FAST).fit(table, y, X_val=table[:99], y_val=y_val)
            for y_val in (y[:99], 100 * np.sin(np.arange(99)))
        )
        for first, second in zip(edges(one), edges(other), strict=True):
            np.testing.assert_array_equal(first, second)
        assert seen == [(600, 600)] * 2
    else:
        DCNRegressor(early_stopping=True if how == "part" else "auto", **FAST).fit(table, y)
        assert seen == [(510, 510)] if how == "part" else [(480, 480)] * 5 + [(600, 600)]


def test_sample_weights_move_edges_and_warm_starts_do_not():
    table, y = frame()
    weight = np.where(table.b > 0, 1.0, 1e-3)
    model = DCNRegressor(early_stopping=False, warm_start=True, **FAST).fit(table, y)
    found = edges(model)
    weighted = DCNRegressor(early_stopping=False, **FAST).fit(table, y, sample_weight=weight)
    assert not np.array_equal(edges(weighted)[1], found[1])
    again = edges(model.fit(table, -y + 3 * table.b))
    for first, second in zip(found, again, strict=True):
        np.testing.assert_array_equal(first, second)


def test_beside_statistics_of_targets():
    table, y = frame()
    options = FAST | {"target_statistics": TargetStatistics(order=1, min_categories=2)}
    model = DCNRegressor(early_stopping=False, **options).fit(table, y)
    assert len(edges(model)) == 4
    assert np.isfinite(model.predict(table)).all()


def test_targets_of_noise_are_not_learned_by_heart(rng):
    """Edges have seen the targets; on rows that nobody has seen the answer is near the mean."""
    X, y = rng.normal(size=(3000, 4)), rng.normal(size=3000)
    model = DCNRegressor(numeric_embedding=Piecewise(edges="tree"), n_members=1, random_state=0)
    assert model.fit(X[:2500], y[:2500]).predict(X[2500:]).std() < 0.25
