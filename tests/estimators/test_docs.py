"""What the docstrings of the estimators say is so: names, defaults, attributes and examples."""

import doctest
import inspect
import re
from importlib import import_module

import numpy as np
import pytest

from dcnfast import DCNClassifier, DCNRanker, DCNRegressor, ops
from dcnfast.estimators.constraints import CONSTRAINTS

CLASSES = [DCNRegressor, DCNClassifier, DCNRanker]


def described(cls, section):
    """Return name -> what follows the colon, for each entry of a section."""
    doc = inspect.getdoc(cls)
    text = re.search(rf"^{section}\n-+\n(.*?)(?=\n\n\w+\n-+\n|\Z)", doc, re.DOTALL | re.MULTILINE)[
        1
    ]
    entries = re.findall(r"^(\w[\w, ]*) : (.+)$", text, re.MULTILINE)
    return {name: kind for names, kind in entries for name in names.split(", ")}


@pytest.mark.parametrize("cls", CLASSES)
def test_every_parameter_is_described_with_its_default(cls):
    kinds, signature = described(cls, "Parameters"), inspect.signature(cls).parameters
    assert list(kinds) == list(signature)
    for name, parameter in signature.items():
        default = re.search(r"default=(.+)$", kinds[name])[1]
        if name in ("beta_1", "beta_2"):
            default = default.split(", ")[name == "beta_2"]
        assert eval(default) == parameter.default, name
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY


@pytest.mark.parametrize("cls", CLASSES)
def test_choices_are_those_that_are_taken(cls):
    kinds = described(cls, "Parameters")
    for name, constraints in (CONSTRAINTS | cls._parameter_constraints).items():
        named = [c for c in constraints if not isinstance(c, type)]
        taken = {option for c in named for option in getattr(c, "options", ())}
        if name != "scoring":  # takes every scorer there is
            listed = re.sub("default=.*", "", kinds[name])
            assert set(re.findall(r'"([\w ]+)"', listed)) == taken, name


@pytest.mark.parametrize("cls", CLASSES)
def test_attributes_are_those_of_a_fitted_estimator(cls, frame):
    y = frame.binary if cls is DCNClassifier else frame.y
    model = cls(max_iter=1).fit(frame.X, y)
    has = {name for name in dir(model) if re.fullmatch(r"[a-z]\w*[a-z]_(in_)?", name)}
    assert has == set(described(cls, "Attributes"))
    unfitted = cls()
    assert not [name for name in vars(unfitted) if name.endswith("_")]


@pytest.mark.parametrize("cls", CLASSES)
def test_methods_are_described(cls):
    for name in (
        "fit",
        "partial_fit",
        "predict",
        "decision_function",
        "predict_proba",
        "predict_log_proba",
    ):
        method = getattr(cls, name, None)
        if method is None:
            continue
        doc = inspect.getdoc(method)
        arguments = [a for a in inspect.signature(method).parameters if a != "self"]
        section = re.search(r"^Parameters\n-+\n(.*?)\n\n", doc, re.DOTALL | re.MULTILINE)[1]
        named = re.findall(r"^(\w[\w, ]*) : ", section, re.MULTILINE)
        assert [a for names in named for a in names.split(", ")] == arguments
        assert re.search(r"^Returns\n-+\n\w+ : ", doc, re.MULTILINE), name


@pytest.mark.parametrize("function", ops.__all__)
def test_kernels_are_described(function):
    doc, signature = (f(getattr(ops, function)) for f in (inspect.getdoc, inspect.signature))
    section = re.search(r"^Parameters\n-+\n(.*?)\n\n", doc, re.DOTALL | re.MULTILINE)[1]
    named = re.findall(r"^(\w[\w, ]*)(?: : .*)?$", section, re.MULTILINE)
    assert [a for names in named for a in names.split(", ")] == list(signature.parameters)
    assert re.search(r"^Returns\n-+\n", doc, re.MULTILINE)


@pytest.mark.parametrize("module", ["estimators.regressor", "estimators.classifier", "ops"])
def test_examples(module):
    with np.printoptions(legacy=False):
        failed, tried = doctest.testmod(import_module(f"dcnfast.{module}"))
    assert tried >= 3
    assert failed == 0
