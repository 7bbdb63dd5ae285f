"""Models in C: they compile without a warning, and say what ``predict`` says."""

import subprocess
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from dcnfast import DCNClassifier, DCNRegressor, losses
from dcnfast.network.config import NetworkConfig
from dcnfast.serving.c_source import answer, cross, embed, model, products, stored, tables
from dcnfast.target_statistics import TargetStatistics
from tests.serving import compiled
from tests.serving.compiled import SMALL, check, compiles, fit

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@compiles
def test_it_says_what_predict_says(model, rows, tmp_path):
    check(model, rows.iloc[:120], tmp_path)


LOSSES = {
    "absolute_error": (DCNRegressor, "absolute_error"),
    "huber": (DCNRegressor, losses.Huber(delta=0.5)),
    "median": (DCNRegressor, "quantile"),
    "quantiles": (DCNRegressor, losses.Quantile([0.1, 0.5, 0.9])),
    "gamma": (DCNRegressor, "gamma"),
    "tweedie": (DCNRegressor, losses.Tweedie(power=1.2)),
    "focal": (DCNClassifier, losses.Focal(gamma=1.0, alpha=0.3)),
    "focal of three": (DCNClassifier, "focal"),
    "ordinal": (DCNClassifier, "ordinal"),
    "ordinal of two": (DCNClassifier, "ordinal"),
    "multi_label": (DCNClassifier, "multi_label"),
}


@compiles
@pytest.mark.parametrize("name", LOSSES)
def test_losses(name, tmp_path):
    kind, loss = LOSSES[name]
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(150, 3)), columns=list("abc"))
    y = np.exp(X["a"] + rng.normal(size=150)).to_numpy()
    if kind is DCNClassifier:
        edges = [1.0] if name in ("focal", "ordinal of two") else [0.5, 1.0, 2.0]
        y = np.digitize(y, edges)
    if name == "multi_label":
        y = np.stack([y > 0, y > 1, y > 2], axis=1).astype(float)
    elif name in ("quantiles", "tweedie"):
        y = np.stack([y, y**2 + 1], axis=1)
    options = {"prediction_clip": True} if kind is DCNRegressor else {}
    fitted = kind(**(SMALL | options), loss=loss).fit(X, y)
    check(fitted, X, tmp_path)
    members = kind(**(SMALL | {"n_members": 3, "max_iter": 9}), loss=loss).fit(X, y)
    check(members, X, tmp_path)


# ---- columns


@pytest.fixture(scope="module")
def table():
    rng, n = np.random.default_rng(3), 200
    words = ["", "a", "Zürich", "é" * 64, "b" * 127, "c" * 128, "d" * 129, "e" * 256, "東京" * 70]
    return pd.DataFrame(
        {
            "number": rng.normal(size=n),
            "word": rng.choice([*words, None], n),
            "mixed": pd.Series(rng.choice(np.array([True, "a", 2.5, -7, 2**63 + 5, None]), n)),
            "id": rng.integers(-5, 5, n) + 2**60,
            "when": pd.Series(
                pd.to_datetime(rng.integers(-(10**10), 10**10, n), unit="s", utc=True)
            )
            .mask(rng.random(n) < 0.1)
            .dt.tz_convert("Europe/Rome"),
        }
    )


@compiles
def test_dates(table, tmp_path):
    dated = fit(table, datetime_features=True, target_statistics=TargetStatistics(min_categories=2))
    check(dated, table, tmp_path)
    header = (tmp_path / "model.h").read_text()
    assert "as the clock of Europe/Rome shows it" in header
    assert "int64_t when;" in header


@compiles
@pytest.mark.parametrize("columns", [["word"], ["id"], ["mixed"], ["when", "word"]])
def test_hashes_of_one_type_leave_nothing_unused(columns, table, tmp_path):
    categories = [name for name in columns if name != "when"]
    options = {"categorical_features": categories, "datetime_features": ["hour"]}
    hashed = fit(table[columns], hash_buckets=100, **options)
    check(hashed, table[columns], tmp_path)


@compiles
def test_hashes_are_those_of_python(table, tmp_path):
    hashed = fit(table, hash_buckets=1000, datetime_features=["hour", "month"])
    others = table.assign(word=[f"{'x' * i}é" for i in range(len(table))])
    others["mixed"] = pd.Series([0.1, -0.0, 1e300, -(2**62), 2**64 - 1, "x", None, 3.0] * 25)
    check(hashed, pd.concat([table, others]), tmp_path)


@compiles
def test_the_clock_is_numpy_s(table, tmp_path):
    fit(table, datetime_features=True).to_c(tmp_path / "model")
    rng = np.random.default_rng(0)
    days = rng.integers(-719162, 2932896, 300)  # years 1 to 9999
    seconds = days * 86400 + rng.integers(0, 86400, 300)
    edges = [np.datetime64(day, "s") for day in ("2000-02-29", "1900-03-01", "1969-12-31T23:59:59")]
    seconds = np.append(seconds, np.array(edges, "M8[s]").astype(int))
    (tmp_path / "main.c").write_text(
        '#include "model.c"\n#include <stdio.h>\nstatic const int64_t all[] = {'
        + ", ".join(f"{s}LL" for s in seconds)
        + "};\nint main(void) {\n  for (size_t i = 0; i < sizeof all / sizeof *all; ++i) {\n"
        "    const clock_time t = clock_of(all[i]);\n"
        '    printf("%d %d %d %d ", (int)t.hour, (int)t.weekday, (int)t.month, (int)t.day);\n'
        "  }\n  return 0;\n}\n"
    )
    compiled.build(tmp_path, sources=["main.c"])
    done = subprocess.run([tmp_path / "a.out"], capture_output=True, text=True, check=True)
    stamps = [pd.Timestamp(int(s), unit="s", tz=None).as_unit("s") for s in seconds]
    wanted = [
        (t.hour, t.weekday(), t.month, s // 86400) for t, s in zip(stamps, seconds, strict=True)
    ]
    np.testing.assert_array_equal(np.array(done.stdout.split(), int).reshape(-1, 4), wanted)


@compiles
@pytest.mark.parametrize(
    ("scaling", "numeric"),
    [
        ("standard", None), ("quantile", "piecewise"), ("log", "periodic"),
        ("robust_smooth", "piecewise"), (None, None), (None, "piecewise"),
    ],
)  # fmt: skip
def test_numbers_beyond_the_training_rows(scaling, numeric, tmp_path):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(150, 4)), columns=list("abcd"))
    X.loc[::5, "b"], X["c"] = np.nan, 1.0
    wild = fit(
        X, categorical_features=None, numeric_scaling=scaling, numeric_clip=False,
        numeric_embedding=numeric, cross_layers=3, dtype="float64",
    )  # fmt: skip
    far = X.iloc[:60] * np.where(np.arange(60) % 2, 1.0, 10.0 ** (np.arange(60) % 9))[:, None]
    check(wild, far, tmp_path)


@compiles
def test_ranks_of_a_tiny_column(tmp_path):
    y = np.random.default_rng(0).normal(size=150)
    X = pd.DataFrame({"a": 1e-310 * y})
    tiny = fit(X, y=y, categorical_features=None, numeric_scaling="quantile")
    assert np.ptp(tiny.predict(X[1::2])) > 0.1
    check(tiny, X * 0.7, tmp_path)


@compiles
def test_a_polynomial_that_overflows_is_asked_at_the_border(tmp_path):
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(150, 2)), columns=list("ab"))
    wild = fit(
        X, y=X.a * X.b, categorical_features=None, numeric_scaling=None, numeric_clip=False,
        cross_layers=6, hidden_layer_sizes=(),
    )  # fmt: skip
    far = X.iloc[:20] * 1e30
    assert np.isfinite(wild.predict(far)).all()
    check(wild, far, tmp_path)


@compiles
def test_values_that_are_refused(table, tmp_path):
    X = table[["number", "word", "mixed"]].assign(id=table["number"].round().to_numpy())
    refusing = fit(X, hash_buckets={"id": 10})
    row = {"number": 0.0, "word": "a", "mixed": None, "id": 1.0}
    rows = [row, row | {"number": np.inf}, row | {"number": -np.inf}, row | {"id": "text"}]
    rows += [row | {"mixed": "x", "id": None}]
    _, refused = compiled.run(tmp_path, refusing, rows)
    assert refused == [0, 1, 1, 4, 0]


NAMES = [
    "class",
    "a b",
    "a-b",
    "東京",
    "*/ x",
    "what??/",
    "1st",
    "int",
    "",
    "x\ny",
    'a"b',
    "row",
    "FLT_MAX",
    "st_mtime",
]


@compiles
@pytest.mark.parametrize("name", ["numeric", "text"])
def test_names_of_columns_and_labels(name, tmp_path):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(80, len(NAMES))), columns=NAMES)
    X["category"] = rng.choice(["*/", "??/", "\\", '"', "%d", "\t", "\x7f1", "ÿ"], 80)
    y = rng.choice(["*/", "yes\n", "??/"], 80)
    named = fit(
        X, y, DCNClassifier, categorical_features=["category"], numeric_embedding="periodic"
    )
    check(named, X, tmp_path, name=name, tables="file")
    header = (tmp_path / "model.h").read_text()
    assert header.count("double") == len(NAMES) + 1
    assert f"{name.upper()}_OUTPUTS = 3" in header


@compiles
def test_words_of_later_standards_and_of_gnu(tmp_path):
    names = ["typeof", "typeof_unqual", "nullptr", "constexpr", "i386", "unix"]
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 6)), columns=names)
    fit(X, categorical_features=None).to_c(tmp_path / "model")
    (tmp_path / "main.c").write_text('#include "model.h"\nint main(void) { return 0; }\n')
    for standard in ("gnu99", "gnu17", "gnu2x"):
        compiled.build(tmp_path, [f"-std={standard}"])


# ---- what cannot be written


def refuse(estimator, folder, error, match, **options):
    with pytest.raises(error, match=match):
        estimator.to_c(folder / "model", **options)
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("where", "kinds", "kind", "name"),
    [
        (cross, "CROSSES", "gated", "gated"),
        (embed, "NUMERIC", "periodic", "periodic"),
        (answer, "LINKS", "poisson", "counts"),
        (products, "ACTIVATIONS", "tanh", "lowrank"),
    ],
)
def test_a_kind_that_is_not_written_is_named(
    where, kinds, kind, name, fitted, tmp_path, monkeypatch
):
    monkeypatch.delitem(getattr(where, kinds), kind)
    for place in ("inline", "file"):
        refuse(fitted(name), tmp_path, TypeError, f"'{kind}'.* not written as C", tables=place)


def test_an_option_that_is_not_written_is_named(fitted, tmp_path, monkeypatch):
    monkeypatch.setattr(model, "WRITTEN", model.WRITTEN - {"layer_norm"})
    refuse(fitted("counts"), tmp_path, TypeError, "layer_norm=True, which is not written as C")


def test_every_option_of_a_network_is_written_or_of_training():
    known = model.WRITTEN | model.OF_TRAINING
    assert not model.WRITTEN & model.OF_TRAINING
    assert known == {field.name for field in fields(NetworkConfig)}, "of neither"


@compiles
def test_frozen_embeddings_are_written(tmp_path):
    X = pd.DataFrame({"word": ["a", "b"] * 20, "number": np.arange(40.0)})
    frozen = fit(X, categorical_features=["word"], frozen_embeddings=["word"])
    check(frozen, X, tmp_path)


def test_a_category_that_c_cannot_hold_names_its_column(tmp_path):
    X = pd.DataFrame({"word": ["a", "b\0c"] * 20, "number": np.arange(40.0)})
    refuse(fit(X, categorical_features=["word"]), tmp_path, ValueError, "'word'.*U.0000")


def test_rows_of_a_table_that_no_value_leads_to_are_an_error(tmp_path):
    X = pd.DataFrame({"word": ["a", "b"] * 20, "number": np.arange(40.0)})
    grown = fit(X, categorical_features=["word"])
    column = grown.encoder_.columns[0]
    column.counts = np.append(column.counts, 1)
    refuse(grown, tmp_path, TypeError, "'word' has 3 rows of categories and 2")


def test_arguments(fitted, tmp_path):
    plain = fitted("plain")
    refuse(plain, tmp_path, ValueError, "name is 'a b', want a name of C", name="a b")
    refuse(plain, tmp_path, ValueError, "name is 'int'", name="int")
    refuse(plain, tmp_path, TypeError, "name is 3", name=3)
    refuse(plain, tmp_path, ValueError, "tables is 'mapped', want one of", tables="mapped")
    refuse(plain, tmp_path, ValueError, "source is .* as path is", source=tmp_path / "model")
    with pytest.raises(TypeError, match="path is 3, want a path"):
        plain.to_c(3)
    with pytest.raises(ValueError, match="path is '', want the name of a file"):
        plain.to_c("")
    with pytest.raises(NotFittedError):
        DCNRegressor().to_c(tmp_path / "model")
    with pytest.raises(FileNotFoundError):
        plain.to_c(tmp_path / "none" / "model")


def test_tables_of_a_model_without_any(tmp_path):
    X = pd.DataFrame({"number": np.arange(40.0)})
    numbers = fit(X, categorical_features=None)
    refuse(numbers, tmp_path, ValueError, 'has no tables, want "inline"', tables="file")


def test_large_tables_and_networks_are_refused(fitted, tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MOST_INLINE", 10)
    refuse(fitted("plain"), tmp_path, ValueError, 'source, want at most 10; tables="file" leaves')
    refuse(fitted("plain"), tmp_path, ValueError, "want at most 10$", tables="file")
    monkeypatch.undo()
    monkeypatch.setattr(model, "MOST_STACK", 100)
    refuse(fitted("plain"), tmp_path, ValueError, "bytes of the stack, want at most 100")


@compiles
def test_categories_that_came_later(table, tmp_path):
    grown = fit(table[["word", "number", "id"]], categorical_features=["word", "id"])
    later = table[["word", "number", "id"]].assign(word="new", id=table["id"] + 100)
    grown.partial_fit(later, np.arange(len(later)) % 7)
    check(grown, pd.concat([table, later])[["word", "number", "id"]], tmp_path)


@compiles
@pytest.mark.parametrize("where", ["inline", "file"])
def test_categories_that_took_the_rows_of_others(where, table, tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "FEW", 1)
    columns = ["word", "number", "id"]
    options = {"max_categories": 6, "recycle_categories": True}
    grown = fit(table[columns], categorical_features=["word", "id"], **options)
    later = table[columns].assign(word="new", id=table["id"] % 4 + 100)
    grown.partial_fit(later, np.arange(len(later)) % 7)
    assert "new" in grown.encoder_.categories("word")
    check(grown, pd.concat([table, later])[columns], tmp_path, tables=where)
