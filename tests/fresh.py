"""Interpreters that have not imported dcnfast, ready at once: all that it imports is there.

A new interpreter takes a second to import scikit-learn and what belongs to it. So one is started
that does it once, and each piece of code runs in a child of its own, which ends as any interpreter
does. Where there is no fork, and for what depends on the first import of another package or on the
seed of hashes, there are new ones: ``subprocess``.
"""

import json
import os
import select
import subprocess
import sys
import tempfile
from pathlib import Path

IMPORTS = (
    "array, argparse, decimal, gzip, html, mmap, secrets, zoneinfo, joblib, narwhals.stable.v2, "
    "numpy, scipy.optimize, scipy.sparse, scipy.special, sklearn.base, sklearn.callback, "
    "sklearn.metrics, sklearn.model_selection, sklearn.preprocessing, sklearn.utils.multiclass, "
    "threadpoolctl"
)


class Fresh:
    """fresh(code, **environment): what a new interpreter says and how it ends."""

    def __init__(self):
        self._server = None

    def __call__(self, code, timeout=60, **environment):
        if not hasattr(os, "fork"):
            return subprocess.run(
                [sys.executable, "-c", code], env=os.environ | environment, capture_output=True,
                text=True, timeout=timeout, check=False,
            )  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            out, err = (str(Path(folder) / name) for name in ("out", "err"))
            code_of_exit = self._ask([code, environment, out, err], timeout)
            said = [Path(name).read_text() for name in (out, err)]
        return subprocess.CompletedProcess(["fresh"], code_of_exit, *said)

    def _ask(self, job, timeout):
        if self._server is None:
            self._server = subprocess.Popen(
                [sys.executable, "-P", __file__],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
        self._server.stdin.write(json.dumps(job).encode() + b"\n")
        self._server.stdin.flush()
        if not select.select([self._server.stdout], [], [], timeout)[0]:
            os.killpg(self._server.pid, 9)
            self.close()
            raise subprocess.TimeoutExpired(job[0], timeout)
        return int(self._server.stdout.readline())

    def close(self):
        if self._server is not None:
            self._server.communicate()
            self._server = None


def child_of_a_job():
    """Answer jobs with the code of exit of their children; return only in a child, with its code.

    Outside of here the child is at the top of its program: an error is printed, and the end is that
    of an interpreter.
    """
    exec(f"import {IMPORTS}", {})
    assert "dcnfast" not in sys.modules
    for line in sys.stdin.buffer:
        code, environment, out, err = json.loads(line)
        child = os.fork()
        if child == 0:
            for name, number in ((os.devnull, 0), (out, 1), (err, 2)):
                os.dup2(os.open(name, os.O_RDWR | os.O_CREAT), number)
            os.environ.update(environment)
            return code
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    sys.exit()


if __name__ == "__main__":
    exec(compile(child_of_a_job(), "<string>", "exec"), {"__name__": "__main__"})
