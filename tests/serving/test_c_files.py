"""Where models in C go, with tables and large vocabularies in a file that is mapped."""

import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from dcnfast.serving.c_source import encode, stored
from dcnfast.target_statistics import TargetStatistics
from tests.serving import compiled
from tests.serving.compiled import check, compiles, fit

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

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
@pytest.mark.parametrize(
    "name", ["defaults", "statistics", "two targets", "bools", "optimizer", "collisions"]
)
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


@compiles
def test_a_large_vocabulary_without_order_is_in_the_source(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "FEW", 20)
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"id": rng.integers(0, 60, 300), "word": rng.integers(0, 60, 300).astype(str)})
    shuffled = fit(X, categorical_features=["id", "word"])
    for column in shuffled.encoder_.columns:
        column.set_values([*column.values[1:], column.values[0]], column.infrequent)
    check(shuffled, X.iloc[:100], tmp_path, tables="file")
    assert "stored_" not in (tmp_path / "model.c").read_text()


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
