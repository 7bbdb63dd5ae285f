"""W9: whole fits of a hundred epochs, the last ones against the first, and predict after them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler

from bench.examples.data import read_adult
from bench.harness import Array, Work
from bench.recipe import ONE_NETWORK
from dcnfast import DCNClassifier, DCNRegressor
from dcnfast.datasets import make_almond_clicks

TITLE = (
    "W9: fits of 100 epochs without early stopping, one thread. Last epochs and predict: CPU time "
    "of the last five epochs over that of the second to sixth, and of predict after the fit over "
    "that after three epochs. The MLP and torch have the same hidden layers, no cross layers, and "
    "categories one-hot"
)
EPOCHS = 100


@dataclass(frozen=True, eq=False)
class LongFit:
    """A table with its targets, and what all rivals are told."""

    X: Any
    y: Array
    classes: int  # 0 for regression
    hidden: tuple[int, ...] = (128, 64)
    batch_size: int = 128
    epochs: int = EPOCHS
    rate: float = 1e-3
    options: dict[str, Any] = field(default_factory=dict)  # of the estimator alone

    def estimator(self, **more: Any) -> Any:
        kind = DCNClassifier if self.classes else DCNRegressor
        parameters = ONE_NETWORK | {
            "hidden_layer_sizes": self.hidden, "batch_size": self.batch_size,
            "max_iter": self.epochs, "learning_rate_init": self.rate, "early_stopping": False,
            "tol": None, "ema_decay": 0.0, "random_state": 0, "n_jobs": 1,
        }  # fmt: skip
        return kind(**(parameters | self.options | more))

    @property
    def matrix(self) -> Array:
        """The table for rivals that read numbers alone: standardised, categories one-hot."""
        X = self.X
        if isinstance(X, pd.DataFrame):
            X = pd.get_dummies(X.fillna(X.median(numeric_only=True)), dtype=float).to_numpy()
        return np.asarray(StandardScaler().fit_transform(X), np.float32)


def study(epochs: int, rows: int, rate: float) -> LongFit:
    """The almond study's deep network; with the rate 0.4 its units die."""
    data = make_almond_clicks(rows)
    options = {"cross_layers": 0}
    hidden = (512, 256, 128)
    return LongFit(data.data, data.target, 0, hidden, 100, epochs, rate, options)


def digits(epochs: int) -> LongFit:
    X, y = load_digits(return_X_y=True)
    return LongFit(X, y, 10, batch_size=64, epochs=epochs)


def adult(epochs: int) -> LongFit:
    X, y, _, _ = read_adult()
    return LongFit(X[:10_000], y[:10_000].astype(int), 2, epochs=epochs)


def zipf(epochs: int, rows: int) -> LongFit:
    """Categories of which a few are everywhere and most occur once; constant and sure columns."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({f"c{j}": (rng.zipf(1.3, rows) % 2000).astype(str) for j in range(4)})
    numbers = rng.normal(size=(rows, 6))
    numbers[:, 0], numbers[:, 1] = 1.0, numbers[:, 1] > 2
    y = (numbers[:, 2] + (X.c0 == "1") + 0.1 * rng.normal(size=rows) > 0.5).to_numpy()
    X[[f"x{j}" for j in range(6)]] = numbers
    return LongFit(X, y.astype(int), 2, epochs=epochs, options={"alpha": 0.01})


def _curve(fit: LongFit) -> tuple[Array]:
    """Return the losses of all epochs, in float64."""
    return (np.array(fit.estimator(dtype="float64").fit(fit.X, fit.y).loss_curve_),)


def work(make: Callable[..., LongFit], *arguments: Any) -> Work:
    """Six flops a row and weight of the hidden layers, which all rivals have."""
    fit = cache(make)(*arguments)
    columns = fit.X.shape[1]
    widths = (columns, *fit.hidden, max(fit.classes, 1))
    weights = sum(a * b for a, b in pairwise(widths))
    rows = len(fit.y) * fit.epochs
    return Work(
        data=fit,
        threads=1,
        rows=rows,
        flops=6.0 * weights * rows,
        bytes=4.0 * columns * rows,
        reference=partial(_curve, fit),
        tolerance=0.1,  # float32 along ten thousand steps, of the largest loss
        losses=True,
    )


CASES = {
    "study, rate 0.4": partial(work, study, EPOCHS, 10_000, 0.4),
    "study, rate 0.001": partial(work, study, EPOCHS, 10_000, 0.001),
    "digits": partial(work, digits, EPOCHS),
    "Adult, 10,000 rows": partial(work, adult, EPOCHS),
    "Zipf, 10,000 rows": partial(work, zipf, EPOCHS, 10_000),
}
SMOKE = {
    "study, 300 rows": partial(work, study, 8, 300, 0.001),
    "Zipf, 300 rows": partial(work, zipf, 8, 300),
}
