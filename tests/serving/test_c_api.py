"""The C API: programs in C load model files and say what ``predict`` says."""

import struct
import subprocess

import numpy as np
import pandas as pd
import pytest

from dcnfast import DCNClassifier, DCNRanker, DCNRegressor, losses
from dcnfast.lists import Lists
from dcnfast.target_statistics import TargetStatistics
from tests.serving import c_program, list_tables
from tests.serving.c_program import (
    BAD_ARGUMENT,
    BAD_VALUE,
    DOUBLES,
    INT64S,
    MISSING,
    OFFSETS,
    TEXTS,
    needs_c,
    packed,
)
from tests.serving.compiled import SMALL, fit, said

pytestmark = [needs_c, pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")]


@pytest.fixture
def score(programs, path):
    """Return what the program says of a model and a frame, or columns that are packed."""

    def of(model, X, n_rows=None, threads=1):
        model.save(path)
        columns = c_program.table(model, X) if n_rows is None else X
        return c_program.score(programs["score"], path, columns, n_rows or len(X), threads)

    return of


def check(model, X, found):
    """Assert that scores are those of Python, but for what exp() of two libraries may differ by.

    With a logarithm of numbers in front of the network, where NumPy has one of its own, that is the
    rounding of the network's type.
    """
    assert found.status == 0, found.message
    wanted = said(model, X)
    tolerance = 1e-6 if model.numeric_scaling == "log" else 1e-13
    np.testing.assert_allclose(found.scores, wanted, rtol=0, atol=tolerance * np.abs(wanted).max())


def test_it_says_what_predict_says(model, rows, score):
    check(model, rows, score(model, rows))


def test_names_of_columns_and_outputs(fitted, rows, score):
    found = score(fitted("objects"), rows)
    kinds = ("1", "1", "1", "2", "2", "2")
    assert found.columns == tuple(zip(kinds, rows.columns, strict=True))
    assert found.outputs == ("a cat", "dog")
    assert score(fitted("bools"), rows).outputs == ("False", "True")
    assert score(fitted("three"), rows).outputs == ("0", "1", "2")
    assert score(fitted("plain"), rows).outputs == ("",)


def test_logits_are_the_same_bits(fitted, rows, score):
    """A squared error has no function behind the network but a scale."""
    model = fitted("defaults")
    np.testing.assert_array_equal(score(model, rows, threads=3).scores, said(model, rows))


@pytest.mark.parametrize(
    "loss", ["focal", losses.Focal(gamma=1.0, alpha=0.3), "ordinal", "softmax"]
)
@pytest.mark.parametrize("n_classes", [2, 4])
def test_losses_of_classes(loss, n_classes, score):
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(150, 3)), columns=list("abc"))
    y = np.digitize(X["a"], [0.5, 1.0, 1.5][: n_classes - 1])
    if not isinstance(loss, str) and n_classes > 2:
        loss = losses.Focal(gamma=3.0)
    model = DCNClassifier(**(SMALL | {"n_members": 3}), loss=loss).fit(X, y)
    check(model, X, score(model, X))


def test_ranker(score):
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(120, 3)), columns=list("abc"))
    options = {k: v for k, v in SMALL.items() if k != "early_stopping"}
    model = DCNRanker(**options, early_stopping=False)
    model.fit(X, np.arange(120) % 3, group=np.arange(120) // 6)
    check(model, X, score(model, X))


@pytest.mark.parametrize("kind", ["labels", "labels of each row"])
def test_calibrated(kind, rows, score, tools):
    model = tools.fit(kind)
    X = rows.iloc[:200]
    several = kind != "labels"
    y = np.arange(200) % 2 == 0
    y = np.stack([y, ~y], axis=1).astype(float) if several else np.where(y, "yes", "no")
    model.calibrate_isotonic(X, y)
    check(model, rows, score(model, rows))


@pytest.mark.parametrize("dtype", ["bfloat16", "int8"])
@pytest.mark.parametrize("kind", ["plain", "piecewise", "bools", "two targets"])
def test_compressed(kind, dtype, fitted, rows, score):
    model = fitted(kind).compress(dtype)
    check(model, rows, score(model, rows))


# ---- columns


@pytest.fixture(scope="module")
def table():
    rng, n = np.random.default_rng(3), 200
    words = ["", "a", "Zürich", "é" * 64, "b" * 127, "c" * 128, "d" * 129, "e" * 256, "東京" * 70]
    days = pd.Series(pd.to_datetime(rng.integers(-(10**10), 10**10, n), unit="s", utc=True))
    return pd.DataFrame(
        {
            "number": rng.normal(size=n),
            "word": rng.choice([*words, None], n),
            "mixed": pd.Series(rng.choice(np.array([True, "a", 2.5, -7, 2**62, None]), n)),
            "id": rng.integers(-5, 5, n) + 2**60,
            "when": days.mask(rng.random(n) < 0.1).dt.tz_convert("Europe/Rome"),
        }
    )


def test_dates(table, score):
    model = fit(table, datetime_features=True)
    found = score(model, table)
    check(model, table, found)
    assert found.columns[-1] == ("3", "when")


def test_hashes_are_those_of_python(table, score):
    model = fit(table, hash_buckets=1000, datetime_features=["hour", "month"])
    others = table.assign(word=[f"{'x' * i}é" for i in range(len(table))])
    others["mixed"] = pd.Series([0.1, -0.0, 1e300, -(2**62), 2**60, "x", None, 3.0] * 25)
    X = pd.concat([table, others])
    check(model, X, score(model, X))


def test_categories_that_came_later_and_shared_tables(score):
    X = pd.DataFrame({"a": list("xyz") * 30, "b": list("yzx") * 30, "c": np.arange(90.0)})
    model = DCNRegressor(**SMALL, shared_embeddings=[["a", "b"]])
    model.partial_fit(X, X["c"])
    model.partial_fit(X.assign(a=list("xyw") * 30), X["c"])
    rows = X.assign(a=list("xwq") * 30)
    check(model, rows, score(model, rows))


def list_table(n=150, seed=0, new=False):
    """Return lists of all kinds; numbers of several types are one type here."""
    X = list_tables.make_table(n, seed, new)
    X["mixed"] = [None if of is None else [v and float(v) for v in of] for of in X["mixed"]]
    return X


def fit_lists(case):
    rules, options = list_tables.CASES[case]
    options = options | {"categorical_features": ["city", "other"], "list_features": rules}
    X = list_table()
    return fit(X, X["number"], **options)


@pytest.fixture(scope="module")
def list_model():
    return fit_lists(0)


@pytest.mark.parametrize("case", range(len(list_tables.CASES)))
def test_lists(case, list_model, score):
    model = fit_lists(case) if case else list_model
    X = list_table(80, seed=1, new=True)
    found = score(model, X)
    check(model, X, found)
    if case != 2:
        small = model.compress("bfloat16")
        check(small, X, score(small, X))
    kinds = {name: int(kind) for kind, name in found.columns}
    assert (kinds["words"], kinds["seconds"], kinds["split"], kinds["other"]) == (4, 5, 6, 2)


def test_intervals_are_written_in_several_ways(score):
    numbers = np.arange(100) % 7 + 0.25
    cut = pd.cut(numbers, [0, 1.5, 3, np.inf])
    model = DCNRegressor(**SMALL).fit(pd.DataFrame({"a": cut}), numbers)
    ways = [
        "(0.0, 1.5]",
        "(1.5, 3.0]",
        "(1.5, 3]",
        "(3.0, inf]",
        "(3, inf]",
        "(0, 1.50]",
        "(0,1.5]",
    ]
    X = pd.DataFrame({"a": ways})
    check(model, X, score(model, X))


def test_a_large_file_is_mapped(path, score):
    X = pd.DataFrame({"id": np.arange(100) + 2**60, "a": np.linspace(-1, 1, 100)})
    options = {"categorical_features": ["id"], "hash_buckets": 2**19 + 1, "embedding_dim": 16}
    model = DCNRegressor(**(SMALL | options | {"max_iter": 1})).fit(X, X["a"])
    check(model, X, score(model, X))
    assert path.stat().st_size > 2**25


def test_rows_far_out(score):
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(150, 4)), columns=list("abcd"))
    X.loc[::5, "b"] = np.nan
    model = DCNRegressor(
        **(SMALL | {"cross_layers": 5, "numeric_embedding": "piecewise"}), numeric_clip=False,
        numeric_scaling=None,
    ).fit(X, X["a"])  # fmt: skip
    far = X * np.float64(1e30)
    check(model, far, score(model, far))


def test_threads_come_to_the_same_bits(programs, path):
    X = np.random.default_rng(0).normal(size=(300, 5))
    DCNRegressor(**SMALL).fit(X, X[:, 0]).save(path)
    done = subprocess.run(
        [programs["score_threads"], path, "3000"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "0\n")


def test_many_rows_go_in_pieces(score):
    X = np.random.default_rng(0).normal(size=(40_000, 3))
    frame = pd.DataFrame(X, columns=list("abc"))
    model = DCNRegressor(**(SMALL | {"max_iter": 1})).fit(frame.iloc[:200], X[:200, 0])
    check(model, frame, score(model, frame, threads=2))


# ---- what is refused


def doubles(values):
    return struct.pack("<i", DOUBLES) + np.array(values, float).tobytes()


def test_values_that_predict_refuses(fitted, rows, score):
    X, model = rows.iloc[:3], fitted("plain")
    good = c_program.table(model, X)
    texts = struct.pack("<i", TEXTS) + c_program.texts(["x", None, "y"])
    for place, column, message in [
        (0, doubles([1, np.nan, np.inf]), "column 'a' has an infinite number in row 2"),
        (1, texts, "column 'b' has the text 'x' in row 0"),
        (3, doubles([np.nan, 5, 6]), "column 'city' has a number, want texts"),
        (4, texts, "column 'user' has a text, want numbers"),
    ]:
        found = score(model, [*good[:place], column, *good[place + 1 :]], 3)
        assert found.status == BAD_VALUE
        assert message in found.message
    assert score(model, [*good[:4], doubles([np.nan] * 3), good[5]], 3).status == 0
    assert score(model, [*good[:3], texts, *good[4:]], 3).status == 0  # new ones


def test_columns_that_are_none(fitted, rows, score):
    X, model = rows.iloc[:3], fitted("plain")
    good = c_program.table(model, X)
    found = score(model, good[:-1], 3)
    assert found.status == BAD_ARGUMENT
    assert "there are 5 columns, want 6" in found.message
    both = struct.pack("<i", DOUBLES | INT64S) + bytes(2 * 3 * 8)
    for column, message in [
        (struct.pack("<i", 0), "has no array of numbers and none of texts"),
        (struct.pack("<i", MISSING) + bytes(3), "has no array of numbers"),
        (both, "has several arrays of numbers"),
    ]:
        found = score(model, [column, *good[1:]], 3)
        assert found.status == BAD_ARGUMENT
        assert message in found.message


def test_dates_out_of_range(table, score):
    model = fit(table, datetime_features=True)
    columns = c_program.table(model, table.iloc[:2])
    found = score(model, [*columns[:-1], doubles([0, 1e15])], 2)
    assert found.status == BAD_VALUE
    assert "'when' has a date beyond the years 1 to 9999 in row 1" in found.message


def test_lists_that_predict_refuses(list_model, score):
    X = list_table(3, seed=1)
    good = dict(zip(X.columns, c_program.table(list_model, X), strict=True))
    two = np.array([0, 2, 2, 2], np.int64).tobytes()

    def said_with(**other):
        found = score(list_model, [*(good | other).values()], 3)
        return found.status, found.message

    assert said_with()[0] == 0
    status, message = said_with(words=doubles([1, 2, 3]))
    assert (status, "column 'words' has no offsets" in message) == (BAD_ARGUMENT, True)
    descending = np.array([0, 2, 1, 2], np.int64).tobytes()
    arrays = struct.pack("<i", OFFSETS | DOUBLES)
    status, message = said_with(words=arrays + descending + np.zeros(2).tobytes())
    assert (status, "offsets that descend" in message) == (BAD_ARGUMENT, True)
    status, message = said_with(words=arrays + two + np.zeros(2).tobytes())
    assert (status, "a type that fit did not see" in message) == (BAD_VALUE, True)
    both = struct.pack("<i", OFFSETS | DOUBLES | TEXTS) + two + np.zeros(2).tobytes()
    status, message = said_with(words=both + c_program.texts(["a", None]))
    assert (status, "a list of texts and numbers in row 0" in message) == (BAD_VALUE, True)
    status, message = said_with(seconds=arrays + two + np.zeros(2).tobytes())
    assert (status, "as many as 'ids' has items" in message) == (BAD_VALUE, True)
    lists = X.assign(seconds=[None if w is None else [-1.0] * len(w) for w in X["seconds"]])
    status, message = said_with(seconds=c_program.packed_lists(lists["seconds"]))
    assert (status, "missing, negative or not finite" in message) == (BAD_VALUE, True)
    lists = [None if w is None else [1, *[None] * (len(w) - 1)] for w in X["seconds"]]
    assert any(len(w) > 1 for w in lists if w)
    status, message = said_with(seconds=c_program.packed_lists(lists))  # a number under the mask
    assert (status, "missing, negative or not finite" in message) == (BAD_VALUE, True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("pooling", ["sum", "mean", "sqrtn"])
def test_weights_that_the_type_does_not_hold(pooling, dtype, score):
    X = pd.DataFrame({"tags": [["a", "b"], ["c"]] * 20})
    X["w"] = [[1.0, 2.0], [3.0]] * 20
    how = {"tags": Lists(pooling=pooling, weights="w")}
    model = DCNRegressor(**SMALL | {"dtype": dtype}, list_features=how).fit(X, np.arange(40.0))
    X["w"] = [[1.0, 1e39], [3.0]] * 20
    found = score(model, X)
    if pooling == "sum" and dtype == "float32":
        assert (found.status, "too large for float32" in found.message) == (BAD_VALUE, True)
        with pytest.raises(ValueError, match="want what float32 holds"):
            model.predict(X)
    else:
        check(model, X, found)


def test_packed_columns_are_what_is_said(rows):
    """Ids go in exactly, texts beside numbers."""
    assert struct.unpack("<i", packed(rows["user"], "category")[:4]) == (4 | MISSING,)
    assert struct.unpack("<i", packed(rows["mixed"], "category")[:4]) == (TEXTS | DOUBLES,)
    assert struct.unpack("<i", packed(rows["city"], "category")[:4]) == (TEXTS,)


def test_categories_that_took_the_rows_of_others(score):
    """Of which some were infrequent at first, and statistics of the first rows are left out."""
    rng = np.random.default_rng(0)
    words = rng.choice(
        ["a", "b", "c", "(0.0, 1.0]", "d", "e"], 150, p=[0.3, 0.3, 0.2, 0.1, 0.05, 0.05]
    )
    X = pd.DataFrame(
        {"word": words, "id": rng.integers(0, 9, 150) + 2**60, "x": rng.normal(size=150)}
    )
    options = {
        "max_categories": 5,
        "recycle_categories": True,
        "categorical_features": ["word", "id"],
    }
    statistics = TargetStatistics(order=2, min_categories=2)
    model = DCNRegressor(**(SMALL | options), target_statistics=statistics).fit(X, X["x"])
    later = X.assign(word=np.resize(["e", "f", "a"], 150), id=X["id"] % 3 + 2**61)
    model.partial_fit(later, X["x"])
    column = model.encoder_.columns[0]
    assert set(column.infrequent) & {*column.values, *column.later} == {"e"}
    assert model.encoder_.statistics.forgotten[0].size
    both = pd.concat([X, later])
    check(model, both, score(model, both))
