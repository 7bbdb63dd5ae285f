"""One network, its table, and the reference of both: all that touches the engine's signatures."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from dcnfast.config import NetworkConfig
from dcnfast.model import Model
from dcnfast.optim import Adam
from dcnfast.reference_network import ReferenceNetwork, State

KINDS = {
    "vector": {"cross": "vector"},
    "matrix": {"cross": "matrix"},
    "lowrank": {"cross": "lowrank", "cross_rank": 2, "diag_scale": 0.1},
}


@dataclass
class Case:
    """A network with a batch; what the engine says, and what the reference says."""

    model: Model
    ids: np.ndarray
    dense: np.ndarray
    target: np.ndarray
    weight: np.ndarray | None
    adam: Adam

    @property
    def config(self):
        return self.model.config

    def rows(self, index):
        """Return the same network with some of the rows."""
        weight = None if self.weight is None else self.weight[index]
        table = {name: getattr(self, name)[index] for name in ("ids", "dense", "target")}
        return replace(self, **table, weight=weight)

    def restart(self):
        """Return a copy of the network on the same rows."""
        return replace(self, model=self.model.copy())

    # ---- the engine

    def predict(self, n_threads=1):
        return self.model.network.predict(self.dense, n_threads)

    def evaluate(self, n_threads=1):
        return self.model.network.evaluate(self.dense, self.target, self.weight, n_threads)

    def gradients(self, n_threads=1):
        order = np.arange(len(self.dense))
        loss = self.model.network.compute_gradients(
            self.dense, self.target, self.weight, order, n_threads
        )
        return loss, {name: g.copy() for name, g in self.model.network.gradients.items()}

    def train(self, batch_size=None, n_threads=1, order=None):
        """Run one epoch; returns its mean loss, the number of batches, and whether it finished."""
        order = np.arange(len(self.dense)) if order is None else order
        a = self.adam
        return self.model.network.train_epoch(
            self.dense,
            self.target,
            self.weight,
            order,
            batch_size or len(self.dense),
            a.learning_rate,
            a.beta_1,
            a.beta_2,
            a.epsilon,
            n_threads,
        )

    def trajectory(self, steps):
        return [self.train()[0] for _ in range(steps)]

    # ---- the reference

    def batch(self):
        """Return what the reference takes of the rows: ids, dense, target and weight, float64."""
        weight = None if self.weight is None else self.weight.astype(np.float64)
        return self.ids, self.dense.astype(np.float64), self.target.astype(np.float64), weight

    def parameters(self):
        return {name: p.astype(np.float64) for name, p in self.model.parameters.items()}

    def reference_predict(self):
        network = ReferenceNetwork(self.config)
        return network.predict(State.start(self.parameters()), *self.batch()[:2])

    def reference_gradients(self):
        return ReferenceNetwork(self.config).loss_and_gradients(self.parameters(), *self.batch())

    def reference_loss(self, parameters):
        return ReferenceNetwork(self.config).loss_and_gradients(parameters, *self.batch())[0]

    def reference_trajectory(self, steps):
        network, state = ReferenceNetwork(self.config), State.start(self.parameters())
        adam = vars(self.adam)
        return [network.train_step(state, *self.batch(), **adam) for _ in range(steps)]


@pytest.fixture
def make_case():
    """make_case(rows, weighted, seed, **config): a network whose every parameter is drawn."""

    def make(rows=37, *, weighted=False, seed=3, n_dense=9, **config):
        random = np.random.RandomState(seed)
        model = Model(NetworkConfig(n_dense=n_dense, **config)).initialize(random)
        dtype, C = model.config.dtype, model.config.n_outputs
        # biases start at 0 and cross weights near it: draw them too, so that nothing is tested at 0
        flat = model.snapshot()
        model.restore(flat + random.normal(0, 0.2, flat.shape).astype(dtype))
        dense = random.normal(0, 0.8, (rows, n_dense))
        target = {
            "squared_error": lambda: random.normal(size=(rows, C)),
            "log_loss": lambda: random.choice([0.0, 1.0], size=(rows, C)),
            "softmax": lambda: random.randint(C, size=(rows, 1)),
        }[model.config.loss]()
        weight = random.uniform(0.2, 2, rows).astype(dtype) if weighted else None
        ids = (
            np.stack([random.randint(V, size=rows) for _, V, _ in model.config.fields], axis=1)
            if model.config.fields
            else np.zeros((rows, 0))
        )
        return Case(
            model,
            ids.astype(np.int32),
            dense.astype(dtype),
            target.astype(dtype),
            weight,
            Adam(0.01),
        )

    return make


@pytest.fixture(params=KINDS)
def kind(request):
    """The arguments of a network that say which cross form it has."""
    return KINDS[request.param]
