"""The defaults beside their alternatives: the choice sees one half, the judgement the other."""

from __future__ import annotations

import pytest

pytest.importorskip("pandas")

from bench.pages import RESULTS, insert
from bench.quality import __main__ as command
from bench.quality import pages, runner
from bench.quality.alternatives import ALTERNATIVES, CHOSEN, FINALISTS, JUDGED, SEEDS, SMALL
from bench.quality.models import build
from dcnfast import DCNClassifier


@pytest.fixture
def fits(monkeypatch):
    """Let scores depend on label and seed alone; return the fits that were made."""
    made = []
    quality = {label: 1 + 0.01 * i for i, label in enumerate(ALTERNATIVES)}
    quality["dropout 0"] = 0.9

    def fit_and_score(_model, rows, seed, _threads, parameters):
        label = next((name for name in ALTERNATIVES if ALTERNATIVES[name] == parameters), "dcnfast")
        made.append((label, rows, seed))
        score = quality.get(label, 0.95) * seed
        return {"score": score, "figures": {}, "fit_seconds": 1.0, "predict_seconds": 0.0}

    monkeypatch.setattr(runner, "fit_and_score", fit_and_score)
    monkeypatch.setattr(runner.suite, "read", lambda name, *_: name)
    monkeypatch.setattr(runner.suite, "split", lambda name, *_: name)
    return made


def test_halves_have_no_table_in_common():
    assert len(CHOSEN) == len(JUDGED) == 8
    assert not set(CHOSEN) & set(JUDGED)
    assert set(SMALL) < set(CHOSEN)


@pytest.mark.parametrize("label", ALTERNATIVES)
def test_alternatives_are_none_of_the_defaults(label):
    ((name, value),) = ALTERNATIVES[label].items()
    default = DCNClassifier().get_params()[name]
    model = DCNClassifier(**{name: build(value)})
    assert repr(model.get_params()[name]) != repr(default)


def test_campaign(fits, tmp_path):
    path = tmp_path / "halves.json"
    assert command.main(["alternatives", "--out", str(path)]) == 0
    of = {
        label: [fit[1:] for fit in fits if fit[0] == label] for label in ("dcnfast", *ALTERNATIVES)
    }
    everywhere = {(table, seed) for table in (*CHOSEN, *JUDGED) for seed in SEEDS}
    assert set(of["dcnfast"]) == set(of["dropout 0"]) == everywhere
    finalists = [name for name in ALTERNATIVES if {table for table, _ in of[name]} <= set(CHOSEN)]
    assert finalists == [name for name in ALTERNATIVES if name != "dropout 0"]
    whole = [name for name in ALTERNATIVES if len(of[name]) >= len(CHOSEN) * len(SEEDS)]
    assert len(whole) == FINALISTS
    assert of["numbers, periodic"] == [
        *((table, seed) for seed in SEEDS for table in SMALL),
        *((table, SEEDS[0]) for table in CHOSEN if table not in SMALL),
    ]
    done = len(fits)
    assert command.main(["alternatives", "--out", str(path)]) == 0  # goes on where it was
    assert len(fits) == done

    found = runner.load(path)
    shown = pages.alternatives(found).split("\n\n")
    assert [len(grid.splitlines()) - 2 for grid in shown] == [
        len(ALTERNATIVES) + 1,
        FINALISTS + 1,
        2,
    ]
    assert shown[2].splitlines()[2].startswith("| dropout 0 | 0.947 |")
    assert shown[2].splitlines()[3] == "| dcnfast |" + " 1.000 |" * (len(JUDGED) + 1)


def test_campaign_ends_with_the_round_that_could_not_be_fitted(fits, tmp_path, monkeypatch, capsys):
    def fails(model, rows, seed, threads, parameters):
        if parameters == {"dropout": 0.0} and rows == "bank":
            raise RuntimeError("no fit")
        return works(model, rows, seed, threads, parameters)

    works = runner.fit_and_score
    monkeypatch.setattr(runner, "fit_and_score", fails)
    path = tmp_path / "halves.json"
    assert command.main(["alternatives", "--out", str(path)]) == 1
    assert capsys.readouterr().err == "dropout 0, bank, seed 5: RuntimeError: no fit\n"
    assert {fit[1] for fit in fits} == set(CHOSEN)
    monkeypatch.setattr(runner, "fit_and_score", works)
    assert command.main(["alternatives", "--out", str(path)]) == 0
    assert {fit[1] for fit in fits if fit[0] == "dropout 0"} == {*CHOSEN, *JUDGED}


def test_page_shows_the_alternatives():
    page = RESULTS.read_text()
    shown = pages.alternatives(pages.records(pages.HALVES))
    assert insert(page, "alternatives", shown) == page
