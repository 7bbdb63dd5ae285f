"""Neither a finalizer nor the end of the interpreter stops the process or aborts it."""

import subprocess
import sys
from collections import Counter

import pytest

START = """
import gc, sys, threading, time, warnings
import numpy as np
from dcnfast import DCNClassifier, DCNRegressor
warnings.simplefilter("ignore")
X = np.random.default_rng(0).normal(size=(4000, 20))
"""

# Python 3.11 collects garbage wherever an object with references is made, also the list that the
# engine answers with. A finalizer that gives up the GIL, as all input and output does, lets another
# thread go on from there.
FINALIZERS = """
model = DCNClassifier(max_iter=1, n_jobs=1).fit(X, np.arange(4000) % 3)
score = model.row_predictor()._logits.__call__  # bound before: to bind it makes an object
ids = np.empty(0, np.int32)
want = score(ids, X[0])
class Slow:
    def __init__(self):
        self.me = self
    def __del__(self):
        time.sleep(0.001)
def serve():
    # The first object that the collector knows should be the answer: a list, of which none is there
    # to be used again, and tuples of all lengths are.
    kept = []
    for _ in range(100):
        gc.disable()
        Slow()
        for n in range(1, 6): [tuple(range(n)) for _ in range(50)]
        for _ in range(100): kept.append([])
        row = X[0]
        gc.enable()
        kept.append(score(ids, row))
        assert kept[-1] == want
threads = [threading.Thread(target=serve) for _ in range(4)]
gc.set_threshold(1, 1, 1)
for thread in threads: thread.start()
for thread in threads: thread.join()
print("done")
"""


def test_finalizers_that_give_up_the_gil_inside_a_shared_row_predictor():
    done = subprocess.run(
        [sys.executable, "-c", START + FINALIZERS],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, "done"), done.stderr


# A daemon thread is in the engine, or about to enter or leave it, when the interpreter ends. A fit
# has come to its epochs: before, it calls numpy.unique, C++ that takes the GIL again without what
# bindings/gil.hpp does, so that the end of an older Python there aborts the process.
WORK = {
    "fit": "endless().fit(X, X[:, 0])",
    "predict": "model.predict(X)",
    "row": "row(X[0])",
    "ops": "ops.dense(X, X[:20], X[0], activation='relu')",
}
AT_EXIT = """
from dcnfast import ops
small = dict(hidden_layer_sizes=(64,), n_members=2, n_jobs={jobs})
model = DCNRegressor(max_iter=1, **small).fit(X, X[:, 0])
row = model.row_predictor()
running = threading.Event()
class Epochs:
    def setup(self, *_, **__): pass
    teardown = on_fit_task_begin = setup
    def on_fit_task_end(self, *_, **__): running.set()
def endless():
    return DCNRegressor(max_iter=10**6, tol=None, **small).set_callbacks(Epochs())
def work():
    while True:
        {work}
        running.set()
threading.Thread(target=work, daemon=True).start()
running.wait()
time.sleep({seconds})
"""


def code_of_exit(work, i):
    jobs, seconds = 1 + i % 2, 0.02 * (i % 5)
    return START + AT_EXIT.format(work=WORK[work], jobs=jobs, seconds=seconds)


@pytest.mark.parametrize("work", WORK)
def test_interpreter_ends_while_a_daemon_thread_works(work, fresh):
    for i in range(3):
        done = fresh(code_of_exit(work, i))
        assert (done.returncode, done.stderr) == (0, ""), i


@pytest.mark.campaign
@pytest.mark.parametrize("work", WORK)
def test_new_interpreters_end_while_a_daemon_thread_works(work):
    codes = Counter()
    for i in range(20):
        command = [sys.executable, "-c", code_of_exit(work, i)]
        done = subprocess.run(command, capture_output=True, timeout=120, check=False)
        codes[done.returncode, done.stderr[-300:]] += 1
    assert codes == {(0, b""): 20}
