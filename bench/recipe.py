"""One network over scaled numbers: what the comparisons with other networks are about.

It has no embedded numbers, no members and no dropout, and names whatever the defaults of the
estimators say as well, so that measurements of one version can be compared with those of another.
"""

from __future__ import annotations

from typing import Any

from dcnfast.crosses import Matrix

ONE_NETWORK: dict[str, Any] = {
    "cross": Matrix(initial_scale=1.0), "cross_layers": 3, "hidden_layer_sizes": (128, 64),
    "dropout": 0.0, "cross_dropout": 0.0, "n_members": 1, "numeric_embedding": None,
    "numeric_scaling": "auto", "optimizer": "adam", "learning_rate_init": 1e-3,
    "gradient_clip": None, "max_iter": 100, "validation_fraction": 0.1, "tol": 1e-4,
    "ema_decay": 0.999,
}  # fmt: skip
