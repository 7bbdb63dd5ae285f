"""README shows what the examples measured, and their data are asked for in plain words."""

import json

import pytest

from bench.examples import data, report, table


def test_readme_shows_the_results():
    readme = table.README.read_text()
    assert table.insert(readme, table.render()) == readme


def test_markers_are_wanted_once_each():
    with pytest.raises(ValueError, match="once each"):
        table.insert(f"# readme\n{table.BEGIN}\n", "new")


def test_targets_hold_in_the_stored_results():
    adult, flights = table.load("adult"), table.load("hflights")["rows"]
    assert adult["mean"]["accuracy"] >= 0.855
    assert adult["mean"]["auc"] >= 0.912
    assert min(table.load("california")["mean"].values()) <= 0.48
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
