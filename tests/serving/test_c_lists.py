"""Columns of lists, and columns that share embeddings, in C."""

import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from dcnfast.lists import Lists
from dcnfast.serving.c_source import stored
from tests.serving import list_tables
from tests.serving.compiled import check, compiles, fit, run

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

TRAIN, TEST = list_tables.make_table(), list_tables.make_table(80, seed=1, new=True)


def fit_case(case, table=TRAIN):
    rules, options = list_tables.CASES[case]
    options = options | {"categorical_features": ["city", "other"], "list_features": rules}
    return fit(table, table["number"], **options)


@compiles
@pytest.mark.parametrize("case", range(len(list_tables.CASES)))
def test_they_say_what_predict_says(case, tmp_path):
    check(fit_case(case), TEST, tmp_path)


@compiles
def test_tables_and_vocabularies_in_a_file(tmp_path, monkeypatch):
    """Those of columns that share are there once; room for more categories is not there."""
    monkeypatch.setattr(stored, "FEW", 4)
    grown = fit_case(1)
    later = list_tables.make_table(60, seed=2, new=True)
    grown.partial_fit(later, later["number"])
    check(grown, TEST, tmp_path, tables="file")
    text = (tmp_path / "model.c").read_text()
    assert text.count("static const stored_texts ") == 1
    assert "look_up_0(text, size)" in text


@compiles
def test_single_values_that_share(tmp_path):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({name: rng.choice(list("abcd"), 60) for name in ("home", "away", "ground")})
    X["number"] = rng.normal(size=60)
    shared = {"shared_embeddings": [("home", "ground")], "embedding_dim": 3, "wide": True}
    model = fit(X, categorical_features=["home", "away", "ground"], **shared)
    check(model, X, tmp_path)
    assert (tmp_path / "model.c").read_text().count("static const texts ") == 2


@compiles
def test_what_is_refused(tmp_path):
    """Each by the number of its column."""
    n = 40
    X = pd.DataFrame({"number": np.arange(float(n)), "tags": [["a", "b"], ["c"]] * (n // 2)})
    X["seconds"] = [[1.0, 2.0], [3.0]] * (n // 2)
    X["mixed"] = [[2**60 + 1, 0.5], []] * (n // 2)
    X["both"] = [["a"], [2**60 + 1, 0.5]] * (n // 2)
    X["split"] = ["a,b", None] * (n // 2)
    X["none"] = pd.Series([None, ""] * (n // 2), dtype=object)
    how = {"tags": Lists(weights="seconds"), "split": Lists(separator=",")}
    how["none"] = Lists(separator=",")
    shared = [("mixed", "none")]
    model = fit(X, categorical_features=None, list_features=how, shared_embeddings=shared)
    row = X.iloc[0].to_dict() | {"none": ""}
    rows = [row]
    rows += [row | {"seconds": [1.0, bad]} for bad in (-1.0, np.nan, np.inf)]
    rows += [row | {"seconds": None}, row | {"tags": None, "seconds": [-1.0]}]
    rows += [row | {"mixed": [0.5, "a"]}, row | {"mixed": [None, 0.25]}]
    rows += [row | {"both": ["a", 0.5]}, row | {"both": ["a", None, "b"]}, row | {"none": "a"}]
    said, refused = run(tmp_path, model, rows)
    assert refused == [0, 3, 3, 3, 3, 0, 4, 0, 5, 0, 7]
    want = model.predict(pd.DataFrame([row | {"tags": None, "seconds": None}]))
    np.testing.assert_allclose(said[5], want, rtol=1e-5)


def test_a_sum_of_weights_that_float32_does_not_hold_is_refused(tmp_path):
    X = pd.DataFrame({"tags": [["a", "b"], ["c"]] * 20, "w": [[1.0, 2.0], [3.0]] * 20})
    for pooling, number in (("sum", 2), ("mean", 0)):
        how = {"tags": Lists(pooling=pooling, weights="w")}
        model = fit(X, categorical_features=None, list_features=how)
        rows = [{"tags": ["a", "b"], "w": [1.0, far]} for far in (2.0, 3e38, 1e39)]
        _, refused = run(tmp_path, model, rows)
        assert refused == [0, 0, number]


ZEROS = """\
#include "model.h"
#include <stdio.h>
int main(void) {
  double out[MODEL_OUTPUTS];
  static const model_row zeros;
  model_row row = zeros;
  row.tags_2 = 0;
  row.tags_3 = 0;
  printf("%d ", model_predict(&row, out));
  printf("%.17g ", out[0]);
  row.tags_3_count = 3;
  printf("%d", model_predict(&row, out));
  return 0;
}
"""


@compiles
def test_a_row_of_zeros_has_empty_lists(tmp_path):
    """And names of one column do not meet those beside the list of another."""
    X = pd.DataFrame({"tags_count": np.arange(40.0), "tags": [["a"], ["b", "c"]] * 20})
    X["tags?"] = [[1, 2], [3]] * 20
    model = fit(X, categorical_features=None)
    check(model, X, tmp_path)
    header = (tmp_path / "model.h").read_text()
    assert "const char *const *tags_2;" in header
    assert "const int64_t *tags_3;" in header
    (tmp_path / "main.c").write_text(ZEROS)
    command = ["cc", "-std=c99", "main.c", "model.c", "-o", "a.out", "-lm"]
    subprocess.run(command, cwd=tmp_path, check=True)
    done = subprocess.run([tmp_path / "a.out"], capture_output=True, text=True, check=True)
    taken, answer, refused = done.stdout.split()
    assert (taken, refused) == ("0", "3")
    empty = pd.DataFrame({"tags_count": [0.0], "tags": [[]], "tags?": [[]]})
    np.testing.assert_allclose(float(answer), model.predict(empty)[0], rtol=1e-5)
    if (cpp := shutil.which("g++")) is not None:
        (tmp_path / "main.cpp").write_text('#include "model.h"\nint main() { model_row row = {}; '
                                           "return row.tags_2 != 0; }")  # fmt: skip
        command = [cpp, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "main.cpp"]
        subprocess.run(command, cwd=tmp_path, check=True)


def test_a_separator_that_c_cannot_hold_names_its_column(tmp_path):
    X = pd.DataFrame({"number": np.arange(40.0), "tags": ["a\0b", "c"] * 20})
    model = fit(X, categorical_features=None, list_features={"tags": Lists(separator="\0")})
    with pytest.raises(ValueError, match=r"'tags' has the separator .* U\+0000"):
        model.to_c(tmp_path / "model")
    assert not list(tmp_path.iterdir())
