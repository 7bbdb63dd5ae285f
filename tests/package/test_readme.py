"""README.md says what is so: its commands and its figures. test_pages.py runs its code."""

import re

import pytest

from bench import almond_table, pages

README = pages.README.read_text()


def test_the_two_commands_come_first():
    blocks = re.findall(r"^```console\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    assert blocks[:2] == [
        "pip install . && python -m dcnfast\n",
        "pip install '.[test]' && pytest\n",
    ]
    assert README.index("```") == README.index("```console")


def test_it_stays_short():
    assert len(README.splitlines()) <= 180


def test_table_of_the_study_is_the_measured_one():
    assert pages.insert(README, "almond", almond_table.render(almond_table.load())) == README


def test_figures_in_the_text_are_the_measured_ones():
    study = almond_table.load()
    models = {m["name"]: m for m in study["models"]}
    dead = models["deep 512-256-128, rate 0.4"]
    text = " ".join(README.split())
    assert f"degree two can do is {study['best_polynomials']['quadratic']:.5f}" in text
    assert f"standard deviation of y, {study['best_polynomials']['constant']:.4f}" in text
    assert dead["rmse"] == pytest.approx(study["best_polynomials"]["constant"], abs=5e-5)
    assert "no longer depend on its inputs" in dead["complaint"]
