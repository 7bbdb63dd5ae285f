"""What the package imports: all of it declared, and no extra before it is needed."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(p for p in (ROOT / "src" / "dcnfast").rglob("*.py*") if p.suffix != ".pyc")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DISTRIBUTION = {"sklearn": "scikit-learn"}  # the others are named as they are imported


def imported(tree, *, lazy):
    """Return the top-level names of other projects that are imported, all or only at import."""
    found, todo = set(), [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found.add(node.module)
        elif lazy or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            todo += ast.iter_child_nodes(node)
    names = {name.split(".")[0] for name in found}
    return {DISTRIBUTION.get(name, name) for name in names - sys.stdlib_module_names - {"dcnfast"}}


def everywhere(*, lazy):
    return set().union(*(imported(ast.parse(f.read_text()), lazy=lazy) for f in SOURCES))


def required(requirements):
    return {re.match(r"[\w-]+", requirement)[0] for requirement in requirements}


def test_what_is_imported_is_what_is_declared():
    assert {"numpy", "joblib", "scikit-learn"} <= everywhere(lazy=False)
    assert everywhere(lazy=False) == required(PROJECT["dependencies"])


def test_what_is_imported_later_is_declared_as_an_extra():
    later = everywhere(lazy=True) - everywhere(lazy=False)
    assert later == {"matplotlib", "onnx"}
    extras = PROJECT["optional-dependencies"]
    assert required(extras["plot"]) | required(extras["onnx"]) == later


def test_an_import_nested_in_a_class_or_a_condition_is_seen():
    code = "if 1:\n    import a.b\nclass C:\n    from c import d\ndef f():\n    import e\n"
    assert imported(ast.parse(code), lazy=False) == {"a", "c"}
    assert imported(ast.parse(code), lazy=True) == {"a", "c", "e"}


EXTRAS = ["matplotlib", "onnx", "onnxruntime", "pandas", "polars", "pyarrow", "rich"]


def run(code):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120,
        check=True,
    ).stdout  # fmt: skip


def test_import_brings_no_extra():
    """None that scikit-learn does not bring itself, where it is installed."""
    own = run(
        "import sys, sklearn.base, sklearn.metrics, sklearn.model_selection; print(*sys.modules)"
    )
    ours = run("import sys, dcnfast; print(*sys.modules)")
    assert not (set(ours.split()) - set(own.split())) & set(EXTRAS)


@pytest.mark.parametrize(
    "module",
    [
        "crosses",
        "datasets",
        "inspection",
        "lists",
        "losses",
        "metrics",
        "numeric_embeddings",
        "ops",
        "optimizers",
        "schedules",
    ],
)
def test_modules_are_there_after_import(module, fresh):
    shown = f"dcnfast.{module}.__name__, {module!r} in dcnfast.__all__"
    assert fresh(f"import dcnfast; print({shown})").stdout == f"dcnfast.{module} True\n"
