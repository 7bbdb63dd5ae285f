"""One network, its table, and the reference of both: all that touches the engine's signatures."""

import pickle
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
import pytest

from dcnfast.network.config import NetworkConfig
from dcnfast.network.model import Model
from dcnfast.reference import training_loss
from dcnfast.reference.lists import Named
from dcnfast.reference.network import ReferenceNetwork, State
from dcnfast.testing import draw_dense
from dcnfast.training.optimizers import OptimizerStep
from dcnfast.training.state import Training

KINDS = {
    "vector": {"cross": "vector"},
    "matrix": {"cross": "matrix"},
    "lowrank": {"cross": "lowrank", "cross_rank": 2, "diag_scale": 0.1},
    "mixture": {
        "cross": "mixture",
        "cross_rank": 2,
        "cross_experts": 3,
        "preactivation": "tanh",
    },
    "exponential": {"cross": "exponential"},
    "onlydense": {"cross": "onlydense", "preactivation": "relu", "cross_factor": 1.5},
}


def draw_lists(random, rows, V, dtype, pooling):
    """Return offsets, ids and weights: short lists, empty ones, one of hundreds of items."""
    lengths = random.randint(0, 6, size=rows)
    lengths[:2] = 0
    lengths[rows // 2] = 300
    offsets = np.append(0, np.cumsum(lengths)).astype(np.int64)
    ids = random.randint(V, size=offsets[-1]).astype(np.int32)
    weighted = pooling == "sum" and V % 2
    return offsets, ids, random.uniform(0, 2, len(ids)).astype(dtype) if weighted else None


def take_lists(lists, index):
    """Return the lists of some of the rows."""
    offsets, ids, weights = lists
    rows = np.arange(len(offsets) - 1)[index]
    items = np.concatenate([np.arange(offsets[i], offsets[i + 1]) for i in rows] or [[]])
    items = items.astype(np.int64)
    ends = np.append(0, np.cumsum(np.diff(offsets)[rows])).astype(np.int64)
    return ends, ids[items], None if weights is None else weights[items]


ANSWERS = {}


@pytest.fixture(autouse=True, scope="module")
def _answers():
    """Forget what the reference said at the end of a file."""
    yield
    ANSWERS.clear()


def once(function, *arguments):
    """Return function(*arguments), computed once for all instruction sets: they ask the same."""
    asked = blake2b(pickle.dumps((function.__name__, arguments))).digest()
    if asked not in ANSWERS:
        ANSWERS[asked] = pickle.dumps(function(*arguments))
    return pickle.loads(ANSWERS[asked])


def loss_and_gradients(config, parameters, batch, options):
    return ReferenceNetwork(config).loss_and_gradients(parameters, *batch, **options)


def predict(config, parameters, inputs):
    return ReferenceNetwork(config).predict(State.start(parameters), *inputs)


def train(config, state, batches, options):
    """Return the losses of the batches and the state after them."""
    network = ReferenceNetwork(config)
    return [network.train_step(state, *batch, **options) for batch in batches], state


@dataclass
class Case:
    """A network with a batch; what the engine says, and what the reference says."""

    training: Training
    ids: np.ndarray
    dense: np.ndarray
    target: np.ndarray
    weight: np.ndarray | None
    adam: OptimizerStep
    seed: int = 5  # of dropout
    lists: tuple = ()  # of each column of lists offsets, ids, weights

    @property
    def model(self):
        return self.training.model

    @property
    def state(self):
        return self.training.state

    @property
    def config(self):
        return self.model.config

    def rows(self, index):
        """Return the same network with some of the rows."""
        table = {name: getattr(self, name)[index] for name in ("ids", "dense", "target")}
        weight = None if self.weight is None else self.weight[index]
        contiguous = {name: np.ascontiguousarray(part) for name, part in table.items()}
        lists = tuple(take_lists(lists, index) for lists in self.lists)
        return replace(self, **contiguous, weight=weight, lists=lists)

    def restart(self):
        """Return a copy of the network on the same rows."""
        return replace(self, training=self.training.copy())

    # ---- the engine

    def predict(self, n_threads=1):
        return self.model.network.predict(self.ids, self.dense, n_threads, self.lists)

    def evaluate(self, n_threads=1):
        table = self.ids, self.dense, self.target, self.weight
        return self.model.network.evaluate(*table, n_threads, self.lists)

    @property
    def table(self):
        return self.model.table(self.ids, self.dense, self.target, self.weight, self.lists)

    def gradients(self, n_threads=1):
        order = np.arange(len(self.dense))
        loss = self.state.compute_gradients(self.table, order, self.seed, n_threads)
        return loss, {name: g.copy() for name, g in self.state.gradients.items()}

    def train(self, batch_size=None, n_threads=1, order=None):
        """Run one epoch; returns its mean loss, the number of batches, and whether it finished."""
        return self.state.train_epoch(
            self.table,
            np.arange(len(self.dense)) if order is None else order,
            batch_size or len(self.dense),
            self.adam.compile(),
            self.seed,
            n_threads,
        )

    def trajectory(self, steps):
        return [self.train()[0] for _ in range(steps)]

    # ---- the reference

    @property
    def reference(self):
        return ReferenceNetwork(self.config)

    def batch(self, index=slice(None)):
        """Return what the reference takes of these rows: ids, dense, target and weight, float64."""
        table = self.rows(index)
        weight = None if self.weight is None else table.weight.astype(np.float64)
        ids = Named(table.ids, table.lists) if self.lists else table.ids
        return ids, table.dense.astype(np.float64), table.target.astype(np.float64), weight

    def parameters(self):
        return {name: p.astype(np.float64) for name, p in self.model.parameters.items()}

    def reference_predict(self):
        return once(predict, self.config, self.parameters(), self.batch()[:2])

    def reference_evaluate(self):
        """Return the weighted mean loss of what is predicted, of targets as they are."""
        *_, target, weight = self.batch()
        loss, _ = training_loss(
            self.config.loss_kind, self.reference_predict(), target, weight, 0.0
        )
        return loss / (len(target) if weight is None else weight.sum())

    def reference_gradients(self, step=None):
        """Return mean loss and gradients; with the dropout of that step, or without."""
        options = {"seed": self.seed, "step": step}
        return once(loss_and_gradients, self.config, self.parameters(), self.batch(), options)

    def reference_loss(self, parameters):
        return once(loss_and_gradients, self.config, parameters, self.batch(), {})[0]

    def reference_train(self, state, batch_size=None, order=None):
        """Run one epoch from ``state``, which it changes; returns the mean objective."""
        order = np.arange(len(self.dense)) if order is None else order
        batches = np.split(order, range(batch_size or len(order), len(order), batch_size or 1))
        options = {"seed": self.seed} | vars(self.adam)
        asked = state, [self.batch(rows) for rows in batches], options
        losses, after = once(train, self.config, *asked)
        vars(state).update(vars(after))
        return np.average(losses, weights=[len(rows) for rows in batches])

    def reference_trajectory(self, steps):
        state = State.start(self.parameters())
        return [self.reference_train(state) for _ in range(steps)]


@pytest.fixture
def make_case():
    """make_case(rows, weighted, seed, **config): a network whose every parameter is drawn."""

    def make(rows=37, *, weighted=False, seed=3, n_dense=9, **config):
        random = np.random.RandomState(seed)
        model = Model(NetworkConfig(n_dense=n_dense, **config)).initialize(random)
        dtype, C = model.config.dtype, model.config.n_outputs
        # biases start at 0 and cross weights near it: draw them too, so that nothing is tested at 0
        flat = model.snapshot()
        noise = random.normal(0, 0.2, flat.shape).astype(dtype)
        inside = np.zeros(flat.shape, bool)  # between the tensors is nothing
        for _, shape, offset in model.network.tensors:
            inside[offset : offset + int(np.prod(shape))] = True
        model.restore(flat + noise * inside)
        dense = draw_dense(model.config, rows, random)
        kind = model.config.loss_kind
        if kind.one_target_a_row:
            target = random.randint(C + (kind.name == "ordinal"), size=(rows, 1))
        elif kind.name in ("log_loss", "multi_label"):
            target = random.choice([0.0, 1.0], size=(rows, C))
            if kind.name == "multi_label":
                target[random.uniform(size=(rows, C)) < 0.3] = np.nan
        elif kind.interval is not None:
            target = random.gamma(2.0, size=(rows, C))
        else:
            target = random.normal(size=(rows, C // kind.outputs_of_a_target))
        weight = random.uniform(0.2, 2, rows).astype(dtype) if weighted else None
        S = len(model.config.fields) - len(model.config.poolings)
        columns = [random.randint(V, size=rows) for _, V, _ in model.config.fields[:S]]
        ids = np.array(columns).reshape(len(columns), rows).T.astype(np.int32, order="C")
        table = ids, dense.astype(dtype), target.astype(dtype), weight
        lists = tuple(
            draw_lists(random, rows, V, dtype, pooling)
            for (_, V, _), pooling in zip(
                model.config.fields[S:], model.config.poolings, strict=True
            )
        )
        return Case(Training(model), *table, OptimizerStep(0.01), lists=lists)

    return make


@pytest.fixture(params=KINDS)
def kind(request):
    """The arguments of a network that say which cross form it has."""
    return KINDS[request.param]
