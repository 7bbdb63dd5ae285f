"""README.md says what is so: its commands, its code and its figures."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from bench import almond_table

README = almond_table.README.read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def test_the_two_commands_come_first():
    assert blocks("console")[:2] == [
        "pip install . && python -m dcnfast\n",
        "pip install '.[test]' && pytest\n",
    ]
    assert README.index("```") == README.index("```console")


def test_code_prints_what_stands_below_it():
    (code,), (wanted,) = blocks("python"), blocks("text")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "README.md", "exec"), {})
    assert printed.getvalue() == wanted


def test_code_that_draws(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    (use,), (draw,) = blocks("python"), blocks("py")
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(use + draw, "README.md", "exec"), {})
    assert Path("W.png").read_bytes().startswith(b"\x89PNG")


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
