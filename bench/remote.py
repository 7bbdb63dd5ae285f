"""A rival in another environment: its interpreter runs a script, and pipes carry the turns.

TensorFlow and what dcnfast is measured with want different versions of the same packages, so it may
live in an environment of its own, whose interpreter ``DCNFAST_BENCH_TF_PYTHON`` names.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tempfile
import weakref
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from bench.harness import AbsentError

VARIABLE = "DCNFAST_BENCH_TF_PYTHON"
PACKAGES = ("tensorflow", "tensorflow-recommenders")
SCRIPT = Path(__file__).parent / "tfrs_script.py"
VERSIONS = """
import importlib.metadata, json, sys
print(json.dumps({name: importlib.metadata.version(name) for name in sys.argv[1:]}))
"""


def interpreter() -> str:
    """Return the Python that has TensorFlow.

    Raises
    ------
    AbsentError
        If there is none.
    """
    if path := os.environ.get(VARIABLE):
        return path
    if find_spec("tensorflow_recommenders"):
        return sys.executable
    raise AbsentError(f"tensorflow_recommenders is not installed and {VARIABLE} is not set")


@cache
def versions() -> dict[str, str | int]:
    """Return the versions of TensorFlow's packages, if there are any."""
    try:
        command = [interpreter(), "-c", VERSIONS, *PACKAGES]
    except AbsentError:
        return {}
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, str | int] = json.loads(done.stdout)
    return found


class Remote:
    """The script at work on one job; each call is one turn.

    Parameters
    ----------
    job : dict
        What the script is sent at the start; numbers, strings and arrays.
    """

    def __init__(self, job: dict[str, Any]) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  _end closes it
        settings = {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
        self._process = subprocess.Popen(
            [interpreter(), str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=os.environ | settings,
        )
        weakref.finalize(self, _end, self._process, self._log)
        self._ask(job)

    def __call__(self) -> Any:
        return self._ask(None)

    def _ask(self, question: Any) -> Any:
        to, back = self._process.stdin, self._process.stdout
        assert to is not None
        assert back is not None
        try:
            pickle.dump(question, to)
            to.flush()
            answer, complaint = pickle.load(back)
        except (EOFError, BrokenPipeError):
            self._log.seek(0)
            answer, complaint = None, f"it died\n{self._log.read().decode()[-2000:]}"
        if complaint:
            raise RuntimeError(f"{SCRIPT.name}: {complaint}")
        return answer


def _end(process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    """Let it see the end of its input, after which it goes."""
    for pipe in (process.stdin, process.stdout, log):
        if pipe is not None:
            with suppress(BrokenPipeError):
                pipe.close()
    process.wait()
