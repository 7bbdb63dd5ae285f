from __future__ import annotations

import pytest

from bench import harness, tables

ROWS = pytest.StashKey[list[harness.Row]]()


def pytest_addoption(parser):
    parser.addoption("--smoke", action="store_true", help="run each benchmark once, on little data")


def pytest_configure(config):
    config.stash[ROWS] = []
    if not config.getoption("smoke"):
        try:
            harness.require_release()
        except RuntimeError as error:
            raise pytest.UsageError(str(error)) from None


def pytest_generate_tests(metafunc):
    if "make_work" not in metafunc.fixturenames:
        return
    parameters = []
    for name, task in harness.find_tasks().items():
        rivals, skipped = harness.find_rivals(task)
        cases = task.SMOKE if metafunc.config.getoption("smoke") else task.CASES
        for case, make_work in cases.items():
            group = f"{name}: {case}"
            parameters += [
                pytest.param(group, make_work, rival, id=f"{group}, {rival.name}")
                for rival in rivals
            ]
            parameters += [
                pytest.param(
                    group,
                    make_work,
                    None,
                    id=f"{group}, {reason}",
                    marks=pytest.mark.skip(reason=reason),
                )
                for reason in skipped
            ]
    metafunc.parametrize(("group", "make_work", "rival"), parameters)


@pytest.fixture
def rows(request):
    """Collects the figures that are printed at the end."""
    return request.config.stash[ROWS]


def pytest_terminal_summary(terminalreporter, config):
    if config.stash[ROWS]:
        terminalreporter.section("fractions of the machine's ceilings")
        terminalreporter.write_line(tables.table(config.stash[ROWS]))
