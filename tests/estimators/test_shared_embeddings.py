"""``shared_embeddings``: one vocabulary and one table for several columns."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

import dcnfast
from dcnfast import DCNClassifier, DCNRegressor
from dcnfast.lists import Lists

QUICK = {"n_members": 1, "max_iter": 2, "early_stopping": False, "random_state": 0, "n_jobs": 1}
GROUP = [("clicked", "item", "carts")]


def draw(n=300, seed=0):
    rng = np.random.default_rng(seed)
    taste = rng.normal(size=12)
    ids = [f"i{k}" for k in range(12)]
    item = rng.integers(0, 12, n)
    clicked = [rng.integers(0, 12, rng.integers(0, 5)) for _ in range(n)]
    table = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "clicked": [[ids[k] for k in of_row] for of_row in clicked],
            "item": [ids[k] for k in item],
            "city": rng.choice(["r", "s"], n),
            "carts": [[ids[k]] for k in rng.integers(0, 12, n)],
        }
    )
    near = [taste[of_row].mean() if len(of_row) else 0.0 for of_row in clicked]
    return table, taste[item] * np.array(near)


def model(cls=DCNRegressor, **more):
    return cls(**QUICK | {"shared_embeddings": GROUP} | more)


def test_one_vocabulary_and_one_table():
    X, y = draw()
    fit = model(embedding_dim=4, wide=True).fit(X, y)
    alone = model(embedding_dim=4, wide=True, shared_embeddings=None).fit(X, y)
    assert fit.encoder_.table_of == (0, 1, 0, 0)
    columns = fit.encoder_.columns
    assert columns[0] is columns[2] is columns[3]
    assert fit.parameters_["embedding_4"].shape == (14 + 4, 4)
    assert alone.parameters_["embedding_4"].shape == (3 * 14 + 4, 4)
    assert fit.n_parameters_ == alone.n_parameters_ - 2 * 14 * 5
    for name in ("item", "clicked", "carts"):
        assert fit.encoder_.categories(name) == sorted(f"i{k}" for k in range(12))


def test_a_category_that_only_another_column_had_is_known():
    X, y = draw()
    X.loc[X.item == "i3", "item"] = "i4"
    fit = model().fit(X, y)
    served = X[:4].assign(item="i3")
    assert fit.count_unknown(served)["item"] == 0
    assert model(shared_embeddings=None).fit(X, y).count_unknown(served)["item"] == 4


def test_it_learns_with_less():
    """A product of tastes: a category's embedding serves item and clicks."""
    X, y = draw(3000)
    options = {"early_stopping": True, "max_iter": 60, "embedding_dim": 4, "n_members": 1}
    fit = DCNRegressor(**options, shared_embeddings=GROUP, random_state=0).fit(X[:2000], y[:2000])
    assert fit.score(X[2000:], y[2000:]) > 0.8


@pytest.mark.parametrize("cls", [DCNRegressor, DCNClassifier])
@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_files_pickles_and_copies_keep_every_bit(cls, pooling, tmp_path):
    X, y = draw()
    y = y if cls is DCNRegressor else y > 0
    fit = model(cls, list_features={"clicked": Lists(pooling)}, wide=True).fit(X, y)
    want = fit.predict(X)
    fit.save(tmp_path / "model.dcn")
    for again in (
        dcnfast.load(tmp_path / "model.dcn"), pickle.loads(pickle.dumps(fit)), copy.deepcopy(fit)
    ):  # fmt: skip
        np.testing.assert_array_equal(again.predict(X), want)
        assert again.encoder_.table_of == fit.encoder_.table_of
        row = again.row_predictor()(X.iloc[5].to_dict())
        np.testing.assert_array_equal(row, fit.row_predictor()(X.iloc[5].to_dict()))
    assert clone(fit).shared_embeddings == GROUP


@pytest.mark.parametrize(
    "options",
    [
        {"min_frequency": 120}, {"max_categories": 5}, {"hash_buckets": 7},
        {"hash_buckets": dict.fromkeys(GROUP[0], 5)}, {"embedding_dim": dict.fromkeys(GROUP[0], 5)},
        {"n_members": 3}, {"early_stopping": "auto"}, {"sparse_adam": "exact"}, {"wide": True},
        {"embedding_penalty": "table", "alpha": 0.1}, {"ema_decay": 0.9}, {"dtype": "float64"},
        {"list_features": {"clicked": "max", "carts": "sqrtn"}},
        {"target_statistics": "auto"}, {"optimizer": "rowwise_adagrad"},
        {"shared_embeddings": [["city", "item"], ["clicked", "carts"]]},
    ],
    ids=str,
)  # fmt: skip
def test_works_with(options):
    X, y = draw(150)
    fits = [model(**options | {"n_jobs": n_jobs}).fit(X, y) for n_jobs in (1, 3)]
    one, many = (fit.predict(X) for fit in fits)
    np.testing.assert_array_equal(one, many)
    np.testing.assert_array_equal(fits[0].predict(X[40:43]), one[40:43])
    again = pickle.loads(pickle.dumps(fits[0]))
    np.testing.assert_array_equal(again.predict(X), one)


def test_warm_start_counts_for_all():
    X, y = draw()
    fit = model(warm_start=True).fit(X, y)
    once = [counts.copy() for counts in fit._seen]
    fit.fit(X, y)
    for before, after in zip(once, fit._seen, strict=True):
        np.testing.assert_array_equal(2 * before, after)
    with pytest.raises(ValueError, match="warm_start"):
        fit.set_params(shared_embeddings=None, embedding_dim=3).fit(X, y)


def test_what_is_refused():
    X, y = draw(100)
    bad = [
        ([("item",)], ValueError, "want two fields or more"),
        ([("item", "x")], ValueError, r"names \['x'\], want categorical fields"),
        ([("item", "clicked"), ("item", "city")], ValueError, r"names \['item'\] twice"),
        (["item"], TypeError, "want a list of groups"),
        ([3], TypeError, "want a list of groups"),
    ]
    for groups, error, match in bad:
        with pytest.raises(error, match=match):
            model(shared_embeddings=groups).fit(X, y)
    with pytest.raises(ValueError, match=r"hash_buckets is .* fields that share embeddings"):
        model(hash_buckets={"item": 4}).fit(X, y)
    with pytest.raises(ValueError, match=r"embedding_dim is .* fields that share embeddings"):
        model(embedding_dim={"item": 5}).fit(X, y)


def test_rows_of_other_kinds():
    """Strings in one column and numbers in another: both are in the vocabulary."""
    X, y = draw(100)
    table = X.assign(carts=[[i % 3] for i in range(100)])
    fit = model().fit(table, y)
    assert fit.encoder_.categories("item")[:3] == [0, 1, 2]
    assert fit.count_unknown(table) == dict.fromkeys(("item", "city", "clicked", "carts"), 0)
