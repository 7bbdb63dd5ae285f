"""The same bits for any number of threads; a row's prediction is its own."""

import os

import numpy as np
import pytest

from dcnfast.cpu import available_isas
from dcnfast.testing import force_isa

pytestmark = pytest.mark.usefixtures("isa")

PARTS = {"cross_layers": 2, "hidden": (24, 9), "activation": "gelu"}


@pytest.mark.parametrize("structure", ["parallel", "stacked"])
def test_threads(structure, kind, dtype, make_case):
    start = make_case(1500, dtype=dtype, weighted=True, structure=structure, **PARTS, **kind)
    results = []
    for n_threads in (1, 2, 3, 4, 7):
        case = start.restart()
        loss, gradients = case.gradients(n_threads)
        losses = [case.train(batch_size=700, n_threads=n_threads)[0] for _ in range(2)]
        results.append(
            [
                np.array([loss, *losses, case.evaluate(n_threads)]),
                case.model.snapshot(),
                case.predict(n_threads),
                *gradients.values(),
            ]
        )
    one, *others = results
    assert np.isfinite(one[0]).all()
    assert all(tensor.any() for tensor in one)
    for other in others:
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_threads_with_a_large_model(make_case):
    """From 65536 parameters on, lanes depend on the rows and Adam runs on several threads."""
    start = make_case(1100, n_dense=48, cross_layers=2, hidden=(300, 220))
    assert start.model.n_parameters > 1 << 16
    snapshots = []
    for n_threads in (1, 2, 3, 4, 7):
        case = start.restart()
        case.train(n_threads=n_threads)
        snapshots.append(case.model.snapshot())
    assert all(np.array_equal(snapshots[0], other) for other in snapshots[1:])


def test_a_prediction_is_its_rows_own(kind, dtype, make_case):
    case = make_case(500, dtype=dtype, n_outputs=3, **PARTS, **kind)
    everything = case.predict(2)
    for rows in (slice(0, 1), slice(1, 3), slice(17, 30), slice(307, 500), slice(None, None, -1)):
        np.testing.assert_array_equal(case.rows(rows).predict(), everything[rows])


def test_a_neighbour_that_is_nan_changes_nothing(kind, dtype, make_case):
    case = make_case(40, dtype=dtype, **PARTS, **kind)
    before = case.predict()
    case.dense[13] = np.nan
    after = case.predict()
    assert np.isnan(after[13]).all()
    np.testing.assert_array_equal(np.delete(after, 13, axis=0), np.delete(before, 13, axis=0))


def test_nothing_to_predict(make_case):
    assert make_case(0, n_outputs=3, **PARTS).predict(2).shape == (0, 3)


FORCED = os.environ.get("DCNFAST_ISA")
OTHERS = [FORCED] if FORCED else available_isas()[:-1] or ["scalar"]
PORTABLE = {}  # what the portable code said, of which the others' tests ask the same


def twenty_steps(case):
    losses = [case.train(batch_size=32)[0] for _ in range(10)]
    assert case.state.step == 20
    return losses, case.model.snapshot(), case.predict()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"cross": "vector", "activation": "sigmoid"},
        {"cross": "gated", "structure": "stacked"},
        {"cross": "mixture", "cross_rank": 5, "cross_experts": 3, "preactivation": "tanh"},
        {"cross": "mixture", "cross_rank": 3, "cross_experts": 17, "gating": "sigmoid"},
        {"cross": "exponential", "structure": "stacked"},
        {"cross": "onlydense", "preactivation": "relu", "cross_factor": 1.5},
        {"cross_symmetric": True, "cross_forbidden": (0, 1, 4, 4)},
        {"cross_heads": 2, "cross_symmetric": True},
        {"cross": "exponential", "cross_heads": 2, "shared_heads": True},
        {"cross": "lowrank", "cross_rank": 5, "activation": "gelu", "loss": "softmax"},
        {"loss": "quantile", "loss_constants": (0.1, 0.5, 0.9), "n_members": 3},
        {"loss": "focal", "loss_constants": (1.5,), "n_members": 3},
        {"loss": "ordinal", "n_members": 3},
        {"layer_norm": True, "dropout": 0.2, "ema_decay": 0.9, "sparse_adam": "exact"},
        {"cross_dropout": 0.3, "structure": "stacked", "dropout": 0.1},
        {"preactivation": "tanh", "loss": "squared_error", "alpha_embedding": 0.1, "wide": True},
        {"embedding_penalty": "table", "alpha_embedding": 0.1, "ema_decay": 0.9, "wide": True},
    ],
    ids=lambda options: "-".join(options) or "plain",
)
@pytest.mark.parametrize("isa", OTHERS, indirect=True)
def test_instruction_sets(options, isa, dtype, make_case):
    """Twenty steps of the click model in small: the portable code says what all must say."""
    model = {"n_dense": 13, "cross_layers": 3, "hidden": (40, 40), "loss": "log_loss"}
    fields = (("a", 50, 16), ("b", 7, 4), ("c", 19, 16))
    given = model | options | {"fields": fields, "deterministic": "isa", "n_outputs": 3}
    case = make_case(64, dtype=dtype, **given)
    asked = repr((options, dtype))
    if asked not in PORTABLE:
        with force_isa("scalar"):
            PORTABLE[asked] = twenty_steps(case.restart())
    losses, parameters, predictions = twenty_steps(case)
    assert losses == PORTABLE[asked][0], isa
    np.testing.assert_array_equal(parameters, PORTABLE[asked][1])
    np.testing.assert_array_equal(predictions, PORTABLE[asked][2])
