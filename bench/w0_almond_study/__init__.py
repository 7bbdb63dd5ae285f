"""W0: the almond study's models, fitted."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from bench.harness import Array, Work
from dcnfast.commands.study import MODELS, Size
from dcnfast.cpu import effective_threads
from dcnfast.datasets import make_almond_clicks
from dcnfast.encode.standardizer import Standardizer
from dcnfast.network.config import NetworkConfig
from dcnfast.network.model import Model
from dcnfast.reference.network import ReferenceNetwork, State
from dcnfast.training.optimizers import OptimizerStep

TITLE = "W0: the almond study, fit on 70,000 rows in batches of 1000, cross 20 epochs, deep one"


@dataclass(frozen=True)
class Training:
    """One model to train, and the start that all rivals share.

    Parameters
    ----------
    X, y : ndarray of shape (n, 5), (n,)
        Raw, float64: for rivals that standardise themselves.
    dense, target : ndarray of shape (n, 5), (n, 1)
        Standardised, float32.
    estimator : dict
        Parameters of the estimator, as the study has them.
    config : NetworkConfig
    adam : OptimizerStep
    parameters : dict of ndarray
        Initial values by name.
    random_state : RandomState
        Draws one permutation of the rows an epoch; to be copied.
    batch_size, epochs : int
    """

    X: Array
    y: Array
    dense: Array
    target: Array
    estimator: dict[str, Any]
    config: NetworkConfig
    adam: OptimizerStep
    parameters: dict[str, Array]
    random_state: np.random.RandomState
    batch_size: int
    epochs: int

    def batches(self, random_state: np.random.RandomState) -> Array:
        """Return the row numbers of an epoch's batches, one batch a row."""
        return random_state.permutation(len(self.y)).reshape(-1, self.batch_size)


@cache
def _training(name: str, size: Size) -> Training:
    data = make_almond_clicks(size.n_train)
    X, y = data.data, data.target
    estimator = MODELS[name]
    config = NetworkConfig(
        n_dense=X.shape[1],
        cross=estimator["cross"].name if "cross" in estimator else "matrix",
        cross_layers=estimator["cross_layers"],
        hidden=estimator["hidden_layer_sizes"],
    )
    random_state = np.random.RandomState(estimator["random_state"])
    model = Model(config).initialize(random_state)
    columns = y[:, None]
    return Training(
        X=X,
        y=y,
        dense=Standardizer().fit(X).transform(X, np.float32),
        target=Standardizer().fit(columns).transform(columns, np.float32),
        estimator=estimator,
        config=config,
        adam=OptimizerStep(estimator["learning_rate_init"], epsilon=estimator.get("epsilon", 1e-7)),
        parameters={name: value.copy() for name, value in model.parameters.items()},
        random_state=random_state,
        batch_size=size.batch_size,
        epochs=size.max_iter,
    )


@cache
def _loss_curve(name: str, size: Size) -> tuple[Array]:
    """Return each epoch's mean loss, in float64."""
    t = _training(name, size)
    dense, target = t.dense.astype(np.float64), t.target.astype(np.float64)
    network, random_state = ReferenceNetwork(t.config), copy.deepcopy(t.random_state)
    ids, state = np.zeros((len(dense), 0), np.int32), State.start(t.parameters)
    curve = []
    for _ in range(t.epochs):
        losses = [
            network.train_step(state, ids[rows], dense[rows], target[rows], **vars(t.adam))
            for rows in t.batches(random_state)
        ]
        curve.append(np.mean(losses))
    return (np.array(curve),)


def work(name: str, size: Size) -> Work:
    """Six flops a row and parameter; the rows once through memory in every epoch."""
    training = _training(name, size)
    rows = size.n_train * size.max_iter
    return Work(
        data=training,
        threads=effective_threads(None),
        rows=rows,
        flops=6 * rows * training.config.count_parameters(),
        bytes=4 * rows * (training.dense.shape[1] + 1),
        reference=partial(_loss_curve, name, size),
        tolerance=1e-3,  # float32 along a whole trajectory
    )


CROSS = ("1 matrix cross layer", "3 matrix cross layers")
DEEP = ("deep 512-256-128, rate 0.001",)


def _cases(cross: Size, deep: Size) -> dict[str, Any]:
    sizes = dict.fromkeys(CROSS, cross) | dict.fromkeys(DEEP, deep)
    return {name: partial(work, name, size) for name, size in sizes.items()}


CASES = _cases(Size(max_iter=20), Size(max_iter=1))
SMOKE = _cases(
    Size(n_train=1_000, max_iter=2, batch_size=100), Size(n_train=200, max_iter=1, batch_size=100)
)
