"""Rows of a stream, for tests of what goes on."""

import numpy as np
import pandas as pd

SMALL = {"hidden_layer_sizes": (16,), "n_members": 1, "random_state": 0}
BIG = 2**60  # ids that a float64 does not tell apart


def stream(n, n_ids, seed=0):
    """Rows whose target depends on an id, a word and a number."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, n_ids, n)
    X = pd.DataFrame(
        {"user": ids + BIG, "word": rng.choice(list("abcd"), n), "x": rng.normal(size=n)}
    ).astype({"user": "category"})
    effect = np.random.default_rng(1).normal(size=n_ids)[ids]
    return X, effect + X.x + (X.word == "a") + 0.1 * rng.normal(size=n)


def pieces(X, y, size):
    return [(X[at : at + size], y[at : at + size]) for at in range(0, len(X), size)]
