"""Instruction sets and threads: what there is, what is in use."""

from __future__ import annotations

import os
from numbers import Integral
from pathlib import Path
from typing import Any

import joblib
import threadpoolctl

from dcnfast import _core

MOST_THREADS = 256  # of the pool


def available_isas() -> list[str]:
    """Return the names of the instruction sets that this build and CPU can run, best first."""
    return [isa["name"] for isa in _core.available_isas()]


def active_isa() -> str:
    """Return the name of the instruction set in use."""
    return str(_core.active_isa()["name"])


def effective_threads(n_jobs: int | None) -> int:
    """Turn scikit-learn's ``n_jobs`` into a number of threads.

    Parameters
    ----------
    n_jobs : int or None
        None: every core that affinity, control group and OMP_NUM_THREADS leave to this process.
        Negative: that many, less ``-1 - n_jobs``. Positive: that many, up to the 256 of the pool.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    ValueError
        If n_jobs is 0 or not an integer.
    """
    if n_jobs is not None and (
        isinstance(n_jobs, bool) or not isinstance(n_jobs, Integral) or n_jobs == 0
    ):
        raise ValueError(f"n_jobs is {n_jobs!r}, want None or an integer other than 0")
    if n_jobs is not None and n_jobs > 0:
        return min(int(n_jobs), MOST_THREADS)
    cores = int(joblib.cpu_count())
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if asked.isdigit() and int(asked) > 0:
        cores = min(cores, int(asked))
    return max(1, cores + 1 + (int(n_jobs) if n_jobs is not None else -1))


class _Controller(threadpoolctl.LibController):  # type: ignore[misc]
    """Lets threadpoolctl.threadpool_limits hold dcnfast's pool."""

    user_api = "dcnfast"
    internal_api = "dcnfast"
    filename_prefixes = ("_core",)
    check_symbols = ("dcnfast_get_num_threads",)

    def get_num_threads(self) -> int | None:
        return int(self.dynlib.dcnfast_get_num_threads()) or None

    def set_num_threads(self, num_threads: int | None) -> None:
        self.dynlib.dcnfast_set_num_threads(num_threads or 0)

    def get_version(self) -> str:
        return str(_core.version)

    def set_additional_attributes(self) -> None:
        self.threading_layer = "own pool"
        self.architecture = active_isa()


threadpoolctl.register(_Controller)


def _force_from_environment() -> None:
    """Obey DCNFAST_ISA; a name that cannot be obeyed is an error, never a silent default."""
    name = os.environ.get("DCNFAST_ISA", "")
    if name:
        try:
            _core.force_isa(name)
        except ValueError as error:
            raise ValueError(f"DCNFAST_ISA: {error}") from None


def config() -> dict[str, Any]:
    """Return what :func:`show_config` prints, as a dict."""
    build = _core.build_info()
    return {
        "version": build["version"],
        "compiler": build["compiler"],
        "build type": build["build_type"],
        "instruction sets compiled": [isa["name"] for isa in _core.compiled_isas()],
        "instruction sets available": available_isas(),
        "instruction set active": active_isa(),
        "threads": effective_threads(None),
        "library": Path(_core.__file__).name,
    }


def show_config() -> None:
    """Print version, compiler, build type, instruction sets and threads."""
    for name, value in config().items():
        text = ", ".join(value) if isinstance(value, list) else value
        print(f"{name + ':':<28}{text}")


_force_from_environment()
