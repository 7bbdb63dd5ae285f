"""Tables with categories and gaps: learned, told apart, and never a reason to fail later."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

CATEGORICAL = ["city", "user", "member"]


def as_objects(X):
    columns = [[None if pd.isna(v) else v for v in X[name].tolist()] for name in X.columns]
    array = np.empty(X.shape, object)
    for j, column in enumerate(columns):
        array[:, j] = column
    return array


def without_categories(X):
    return X.assign(user=X["user"].astype("int64"))


FORMS = {
    "pandas objects": lambda X: X.assign(city=X["city"].astype(object)),
    "pandas strings": lambda X: X.assign(city=X["city"].astype("string")),
    "pandas categories": lambda X: X.astype(dict.fromkeys(CATEGORICAL, "category")),
    "pandas nullable": lambda X: without_categories(X).convert_dtypes(),
    "polars": lambda X: pl.from_pandas(without_categories(X)),
    "polars categories": lambda X: pl.from_pandas(without_categories(X)).cast(
        {"city": pl.Categorical}
    ),
    "polars Enum": lambda X: pl.from_pandas(without_categories(X)).cast(
        {"city": pl.Enum(["Rome", "Oslo", "Lima", "Bonn", "Apia", "Paris"])}
    ),
    "pyarrow": lambda X: pa.Table.from_pandas(without_categories(X), preserve_index=False),
    "pyarrow dictionaries": lambda X: pa.Table.from_pandas(
        X.assign(city=X["city"].astype("category")), preserve_index=False
    ),
    "array of objects": as_objects,
    "lists": lambda X: as_objects(X).tolist(),
}


def columns_of(form):
    return [4, 5, 6] if form in ("array of objects", "lists") else CATEGORICAL


@pytest.mark.parametrize("form", FORMS)
def test_the_same_table_is_the_same_model(form, frame, estimator):
    first = estimator.make().fit(frame.X, estimator.frame_y)
    other = FORMS[form](frame.X)
    model = estimator.make(categorical_features=columns_of(form)).fit(other, estimator.frame_y)
    assert model.is_categorical_.tolist() == first.is_categorical_.tolist()
    assert first.parameters_.keys() == model.parameters_.keys()
    for name, parameter in first.parameters_.items():
        np.testing.assert_array_equal(model.parameters_[name], parameter, strict=True)
    answer = estimator.answer(first, frame.X)
    np.testing.assert_array_equal(estimator.answer(model, other), answer)
    if columns_of(form) == CATEGORICAL:  # and one form's model reads the other
        np.testing.assert_array_equal(estimator.answer(model, frame.X), answer)


def test_categories_matter_and_are_counted(frame, regressor):
    model = regressor(max_iter=150, learning_rate_init=0.01).fit(frame.X, frame.y)
    numbers = regressor(max_iter=150, learning_rate_init=0.01).fit(frame.X[list("abcd")], frame.y)
    assert model.score(frame.X, frame.y) > numbers.score(frame.X[list("abcd")], frame.y) + 0.2
    fields = model.encoder_.by_name()
    assert fields["city"].counts[1] == frame.X["city"].isna().sum()
    assert model.encoder_.categories("city") == sorted(frame.X["city"].dropna().unique())
    assert model.encoder_.categories("member") == [False, True]
    assert model.encoder_.get_feature_names_out().tolist() == [*CATEGORICAL, *"abcd", "missing_b"]
    assert model.feature_names_in_.tolist() == [*"abcd", *CATEGORICAL]


OF_ANOTHER_TYPE = {"city": (int, float), "user": str, "member": str}  # all of it: an error


@pytest.mark.parametrize(
    "change",
    [
        {"city": "Paris"},
        {"city": None},
        {"city": 7},
        {"city": 2.5},
        {"city": True},
        {"user": "nobody"},
        {"user": -1},
        {"user": np.nan},
        {"user": 2**63 - 1},
        {"member": None},
        {"member": "yes"},
        {"a": np.nan},
        {"a": None},
        {"a": 1e308},
        {"b": True},
        {"b": np.float32(2)},
        dict.fromkeys([*"abcd", *CATEGORICAL], None),
    ],
    ids=str,
)
@pytest.mark.parametrize("options", [{}, {"hash_buckets": 3}, {"min_frequency": 20}], ids=str)
def test_what_training_has_not_seen_never_fails(change, options, frame, estimator):
    model = estimator.make(max_iter=2, **options).fit(frame.X, estimator.frame_y)
    rows = frame.X.head(9).assign(**change)
    if any(isinstance(value, OF_ANOTHER_TYPE.get(name, ())) for name, value in change.items()):
        with pytest.raises(TypeError, match=r"want (strings|numbers): fit saw no"):
            estimator.answer(model, rows)
    else:
        assert np.isfinite(estimator.answer(model, rows)).all()
    mixed = as_objects(frame.X.head(9))
    for name, value in change.items():
        mixed[::2, list(frame.X.columns).index(name)] = value
    rows = pd.DataFrame(mixed, columns=frame.X.columns)
    assert np.isfinite(estimator.answer(model, rows)).all()


def test_unknown_categories_are_answered_as_the_mean_of_the_seen(regressor):
    """Linear in the embedding: the mean of the rows' answers is the answer of the mean row."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"city": rng.choice(list("abc"), p=[0.6, 0.3, 0.1], size=400)})
    y = X["city"].map({"a": 0.0, "b": 1.0, "c": 5.0}).to_numpy()
    for wide in (False, True):
        model = regressor(
            cross_layers=0, hidden_layer_sizes=(), wide=wide, dtype="float64", max_iter=30
        ).fit(X, y)
        unseen = pd.DataFrame({"city": ["z", None]})
        mean = model.predict(X).mean()
        np.testing.assert_allclose(model.predict(unseen), [mean, mean], rtol=1e-9)
        assert np.ptp(model.predict(X)) > 0.1


def test_missing_that_training_saw_is_a_category(regressor):
    X = pd.DataFrame({"city": ["a", "b", None, "c"] * 100})
    y = np.tile([0.0, 0.0, 1.0, 0.0], 100)
    model = regressor(max_iter=60, learning_rate_init=0.02).fit(X, y)
    assert model.predict(pd.DataFrame({"city": [None]}))[0] > 0.9
    assert model.predict(pd.DataFrame({"city": ["z"]}))[0] < 0.6


def test_a_second_fit_counts_what_it_saw(regressor):
    """Rows that only the later fit saw are learned by then, and are not set to the mean again."""
    X = pd.DataFrame({"city": ["a", "b"] * 100})
    gap = pd.DataFrame({"city": [None, "b"] * 100})
    y = np.tile([1.0, 0.0], 100)
    model = regressor(warm_start=True, max_iter=40, learning_rate_init=0.02).fit(X, y)
    model.fit(gap, y)
    missing, known = model.predict(pd.DataFrame({"city": [None, "b"]}))
    assert missing > 0.9
    assert known < 0.1


IDS = [2**53 + 1, 2**53 + 2, -(2**63), 2**63 - 1, 2**63 - 2, -1, 0]


@pytest.mark.parametrize("make", [
    lambda ids: pd.DataFrame({"id": np.array(ids)}),
    lambda ids: pd.DataFrame({"id": pd.array(ids, "Int64")}),
    lambda ids: pl.DataFrame({"id": ids}),
    lambda ids: pa.table({"id": ids}),
    lambda ids: np.array(ids)[:, None],
    lambda ids: np.array(ids, object)[:, None],
    lambda ids: [[i] for i in ids],
])  # fmt: skip
def test_ids_of_64_bits_are_exact(make, regressor):
    X, y = make(IDS * 40), np.tile(np.arange(7.0), 40)
    model = regressor(
        categorical_features=[0], embedding_dim=8, max_iter=150, learning_rate_init=0.02
    ).fit(X, y)
    np.testing.assert_allclose(model.predict(make(IDS)), np.arange(7), atol=0.3)
    assert model.encoder_.categories(model.encoder_.fields[0].name) == sorted(IDS)
    unsigned = np.array([[2**64 - 1], [2**63]], np.uint64)  # that are not -1 and -2^63
    if isinstance(X, np.ndarray):
        assert np.ptp(model.predict(unsigned)) == 0
        assert model.predict(unsigned)[0] != model.predict(make([-1]))[0]


# ---- options of categories


def rows_of(model):
    return {field.name: field.size for field in model.encoder_.fields}


@pytest.mark.parametrize(("n", "numbers", "expected"), [
    (2000, 0, {"suit": 8, "rank": 16, "side": 4}),
    (1999, 0, {"suit": 2, "rank": 4, "side": 2}),
    (2000, 1, {"suit": 2, "rank": 4, "side": 2}),
])  # fmt: skip
def test_embeddings_are_wider_where_there_are_categories_alone(n, numbers, expected, regressor):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({
        "suit": rng.choice(list("abcd"), n), "rank": rng.choice(list("abcdefghijklm"), n),
        "side": rng.choice(list("xy"), n),
    })  # fmt: skip
    for k in range(numbers):
        X[f"number{k}"] = rng.normal(size=n)
    model = regressor(max_iter=1).fit(X, rng.normal(size=n))
    assert model.embedding_dims_ == expected
    again = regressor(max_iter=1, warm_start=True).fit(X, rng.normal(size=n))
    assert again.fit(X[:500], rng.normal(size=500)).embedding_dims_ == expected


def test_embeddings_of_categories_alone_are_not_wider_than_256(regressor):
    rng = np.random.default_rng(0)
    for columns, width in ((16, 16), (17, 4)):
        X = pd.DataFrame(rng.integers(0, 20, (2000, columns)).astype(str)).add_prefix("c")
        model = regressor(max_iter=1).fit(X, rng.normal(size=2000))
        assert set(model.embedding_dims_.values()) == {width}


def test_embedding_dim(frame, regressor):
    auto = regressor(max_iter=1).fit(frame.X, frame.y)
    assert auto.embedding_dims_ == {"city": 2, "user": 8, "member": 2}
    seven = regressor(max_iter=1, embedding_dim=7).fit(frame.X, frame.y)
    assert seven.embedding_dims_ == dict.fromkeys(CATEGORICAL, 7)
    assert seven.parameters_["embedding_7"].shape == (sum(rows_of(seven).values()), 7)
    some = regressor(max_iter=1, embedding_dim={"user": np.int64(3)}).fit(frame.X, frame.y)
    assert some.embedding_dims_ == {"city": 2, "user": 3, "member": 2}
    assert some.parameters_["embedding_2"].shape == (7 + 4, 2)
    assert some.parameters_["cross_W"].shape[1] == 5 + 2 + 3 + 2


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        ({"min_frequency": 20}, 2 + 4),  # three cities, and Apia and Bonn together
        ({"min_frequency": 0.28}, 2 + 3),
        ({"max_categories": 2}, 2 + 2),
        ({"hash_buckets": {"city": 11}}, 2 + 11),
    ],
    ids=str,
)
def test_rows_of_a_table(options, rows, frame, estimator):
    X = frame.X.assign(
        city=np.repeat(["Lima", "Oslo", "Rome", "Bonn", "Apia"], [100, 90, 80, 15, 15])
    )
    model = estimator.make(max_iter=1, **options).fit(X, estimator.frame_y)
    assert rows_of(model)["city"] == rows
    assert rows_of(model)["member"] == (
        2 + 2 if "max_categories" in options else rows_of(model)["member"]
    )
    rare = pd.concat([X.tail(1), X.tail(1).assign(city="Bonn")])
    if "hash_buckets" not in options:
        assert len(np.unique(estimator.answer(model, rare), axis=0)) == 1


# ---- columns that are not those of fit


def test_other_columns_are_refused(frame, estimator):
    model = estimator.make(max_iter=1).fit(frame.X, estimator.frame_y)
    answer = estimator.answer(model, frame.X)
    for other, text in {
        "missing": (frame.X.drop(columns="city"), "(?s)missing.*city"),
        "renamed": (frame.X.rename(columns={"city": "town"}), "(?s)unseen.*town.*missing.*city"),
        "more": (frame.X.assign(more=1.0), "(?s)unseen.*more"),
        "reordered": (frame.X[frame.X.columns[::-1]], "order as they were in fit"),
        "words": (frame.X.assign(a="word"), "not numeric: 'a'|column 'a' is not numeric"),
        "dates": (frame.X.assign(a=pd.Timestamp(0)), "neither numbers nor categories: 'a'"),
        "twice": (
            pd.concat([frame.X, frame.X[["a"]]], axis=1),
            "(?s)X has columns of the same name: .*'a'",
        ),
        "objects": (
            frame.X.assign(city=[[1]] * 300),
            r"lists in the columns \['city'\], which had none in fit",
        ),
    }.values():
        with pytest.raises((ValueError, TypeError), match=text):
            estimator.answer(model, other)
    np.testing.assert_array_equal(estimator.answer(model, frame.X), answer)


@pytest.mark.parametrize("column", ["city", "a"])
def test_column_of_nothing(column, frame, estimator):
    X = frame.X.assign(**{column: None})
    model = estimator.make().fit(X, estimator.frame_y)
    assert np.isfinite(estimator.answer(model, X)).all()
    assert np.isfinite(estimator.answer(model, X.assign(**{column: "Oslo"}))).all()
    without = estimator.make().fit(frame.X.drop(columns=column), estimator.frame_y)
    assert len(without.encoder_.fields) < len(model.encoder_.fields)


def test_table_of_nothing(regressor):
    X = pd.DataFrame({"a": [None] * 50, "b": [np.nan] * 50})
    y = np.arange(50.0)
    assert np.isfinite(regressor().fit(X, y).predict(X)).all()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda X: X.drop(columns="city"), "warm_start: columns"),
        (lambda X: X.rename(columns={"city": "town"}), "warm_start: columns"),
        (
            lambda X: X.assign(city=np.arange(300.0)),
            "warm_start: categorical columns were .'city', 'user', 'member'., got .'user', 'memb",
        ),
        (lambda X: X[X.columns[::-1]], "warm_start: columns"),
    ],
)
def test_warm_start_refuses_other_columns(change, text, frame, estimator):
    model = estimator.make(warm_start=True).fit(frame.X, estimator.frame_y)
    before, answer = dict(vars(model)), estimator.answer(model, frame.X)
    with pytest.raises(ValueError, match=text):
        model.fit(change(frame.X), estimator.frame_y)
    assert vars(model) == before
    np.testing.assert_array_equal(estimator.answer(model, frame.X), answer)


ROWS = {
    "lazy": {"sparse_adam": "lazy"},
    "exact": {"sparse_adam": "exact"},
    "all": {"embedding_penalty": "table", "alpha": {"embedding": 0.1}},
}


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_warm_start_goes_on_with_categories(rows, ema_decay, frame, regressor):
    def model(**changes):
        return regressor(
            random_state=np.random.RandomState(0), tol=None, ema_decay=ema_decay, **ROWS[rows],
            **changes,
        )  # fmt: skip

    twice = model(warm_start=True, max_iter=3).fit(frame.X, frame.y)
    twice = pickle.loads(pickle.dumps(twice)).fit(frame.X, frame.y)
    once = model(max_iter=6).fit(frame.X, frame.y)
    if rows == "all":  # the penalty has the rows of unknown categories, which fit sets at its end
        assert once.loss_curve_ == pytest.approx(twice.loss_curve_, rel=0.01)
    else:
        assert once.loss_curve_ == twice.loss_curve_
    np.testing.assert_array_equal(once.predict(frame.X), twice.predict(frame.X))


# ---- among scikit-learn's tools


def test_pickle_and_clone(frame, estimator):
    model = estimator.make(
        hash_buckets={"user": 9}, wide=True, ema_decay=0.9, embedding_initial_scale=1e-4,
        embedding_penalty="table", alpha=0.1,
    ).fit(frame.X, estimator.frame_y)  # fmt: skip
    answer = estimator.answer(model, frame.X)
    copied = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(estimator.answer(copied, frame.X), answer)
    again = clone(model).fit(frame.X, estimator.frame_y)
    np.testing.assert_array_equal(estimator.answer(again, frame.X), answer)


def test_search_and_pipelines(frame, estimator):
    grid = {"embedding_dim": ["auto", 3], "max_categories": [None, 2]}
    search = GridSearchCV(estimator.make(max_iter=2), grid, cv=2).fit(frame.X, estimator.frame_y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.feature_names_in_.tolist() == list(frame.X.columns)
    log = make_pipeline(FunctionTransformer(lambda X: X.assign(a=X["a"] ** 3)), estimator.make())
    assert len(log.fit(frame.X, estimator.frame_y).predict(frame.X)) == 300
    scaled = make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include=float)), remainder="passthrough"
    ).set_output(transform="pandas")
    model = make_pipeline(scaled, estimator.make()).fit(frame.X, estimator.frame_y)
    assert model[-1].is_categorical_.tolist() == [False] * 4 + [True] * 3
    assert len(cross_val_predict(model, frame.X, estimator.frame_y, cv=2)) == 300
