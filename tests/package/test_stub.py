"""The typed stub says what the compiled module has, no more and no less."""

import ast
import re
from pathlib import Path

import pytest

import dcnfast
from dcnfast import _core

# Found beside the package that was imported, so that what was installed is what is checked.
STUB = ast.parse((Path(dcnfast.__file__).parent / "_core.pyi").read_text())

CLASSES = {node.name: node for node in STUB.body if isinstance(node, ast.ClassDef)}

# Implemented in C++ once for both types: the stub says it once, generic in the scalar.
PAIRS = [
    (_core.ops_f32, "_Ops"),
    (_core.ops_f64, "_Ops"),
    (_core.NetworkF32, "_Network"),
    (_core.NetworkF64, "_Network"),
    (_core.TableF32, "_Table"),
    (_core.TableF64, "_Table"),
    (_core.TrainingStateF32, "_TrainingState"),
    (_core.TrainingStateF64, "_TrainingState"),
]


def public(names):
    return {name for name in names if not name.startswith("_")}


def names_in(body):
    for node in body:
        match node:
            case ast.FunctionDef() | ast.ClassDef():
                yield node.name
            case ast.AnnAssign():
                yield node.target.id


def test_module_and_stub_have_the_same_names():
    assert public(names_in(STUB.body)) == public(dir(_core))


@pytest.mark.parametrize(("compiled", "name"), PAIRS)
def test_class_and_stub_have_the_same_names(compiled, name):
    assert public(names_in(CLASSES[name].body)) == public(dir(compiled))


def arguments_in_doc(function):
    """Read the names from the signature that pybind11 writes into the docstring."""
    return re.findall(r"(\w+): ", function.__doc__.partition(") ->")[0])


@pytest.mark.parametrize(("compiled", "name"), PAIRS)
def test_methods_and_stub_take_the_same_arguments(compiled, name):
    for node in CLASSES[name].body:
        if not isinstance(node, ast.FunctionDef) or node.decorator_list or node.name[0] == "_":
            continue
        got = arguments_in_doc(getattr(compiled, node.name))
        if node.args.posonlyargs:  # functions of a module: no self, and only their number is known
            assert len(got) == len(node.args.posonlyargs) - 1, node.name
        else:
            assert got == [argument.arg for argument in node.args.args], node.name
