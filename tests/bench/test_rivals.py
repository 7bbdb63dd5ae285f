"""Rivals: who is skipped and why, what they are given, and what they tell besides the time."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from bench import harness, remote, tables, training, w3_full_model, w4_small_table
from bench.latency import Calls
from bench.w4_small_table import sklearn_mlp


@pytest.fixture
def task(tmp_path, monkeypatch):
    """A task of three files: one that is there, one without its package, one without its tool."""
    package = tmp_path / "task_of_three"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "dcnfast.py").write_text("THREADS = 1\ndef prepare(data, threads): ...\n")
    (package / "boxed.py").write_text(
        "from bench.harness import AbsentError\nraise AbsentError('it is in its box')\n"
    )
    (package / "torchless.py").write_text("raise ModuleNotFoundError(name='torch')\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield __import__("task_of_three")
    for name in [name for name in sys.modules if name.startswith("task_of_three")]:
        del sys.modules[name]


def test_a_rival_that_cannot_be_had_is_skipped_by_name(task):
    rivals, skipped = harness.find_rivals(task)
    assert [(r.name, r.threads, r.reference) for r in rivals] == [("dcnfast", 1, None)]
    assert skipped == ["boxed: it is in its box", "torchless: torch is not installed"]


def test_a_package_that_must_be_there_is_missed(task: ModuleType, tmp_path):
    (tmp_path / "task_of_three" / "broken.py").write_text("import no_such_package\n")
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        harness.find_rivals(task)


def test_without_tensorflow_its_rivals_say_how_to_give_it(monkeypatch):
    monkeypatch.delenv(remote.VARIABLE, raising=False)
    monkeypatch.setattr(remote, "find_spec", lambda _: None)
    with pytest.raises(harness.AbsentError, match=f"{remote.VARIABLE} is not set"):
        remote.interpreter()
    monkeypatch.setenv(remote.VARIABLE, "/somewhere/python")
    assert remote.interpreter() == "/somewhere/python"


SCRIPT = """
import pickle, sys
job = pickle.load(sys.stdin.buffer)
replies = [(None, None), (job, None), (None, "no luck")]
for reply in replies:
    sys.stdout.buffer.write(pickle.dumps(reply))
    sys.stdout.buffer.flush()
    pickle.load(sys.stdin.buffer)
sys.exit("gone")
"""


def test_a_remote_rival_takes_turns_until_it_fails_or_dies(tmp_path, monkeypatch):
    monkeypatch.setenv(remote.VARIABLE, sys.executable)
    monkeypatch.setattr(remote, "SCRIPT", tmp_path / "script.py")
    remote.SCRIPT.write_text(SCRIPT)
    turn = remote.Remote({"x": 1})
    process: subprocess.Popen[bytes] = turn._process
    assert turn() == {"x": 1}
    with pytest.raises(RuntimeError, match="no luck"):
        turn()
    with pytest.raises(RuntimeError, match="it died\ngone"):
        turn()
    del turn
    assert process.returncode is not None


def test_what_a_rival_measures_itself_gets_a_column():
    row = {
        "case": "c", "rival": "r", "threads": 1, "seconds": 1.0, "seconds_spread": 0.0,
        "rows_per_second": 1.0, "gflops": 1.0, "fma_fraction": 1.0, "gbytes_per_second": 1.0,
        "bandwidth_fraction": 1.0, "error": 0.0,
    }  # fmt: skip
    header, _, first, second = tables.table([row | {"p99": 5e-6}, row]).splitlines()
    assert header.endswith("| time / dcnfast | p99 |")
    assert first.endswith("|  | 5 µs |")
    assert second.endswith("|  |  |")
    assert header.count("|") == first.count("|") == second.count("|")


def test_calls_are_answered_in_order_and_timed_one_by_one():
    calls = Calls(lambda row: 2 * row, [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(calls()[0], [2, 4, 6])
    figures = calls.figures()
    assert 0 < figures["p50"] <= figures["p99"]


def test_weights_that_rows_read_again_are_set_against_a_cache():
    work = harness.Work(None, 1, rows=10, flops=1, bytes=1, reference=tuple, weights=100)
    row = harness.summarise(work, [2.0], [harness.ceilings(1, 100)])
    assert row["cache_fraction"] == pytest.approx(500 / 1e9 / row["cache_gbytes_per_second"])
    row = harness.summarise(replace(work, weights=0), [2.0], [harness.ceilings(1, 0)])
    assert "cache_fraction" not in row


def test_a_rival_with_a_reference_of_its_own_is_held_to_that():
    work = harness.Work(np.ones(2), 1, 2, 8.0, 64.0, reference=lambda: (np.array([1.0, 2.0]),))
    own = harness.Rival("own", lambda x, _: lambda: (5 * x,), reference=lambda x: (5.0 * x,))
    right = harness.Rival("dcnfast", lambda x, _: lambda: (x.cumsum(),))
    rows = list(harness.measure(work, [right, own], rounds=(1, 1)))
    assert [row["error"] for row in rows] == [0, 0]
    with pytest.raises(AssertionError, match="relative error"):
        list(harness.measure(work, [right, replace(own, reference=None)], rounds=(1, 1)))


# ---- what is trained


@pytest.mark.parametrize("form", w3_full_model.FORMS)
def test_rows_of_the_table_that_a_turn_does_not_name_make_no_difference(form):
    drawn = w3_full_model.small_work(form).data
    whole = replace(drawn)  # with nothing left out
    object.__setattr__(whole, "_with_rows_of", lambda _: whole)
    small = drawn._with_rows_of(drawn.turns[0])
    assert len(small.table) < len(drawn.table)
    np.testing.assert_allclose(drawn.first_losses, whole.first_losses, rtol=1e-12)


def test_fields_are_as_large_as_asked_in_all_and_drawn_from():
    sizes = w3_full_model.field_sizes(1_000_000)
    assert abs(sizes.sum() - 1_000_000) < 10_000
    assert (np.diff(sizes) >= 0).all()
    ids = w3_full_model.draw_ids(sizes[:5], 10_000, np.random.default_rng(0))
    assert (ids.max(axis=0) == sizes[:5] - 1).all()
    counts = np.sort(np.bincount(ids[:, 4]))[::-1]
    assert counts[0] == pytest.approx(counts[3] * 4**w3_full_model.ZIPF, rel=0.2)


def test_flops_are_six_a_multiply_add():
    work = w4_small_table.work(1, 1024, 2)
    weights = 2 * 40 * 40 + 40 * 64 + 64 * 32 + 40 + 32
    assert work.rows == 512
    assert work.flops == 6 * 512 * weights
    assert training.multiply_adds(work.data.layers) == weights


def test_the_mlp_is_given_the_deep_part():
    data = w4_small_table.draw(1024, 2)
    left = sklearn_mlp.without_cross(data)
    assert {n for n in data.parameters if n not in left.parameters} == {"cross_W", "cross_b"}
    assert left.parameters["head_W"].shape == (1, 32)
