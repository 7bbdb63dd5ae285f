"""What does not fit into the memory that there is, is refused before it is taken."""

import subprocess
import sys

import numpy as np
import pytest

from dcnfast import DCNRegressor
from dcnfast.network import memory
from dcnfast.network.config import NetworkConfig
from dcnfast.network.model import Model

resource = pytest.importorskip("resource")
GB = 2**30


def groups(tmp_path, text, **files):
    """Return a root that has these control groups; their limits by path."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(text)
    for name, limit in files.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{limit}\n")
    return tmp_path


V1, V2 = "memory.limit_in_bytes", "memory.max"


@pytest.mark.parametrize(
    ("text", "files", "limit"),
    [
        ("0::/\n", {V2: 1000}, 1000),
        ("0::/a/b\n", {f"a/b/{V2}": "max", f"a/{V2}": 2000, V2: 3000}, 2000),
        ("0::/a/b\n", {f"a/b/{V2}": 1000, f"a/{V2}": 2000}, 1000),
        ("0::/a/b\n", {f"a/c/{V2}": 1000}, None),
        # inside of a container the path is the host's, the files are the container's
        ("0::/host/container\n", {V2: 1000}, 1000),
        ("0::/../../other\n", {V2: 1000}, 1000),
        ("4:memory:/a\n3:cpu:/b\n0::/\n", {f"memory/a/{V1}": 1000, f"memory/{V1}": 2000}, 1000),
        ("4:memory:/host/x\n", {f"memory/{V1}": 2000, f"memory/other/{V1}": 1}, 2000),
        ("4:cpu,memory:/a\n", {f"cpu,memory/a/{V1}": 1000}, 1000),
        ("4:memory:/a\n", {f"memory/a/{V1}": 9223372036854771712}, None),
        ("4:cpu:/a\n", {f"cpu/a/{V1}": 1}, None),
        ("4:memory:/a\n0::/b\n", {f"memory/a/{V1}": 2000, f"unified/b/{V2}": 1000}, 1000),
        ("nonsense\n\n::\n", {}, None),
        ("0::/\n", {V2: "nonsense"}, None),
    ],
)
def test_limits_of_control_groups(tmp_path, monkeypatch, text, files, limit):
    monkeypatch.setattr(memory, "_physical_memory", lambda: 10**6)
    root = groups(tmp_path, text, **files)
    assert memory.memory_limit(root) == (limit or 10**6)


def test_without_control_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_physical_memory", lambda: 10**6)
    assert memory.memory_limit(tmp_path) == 10**6


def test_limit_of_this_process():
    assert 2**20 < memory.memory_limit() <= memory._physical_memory()


def test_address_space():
    code = """
import resource, sys
from dcnfast.network.memory import memory_limit
resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, resource.getrlimit(resource.RLIMIT_AS)[1]))
assert memory_limit() <= 3 * 2**30
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# ---- what grows with a network's numbers is counted

X = np.random.default_rng(0).normal(size=(300, 3))
WORDS = np.array([f"w{i}" for i in range(300)], object)[:, None]
LARGE = {
    "cross_layers": (X, {"cross_layers": 10**6}),
    "cross_layers vector": (X, {"cross_layers": 10**6, "cross": "vector"}),
    "cross_layers lowrank": (
        X, {"cross_layers": 10**6, "cross": "lowrank", "cross_rank": 1},
    ),
    "cross_rank": (X, {"cross": "lowrank", "cross_rank": 10**9}),
    "hidden": (X, {"hidden_layer_sizes": (10**6, 10**6)}),
    "hidden layers": (X, {"hidden_layer_sizes": (1,) * 300_000}),
    "one hidden layer": (X, {"hidden_layer_sizes": (2 * 10**8,)}),
    "embedding_dim": (WORDS, {"embedding_dim": 10**8, "cross": "vector"}),
    "columns": (X, {"cross": "lowrank", "cross_rank": 10**300}),
    "hash_buckets": (WORDS, {"hash_buckets": 10**7, "embedding_dim": 64}),
}  # fmt: skip


@pytest.mark.parametrize("name", LARGE)
def test_too_large_networks_are_refused_before_memory_is_taken(name, monkeypatch):
    """In a process that may have little, no more than that is taken."""
    monkeypatch.setattr(memory, "memory_limit", lambda: 2 * GB)
    table, options = LARGE[name]
    model = DCNRegressor(max_iter=1, n_jobs=1).fit(table, X[:, 0])
    before, peak = dict(model.__dict__), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model.set_params(**options)
    parameters = dict(model.__dict__)
    with pytest.raises(
        ValueError, match=r"want at most what fits into the 2048 MiB that this process"
    ):
        model.fit(table, X[:, 0])
    taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
    assert taken < 500_000  # kB; names and tuples of 300,000 layers
    assert model.__dict__ == parameters
    assert before["_model"] is model._model


def test_batch_and_threads_count():
    config = NetworkConfig(
        fields=(("a", 100, 64),), wide=True, hidden=(100,), cross_layers=2, cross="vector"
    )
    few = memory.count_bytes(config, 100, 1)
    assert memory.count_bytes(config, 10**6, 1) - few > 10**6 * (4 * 64 + 32)
    assert memory.count_bytes(config, 100, 100) - few > 99 * 2**20


def test_training_that_does_not_fit_is_refused(monkeypatch):
    """The network alone would."""
    model = DCNRegressor(max_iter=1, n_jobs=1, embedding_dim=64).fit(WORDS, X[:, 0])
    before = model._model
    most = memory.count_bytes(before.config, 1, 1)
    assert most < memory.count_bytes(before.config, len(X), 1)
    monkeypatch.setattr(memory, "memory_limit", lambda: most)
    with pytest.raises(ValueError, match=r"MiB that this process may use, .* and batch_size"):
        model.fit(WORDS, X[:, 0])
    assert model._model is before


def test_small_networks_fit_into_little(monkeypatch):
    monkeypatch.setattr(memory, "memory_limit", lambda: 100 * 2**20)
    DCNRegressor(max_iter=1, n_jobs=4).fit(X, X[:, 0]).predict(X)


BAD = {
    "fields": [(("a", 2**62, 1),), "ab"], "n_dense": [2**62, -1, 1.5, None], "cross": ["no", None],
    "cross_layers": [2**62, -1], "hidden": [(2**62,), (0,), 7], "dropout": [1.0, float("nan")],
    "dtype": ["float16", None], "n_outputs": [0], "loss": ["no"], "alpha_deep": [float("nan")],
    "numeric_frequencies": [2**62, -1, 1.5, None],
    "numeric_bins": [(2**62,), (0,), (1.5,), 7], "numeric_embedding": ["no", None],
    "n_members": [0, 2**62],
}  # fmt: skip


@pytest.mark.parametrize(("name", "bad"), [(n, bad) for n, values in BAD.items() for bad in values])
def test_descriptions_are_checked(name, bad):
    good = {
        "n_dense": 3,
        "cross_layers": 1,
        "numeric_bins": (4,),
        "numeric_scales": (0.5,),
        "numeric_width": 2,
    }
    Model(NetworkConfig(**good))
    with pytest.raises((ValueError, TypeError)):
        Model(NetworkConfig(**good | {name: bad}))
    with pytest.raises((ValueError, TypeError)):
        Model(NetworkConfig(**good | {"n_members": 3, name: bad}))
