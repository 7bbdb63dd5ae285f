"""`dcnfast --json PATH` writes what README's table of the study is made of."""

import json

import numpy as np
import pytest

from bench import almond_table
from dcnfast.commands import cli, study
from dcnfast.datasets import make_almond_clicks

SMALL = study.Size(n_train=300, n_evaluate=200, batch_size=100, max_iter=2)


@pytest.fixture
def quick(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(study, "QUICK", SMALL)
    return tmp_path / "almond.json"


def test_json_says_what_the_printed_table_says(quick, capsys):
    assert cli.main(["--quick", "--json", str(quick)]) == 0
    written, printed = json.loads(quick.read_text()), capsys.readouterr().out
    assert [m["name"] for m in written["models"]] == list(study.MODELS)
    for m in written["models"]:
        assert f"{m['name']:<30} {m['n_parameters']:>10,} {m['rmse']:>9.5f}" in printed
    assert written["size"] == {"n_train": 300, "n_evaluate": 200, "batch_size": 100, "max_iter": 2}
    assert len(almond_table.render(written).splitlines()) == 2 + len(study.MODELS)


def test_a_directory_that_is_not_there_is_refused_before_the_work(quick, capsys):
    with pytest.raises(SystemExit):
        cli.main(["--quick", "--json", str(quick.parent / "missing" / "almond.json")])
    assert "missing is not a directory" in capsys.readouterr().err


def test_best_polynomials_are_those_of_the_evaluation_rows():
    y = make_almond_clicks(500).target[300:]
    best = study.best_polynomials(SMALL)
    assert best["constant"] == pytest.approx(np.std(y))
    assert best["constant"] > best["linear"] > best["quadratic"] > 0


def test_best_quadratic_of_the_whole_study():
    assert study.best_polynomials(study.Size())["quadratic"] == pytest.approx(0.01740, abs=5e-6)
