"""Columns of lists from table to prediction: backends, poolings, files, servers, bad input."""

import copy
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone

import dcnfast
from dcnfast import DCNClassifier, DCNRegressor
from dcnfast.inspection import cross_weights
from dcnfast.inspection.weights import columns_of_input
from dcnfast.lists import Lists

QUICK = {"n_members": 1, "max_iter": 2, "early_stopping": False, "random_state": 0, "n_jobs": 1}
WORDS = list("abcdefgh")


def draw(n=400, seed=0):
    """Lists of words and of ids with weights; some empty, some missing; and what they add up to."""
    rng = np.random.default_rng(seed)
    worth = dict(zip(WORDS, rng.normal(size=len(WORDS)), strict=True))
    tags = [[WORDS[i] for i in rng.integers(0, 8, rng.integers(0, 5))] for _ in range(n)]
    ids = [rng.integers(0, 30, rng.integers(0, 4)).tolist() for _ in range(n)]
    seconds = [rng.uniform(0, 2, len(of_row)).tolist() for of_row in ids]
    y = np.array([np.mean([worth[t] for t in of_row]) if of_row else 0.0 for of_row in tags])
    tags[5] = ids[7] = seconds[7] = None
    X = {"x": rng.normal(size=n), "tags": tags, "city": rng.choice(["r", "s"], n).tolist(),
         "ids": ids, "seconds": seconds}  # fmt: skip
    return X, y


def frame(backend, X):
    if backend == "polars":
        return pl.DataFrame(X)
    if backend == "pyarrow":
        return pa.table(X)
    table = pd.DataFrame(X)
    if backend == "pandas arrow":
        text, whole, real = (pa.list_(kind) for kind in (pa.string(), pa.int64(), pa.float64()))
        kinds = {"tags": text, "ids": whole, "seconds": real}
        for name, kind in kinds.items():
            table[name] = pd.Series(pd.array(X[name], dtype=pd.ArrowDtype(kind)))
    return table


BACKENDS = ["pandas", "pandas arrow", "polars", "pyarrow"]
HOW = {"ids": Lists("mean", weights="seconds")}


def model(**more):
    return DCNRegressor(**QUICK | {"list_features": HOW} | more)


def rows_of(X, rows):
    return {name: [column[i] for i in rows] for name, column in X.items()}


@pytest.fixture(scope="module")
def fitted():
    X, y = draw()
    return model(n_members=2).fit(frame("pandas", X), y)


@pytest.mark.parametrize("n", [400, 100])  # above and below where values are found one by one
@pytest.mark.parametrize("backend", BACKENDS)
def test_same_bits_from_every_backend(backend, n):
    X, y = draw(n)
    one, other = (model().fit(frame(b, X), y) for b in ("pandas", backend))
    np.testing.assert_array_equal(one.predict(frame(backend, X)), other.predict(frame("pandas", X)))
    assert list(other.embedding_dims_) == ["city", "tags", "ids"]
    assert other.is_categorical_.tolist() == [False, True, True, True, False]
    assert other.n_features_in_ == 5


def test_it_learns_from_lists():
    X, y = draw(3000)
    train = {name: column[:2000] for name, column in X.items()}
    test = {name: column[2000:] for name, column in X.items()}
    learned = DCNRegressor(n_members=1, list_features=HOW, random_state=0)
    learned.fit(frame("pandas", train), y[:2000])
    assert learned.score(frame("pandas", test), y[2000:]) > 0.9


@pytest.mark.parametrize("pooling", ["mean", "sum", "sqrtn", "max"])
def test_what_the_network_reads(pooling):
    """The pooled embedding itself, by the embeddings of single items."""
    X, y = draw(60)
    weighted = pooling != "max"
    table = frame("pandas", X if weighted else {k: v for k, v in X.items() if k != "seconds"})
    how = {"ids": Lists(pooling, weights="seconds" if weighted else None)}
    fit = model(list_features=how, embedding_dim=3, dtype="float64").fit(table, y)
    items = fit.encoder_.transform(
        dcnfast.table.schema.read_table(fit, table), "float64"
    ).lists[1]  # fmt: skip
    for row, (ids, w) in enumerate(zip(X["ids"], X["seconds"], strict=True)):
        part = slice(items.offsets[row], items.offsets[row + 1])
        if ids is None:
            assert items.ids[part].tolist() == [1]
            assert items.weights is None or items.weights[part].tolist() == [1.0]
            continue
        assert len(items.ids[part]) == len(ids)
        if not weighted:
            assert items.weights is None
            continue
        w = np.array(w)
        norm = {"mean": w.sum(), "sum": 1.0, "sqrtn": np.sqrt((w**2).sum())}[pooling]
        np.testing.assert_allclose(items.weights[part], w / (norm if len(w) else 1))


def test_weights_of_zero_pool_to_zero(fitted):
    X, _ = draw()
    table = rows_of(X, [0, 1])
    table["ids"], table["seconds"] = [[3, 4], []], [[0.0, 0.0], []]
    table["x"], table["city"], table["tags"] = [0.0, 0.0], ["r", "r"], [["a"], ["a"]]
    one, other = fitted.predict(frame("pandas", table))
    assert one == other


def test_empty_missing_and_unknown_differ(fitted):
    X, _ = draw()
    lists = [[], None, ["new"], ["a"], ["a", None], ["a", "new"]]
    table = {"x": [0.0] * 6, "tags": lists, "city": ["r"] * 6, "ids": [[1]] * 6,
             "seconds": [[1.0]] * 6}  # fmt: skip
    answers = fitted.predict(frame("pandas", table))
    assert len(set(answers.tolist())) == 6
    counts = fitted.count_unknown(frame("pandas", table))
    assert counts == {"city": 0, "tags": 2, "ids": 0}
    assert sum(fitted.count_unknown(frame("pandas", X)).values()) == 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_row_stands_alone_and_row_predictor_agrees(fitted, backend):
    X, _ = draw()
    whole = fitted.predict(frame(backend, X))
    predict_row = fitted.row_predictor()
    for rows in ([5], [7], [0, 399, 3], range(17, 350)):
        part = fitted.predict(frame(backend, rows_of(X, rows)))
        np.testing.assert_array_equal(part, whole[list(rows)])
    for i in (0, 5, 7, 8):
        row = {name: column[i] for name, column in X.items()}
        assert predict_row(row) == whole[i]
        assert predict_row(list(row.values())) == whole[i]
        tuples = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
        assert predict_row(tuples) == whole[i]
    assert predict_row.n_unknown_ == {"city": 0, "tags": 0, "ids": 0}
    predict_row({"x": 0.0, "tags": ["new", "a", "old"], "city": "r", "ids": [], "seconds": []})
    assert predict_row.n_unknown_["tags"] == 1
    again = pickle.loads(pickle.dumps(predict_row))
    row = {name: column[0] for name, column in X.items()}
    assert again(row) == whole[0]


def test_thousands_of_items_in_a_row(fitted):
    X, _ = draw()
    rng = np.random.default_rng(1)
    many = rng.choice(WORDS, 10_000).tolist()
    table = {name: column[:3] for name, column in X.items()} | {"tags": [["a"], many, []]}
    answers = fitted.predict(frame("pandas", table))
    assert np.isfinite(answers).all()
    assert fitted.row_predictor()({k: v[1] for k, v in table.items()}) == answers[1]


@pytest.mark.parametrize("separator", ["|", ", "])
def test_texts_with_a_separator_are_lists(separator):
    X, y = draw()
    texts = [None if of_row is None else separator.join(of_row) for of_row in X["tags"]]
    lists = model().fit(frame("pandas", X), y)
    split = model(list_features=HOW | {"tags": Lists(separator=separator)})
    for backend in BACKENDS:
        table = frame(backend, X | {"tags": texts}) if backend != "pandas arrow" else frame(
            "pandas", X | {"tags": texts}
        )  # fmt: skip
        split.fit(table, y)
        np.testing.assert_array_equal(split.predict(table), lists.predict(frame("pandas", X)))
    predict_row = split.row_predictor()
    row = {name: column[0] for name, column in X.items()}
    assert predict_row(row | {"tags": texts[0]}) == lists.row_predictor()(row)


@pytest.mark.parametrize("cls", [DCNRegressor, DCNClassifier])
@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_files_pickles_and_copies_keep_every_bit(cls, pooling, tmp_path):
    X, y = draw()
    how = HOW | {"tags": Lists(pooling)}
    table = frame("pandas", X)
    fit = cls(**QUICK, list_features=how, wide=True).fit(table, y if cls is DCNRegressor else y > 0)
    answer = fit.predict_proba if cls is DCNClassifier else fit.predict
    want = answer(table)
    fit.save(tmp_path / "model.dcn")
    for again in (
        dcnfast.load(tmp_path / "model.dcn"), pickle.loads(pickle.dumps(fit)), copy.deepcopy(fit)
    ):  # fmt: skip
        got = again.predict_proba(table) if cls is DCNClassifier else again.predict(table)
        np.testing.assert_array_equal(got, want)
        assert again.get_params()["list_features"] == how
        assert again.is_categorical_.tolist() == fit.is_categorical_.tolist()
        assert again.feature_names_in_.tolist() == fit.feature_names_in_.tolist()
        row = {name: column[9] for name, column in X.items()}
        np.testing.assert_array_equal(again.row_predictor()(row), want[9])
    assert clone(fit).get_params()["list_features"] == how


OPTIONS = [
    {"min_frequency": 60}, {"max_categories": 3}, {"hash_buckets": {"tags": 5, "ids": 7}},
    {"hash_buckets": 9}, {"embedding_dim": {"tags": 5}}, {"embedding_dim": 20}, {"wide": True},
    {"n_members": 3}, {"numeric_embedding": "piecewise"}, {"learned_scale": True},
    {"sparse_adam": "exact"}, {"embedding_penalty": "table", "alpha": 0.1},
    {"early_stopping": True}, {"early_stopping": "auto"}, {"scoring": "r2", "early_stopping": True},
    {"target_statistics": "auto"}, {"cross": "gated"}, {"dtype": "float64"}, {"ema_decay": 0.9},
    {"optimizer": "rowwise_adagrad"}, {"deterministic": "isa"},
]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_works_with(options):
    X, y = draw(150)
    table = frame("pandas", X)
    fits = [model(**options | {"n_jobs": n_jobs}).fit(table, y) for n_jobs in (1, 3)]
    one, many = (fit.predict(table) for fit in fits)
    np.testing.assert_array_equal(one, many)
    row = {name: column[3] for name, column in X.items()}
    np.testing.assert_allclose(fits[0].row_predictor()(row), one[3], rtol=1e-6)
    assert "seconds" not in fits[0].embedding_dims_


def test_categories_and_their_counts_are_of_items():
    X, y = draw()
    fit = model(min_frequency=2).fit(frame("pandas", X), y)
    field = fit.encoder_.by_name()["tags"]
    words = [word for of_row in X["tags"] if of_row is not None for word in of_row]
    assert fit.encoder_.categories("tags") == WORDS
    assert field.counts.tolist() == [0, 1, *(words.count(word) for word in WORDS)]


def test_warm_start_goes_on_and_counts_what_it_sees():
    X, y = draw()
    table = frame("pandas", X)
    fit = model(warm_start=True, max_iter=1).fit(table, y)
    once = [counts.copy() for counts in fit._seen]
    fit.fit(table, y)
    assert len(fit.loss_curve_) == 2
    for before, after in zip(once, fit._seen, strict=True):
        np.testing.assert_array_equal(2 * before, after)
    with pytest.raises(ValueError, match="warm_start"):
        fit.set_params(list_features={"ids": "sum"}).fit(table, y)


def test_inspection_has_the_field_as_one_column(fitted):
    columns = columns_of_input(fitted)
    assert cross_weights(fitted).shape == (len(columns), len(columns))
    assert [name for name in columns if name.startswith("tags_")] == [
        f"tags_{k}" for k in range(fitted.embedding_dims_["tags"])
    ]
    assert fitted.encoder_.get_feature_names_out()[:3].tolist() == ["city", "tags", "ids"]


def test_validation_rows_have_lists_too():
    X, y = draw()
    train, watched = (frame("pandas", rows_of(X, rows)) for rows in (range(300), range(300, 400)))
    fit = model(early_stopping=True).fit(train, y[:300], X_val=watched, y_val=y[300:])
    assert len(fit.validation_scores_) == fit.n_iter_


def test_arrays_of_objects_may_hold_lists():
    X, y = draw(100)
    table = frame("pandas", X)[["x", "tags", "city"]]
    fit = DCNRegressor(**QUICK).fit(table.to_numpy(), y)
    want = DCNRegressor(**QUICK).fit(table, y).predict(table)
    np.testing.assert_array_equal(fit.predict(table.to_numpy()), want)
    assert list(fit.embedding_dims_) == ["x2", "x1"]


def test_a_list_is_a_column_beside_dates():
    X, y = draw(100)
    table = frame("pandas", X)
    table.insert(1, "when", pd.date_range("2024-01-01", periods=100, freq="7h"))
    fit = model(datetime_features=True).fit(table, y)
    assert list(fit.embedding_dims_) == ["city", "when_hour", "when_weekday", "when_month",
                                         "tags", "ids"]  # fmt: skip
    again = pickle.loads(pickle.dumps(fit))
    np.testing.assert_array_equal(again.predict(table), fit.predict(table))
    assert again.is_categorical_.tolist() == fit.is_categorical_.tolist()
    assert fit.row_predictor()(table.iloc[3].tolist()) == fit.predict(table)[3]


# ---- what is refused


def test_nested_and_mixed_lists_name_column_and_row(fitted):
    X, y = draw(300)
    bad = [
        (["a", ["b"]], "'tags' has a list with lists in row 11"),
        (np.ones((2, 2)), "'tags' has an array of shape .* in row 11"),
        ("a", "'tags' has 'a' in row 11, want a list"),
        (3.5, "'tags' has 3.5 in row 11, want a list"),
        (["a", 1], "'tags' has a list of strings and numbers in row 11"),
    ]
    for value, match in bad:
        tags = [value if i == 11 else of_row for i, of_row in enumerate(X["tags"])]
        with pytest.raises(TypeError, match=match):
            model().fit(frame("pandas", X | {"tags": tags}), y)
        row = {name: column[11] for name, column in X.items()} | {"tags": value}
        with pytest.raises(TypeError, match=f"^row: {match}".replace(" in row 11", "")):
            fitted.row_predictor()(row)
    row |= {"tags": [{}], "city": "r"}
    with pytest.raises(TypeError, match=r"^row: 'tags' has values of type dict"):
        fitted.row_predictor()(row)
    with pytest.raises(TypeError, match=r"^row: 'city' has a value of type list, want one value"):
        fitted.row_predictor()(row | {"tags": [], "city": ["r"]})
    city = [["r"] if i == 20 else value for i, value in enumerate(X["city"])]
    with pytest.raises(TypeError, match="'city' has values of type list, as in row 20"):
        model().fit(frame("pandas", X | {"city": city}), y)
    nested = [[["a"]]] * 300
    for backend in ("polars", "pyarrow"):
        with pytest.raises(TypeError, match=r"'tags' has lists of .* row 0"):
            model().fit(frame(backend, X | {"tags": nested}), y)
    with pytest.raises(TypeError, match="'tags' has values of type dict"):
        model().fit(frame("pandas", X | {"tags": [[{}]] * 300}), y)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("n", [300, 3])
def test_lists_where_fit_saw_none_and_the_reverse(fitted, backend, n):
    X = rows_of(draw()[0], range(8, 8 + n))
    if backend != "pandas arrow":
        with pytest.raises(TypeError, match="'tags' has 'a' in row 0, want a list"):
            fitted.predict(frame(backend, X | {"tags": ["a"] * n}))
    with pytest.raises(TypeError, match=r"lists in the columns \['city'\], which had none in fit"):
        fitted.predict(frame(backend, X | {"city": [["r"]] * n}))
    words = X | {"ids": [["a"]] * n, "seconds": [[1.0]] * n}
    table = frame("pandas" if backend == "pandas arrow" else backend, words)
    with pytest.raises(TypeError, match="'ids' has strings such as 'a', want numbers"):
        fitted.predict(table)


def test_bad_weights_name_column_and_row():
    X, y = draw(300)
    rows = [i for i, of_row in enumerate(X["ids"]) if of_row and len(of_row) == 2]
    i = rows[3]
    bad = [
        ([1.0], ValueError, f"'seconds', the weights of 'ids', has 1 in row {i}, want 2"),
        ([1.0] * 3, ValueError, f"has 3 in row {i}, want 2"),
        (None, ValueError, f"has 0 in row {i}, want 2"),
        ([1.0, -0.5], ValueError, f"has -0.5 in row {i}, want finite numbers, not negative"),
        ([np.nan, 1.0], ValueError, f"has nan in row {i}"),
        ([None, 1.0], ValueError, f"has nan in row {i}"),
        ([np.inf, 1.0], ValueError, f"has inf in row {i}"),
    ]
    fit = model().fit(frame("pandas", X), y)
    for value, error, match in bad:
        seconds = [value if j == i else of_row for j, of_row in enumerate(X["seconds"])]
        for backend in ("pandas", "polars", "pyarrow"):
            table = frame(backend, X | {"seconds": seconds})
            with pytest.raises(error, match=match):
                model().fit(table, y)
            with pytest.raises(error, match=match):
                fit.predict(table)
        row = {name: column[i] for name, column in X.items()} | {"seconds": value}
        said = match.replace(f" in row {i}", "").removeprefix("'seconds', the weights of 'ids', ")
        with pytest.raises(error, match=f"^row: 'seconds', the weights of 'ids', {said}"):
            fit.row_predictor()(row)
    words = frame("pandas", X | {"seconds": [["a"] * len(v or []) for v in X["ids"]]})
    with pytest.raises(TypeError, match="'seconds', the weights of 'ids', has 'a' in row"):
        model().fit(words, y)
    single = frame("pandas", X | {"seconds": [1.0] * 300})
    with pytest.raises(TypeError, match=r"'seconds' has 1.0 in row 0, want a list"):
        model().fit(single, y)


def test_bad_options():
    X, y = draw(100)
    table = frame("pandas", X)
    bad = [
        ({"genre": "mean"}, ValueError, r"list_features names \['genre'\], want columns"),
        ({"tags": "median"}, ValueError, "pooling of Lists is 'median', want one of"),
        ({"tags": 3}, TypeError, r"list_features\['tags'\] is 3"),
        ({"tags": Lists(pooling=None)}, TypeError, "pooling of Lists is None"),
        ({"tags": Lists(separator="")}, ValueError, "separator of Lists is ''"),
        ({"tags": Lists(separator=1)}, TypeError, "separator of Lists is 1"),
        ({"ids": Lists("max", weights="seconds")}, ValueError, "a maximum has no weights"),
        ({"ids": Lists(weights="second")}, ValueError, r"weights \['second'\], want other columns"),
        ({"ids": Lists(weights="ids")}, ValueError, r"weights \['ids'\], want other columns"),
        ({"x": "mean"}, TypeError, "'x' has .* in row 0, want a list"),
        ({"city": "mean"}, TypeError, "'city' has '.' in row 0, want a list"),
        ({"tags": Lists(separator="|")}, TypeError, "'tags' has lists, want texts with '|'"),
        ({3: "mean"}, TypeError, "list_features has the key 3"),
    ]
    for how, error, match in bad:
        with pytest.raises(error, match=match):
            DCNRegressor(**QUICK, list_features=how).fit(table, y)
    with pytest.raises(TypeError, match=r"'x' has .* want texts with ';'"):
        DCNRegressor(**QUICK, list_features={"x": Lists(separator=";")}).fit(table, y)
    assert not hasattr(DCNRegressor(), "encoder_")
