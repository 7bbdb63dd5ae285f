"""The bits of training, which no change of the house may change: hashes of trained parameters.

A change of the arithmetic that is meant is made known here: ``python tests/network/test_golden.py``
prints the hashes anew.
"""

import hashlib

import numpy as np
import pytest

from dcnfast.cpu import available_isas
from dcnfast.network.config import NetworkConfig
from dcnfast.network.model import Model
from dcnfast.testing import force_isa
from dcnfast.training.optimizers import OptimizerStep
from dcnfast.training.state import Training

FIELDS = (("city", 11, 3), ("user", 60, 16), ("day", 7, 3))
NETWORKS = {
    "matrix": {"cross_layers": 2, "hidden": (33, 8), "alpha_cross": 0.01, "alpha_deep": 0.02},
    "vector": {"cross": "vector", "cross_layers": 3, "ema_decay": 0.9},
    "lowrank": {
        "cross": "lowrank", "cross_rank": 5, "cross_layers": 2, "diag_scale": 0.2, "wide": True,
    },
    "gates": {"cross_layers": 2, "preactivation": "gelu", "hidden": (9,), "activation": "tanh"},
    "norms": {
        "cross": "lowrank", "cross_rank": 2, "cross_layers": 1, "preactivation": "sigmoid",
        "hidden": (17, 9), "activation": "gelu", "layer_norm": True, "dropout": 0.2,
    },
    "stacked": {"cross_layers": 1, "structure": "stacked", "hidden": (12,), "loss": "log_loss"},
    "both": {
        "cross_layers": 1, "structure": "stacked_parallel", "hidden": (12, 5), "loss": "softmax",
        "n_outputs": 4, "sparse_adam": "exact", "ema_decay": 0.9, "alpha_embedding": 0.1,
    },
    "deep": {"hidden": (40, 20), "n_outputs": 2, "wide": True, "cross_bias": False},
}  # fmt: skip
GOLDEN = {
    "matrix": {"float32": "b89437947c22d0ac", "float64": "ce8e7a78a72d2e1f"},
    "vector": {"float32": "84a84f54f9ad2dad", "float64": "09f2adc7455fbdbc"},
    "lowrank": {"float32": "12e7d2d8dcd33a89", "float64": "c716e43531689c83"},
    "gates": {"float32": "059fc88cd6d075c4", "float64": "89ee11754903c4fa"},
    "norms": {"float32": "b3c0cb8475df804a", "float64": "18c181163c6a72e0"},
    "stacked": {"float32": "feb12453b921d544", "float64": "07e9ce7a4e069413"},
    "both": {"float32": "4a261d4e28b5d845", "float64": "fcff9f6c1d10b03c"},
    "deep": {"float32": "b1f33ad8e105c4f2", "float64": "d2dfa549ae10b150"},
}


def whole_numbers(config):
    """Return a model whose parameters are whole numbers over 128: no library's rounding is in them.

    Neither names nor the order of the tensors say what they are.
    """
    model = Model(config)
    flat = np.zeros_like(model.network.flat_parameters)
    for _, shape, offset in model.network.tensors:
        numbers = np.random.RandomState(sum(shape)).randint(-20, 20, shape) / 128
        flat[offset : offset + numbers.size] = numbers.ravel()
    model.network.set_parameters(flat)
    return model


def hash_of_training(options, dtype, n_threads):
    """Train on 150 rows in batches of 64; all tensors, their averages and the logits."""
    config = NetworkConfig(fields=FIELDS, n_dense=9, dtype=dtype, deterministic="isa", **options)
    model, rng, n = whole_numbers(config), np.random.RandomState(0), 150
    ids = np.stack([rng.randint(V, size=n) for _, V, _ in FIELDS], axis=1).astype(np.int32)
    dense = (rng.randint(-100, 100, (n, 9)) / 64).astype(dtype)
    target = rng.randint(2, size=(n, 1 if config.loss == "softmax" else config.n_outputs))
    weight = (rng.randint(1, 8, n) / 4).astype(dtype)
    training, table = Training(model), model.table(ids, dense, target.astype(dtype), weight)
    for epoch in range(3):
        training.state.train_epoch(
            table, rng.permutation(n), 64, OptimizerStep(0.01).compile(), epoch, n_threads
        )
    parts = [model.logits(ids, dense, n_threads), *model.parameters.values()]
    parts += model.averages.values()
    hashes = sorted(hashlib.sha256(np.ascontiguousarray(part)).digest() for part in parts)
    return hashlib.sha256(b"".join(hashes)).hexdigest()[:16]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NETWORKS)
def test_training_has_the_bits_it_had(name, dtype):
    for isa in available_isas():
        with force_isa(isa):
            for n_threads in (1, 3):
                got = hash_of_training(NETWORKS[name], dtype, n_threads)
                assert got == GOLDEN[name][dtype], (isa, n_threads)


if __name__ == "__main__":
    for name, options in NETWORKS.items():
        hashes = {dtype: hash_of_training(options, dtype, 1) for dtype in ("float32", "float64")}
        print(f'    "{name}": {str(hashes).replace(chr(39), chr(34))},')
