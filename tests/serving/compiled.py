"""Models written as C, compiled and run: rows go in as initializers of structs."""

import math
import os
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from dcnfast import DCNRegressor
from dcnfast.serving.c_source import literals
from dcnfast.serving.c_source.row import inputs_of

COMPILER = os.environ.get("CC") or next(filter(shutil.which, ("gcc", "clang", "cc")), None)
WARNINGS = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
SANITIZED = ["-O1", "-fsanitize=undefined,address", "-fno-sanitize-recover=all"]

compiles = pytest.mark.skipif(COMPILER is None, reason="there is no compiler of C")

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
    got, refused = run(folder, estimator, X.to_dict("records"), **options)
    assert not any(refused)
    wanted = said(estimator, X)
    tolerance = 1e-12 if estimator.dtype == "float64" else 1e-6
    np.testing.assert_allclose(got, wanted, rtol=0, atol=tolerance * np.abs(wanted).max())


def fit(table, y=None, kind=DCNRegressor, **options):
    y = np.arange(len(table)) % 7 if y is None else y
    options = {"categorical_features": ["word", "mixed", "id"]} | options
    return kind(**(SMALL | options)).fit(table, y)


MAIN = """\
#include "{header}"
#include <math.h>
#include <stdio.h>

static const {name}_row rows[] = {{
{rows}
}};

int main(void) {{
  double out[{prefix}_OUTPUTS];
  {opens}
  for (size_t i = 0; i < sizeof rows / sizeof *rows; ++i) {{
    const int refused = {name}_predict(&rows[i], out);
    printf("%d", refused);
    for (int c = 0; c < {prefix}_OUTPUTS && !refused; ++c) printf(" %.17g", out[c]);
    printf("\\n");
  }}
  {closes}
  return 0;
}}
"""


def run(folder, model, rows, *, name="model", tables="inline", flags=SANITIZED):
    """Return what the C program says of rows, and what it refuses.

    Parameters
    ----------
    rows : list of dict
    """
    model.to_c(folder / "model", name=name, tables=tables)
    (folder / "main.c").write_text(main_of(folder, model, rows, name, tables), encoding="utf-8")
    build(folder, flags)
    done = subprocess.run([folder / "a.out"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    return [[float(text) for text in line[1:]] for line in lines], [int(line[0]) for line in lines]


def build(folder, flags=SANITIZED, sources=("main.c", "model.c")):
    command = [COMPILER, *WARNINGS, *flags, *sources, "-o", "a.out", "-lm"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]


def main_of(folder, model, rows, name, tables):
    inputs = inputs_of(model.encoder_, model._columns)
    shown = ",\n".join(f"  {{{fields(inputs, row, name)}}}" for row in rows)
    file = literals.string(str(folder / "model.dcn"))
    opens = f"if ({name}_open({file}) != 0) return 1;" if tables == "file" else ""
    closes = f"{name}_close();" if tables == "file" else ""
    return MAIN.format(
        header="model.h", name=name, prefix=name.upper(), rows=shown, opens=opens, closes=closes
    )


def fields(inputs, row, name):
    return ", ".join(field(of, row[of.column], name) for of in inputs)


ARRAYS = {"text": "char *const", "integer": "int64_t", "natural": "uint64_t"}


def list_field(of, value, name):
    """Return the initializers of a list: of a pointer, or of its weights."""
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    items = [] if missing else list(value)
    absent = [item is None or item is pd.NA or item != item for item in items]
    if of.kind == "value":
        array, shown = (
            f"{name}_value",
            [value_of(*pair) for pair in zip(items, absent, strict=True)],
        )
        shown = [f"{{{name.upper()}_{kind}, {{.{m} = {text}}}}}" for kind, m, text in shown]
    else:
        array = ARRAYS.get(of.kind, "double")
        shown = [plain(of.kind, *item) for item in zip(items, absent, strict=True)]
    pointer = f"(const {array}[]){{{', '.join(shown)}}}" if items else "0"
    found = f".{of.name} = {pointer}"
    if of.kind == "weights":
        return found
    found += f", .{of.name}_count = {len(items)}, .{of.name}_missing = {int(missing)}"
    if of.kind in ("integer", "natural"):
        flags = ", ".join(str(int(flag)) for flag in absent)
        flags = f"(const int[]){{{flags}}}" if any(absent) else "0"
        found += f", .{of.name}_item_missing = {flags}"
    return found


def plain(kind, item, missing):
    """Return an item of a list."""
    if kind == "text":
        return "0" if missing else literals.string(item)
    if kind in ("integer", "natural"):
        return "7" if missing else literals.integer(int(item))
    return "NAN" if missing else literals.real(float(item))


def field(of, value, name):
    if of.is_list or of.kind == "weights":
        return list_field(of, value, name)
    missing = value is None or value is pd.NaT or value is pd.NA
    missing = missing or (isinstance(value, float) and math.isnan(value))
    if of.kind in ("integer", "natural", "date"):
        if of.kind == "date" and not missing:
            clock = pd.Timestamp(value).tz_localize(None).to_datetime64()
            value = clock.astype("M8[s]").astype(np.int64)
        number = 0 if missing else literals.integer(int(value))
        return f".{of.name} = {number}, .{of.name}_missing = {int(missing)}"
    if of.kind in ("number", "real"):
        return f".{of.name} = {'NAN' if missing else literals.real(float(value))}"
    if of.category == "text":
        return f".{of.name} = {0 if missing else literals.string(value)}"
    kind, member, shown = value_of(value, missing)
    return f".{of.name} = {{{name.upper()}_{kind}, {{.{member} = {shown}}}}}"


def value_of(value, missing):
    if missing:
        return "MISSING", "text", "0"
    if isinstance(value, str):
        return "TEXT", "text", literals.string(value)
    if isinstance(value, float | np.floating):
        return "REAL", "real", literals.real(float(value))
    whole = int(value)
    kind = "natural" if whole > literals.INT64[1] else "integer"
    return kind.upper(), kind, literals.integer(whole)
