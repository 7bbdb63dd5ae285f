"""README shows what bench/results holds, and the harness refuses what it should."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bench import harness, tables


def test_readme_shows_the_results():
    readme = tables.README.read_text()
    assert tables.insert(readme, tables.render(tables.load())) == readme


def test_results_are_of_tasks_that_exist_and_have_every_figure():
    tasks = harness.find_tasks()
    for result in tables.load():
        assert result["title"] == tasks[result["task"]].TITLE
        assert {row["case"] for row in result["rows"]} <= set(tasks[result["task"]].CASES)
        for row in result["rows"]:
            assert row["ratio"] == 1 or row["rival"] != harness.SUBJECT
            assert all(np.isfinite(v) for v in row.values() if not isinstance(v, str))


def test_insert_wants_both_markers_once():
    with pytest.raises(ValueError, match="once each"):
        tables.insert(f"# readme\n{tables.BEGIN}\n", "new")
    text = tables.insert(f"above\n{tables.BEGIN}\nold\n{tables.END}\nbelow\n", "new")
    assert text == f"above\n{tables.BEGIN}\nnew\n{tables.END}\nbelow\n"


WORK = harness.Work(
    data=np.arange(1.0, 5.0), threads=1, rows=4, flops=8.0, bytes=64.0,
    reference=lambda: (np.array([3.0, 5.0, 7.0, 9.0]),),
)  # fmt: skip
RIGHT = harness.Rival("dcnfast", lambda x, _: lambda: (2 * x + 1,), None)
UNABLE = harness.Rival("unable", lambda _x, _t: None, None)


@pytest.mark.parametrize(
    ("run", "complaint"),
    [
        (lambda x: 2 * x, "relative error 0.111"),
        (lambda x: x * np.nan, "relative error nan"),
        (lambda x: x[:1], r"shape \(1,\), want \(4,\)"),
    ],
)
def test_a_wrong_answer_is_never_timed(run, complaint):
    wrong = harness.Rival("wrong", lambda x, _: lambda: (run(x),), None)
    with pytest.raises(AssertionError, match=complaint):
        list(harness.measure(WORK, [RIGHT, wrong]))


def test_measure_gives_a_row_for_each_rival_that_can():
    again = harness.Rival("again", RIGHT.prepare, None)
    rows = list(harness.measure(WORK, [RIGHT, UNABLE, again], rounds=(2, 2)))
    assert [row["rival"] for row in rows] == ["dcnfast", "again"]
    assert rows[0]["ratio"] == 1
    assert all(row["error"] == 0 and row["rounds"] == 2 for row in rows)
    json.dumps(rows)


def test_timings_want_a_release_build(monkeypatch):
    monkeypatch.setattr(harness.cpu, "config", lambda: {"build type": "Debug"})
    with pytest.raises(RuntimeError, match="Debug"):
        harness.require_release()


def test_every_task_has_dcnfast_first_and_something_small():
    for task in harness.find_tasks().values():
        rivals, _ = harness.find_rivals(task)
        assert rivals[0].name == harness.SUBJECT
        assert task.CASES
        assert task.SMOKE
