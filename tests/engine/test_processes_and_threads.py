"""The pool survives fork, shares with other threads, and obeys limits."""

import os
import subprocess
import sys
import threading

import joblib
import numpy as np
import pytest
import threadpoolctl

import dcnfast
from dcnfast import DCNRegressor, ops

# A child of fork has the parent's memory and none of its threads. It all runs in a process of its
# own, so that a child that hangs can be killed from outside.
FORKING = """
import os, sys
import numpy as np
from dcnfast import DCNRegressor
X = np.random.default_rng(0).normal(size=(2000, 20))
def answer():
    model = DCNRegressor(n_members=1, max_iter=2, batch_size=1000, random_state=0, n_jobs=3)
    return model.fit(X, X[:, 0]).predict(X).tobytes()
expected = answer()
for _ in range(int(sys.argv[1])):
    child = os.fork()
    if child == 0:
        os._exit(0 if answer() == expected else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert answer() == expected
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("times", [5, pytest.param(200, marks=pytest.mark.campaign)])
def test_fork_after_use(times):
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING, str(times)],
        check=True,
        timeout=10 + 2 * times,
    )


@pytest.fixture(scope="module")
def data():
    X = np.random.default_rng(0).normal(size=(3000, 20))
    return X, X[:, 0] * X[:, 1]


def fit_and_predict(data, seed, n_jobs=2):
    X, y = data
    model = DCNRegressor(n_members=1, max_iter=2, batch_size=1000, random_state=seed, n_jobs=n_jobs)
    return model.fit(X, y).predict(X)


def test_threads_with_models_of_their_own(data):
    seeds = range(4)
    expected = [fit_and_predict(data, seed) for seed in seeds]
    answers = [None] * len(seeds)

    def work(seed):
        answers[seed] = fit_and_predict(data, seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in seeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
    np.testing.assert_array_equal(answers, expected)


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_joblib(backend, data):
    answers = joblib.Parallel(n_jobs=2, backend=backend)(
        joblib.delayed(fit_and_predict)(data, seed) for seed in range(3)
    )
    np.testing.assert_array_equal(answers, [fit_and_predict(data, seed) for seed in range(3)])


def test_one_model_predicts_in_many_threads(data):
    model = DCNRegressor(n_members=1, max_iter=1, n_jobs=2, random_state=0).fit(*data)
    expected = model.predict(data[0])
    answers = joblib.Parallel(n_jobs=4, backend="threading")(
        joblib.delayed(model.predict)(data[0]) for _ in range(12)
    )
    assert all(np.array_equal(answer, expected) for answer in answers)


def pool():
    (info,) = [i for i in threadpoolctl.threadpool_info() if i["internal_api"] == "dcnfast"]
    return info


def test_threadpoolctl_limits_the_pool(data):
    unlimited = pool()["num_threads"]
    assert pool()["architecture"] == dcnfast.cpu.active_isa()
    assert pool()["version"] == dcnfast.__version__
    free = fit_and_predict(data, 0)
    with threadpoolctl.threadpool_limits(1, user_api="dcnfast"):
        assert pool()["num_threads"] == 1
        np.testing.assert_array_equal(fit_and_predict(data, 0), free)
    assert pool()["num_threads"] == unlimited


LIMITED = """
import os, threadpoolctl
import numpy as np
from dcnfast import ops
def threads():
    return len(os.listdir("/proc/self/task"))
x0, W, b = np.ones((5000, 40)), np.zeros((2, 40, 40)), np.zeros((2, 40))
before = threads()
with threadpoolctl.threadpool_limits(1):
    ops.cross_matrix(x0, W, b, n_jobs=4)
assert threads() == before, "the limit was not obeyed"
ops.cross_matrix(x0, W, b, n_jobs=4)
assert threads() == before + 3, "there is no pool to limit"
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_limit_is_obeyed_by_the_threads_there_are():
    subprocess.run([sys.executable, "-c", LIMITED], check=True, timeout=60)


@pytest.mark.parametrize("jobs", [1, 2, 3, 4, 7, 300])
def test_ops_give_the_same_bits_for_any_number_of_threads(jobs):
    rng = np.random.default_rng(0)
    x0, dxL = rng.normal(size=(2, 1000, 17)).astype(np.float32)
    W, b = rng.normal(size=(3, 17, 17)).astype(np.float32), np.ones((3, 17), np.float32)
    for one, many in zip(
        ops.cross_matrix_backward(dxL, x0, W, b, n_jobs=1),
        ops.cross_matrix_backward(dxL, x0, W, b, n_jobs=jobs),
        strict=True,
    ):
        np.testing.assert_array_equal(one, many)


# ---- what the environment asks for


@pytest.mark.parametrize("value", ["avx1024"])
def test_instruction_set_that_there_is_not_is_an_error(value, fresh):
    done = fresh("import dcnfast", DCNFAST_ISA=value)
    assert done.returncode == 1
    assert (
        f"ValueError: DCNFAST_ISA: instruction set '{value}' is unknown to this build"
        in done.stderr
    )
    assert "want one of 'avx" in done.stderr or "want one of 'scalar'" in done.stderr


def test_instruction_set_that_the_cpu_lacks_is_an_error(fresh):
    """Every name is tried: those that the CPU has must be active, the others refused."""
    available = dcnfast.cpu.available_isas()
    for name in ("scalar", "avx2", "avx512"):
        done = fresh("import dcnfast; print(dcnfast.cpu.active_isa())", DCNFAST_ISA=name)
        if name in available:
            assert done.stdout.strip() == name
        else:
            assert done.returncode == 1
            assert f"DCNFAST_ISA: instruction set '{name}' is " in done.stderr


def test_empty_environment_variable_forces_nothing(fresh):
    done = fresh("import dcnfast; print(dcnfast.cpu.active_isa())", DCNFAST_ISA="")
    assert done.stdout.strip() == dcnfast.cpu.available_isas()[0]


@pytest.mark.parametrize(("value", "threads"), [("1,4", 1), ("many", None)])
def test_omp_num_threads_is_heard(value, threads, fresh):
    done = fresh(
        "import dcnfast; print(dcnfast.cpu.effective_threads(None))", OMP_NUM_THREADS=value
    )
    assert int(done.stdout) == (threads or joblib.cpu_count())


@pytest.mark.parametrize(
    ("n_jobs", "threads"),
    [(1, 1), (3, 3), (np.int64(2), 2), (10**30, 256), (-(10**30), 1)],
)
def test_number_of_threads(n_jobs, threads):
    assert dcnfast.cpu.effective_threads(n_jobs) == threads


def test_show_config_tells_what_is_in_use(capsys):
    dcnfast.show_config()
    out = capsys.readouterr().out
    shown = dict(line.split(":", 1) for line in out.splitlines())
    assert shown["version"].strip() == dcnfast.__version__
    assert shown["instruction set active"].strip() == dcnfast.cpu.active_isa()
    assert int(shown["threads"]) >= 1
    available = shown["instruction sets available"].replace(" ", "").split(",")
    compiled = shown["instruction sets compiled"].replace(" ", "").split(",")
    assert available[-1] == "scalar"
    assert set(available) <= set(compiled)
    assert shown["compiler"].strip()
    assert shown["build type"].strip()


# scikit-learn imports pandas where there is one
IMPORTS = """
import sys
import sklearn.callback
before = set(sys.modules)
import dcnfast
print(*{"matplotlib", "pandas", "polars", "pyarrow"} & (set(sys.modules) - before))
"""


def test_import_brings_no_extra():
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == ""
