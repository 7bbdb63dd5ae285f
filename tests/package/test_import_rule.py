"""The import rule of ARCHITECTURE.md, read from the imports themselves, in Python and in C++."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "dcnfast"
CPP = ROOT / "src" / "cpp"

# In the order of the data flow: a package imports only those before it.
PACKAGES = [
    "table", "encode", "network", "training", "serving", "estimators", "inspection", "commands",
]  # fmt: skip
# What every package may import, and they only each other.
LEAVES = {"_core", "cpu", "parallel", "plain", "exchange", "datasets", "metrics", "testing"}
BESIDE = {"ops", "reference"}  # import the kinds of `network` and the leaves
# Show kinds of the packages, to people alone.
PUBLIC = {
    "c_api", "checkpoints", "crosses", "lists", "losses", "numeric_embeddings", "optimizers",
    "schedules", "target_statistics",
}  # fmt: skip
WITH_SKLEARN = {"table", "estimators", "inspection", "commands", "metrics", "datasets"}


def part_of(path):
    """Return the package of a module, or the name of one at the root."""
    inside = path.relative_to(PACKAGE).with_suffix("")
    return inside.parts[0]


def module_name(path):
    """Return the dotted name of a module; a package has that of its folder."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path):
    """Yield the modules that a file imports when it runs, as dotted names."""
    tree = ast.parse(path.read_text())
    checking = {
        node
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.unparse(branch.test)
        for node in ast.walk(branch)
    }
    for node in ast.walk(tree):
        if node in checking:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: want absolute imports"
            yield from (
                f"{node.module}.{alias.name}" if node.module == "dcnfast" else node.module
                for alias in node.names
            )


def of_the_package(path):
    """Return the parts of dcnfast that a file imports."""
    dotted = (name.split(".") for name in imported(path))
    return {parts[1] for parts in dotted if parts[0] == "dcnfast" and len(parts) > 1}


MODULES = sorted(PACKAGE.rglob("*.py"))


def test_there_is_what_the_rule_speaks_of():
    parts = {part_of(path) for path in MODULES}
    rest = parts - LEAVES - BESIDE - PUBLIC - {"__init__", "__main__"}
    assert rest == set(PACKAGES)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_package_imports_only_packages_before_it(path):
    part, allowed = part_of(path), set(LEAVES)
    if part in PACKAGES:
        allowed |= set(PACKAGES[: PACKAGES.index(part) + 1])
    elif part in BESIDE:
        allowed |= {part, "network"}
    elif part in PUBLIC:
        allowed |= {"network", "training"}
    elif part in ("__init__", "__main__"):
        allowed |= {*PACKAGES, *BESIDE, *PUBLIC}
    assert of_the_package(path) <= allowed | {"__version__"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_scikit_learn_stays_with_tables_and_people(path):
    uses = any(name.partition(".")[0] == "sklearn" for name in imported(path))
    assert not uses or part_of(path) in WITH_SKLEARN


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_kernels_for_users_and_the_reference_know_no_compiled_network(path):
    if part_of(path) in BESIDE:
        assert not {"dcnfast.network.model", "dcnfast.network.memory"} & set(imported(path))


def test_no_module_imports_itself_through_others():
    """Of modules; that `dcnfast` itself imports all packages is another matter."""
    names = {module_name(path): path for path in MODULES if path.parent != PACKAGE}
    after = {name: set(imported(path)) & names.keys() for name, path in names.items()}
    while free := [name for name, rest in after.items() if not rest & after.keys()]:
        for name in free:
            del after[name]
    assert not after


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_training_returns_what_estimators_say(path):
    assert part_of(path) != "training" or "warnings" not in set(imported(path))


# ---- C++

CPP_PACKAGES = ["base", "dispatch", "network", "training", "serving", "bindings"]
WITHOUT_PYTHON = ["capi"]
KERNELS = {"kernels", "simd", "isa"}  # one library an instruction set
SEEN_BY_KERNELS = {"dispatch/kernel_table.hpp", "base/shapes.hpp", "base/bits.hpp"}
SOURCES = sorted(path for path in CPP.rglob("*.*") if path.suffix in (".hpp", ".cpp", ".inl"))


def may_include(path):
    """Return whether a source may include a file, as a function of that file's name."""
    part = path.relative_to(CPP).parts[0]
    if part in KERNELS:
        return lambda name: name in SEEN_BY_KERNELS or name.split("/")[0] in KERNELS
    if part in WITHOUT_PYTHON:
        return lambda name: name.split("/")[0] in {*CPP_PACKAGES, part} - {"bindings"}
    before = CPP_PACKAGES[: CPP_PACKAGES.index(part) + 1]
    return lambda name: name.split("/")[0] in before


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(CPP)))
def test_a_source_includes_only_what_lies_before_it(path):
    includes = re.findall(r'^#include "([\w./]+)"', path.read_text(), flags=re.MULTILINE)
    assert [name for name in includes if not may_include(path)(name)] == []


def test_the_sources_are_those_of_the_packages():
    assert {path.relative_to(CPP).parts[0] for path in SOURCES} == {
        *CPP_PACKAGES,
        *WITHOUT_PYTHON,
        *KERNELS,
    }
