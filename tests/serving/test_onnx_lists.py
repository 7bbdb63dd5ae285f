"""Columns of lists in ONNX."""

import numpy as np
import pandas as pd
import pytest

from dcnfast.lists import Lists
from tests.serving import list_tables
from tests.serving.onnx_rows import check, feeds, fit, session_of

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# an input has values of one type, and no text can be hashed
TRAIN, TEST = (
    list_tables.make_table(**how).assign(mixed=lambda X: X["ids"], shares=lambda X: X["seconds"])
    for how in ({}, {"n": 80, "seed": 1, "new": True})
)
CASES = [
    (0, {"hash_buckets": {"ids": 9}, "n_members": 3}),
    (1, {"wide": True, "n_members": 3, "shared_embeddings": list_tables.SHARED}),
    (2, {"wide": True, "dtype": "float64", "numeric_clip": False,
         "shared_embeddings": list_tables.SHARED[:1]}),
]  # fmt: skip


@pytest.fixture(scope="module", params=range(len(CASES)))
def model(request):
    rules, options = CASES[request.param]
    rules = list_tables.RULES[rules]
    options = options | {"categorical_features": ["city", "other"], "list_features": rules}
    return fit(TRAIN, TRAIN["number"], **options)


def test_they_say_what_predict_says(model, tmp_path):
    written = check(model, TEST, tmp_path, missing_text="<missing>")
    names = [of.name for of in written.inputs]
    assert names[:11] == list(TRAIN.columns)
    assert names[11:] == [f"{name}_count" for name in ("words", "ids", "large", "reals", "mixed")]
    check(model, TEST[:1], tmp_path, missing_text="<missing>")


def small(**options):
    n = 40
    X = pd.DataFrame({"number": np.arange(float(n)), "tags": [["a", "b"], []] * (n // 2)})
    X["tags_count"] = [1.0, 2.0] * (n // 2)
    X["seconds"] = [[1.0, 2.0], []] * (n // 2)
    options = {"list_features": {"tags": Lists(weights="seconds")}} | options
    return X, fit(X, categorical_features=None, **options)


def test_what_lies_behind_the_items_has_no_effect(tmp_path):
    X, model = small()
    written = check(model, X, tmp_path)
    names = [of.name for of in written.inputs]
    assert names == ["number", "tags", "tags_count", "seconds", "tags_count_"]
    session = session_of(tmp_path / "model.onnx")
    rows = feeds(written.inputs, X[:3])
    (want,) = session.run(None, rows)
    rows["tags"] = np.pad(rows["tags"], ((0, 0), (0, 3)), constant_values="b")
    rows["seconds"] = np.pad(rows["seconds"], ((0, 0), (0, 3)), constant_values=np.nan)
    np.testing.assert_array_equal(session.run(None, rows)[0], want)


def test_rows_of_empty_and_missing_lists(tmp_path):
    """Also where no row has an item."""
    for pooling in ("mean", "max"):
        X, model = small(list_features={"tags": pooling, "seconds": "sum"})
        empty = X[:4].assign(tags=[[], None, [], None], seconds=[[], [], None, None])
        check(model, empty, tmp_path)


def test_texts_that_cannot_be_told_apart_name_their_column(tmp_path):
    X = pd.DataFrame({"number": np.arange(40.0), "tags": ["a|b", ""] * 20, "id": [1, 2] * 20})
    how = {"list_features": {"tags": Lists(separator="|")}}
    model = fit(X, categorical_features=["id"], **how)
    with pytest.raises(ValueError, match="'tags' has lists in one text, of which '' is an empty"):
        model.to_onnx(tmp_path / "model.onnx")
    check(model, X.assign(tags=["<none>|a", None] * 20), tmp_path, missing_text="<none>")
    (tmp_path / "model.onnx").unlink()
    model = fit(
        X.assign(tags=["", None] * 20), categorical_features=["id"], **how,
        shared_embeddings=[("id", "tags")],
    )  # fmt: skip
    with pytest.raises(TypeError, match="'tags' has lists in one text and shares embeddings with"):
        model.to_onnx(tmp_path / "model.onnx", missing_text="<none>")
    items = X.assign(tags=[["a", ""], []] * 20)
    with pytest.raises(ValueError, match="'tags' has the category ''"):
        fit(items, categorical_features=["id"]).to_onnx(tmp_path / "model.onnx")
    with pytest.raises(ValueError, match="'tags' has hash_buckets and strings"):
        fit(items, categorical_features=["id"], hash_buckets=9).to_onnx(tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
