"""README.md and RESULTS.md show what bench/results holds; the harness refuses what it should."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bench import harness, pages, tables


def test_pages_show_the_results():
    shown = {pages.README: tables.short(tables.load()), pages.RESULTS: tables.render(tables.load())}
    for path, text in shown.items():
        page = path.read_text()
        assert pages.insert(page, "speed", text) == page


def test_every_rival_has_a_name_for_people():
    rivals = {row["rival"] for result in tables.load() for row in result["rows"]}
    assert {name for name in rivals if not name.startswith(harness.SUBJECT)} <= tables.RIVALS.keys()


def row_of(rival, speed, **more):
    return {"case": "a", "rival": rival, "rows_per_second": speed, "fma_fraction": 0.001} | more


def test_short_table_has_the_fastest_rival_and_the_nearest_limit():
    rows = [
        row_of("dcnfast", 3e6, bandwidth_fraction=0.4, fma_fraction=0.2),
        row_of("torch_eager", 1e3), row_of("onnxruntime", 2e6), row_of("dcnfast_one_thread", 9e9),
    ]  # fmt: skip
    machine = {"cpu": "C", "threads": 2, "instruction set": "avx2"}
    result = {"task": "w", "machine": machine, "rows": rows}
    text = tables.short([result], [tables.Line("w", "a", "what it is")])
    assert "| what it is | 3 M | 40% memory | ONNX Runtime | 2 M | 1.50 |" in text
    assert text.endswith("Measured on: C, 2 threads, avx2.")


def test_results_are_of_tasks_that_exist_and_have_every_figure():
    tasks = harness.find_tasks()
    for result in tables.load():
        assert result["title"] == tasks[result["task"]].TITLE
        assert {row["case"] for row in result["rows"]} <= set(tasks[result["task"]].CASES)
        for row in result["rows"]:
            assert row["ratio"] == 1 or row["rival"] != harness.SUBJECT
            assert all(np.isfinite(v) for v in row.values() if not isinstance(v, str))


def test_insert_wants_both_markers_once():
    begin, end = "<!-- speed:begin -->", "<!-- speed:end -->"
    with pytest.raises(ValueError, match="once each"):
        pages.insert(f"# page\n{begin}\n", "speed", "new")
    with pytest.raises(ValueError, match="once each"):
        pages.insert(f"{begin}\nold\n{end}\n", "quality", "new")
    text = pages.insert(f"above\n{begin}\nold\n{end}\nbelow\n", "speed", "new")
    assert text == f"above\n{begin}\nnew\n{end}\nbelow\n"


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
