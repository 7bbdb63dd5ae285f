"""How many threads, and that a forked child has its own."""

import os
import threading

import numpy as np
import pytest
import threadpoolctl

from dcnfast import ops
from dcnfast.cpu import effective_threads


@pytest.mark.parametrize("n_jobs", [0, True, 1.5, "2"])
def test_n_jobs_must_be_a_whole_number(n_jobs):
    with pytest.raises(ValueError, match=r"n_jobs is .*, want None or an integer other than 0"):
        effective_threads(n_jobs)


def test_n_jobs(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    everything = effective_threads(None)
    assert everything == effective_threads(-1) >= 1
    assert effective_threads(-everything - 5) == 1
    assert effective_threads(3) == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "1,2")
    assert effective_threads(None) == 1
    assert effective_threads(2) == 2


def test_threadpoolctl_limits():
    def pool():
        (info,) = [i for i in threadpoolctl.threadpool_info() if i["user_api"] == "dcnfast"]
        return info["num_threads"]

    with threadpoolctl.threadpool_limits(1, user_api="dcnfast"):
        assert pool() == 1
    assert pool() != 1


@pytest.fixture
def product(rng):
    """A call that uses the pool, and its answer."""
    x0, W, b = rng.normal(size=(1000, 16)), rng.normal(0, 0.1, (2, 16, 16)), np.zeros((2, 16))
    want = ops.cross_matrix(x0, W, b, n_jobs=1)

    def agrees():
        return np.array_equal(ops.cross_matrix(x0, W, b, n_jobs=4), want)

    assert agrees()
    return agrees


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_child_computes(product):
    """Threads do not survive a fork: a pool that waits for them would hang."""
    child = os.fork()
    if child == 0:
        os._exit(0 if product() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert product()


def test_two_callers_at_once(product):
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.extend(product() for _ in range(50)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 150
