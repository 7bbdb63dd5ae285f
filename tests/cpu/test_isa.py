"""Which instruction set runs: chosen, forced, and never silently another."""

import pytest

from dcnfast import _core
from dcnfast.cpu import active_isa, available_isas, config, show_config
from dcnfast.testing import force_isa

SHOW = "import dcnfast.cpu; print(dcnfast.cpu.active_isa())"


@pytest.mark.parametrize("name", available_isas())
def test_environment_forces(name, fresh):
    assert fresh(SHOW, DCNFAST_ISA=name).stdout.strip() == name


def test_empty_environment_chooses_the_best(fresh):
    assert fresh(SHOW, DCNFAST_ISA="").stdout.strip() == available_isas()[0]


@pytest.mark.parametrize("name", ["sse9", "AVX2", " "])
def test_unknown_name_in_the_environment_is_an_error(name, fresh):
    result = fresh("import dcnfast", DCNFAST_ISA=name)
    assert result.returncode != 0
    assert f"DCNFAST_ISA: instruction set '{name}' is unknown to this build" in result.stderr
    assert "want one of" in result.stderr
    assert "'scalar'" in result.stderr


def test_scalar_is_always_there_and_last():
    assert available_isas()[-1] == "scalar"


def test_forcing_is_undone():
    before = active_isa()
    with force_isa("scalar"):
        assert active_isa() == "scalar"
    assert active_isa() == before


def test_forcing_that_did_not_hold_fails():
    if len(available_isas()) < 2:
        pytest.skip("needs two instruction sets")
    first, second = available_isas()[:2]
    before = active_isa()
    with (
        pytest.raises(AssertionError, match=f"{first} was forced, {second} is active"),
        force_isa(first),
    ):
        _core.force_isa(second)
    assert active_isa() == before


def test_forcing_an_unknown_name():
    with pytest.raises(ValueError, match="instruction set 'mmx' is unknown"), force_isa("mmx"):
        pass


def test_fixture_forces(isa):
    assert active_isa() == isa


def test_show_config(capsys):
    show_config()
    printed = capsys.readouterr().out
    for name, value in config().items():
        assert f"{name}:" in printed
        assert (", ".join(value) if isinstance(value, list) else str(value)) in printed
    assert set(config()["instruction sets available"]) <= set(config()["instruction sets compiled"])


@pytest.mark.parametrize("name", available_isas())
def test_cache_is_read_at_some_speed(name):
    with force_isa(name):
        assert _core.measure_read_bandwidth(30_001, 2, 0.001) > 0


def test_every_thread_wants_something_to_read():
    with pytest.raises(ValueError, match="bytes is 7 for 2 threads, want one float for each"):
        _core.measure_read_bandwidth(7, 2, 0.001)
