"""RESULTS.md shows what the examples measured, and absent data are named."""

import json

import pytest

from bench import pages
from bench.examples import data, report, table


def test_pages_show_the_results():
    for path, text in {pages.RESULTS: table.render()}.items():
        page = path.read_text()
        assert pages.insert(page, "quality", text) == page


def test_choices_in_the_text_are_the_measured_ones():
    text, choices = " ".join(pages.RESULTS.read_text().split()), table.load("choices")
    loss = {
        row["way"]: f"{row['loss']:.3f}"
        for row in choices["missing"]
        if (row["table"], row["missing"]) == ("california", "at random")
    }
    assert (
        f"gives an RMSE of {loss['mean and indicator']}, a learned value {loss['learned value']}, "
        f"and the mean alone {loss['mean alone']}"
    ) in text
    best = {}
    for row in sorted(choices["unseen"], key=lambda row: -row["log_loss"]):
        best[row["table"], row["field"]] = row["way"]
    assert [*best.values()].count("mean of the seen") == 4
    assert len(best) == 5


def test_targets_hold_in_the_stored_results():
    adult, flights = table.load("adult"), table.load("hflights")["rows"]
    assert adult["mean"]["accuracy"] >= 0.855
    assert adult["mean"]["auc"] >= 0.912
    assert min(table.load("california")["mean"].values()) <= 0.48
    assert table.load("movielens")["ml-100k"]["mean"]["untouched"]["rmse"] <= 0.93
    regression, ours = flights[0], flights[-1]
    assert ours["auc"] > regression["auc"]
    assert ours["log_loss"] < regression["log_loss"]


def test_untouched_is_nowhere_worse_than_mlp():
    rows = {(r["table"], r["model"]): r for r in table.load("defaults")["rows"]}
    for (name, model), ours in rows.items():
        if model != "dcnfast":
            continue
        mlp = rows[name, "MLP"]
        if "accuracy" in ours:
            assert ours["accuracy"]["mean"] >= mlp["accuracy"]["mean"], name
        loss = "log_loss" if "log_loss" in ours else "rmse"
        assert ours[loss]["mean"] < mlp[loss]["mean"], name


@pytest.mark.parametrize("file", data.ORIGIN)
def test_absent_data_are_named(file, tmp_path, monkeypatch):
    monkeypatch.delenv(data.VARIABLE, raising=False)
    with pytest.raises(FileNotFoundError, match=f"{file} .*--data DIR or set .*{data.VARIABLE}"):
        data.locate(file, None)
    with pytest.raises(FileNotFoundError, match=f"has no {file}"):
        data.locate(file, tmp_path)
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).touch()
    monkeypatch.setenv(data.VARIABLE, str(tmp_path))
    assert data.locate(file, None) == tmp_path / file


def test_main_writes_json_or_says_what_is_missing(tmp_path, monkeypatch, capsys):
    path = tmp_path / "new" / "x.json"
    monkeypatch.setattr("sys.argv", ["x", "--data", "folder", "--json", str(path)])
    report.main("x", "About x.", lambda folder: {"rows": [folder]})
    written = json.loads(path.read_text())
    assert written["rows"] == ["folder"]
    assert {"example", "date", "machine"} <= written.keys()

    monkeypatch.setattr("sys.argv", ["x", "--data", str(tmp_path)])
    with pytest.raises(SystemExit):
        report.main("x", "About x.", lambda folder: data.locate("adult.data", folder))
    assert "adult.data" in capsys.readouterr().err
