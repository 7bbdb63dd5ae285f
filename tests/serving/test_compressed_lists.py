"""Compressed estimators with columns of lists."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

import dcnfast
from dcnfast import DCNClassifier
from dcnfast.lists import Lists
from dcnfast.network.row_codes import CODES
from tests.serving import compiled, list_tables
from tests.serving.test_compressed import rounded

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

TRAIN, TEST = list_tables.make_table(), list_tables.make_table(60, seed=1, new=True)
# an input of ONNX has values of one type
TRAIN, TEST = (X.assign(mixed=X["ids"], shares=X["seconds"]) for X in (TRAIN, TEST))


@pytest.fixture(scope="module")
def model():
    rules, options = list_tables.CASES[1]
    options = options | {"categorical_features": ["city", "other"], "list_features": rules}
    return compiled.fit(TRAIN, TRAIN["number"], embedding_dim=6, **options)


@pytest.mark.parametrize("code", CODES)
def test_it_says_what_its_parameters_say(model, code, tmp_path, tools):
    """Also row by row, and when it comes from a file, a pickle or a copy."""
    small, plain = rounded(model, code)
    want = tools.answers(plain, TEST)
    assert (want[0] != model.predict(TEST)).any()
    small.save(tmp_path / "model.dcn")
    others = [dcnfast.load(tmp_path / "model.dcn"), pickle.loads(pickle.dumps(small))]
    for other in (small, copy.deepcopy(small), *others):
        tools.same(tools.answers(other, TEST), want)
        assert other._model.code == code


@pytest.mark.parametrize("code", CODES)
def test_candidates(model, code):
    small, plain = rounded(model, code)
    rows = TEST.assign(number=TEST["number"][0], words=[TEST["words"][0]] * len(TEST))
    context, rest = (
        rows[["number", "words"]].iloc[0].to_dict(),
        rows.drop(columns=["number", "words"]),
    )
    scores = [
        of.candidate_scorer(context_columns=["number", "words"])(context, rest)
        for of in (small, plain)
    ]
    np.testing.assert_array_equal(*scores)


@compiled.compiles
def test_it_is_written_with_its_numbers(model, tmp_path):
    small = model.compress("int8")
    compiled.check(small, TEST, tmp_path, tables="file")
    assert "expand_int8(e, embedding_6, " in (tmp_path / "model.c").read_text()
    onnx_rows = pytest.importorskip("tests.serving.onnx_rows")
    onnx_rows.check(small, TEST, tmp_path, missing_text="<missing>")


def test_auc_of_clicks():
    """The issue's bound, where what was seen before is all that says anything."""
    rng, n = np.random.default_rng(0), 24_000
    worth, appeal = rng.normal(size=1500), rng.normal(size=300)
    seen = [rng.integers(0, 1500, rng.integers(0, 12)).tolist() for _ in range(n)]
    tags = [rng.integers(0, 300, rng.integers(1, 4)).tolist() for _ in range(n)]
    logits = [worth[a].sum() / 2 + 2 * appeal[b].max() for a, b in zip(seen, tags, strict=True)]
    y = rng.random(n) < 1 / (1 + np.exp(-np.array(logits) + np.median(logits)))
    X = pd.DataFrame({"seen": seen, "tags": tags})
    model = DCNClassifier(
        list_features={"seen": "sqrtn", "tags": Lists("max")}, embedding_dim=16, max_iter=3,
        n_members=1, early_stopping=False, random_state=0,
    ).fit(X[:18_000], y[:18_000])  # fmt: skip
    X, y = X[18_000:], y[18_000:]
    want = roc_auc_score(y, model.predict_proba(X)[:, 1])
    assert want > 0.65
    for code in CODES:
        got = roc_auc_score(y, model.compress(code).predict_proba(X)[:, 1])
        assert abs(got - want) < 1e-4, (code, got - want)
