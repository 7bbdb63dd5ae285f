"""How many processes the tests have."""

from types import SimpleNamespace

import pytest

from dcnfast.cpu import effective_threads
from tests.conftest import pytest_cmdline_main


def config(args_source=pytest.Config.ArgsSource.TESTPATHS, **changes):
    options = {
        "collectonly": False, "usepdb": False, "capture": "fd", "markexpr": "not campaign",
        "benchmark_only": False, "numprocesses": None, "dist": "no",
    }  # fmt: skip
    return SimpleNamespace(option=SimpleNamespace(**options | changes), args_source=args_source)


def processes(of):
    pytest_cmdline_main(of)
    return of.option.numprocesses


def test_all_tests_have_one_for_each_core(monkeypatch):
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    assert processes(config()) == effective_threads(None)
    assert processes(config(numprocesses=3)) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"collectonly": True}, {"usepdb": True}, {"capture": "no"}, {"markexpr": "campaign"},
        {"benchmark_only": True}, {"args_source": pytest.Config.ArgsSource.ARGS},
    ],
)  # fmt: skip
def test_what_is_named_timed_or_looked_at_has_one(changes, monkeypatch):
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    assert processes(config(**changes)) is None


def test_a_process_of_the_tests_starts_no_others(monkeypatch):
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    assert processes(config()) is None
