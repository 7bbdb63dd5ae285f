"""Calls that go on from others refuse what would have no effect any more."""

import numpy as np
import pandas as pd
import pytest

import dcnfast
from dcnfast import DCNRegressor
from dcnfast.numeric_embeddings import Piecewise

SMALL = {"hidden_layer_sizes": (16,), "n_members": 1, "random_state": 0}


def stream(n, n_ids):
    """Rows whose target depends on an id, a word and a number."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, n_ids, n)
    X = pd.DataFrame({"user": ids, "word": rng.choice(list("abcd"), n), "x": rng.normal(size=n)})
    return X.astype({"user": "category"}), ids + X.x


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"hash_buckets": 5}, "hash_buckets was None, got 5"),
        ({"max_categories": 3}, "max_categories was None, got 3"),
        ({"min_frequency": 2}, "min_frequency was None, got 2"),
        ({"shared_embeddings": [("user", "word")]}, "shared_embeddings was None, got"),
        ({"numeric_scaling": "quantile"}, "numeric_scaling was 'robust_smooth', got 'quantile'"),
        ({"numeric_clip": False}, "numeric_clip was True, got False"),
        ({"list_features": {"word": "max"}}, "list_features of 'word' was no list, got Rule"),
    ],
)
def test_another_encoding_is_refused(options, text, tmp_path):
    X, y = stream(200, 5)
    model = DCNRegressor(**SMALL).partial_fit(X, y)
    model.save(tmp_path / "model.dcn")
    for before in (model, dcnfast.load(tmp_path / "model.dcn")):
        expected = before.predict(X)
        before.partial_fit(X, y)
        expected = before.predict(X)
        with pytest.raises(ValueError, match=f"partial_fit: {text}"):
            before.set_params(**options).partial_fit(X, y)
        np.testing.assert_array_equal(before.predict(X), expected)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"list_features": {"l": "max"}}, "list_features of 'l' was Rule.pooling='mean'.*'max'"),
        ({"categorical_features": ["word", "x"]}, r"categorical columns were \['word'\], got"),
        ({"hash_buckets": 5}, "hash_buckets was None, got 5"),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_warm_start_refuses_it_too(change, text):
    X, y = stream(200, 5)
    X = X[["word", "x"]].assign(l=[["a"], ["b", "a"]] * 100)
    model = DCNRegressor(**SMALL, max_iter=1, early_stopping=False, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match=f"warm_start: {text}"):
        model.set_params(**change).fit(X, y)


def test_what_is_another_network_is_named_as_the_parameter():
    X, y = stream(200, 5)
    model = DCNRegressor(**SMALL).partial_fit(X, y)
    changes = {"embedding_dim": 3, "hidden_layer_sizes": (5,), "alpha": {"cross": 0.5}}
    with pytest.raises(ValueError, match=r"^partial_fit: ") as error:
        model.set_params(**changes).partial_fit(X, y)
    for text in ("hidden_layer_sizes was", "alpha of 'cross' was", "embedding_dim of 'user' was",
                 "got 3", "want the same network"):  # fmt: skip
        assert text in str(error.value)


@pytest.mark.parametrize("way", ["partial_fit", "warm_start"])
@pytest.mark.parametrize(
    ("then", "text"),
    [
        (Piecewise(max_bins=20, max_distinct=0), "max_bins of the bins was 8, got 20"),
        (Piecewise(max_bins=8, max_distinct=9), "max_distinct of the bins was 0, got 9"),
        (Piecewise(max_bins=8, edges="tree"), "tree of the bins was False, got True"),
    ],
)
def test_other_bins_are_refused(then, text, way):
    X, y = stream(100, 5)
    first = Piecewise(max_bins=8, max_distinct=0)
    model = DCNRegressor(**SMALL, numeric_embedding=first, max_iter=2).fit(X, y)
    model.set_params(warm_start=way == "warm_start")
    call = model.fit if way == "warm_start" else model.partial_fit
    call(X, y)
    model.set_params(numeric_embedding=then)
    before = model.predict(X)
    with pytest.raises(ValueError, match=f"{way}: numeric_embedding: .*{text}"):
        call(X, y)
    np.testing.assert_array_equal(model.predict(X), before)
    model.set_params(numeric_embedding="auto")
    call(X, y)


def test_embeddings_that_no_column_has_may_be_given_up():
    X, y = np.ones((100, 2)), np.random.default_rng(0).normal(size=100)
    options = SMALL | {"numeric_scaling": "standard", "early_stopping": False, "max_iter": 2}
    model = DCNRegressor(**options, numeric_embedding="piecewise").fit(X, y)
    model.set_params(numeric_embedding=None).partial_fit(X, y)
    assert np.isfinite(model.predict(X)).all()
