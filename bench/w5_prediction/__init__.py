"""W5: prediction, one row at a time and many at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from bench import w3_full_model, w4_small_table
from bench.harness import Array, Work
from bench.recipe import ONE_NETWORK
from bench.training import Training, multiply_adds
from dcnfast import DCNRegressor
from dcnfast.cpu import effective_threads
from dcnfast.network.config import NetworkConfig
from dcnfast.reference.network import ReferenceNetwork
from dcnfast.table.schema import read_table

TITLE = (
    "W5: prediction with the models of W3 (its table as large as 65,536 rows fill it) and W4; one "
    "row: dcnfast is the estimator's predict, 64 rows in turn; bulk: logits of encoded rows; in "
    "bfloat16: compress() has rounded the model, the others have its numbers in float32"
)


@dataclass(frozen=True, eq=False)
class Served:
    """A fitted model and rows to predict, as a table and encoded.

    Parameters
    ----------
    estimator : DCNRegressor
    raw : DataFrame or ndarray
        The rows as the estimator takes them.
    config : NetworkConfig
    parameters : dict of ndarray
    ids : ndarray of shape (n, F), int32
    dense : ndarray of shape (n, M), float32
    single : bool
        Whether rows come one at a time, and wanted is the rate and not its logit.
    """

    estimator: DCNRegressor
    raw: Any
    config: NetworkConfig
    parameters: dict[str, Array]
    ids: Array
    dense: Array
    single: bool

    @property
    def layers(self) -> dict[str, Array]:
        return {n: p for n, p in self.parameters.items() if not n.startswith("embedding_")}

    @property
    def table(self) -> Array | None:
        tables = [p for name, p in self.parameters.items() if name.startswith("embedding_")]
        return tables[0] if tables else None

    @property
    def offsets(self) -> Array:
        sizes = [rows for _, rows, _ in self.config.fields]
        return np.cumsum([0, *sizes])[:-1].astype(np.int32)

    def rows(self) -> list[Any]:
        """Return the rows one by one: dicts, or arrays of numbers."""
        table = self.raw
        return table.to_dict("records") if hasattr(table, "iloc") else list(table)

    def answer(self) -> tuple[Array]:
        p = {name: value.astype(np.float64) for name, value in self.parameters.items()}
        dense = self.dense.astype(np.float64)
        logits = ReferenceNetwork(self.config).forward(p, self.ids, dense)["logits"]
        return (expit(logits[:, 0]) if self.single else logits,)


def raw_table(drawn: Training) -> Any:
    """Return rows as they are before they are encoded: words and numbers, or only numbers."""
    if not drawn.config.fields:
        return drawn.dense
    fields = {
        name: np.char.add(f"{name}_", drawn.ids[:, f].astype(str)).astype(object)
        for f, (name, _, _) in enumerate(drawn.config.fields)
    }
    return pd.DataFrame(fields | {f"number_{m}": column for m, column in enumerate(drawn.dense.T)})


@cache
def fitted(draw: Callable[[], Training]) -> tuple[DCNRegressor, Any]:
    drawn = draw()
    raw = raw_table(drawn)
    of_this_model = {
        "cross_layers": drawn.config.cross_layers, "hidden_layer_sizes": drawn.config.hidden,
        "embedding_dim": w3_full_model.WIDTH, "loss": "log_loss", "max_iter": 1, "ema_decay": 0.0,
        "batch_size": 4096, "early_stopping": False, "random_state": 0, "n_jobs": 1,
    }  # fmt: skip
    estimator = DCNRegressor(**ONE_NETWORK | of_this_model)
    return estimator.fit(raw, drawn.target[:, 0]), raw


def work(
    draw: Callable[[], Training], n: int, *, single: bool, compressed: str | None = None
) -> Work:
    """Two flops a row and weight. One row alone reads all weights; many share them."""
    estimator, raw = fitted(draw)
    if compressed is not None:
        estimator = estimator.compress(compressed)
    table = raw[:n]
    encoded = estimator.encoder_.transform(read_table(estimator, table), "float32")
    served = Served(
        estimator=estimator,
        raw=table,
        config=estimator._model.config,
        parameters=dict(estimator.parameters_),
        ids=encoded.ids,
        dense=encoded.dense,
        single=single,
    )
    weights = multiply_adds(served.layers)
    read = served.ids.shape[1] + served.dense.shape[1] + w3_full_model.WIDTH * len(served.offsets)
    return Work(
        data=served,
        threads=1 if single else effective_threads(None),
        rows=n,
        flops=2 * n * weights,
        bytes=4 * n * read,
        reference=served.answer,
        tolerance=1e-4,
        weights=(2 if compressed == "bfloat16" else 4) * weights if single else 0,
    )


FULL = partial(w3_full_model.draw, "matrix", w3_full_model.TABLE_ROWS, (400,) * 3, 4096, 4)
SMALL = partial(w4_small_table.draw, 65_536, 64)
CASES = {
    "W3, one row": partial(work, FULL, 64, single=True),
    "W3 in bfloat16, one row": partial(work, FULL, 64, single=True, compressed="bfloat16"),
    "W4, one row": partial(work, SMALL, 64, single=True),
    "W3, bulk": partial(work, FULL, 16_384, single=False),
    "W4, bulk": partial(work, SMALL, 65_536, single=False),
}
SMALL_FULL = partial(w3_full_model.draw, "matrix", 2_000, (20, 20), 64, 2)
SMOKE = {
    f"{name}, {kind}": partial(work, draw, 5, single=kind == "one row")
    for name, draw in (("W3", SMALL_FULL), ("W4", partial(w4_small_table.draw, 1024, 2)))
    for kind in ("one row", "bulk")
}
SMOKE["W3 in bfloat16, one row"] = partial(work, SMALL_FULL, 5, single=True, compressed="bfloat16")
