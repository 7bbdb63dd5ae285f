"""Stage 8 in float64 NumPy: optimizers, clipping and running averages, the specification.

Letters: V rows of a table, K its width, n numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Ids = npt.NDArray[np.integer[Any]]

# biases, scales and shifts are free, and what stands for a missing number
DECAYING = (
    "cross_weight", "weight", "linear", "embedding", "linear_embedding", "numeric_weight",
    "numeric_linear",
)  # fmt: skip


@dataclass
class State:
    """What training changes.

    Parameters
    ----------
    parameters, averages, first_moments, second_moments : dict of ndarray
        By name.
    step : int
        Steps taken.
    prior : tuple of two dicts of ndarray, or None
        What parameters are held at, and how much.
    """

    parameters: dict[str, Array]
    averages: dict[str, Array]
    first_moments: dict[str, Array]
    second_moments: dict[str, Array]
    step: int = 0
    prior: tuple[Mapping[str, Array], Mapping[str, Array]] | None = None

    @classmethod
    def start(cls, parameters: Mapping[str, Array]) -> State:
        """Begin with these parameters, which are copied, and no steps."""
        p = {name: np.array(value, np.float64) for name, value in parameters.items()}
        m, v = ({name: np.zeros_like(value) for name, value in p.items()} for _ in range(2))
        return cls(p, dict(p), m, v)


def adam_update(
    parameters: Array,
    m: Array,
    v: Array,
    g: Array,
    step: int,
    learning_rate: float = 1e-3,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    l2: float | Array = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
) -> tuple[Array, Array, Array]:
    """Kingma and Ba 2015, end of section 2; ``step`` counts from 1. -> parameters, m, v (n)."""
    del weight_decay, nesterov  # has none
    g = g + l2 * parameters
    m = beta_1 * m + (1 - beta_1) * g
    v = beta_2 * v + (1 - beta_2) * g**2
    rate = learning_rate * np.sqrt(1 - beta_2**step) / (1 - beta_1**step)
    return parameters - rate * m / (np.sqrt(v) + epsilon), m, v


def adamw_update(
    parameters: Array,
    m: Array,
    v: Array,
    g: Array,
    step: int,
    learning_rate: float = 1e-3,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    l2: float | Array = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
) -> tuple[Array, Array, Array]:
    """Loshchilov and Hutter 2019, algorithm 2, the schedule in ``learning_rate``."""
    del nesterov
    moved, m, v = adam_update(parameters, m, v, g, step, learning_rate, beta_1, beta_2, epsilon, l2)
    return moved - learning_rate * weight_decay * parameters, m, v


def adagrad_update(
    parameters: Array,
    m: Array,
    v: Array,
    g: Array,
    step: int,
    learning_rate: float = 1e-3,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    l2: float | Array = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
) -> tuple[Array, Array, Array]:
    """Duchi et al. 2011, section 1.3, the diagonal form; v is the sum of squares."""
    del step, beta_1, beta_2, weight_decay, nesterov
    g = g + l2 * parameters
    v = v + g**2
    return parameters - learning_rate * g / (np.sqrt(v) + epsilon), m, v


def rowwise_adagrad_rows(
    parameters: Array,
    m: Array,
    v: Array,
    g: Array,
    step: int,
    learning_rate: float = 1e-3,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    l2: float | Array = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
) -> tuple[Array, Array, Array]:
    """Rows (n,K) of a table, as in FBGEMM: v[:, 0] is the sum of the mean squares of a row's g."""
    del step, beta_1, beta_2, weight_decay, nesterov
    g = g + l2 * parameters
    v = v.copy()
    v[:, 0] += (g**2).mean(axis=1)
    return parameters - learning_rate * g / (np.sqrt(v[:, :1]) + epsilon), m, v


def sgd_update(
    parameters: Array,
    m: Array,
    v: Array,
    g: Array,
    step: int,
    learning_rate: float = 1e-3,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    l2: float | Array = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
) -> tuple[Array, Array, Array]:
    """Sutskever et al. 2013, section 2, in PyTorch's form; beta_1 is the momentum."""
    del step, beta_2, epsilon, weight_decay
    g = g + l2 * parameters
    m = beta_1 * m + g
    return parameters - learning_rate * (g + beta_1 * m if nesterov else m), m, v


# All have the arguments of Adam, and leave alone what they have no use for.
OPTIMIZERS: dict[str, Callable[..., tuple[Array, Array, Array]]] = {
    "adam": adam_update,
    "adamw": adamw_update,
    "adagrad": adagrad_update,
    "rowwise_adagrad": adagrad_update,
    "sgd": sgd_update,
}
# Those that treat a row of a table as a whole.
OF_ROWS: dict[str, Callable[..., tuple[Array, Array, Array]]] = {
    "rowwise_adagrad": rowwise_adagrad_rows
}


def update_rows(
    optimizer: str,
    tables: tuple[Array, Array, Array],
    g: Array,
    rows: Ids,
    step: int,
    **options: float | Array,
) -> tuple[Array, Array, Array]:
    """Lazy: only ``rows`` (n), all different, move. tables are parameters, m, v (V,K); g (n,K).

    Of tables (V) with g (n) each row is one number.
    """
    parameters, m, v = (table.copy() for table in tables)
    of_rows = OF_ROWS if parameters.ndim > 1 else OPTIMIZERS
    update = of_rows.get(optimizer, OPTIMIZERS[optimizer])
    parameters[rows], m[rows], v[rows] = update(
        parameters[rows], m[rows], v[rows], g, step, **options
    )
    return parameters, m, v


def catch_up_rows(
    optimizer: str,
    tables: tuple[Array, Array, Array],
    rows: Ids,
    last: Ids,
    step: int,
    **options: float | Array,
) -> tuple[Array, Array, Array]:
    """Exact: take the steps with gradient 0 that ``rows`` (n) missed, up to ``step``.

    ``last`` (n) is the last step that each row has taken.
    """
    nothing = np.zeros_like(tables[0])
    for s in range(int(last.min(initial=step)) + 1, step + 1):
        late = rows[last < s]
        tables = update_rows(optimizer, tables, nothing[late], late, s, **options)
    return tables


def clip_gradients(g: dict[str, Array], most: float) -> dict[str, Array]:
    """Shorten all gradients to a norm of ``most`` together, where they are longer; 0: as they are.

    Pascanu et al. 2013, algorithm 1.
    """
    norm = np.sqrt(sum(float((part**2).sum()) for part in g.values()))
    return {name: part * (most / norm) for name, part in g.items()} if norm > most > 0 else g


def average_update(average: Array, parameters: Array, step: int, ema_decay: float) -> Array:
    """Return the moving average after ``step``; its decay starts low, so that it can follow."""
    decay = min(ema_decay, (1 + step) / (10 + step))
    return average + (1 - decay) * (parameters - average)
