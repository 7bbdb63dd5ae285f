"""Models in C: they compile without a warning, and say what ``predict`` says."""

import re
import shutil
import subprocess
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from dcnfast import DCNClassifier, DCNRegressor
from dcnfast.network.config import NetworkConfig
from dcnfast.serving.c_source import answer, cross, embed, encode, model, products, stored, tables
from dcnfast.target_statistics import TargetStatistics
from tests.serving import compiled

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
compiles = pytest.mark.skipif(compiled.COMPILER is None, reason="there is no compiler of C")

SMALL = {
    "hidden_layer_sizes": (4,),
    "cross_layers": 1,
    "max_iter": 2,
    "early_stopping": False,
    "n_members": 1,
    "numeric_embedding": None,
    "random_state": 0,
    "n_jobs": 1,
}


def said(estimator, X):
    """Return what the estimator says of rows, (n, size)."""
    answers = estimator.predict_proba(X) if hasattr(estimator, "predict_proba") else None
    answers = estimator.predict(X) if answers is None else answers
    return np.asarray(answers, np.float64).reshape(len(X), -1)


def check(estimator, X, folder, **options):
    """Assert that C says what the estimator says, but for the rounding of its type."""
    got, refused = compiled.run(folder, estimator, X.to_dict("records"), **options)
    assert not any(refused)
    wanted = said(estimator, X)
    tolerance = 1e-12 if estimator.dtype == "float64" else 1e-6
    np.testing.assert_allclose(got, wanted, rtol=0, atol=tolerance * np.abs(wanted).max())


@compiles
def test_it_says_what_predict_says(model, rows, tmp_path):
    check(model, rows.iloc[:120], tmp_path)


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


def fit(table, y=None, kind=DCNRegressor, **options):
    y = np.arange(len(table)) % 7 if y is None else y
    options = {"categorical_features": ["word", "mixed", "id"]} | options
    return kind(**(SMALL | options)).fit(table, y)


@compiles
def test_dates(table, tmp_path):
    dated = fit(table, datetime_features=True, target_statistics=TargetStatistics(min_categories=2))
    check(dated, table, tmp_path)
    header = (tmp_path / "model.h").read_text()
    assert "as the clock of Europe/Rome shows it" in header
    assert "int64_t when;" in header


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


# ---- files


def test_where_the_files_go(fitted, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plain = fitted("plain")
    (tmp_path / "src").mkdir()
    plain.to_c("one")
    plain.to_c("two.c")
    plain.to_c(tmp_path / "v1.2")
    plain.to_c("three.h", "src/other.c")
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")}
    assert found == {
        "one.h", "one.c", "two.h", "two.c", "v1.2.h", "v1.2.c", "three.h", "src/other.c",
    }  # fmt: skip
    assert "int v1_2_predict(" in (tmp_path / "v1.2.h").read_text()
    assert '#include "three.h"' in (tmp_path / "src" / "other.c").read_text()


def test_the_same_model_is_the_same_bytes(fitted, tmp_path):
    for name in ("one", "two"):
        fitted("defaults").to_c(tmp_path / f"{name}.h", tmp_path / f"{name}.c", name="m")
    one, two = ((tmp_path / f"{name}.c").read_text() for name in ("one", "two"))
    assert one.replace("one.h", "two.h") == two


@compiles
def test_two_models_in_one_program_and_in_cpp(fitted, tmp_path):
    fitted("statistics").to_c(tmp_path / "one")
    fitted("hashed").to_c(tmp_path / "two")
    text = '#include "one.h"\n#include "two.h"\nint main(void) {\n  double out[2];\n'
    text += "  one_row a = {0};\n  two_row b = {0};\n"
    text += "  return one_predict(&a, out) + two_predict(&b, out);\n}\n"
    (tmp_path / "main.c").write_text(text)
    missing_braces = [*compiled.SANITIZED, "-Wno-missing-field-initializers"]
    compiled.build(tmp_path, missing_braces, ["main.c", "one.c", "two.c"])
    subprocess.run([tmp_path / "a.out"], check=True)
    if (cpp := shutil.which("g++")) is not None:
        (tmp_path / "main.cpp").write_text(text.replace("{0}", "{}"))
        command = [cpp, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "main.cpp"]
        subprocess.run(command, cwd=tmp_path, check=True)


@compiles
def test_only_what_the_header_declares_can_be_seen(fitted, tmp_path):
    if shutil.which("nm") is None:
        pytest.skip("there is no nm")
    fitted("piecewise").to_c(tmp_path / "model", tables="file")
    command = [compiled.COMPILER, "-std=c99", "-c", "model.c"]
    subprocess.run(command, cwd=tmp_path, check=True)
    listed = subprocess.run(
        ["nm", "-g", "--defined-only", "model.o"], cwd=tmp_path, capture_output=True, text=True,
        check=True,
    ).stdout  # fmt: skip
    names = {line.split()[-1].lstrip("_") for line in listed.splitlines()}
    assert names == {"model_predict", "model_open", "model_close"}


def test_nothing_of_its_own_ends_as_public_names_do(model, tmp_path):
    """A name= of any kind is fine, then."""
    model.to_c(tmp_path / "model", name="Q")
    text = (tmp_path / "model.c").read_text()
    own = set(re.findall(r"\b(?!Q_)\w+_(\w+)\b(?= ?[\[(])", text))
    ends = {"row", "predict", "open", "close", "kind", "value", "missing", "text", "integer"}
    assert not own & (ends | {"natural", "real"})


# ---- tables in a file


@compiles
@pytest.mark.parametrize("name", ["defaults", "statistics", "two targets", "bools", "optimizer"])
def test_tables_in_a_file(name, fitted, rows, tmp_path):
    check(fitted(name), rows.iloc[:60], tmp_path, tables="file")


@compiles
@pytest.mark.parametrize("options", [{}, {"min_frequency": 2}])
def test_large_vocabularies_stay_in_the_file(options, tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "FEW", 20)
    monkeypatch.setattr(encode, "FEW", 20)
    rng, n = np.random.default_rng(1), 3000
    letters = np.array(list("aé東𝄞-"))
    words = ["".join(rng.choice(letters, rng.integers(0, 6))) for _ in range(700)]
    X = pd.DataFrame(
        {
            "word": rng.choice([*words, *(f"({i}, {i + 1}]" for i in range(50))], n),
            "wide": rng.integers(-(2**62), 2**62, 800)[rng.integers(0, 800, n)],
            "narrow": rng.integers(-120, 120, n),
            "small": rng.integers(0, 40_000, n),
            "huge": rng.integers(2**63, 2**64, 500, dtype=np.uint64)[rng.integers(0, 500, n)],
            "number": rng.normal(size=n),
        }
    )
    names = ["word", "wide", "narrow", "small", "huge"]
    large = fit(
        X, X["number"], categorical_features=names, batch_size=500,
        target_statistics=TargetStatistics(min_categories=2), **options,
    )  # fmt: skip
    seen = X.iloc[:400].copy()
    seen.loc[::7, "word"] = ["zz", "", "(0.0, 1.0]", "aaaaaaa", "𝄞𝄞𝄞𝄞𝄞𝄞"] * 11 + ["é", None, "-"]
    seen.loc[::5, "wide"] += 1
    seen.loc[::5, "small"] += 1
    seen.loc[::5, "huge"] += np.uint64(1)
    seen["narrow"] = seen["narrow"].astype(object).where(np.arange(400) % 9 > 0, None)
    check(large, seen, tmp_path, tables="file")
    text = (tmp_path / "model.c").read_text()
    assert text.count("static const stored_") == (8 if options else 5)
    assert "static void statistics(" in text
    assert "statistics_keys" not in text


OPENING = """\
#include "model.h"
#include <stdio.h>
int main(void) {
  double out[MODEL_OUTPUTS];
  static const model_row row;
  printf("%d ", model_predict(&row, out));
  printf("%d ", model_open("none.dcn"));
  printf("%d ", model_open("other.dcn"));
  printf("%d ", model_open("cut.dcn"));
  printf("%d ", model_open("changed.dcn"));
  printf("%d ", model_predict(&row, out));
  printf("%d ", model_open("model.dcn"));
  printf("%d ", model_open("model.dcn"));
  printf("%d ", model_predict(&row, out));
  model_close();
  printf("%d ", model_predict(&row, out));
  model_close();
  return 0;
}
"""


@compiles
def test_a_file_that_is_not_the_model_s_is_refused(fitted, tmp_path, monkeypatch):
    fitted("rare").to_c(tmp_path / "model", tables="file")
    fitted("plain").save(tmp_path / "other.dcn")
    raw = (tmp_path / "model.dcn").read_bytes()
    (tmp_path / "cut.dcn").write_bytes(raw[:-1])
    (tmp_path / "changed.dcn").write_bytes(raw[:60] + bytes([raw[60] ^ 1]) + raw[61:])
    (tmp_path / "main.c").write_text(OPENING)
    compiled.build(tmp_path)
    monkeypatch.chdir(tmp_path)
    done = subprocess.run([tmp_path / "a.out"], capture_output=True, text=True, check=True)
    assert list(map(int, done.stdout.split())) == [-1, -2, -3, -3, -3, -1, 0, 0, 0, -1]


@compiles
def test_a_damaged_file_does_no_harm(fitted, rows, tmp_path, monkeypatch):
    """Its beginning is that of the model: what lies behind is not compared with the digests."""
    monkeypatch.setattr(stored, "FEW", 2)
    monkeypatch.setattr(encode, "FEW", 2)
    X = rows.iloc[:30]
    damaged = fitted("statistics")
    compiled.run(tmp_path, damaged, X.to_dict("records"), tables="file")
    raw, rng = (tmp_path / "model.dcn").read_bytes(), np.random.default_rng(0)
    data = 8 + int.from_bytes(raw[:8], "little")
    for fill in range(4):
        noise = rng.bytes(len(raw) - data) if fill else bytes(len(raw) - data)
        (tmp_path / "model.dcn").write_bytes(raw[:data] + noise)
        done = subprocess.run([tmp_path / "a.out"], capture_output=True, text=True, check=True)
        assert len(done.stdout.splitlines()) == len(X)


def test_the_file_is_what_save_writes(fitted, tmp_path):
    fitted("rare").to_c(tmp_path / "model.h", tmp_path / "model.c", tables="file")
    fitted("rare").save(tmp_path / "saved.dcn")
    assert (tmp_path / "model.dcn").read_bytes() == (tmp_path / "saved.dcn").read_bytes()


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
    assert known <= {field.name for field in fields(NetworkConfig)}
    assert not model.WRITTEN & model.OF_TRAINING


def test_a_category_that_c_cannot_hold_names_its_column(tmp_path):
    X = pd.DataFrame({"word": ["a", "b\0c"] * 20, "number": np.arange(40.0)})
    refuse(fit(X, categorical_features=["word"]), tmp_path, ValueError, "'word'.*U.0000")


def test_arguments(fitted, tmp_path):
    plain = fitted("plain")
    refuse(plain, tmp_path, ValueError, "name is 'a b', want a name of C", name="a b")
    refuse(plain, tmp_path, ValueError, "name is 'int'", name="int")
    refuse(plain, tmp_path, TypeError, "name is 3", name=3)
    refuse(plain, tmp_path, ValueError, "tables is 'mapped', want one of", tables="mapped")
    refuse(plain, tmp_path, ValueError, "source is .* as path is", source=tmp_path / "model")
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
