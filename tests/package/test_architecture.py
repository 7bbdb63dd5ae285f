"""What ARCHITECTURE.md promises: files that exist, and one result on all vector units."""

import re
from pathlib import Path

import numpy as np
import pytest

from dcnfast import DCNRegressor
from dcnfast.cpu import available_isas
from dcnfast.testing import force_isa

ROOT = Path(__file__).parents[2]
FILES = {p.name for folder in ("src", "bench", "tests") for p in (ROOT / folder).rglob("*.*")}


def test_files_that_it_names_exist():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    named = set(re.findall(r"[\w/]+\.(?:py|pyi|[ch]pp|inl)(?=`)", text))
    assert len(named) > 30
    assert not {name for name in named if Path(name).name not in FILES}


@pytest.mark.skipif(
    not {"avx2", "avx512"} <= set(available_isas()), reason="needs AVX2 and AVX-512"
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "network",
    [
        {"cross": "matrix", "activation": "relu"},
        {"cross": "vector", "activation": "gelu"},
        {"cross": "lowrank", "activation": "tanh", "structure": "stacked"},
        {"cross": "mixture", "activation": "relu"},
        {"cross": "exponential", "activation": "gelu"},
        {"cross": "onlydense", "preactivation": "relu"},
        {"cross": "matrix", "numeric_embedding": "periodic"},
        {"cross": "matrix", "numeric_embedding": "periodic_relu"},
    ],
    ids=lambda network: "-".join(network.values()),
)
def test_avx2_and_avx512_agree_to_the_bit(network, dtype):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 21))
    y = X[:, 0] * X[:, 1] + X[:, 2]
    small = {"hidden_layer_sizes": (70, 33), "n_members": 3, "early_stopping": False}
    predictions = []
    for isa in ("avx2", "avx512"):
        model = DCNRegressor(**network, **small, dtype=dtype, max_iter=3, random_state=0)
        with force_isa(isa):
            predictions.append(model.fit(X, y).predict(X))
    assert np.array_equal(*predictions)
