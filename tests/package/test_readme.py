"""README.md says what is so: its commands, its code and its figures."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from bench import almond_table
from dcnfast import DCNClassifier

README = almond_table.README.read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def test_the_two_commands_come_first():
    assert blocks("console")[:2] == [
        "pip install . && python -m dcnfast\n",
        "pip install '.[test]' && pytest\n",
    ]
    assert README.index("```") == README.index("```console")


def run(code, names):
    """Run a block of code and return what it prints; it leaves its names to the next."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "README.md", "exec"), names)
    return printed.getvalue()


def test_code_prints_what_stands_below_it():
    names = {}
    assert len(blocks("python")) == 3
    for code, wanted in zip(blocks("python"), blocks("text"), strict=True):
        assert run(code, names) == wanted


def test_code_that_draws(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    names = {}
    for code in blocks("python") + blocks("py"):
        run(code, names)
    assert Path("W.png").read_bytes().startswith(b"\x89PNG")


def test_every_parameter_has_its_place():
    table = README.partition("### Parameters")[2].partition("`fit`")[0]
    listed = re.findall(r"`(\w+)`", table)
    assert sorted(listed) == sorted(DCNClassifier().get_params())


def test_table_of_the_study_is_the_measured_one():
    study = almond_table.load()
    assert almond_table.insert(README, almond_table.render(study)) == README


def test_figures_in_the_text_are_the_measured_ones():
    study = almond_table.load()
    models = {m["name"]: m for m in study["models"]}
    dead = models["deep 512-256-128, rate 0.4"]
    text = " ".join(README.split())
    assert f"degree two can do is {study['best_polynomials']['quadratic']:.5f}" in text
    assert f"standard deviation of y, {study['best_polynomials']['constant']:.4f}" in text
    assert dead["rmse"] == pytest.approx(study["best_polynomials"]["constant"], abs=5e-5)
    assert "no longer depend on its inputs" in dead["complaint"]
