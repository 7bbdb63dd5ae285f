"""Arrays that lie otherwise in memory give the same results; what is written is never a copy."""

import runpy
from pathlib import Path

import numpy as np
import pytest

SWEEPS = runpy.run_path(str(Path(__file__).with_name("test_bad_arguments.py")))
of_ops, strange_but_good = SWEEPS["of_ops"], SWEEPS["strange_but_good"]


def as_bytes(result):
    if isinstance(result, np.ndarray):
        return result.tobytes()
    return [as_bytes(part) for part in result] if isinstance(result, tuple | list) else result


@pytest.mark.parametrize("name", of_ops())
def test_arrays_that_lie_otherwise_in_memory(name):
    function, arguments, _ = of_ops()[name]
    places = [i for i, a in enumerate(arguments) if isinstance(a, np.ndarray)]
    if name == "optimizer_update":
        places = places[3:]
    want = as_bytes(function(*map(copy, arguments)))
    for place in places:
        for same in strange_but_good(arguments[place]):
            changed = [same if i == place else copy(a) for i, a in enumerate(arguments)]
            assert as_bytes(function(*changed)) == want


def copy(argument):
    return argument.copy() if isinstance(argument, np.ndarray) else argument


@pytest.mark.parametrize("place", range(3))
def test_what_is_written_is_no_copy(place):
    function, arguments, _ = of_ops()["optimizer_update"]
    good = arguments[place]
    read_only = good.copy()
    read_only.setflags(write=False)
    for bad in (*strange_but_good(good), good.astype(np.float32), read_only, list(good)):
        if isinstance(bad, np.ndarray) and bad.flags.carray and bad.dtype == good.dtype:
            continue
        with pytest.raises((ValueError, TypeError)):
            function(*[bad if i == place else copy(a) for i, a in enumerate(arguments)])
