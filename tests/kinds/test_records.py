"""Every record is complete: what it names exists, and nothing else has a list of its own."""

from typing import get_args

import numpy as np
import pytest

from dcnfast import ops, reference
from dcnfast.encode.bins import Rule
from dcnfast.encode.encoder import TableEncoder
from dcnfast.encode.scaling import SCALINGS
from dcnfast.estimators.parameters import Initializer, NumericScaling
from dcnfast.network import config
from dcnfast.network.activations import ACTIVATIONS
from dcnfast.network.config import NetworkConfig
from dcnfast.network.crosses import CROSSES, CrossName
from dcnfast.network.initializers import INITIALIZERS
from dcnfast.network.losses import (
    LOSSES,
    RANKING_LOSSES,
    ClassificationLossName,
    Focal,
    Huber,
    LogLoss,
    MultiLabel,
    Ordinal,
    Quantile,
    RankingLossName,
    RegressionLossName,
    Softmax,
    Tweedie,
    loss_of,
)
from dcnfast.network.model import Model
from dcnfast.network.numeric_embeddings import NUMERIC_EMBEDDINGS, NumericEmbeddingName, Piecewise
from dcnfast.reference.network import ReferenceNetwork
from dcnfast.training.optimizers import OPTIMIZERS, OptimizerName
from dcnfast.training.schedules import (
    DROPOUT_SCHEDULES,
    SCHEDULES,
    PlannedScheduleName,
    ScheduleName,
)

FAMILIES = [CROSSES, LOSSES, OPTIMIZERS]
KINDS = [kind for family in FAMILIES for kind in family.values()]


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_kind_says_of_itself(kind):
    assert kind.summary.endswith(".")
    assert kind.__doc__
    named = kind.reference if isinstance(kind.reference, tuple) else (kind.reference,)
    assert all(callable(getattr(reference, name)) for name in named)
    assert set(kind.defaults()) == set(kind.options)
    assert set(kind.shorthands) <= set(kind.options)
    kind().check("argument")


def test_type_checkers_know_the_names_of_the_records():
    assert set(get_args(CrossName)) == set(CROSSES)
    assert set(get_args(OptimizerName)) == set(OPTIMIZERS)
    assert set(get_args(ScheduleName)) == set(SCHEDULES)
    assert set(get_args(PlannedScheduleName)) == set(DROPOUT_SCHEDULES)
    assert set(get_args(NumericEmbeddingName)) == set(NUMERIC_EMBEDDINGS)
    assert set(get_args(config.Activation)) == set(ACTIVATIONS)
    assert set(get_args(Initializer)) == set(INITIALIZERS)
    assert set(get_args(NumericScaling)) | {None} == set(SCALINGS)
    assert set(get_args(RegressionLossName)) == {n for n, loss in LOSSES.items() if loss.regresses}
    assert set(get_args(RankingLossName)) == set(RANKING_LOSSES)
    assert set(get_args(ClassificationLossName)) == {n for n, l in LOSSES.items() if l.classifies}


@pytest.mark.parametrize("kind", NUMERIC_EMBEDDINGS.values())
def test_what_an_embedding_of_numbers_says_of_itself(kind):
    assert kind.summary.endswith(".")
    assert kind.formula
    assert kind.source.endswith(".")
    assert set(kind.defaults()) == set(kind.options)
    kind().check("argument")
    assert kind().rule() == kind().set_params(width=3).rule()


def test_the_encoder_gets_plain_numbers():
    rule = Piecewise(max_bins=np.int64(9), max_distinct=np.uint8(3)).rule()
    assert rule == Rule(max_bins=9, max_distinct=3)
    assert Piecewise(edges="tree").rule() == Rule(48, 128, tree=True, min_rows=64)
    assert {type(rule.max_bins), type(rule.max_distinct)} == {int}


def network(**options):
    return NetworkConfig(n_dense=7, cross_layers=2, hidden=(3,), dtype="float64", **options)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", CROSSES)
def test_tensors_of_a_cross_are_those_of_the_engine(name, bias):
    described = network(**CROSSES[name](bias=bias).engine_options(7))
    model, sizes = Model(described), described.cross_sizes
    shapes = {n: tuple(s) for n, s, _ in model.network.tensors if n.startswith("cross_")}
    assert shapes == {t.name: t.shape(sizes) for t in CROSSES[name].tensors(bias)}
    roles = {t.name: t.role for t in CROSSES[name].tensors(bias)}
    assert roles == {n: role for n, role in model.network.roles.items() if n in shapes}
    assert described.count_parameters() == model.n_parameters
    assert shapes.keys() == {n for n, part in model.network.parts.items() if part == "cross"}
    assert ReferenceNetwork(described).shapes() == {n: p.shape for n, p in model.parameters.items()}


@pytest.mark.parametrize("name", CROSSES)
def test_dense_weight_is_what_multiplies_the_columns(name, rng):
    """One layer without a bias is x0 * (W x0) + x0, whatever the cross; a gate at small x0."""
    cross, sizes = CROSSES[name], {"L": 2, "D": 5, "R": 2, "E": 3, "H": 3}
    weights = {t.name: rng.normal(size=t.shape(sizes)) for t in cross.weights_of()}
    exact = name not in ("gated", "mixture")
    x0 = rng.normal(size=(9, 5)) * (1 if exact else 1e-6)
    one = [weights[t.name][1:] if t.name in weights else None for t in cross.weights]
    out = getattr(reference, cross.reference[0])(x0, *one, np.zeros((1, 5)))
    W = cross.dense_weight(weights, 1)
    end = 3 if name == "exponential" else 5  # the rest has a mask
    got, want = (out - x0)[:, :end], (x0 * (x0 @ W.T))[:, :end]
    if name == "onlydense":  # without a residual, where the ReLU passes
        passes = x0 @ W.T > 0
        got, want = out[passes], (x0 * (x0 @ W.T))[passes]
    np.testing.assert_allclose(got, want, rtol=1e-11 if exact else 1e-4)
    W[...] = 0
    assert all(np.any(weight[1] != 0) for weight in weights.values())


@pytest.mark.parametrize("name", CROSSES)
def test_weights_and_products_are_counted(name):
    cross, sizes = CROSSES[name], {"L": 2, "D": 5, "R": 2, "E": 3, "H": 3}
    weights = {
        "matrix": 25, "vector": 5, "lowrank": 20, "gated": 50, "mixture": 75, "exponential": 21,
        "onlydense": 25,
    }[name]  # fmt: skip
    assert cross.weights_of_a_layer(sizes) == weights
    assert cross.count_weights(sizes) == 2 * weights
    products = {"vector": 10, "exponential": 15}.get(name, weights)
    assert cross.multiply_adds(sizes) == products


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_at_zero_and_at_its_best_constant(name, rng):
    loss = LOSSES[name]()
    outputs = 3 if loss.one_target_a_row else 2
    target = rng.random((400, 2))
    if loss.one_target_a_row:
        target = rng.choice(3, size=(400, 1), p=[0.2, 0.3, 0.5]).astype(float)
    described = network(loss=name, loss_constants=loss.constants(), n_outputs=outputs)
    engine = Model(described).network  # all parameters are zero, and so all logits
    some = np.zeros((400, 7))
    got = engine.evaluate(np.zeros((400, 0), np.int32), some, target, None, 1)
    losses = loss.deviance(np.zeros((400, outputs)), target)
    of_rows = losses.mean(axis=1) if loss.mean_of_outputs else losses.sum(axis=1)
    assert got == pytest.approx(of_rows.mean(), rel=1e-12)
    best = loss.best_constant(target, np.ones(400), outputs)
    assert best.shape == (outputs,)
    assert loss.deviance(np.tile(best, (400, 1)), target).sum() < losses.sum()


def test_which_loss_asks_for_which_targets():
    assert LOSSES["log_loss"].interval == (0, 1)
    assert LOSSES["log_loss"].inverse_link(np.array([[0.0]])) == 0.5
    assert LOSSES["softmax"].inverse_link(np.zeros((1, 4))).tolist() == [[0.25] * 4]
    assert LOSSES["squared_error"]().inverse_link(np.array([[3.0]])) == 3
    kinds = [kind() for kind in LOSSES.values() if kind.classifies and kind is not MultiLabel]
    assert [kind.of_classes(n) for kind in kinds for n in (2, 3)] == [
        (LogLoss(), 1), (Softmax(), 3), (Softmax(), 2), (Softmax(), 3), (Focal(), 2), (Focal(), 3),
        (Ordinal(), 1), (Ordinal(), 2),
    ]  # fmt: skip
    assert LogLoss().of_labels(3) == (MultiLabel(), 3)
    weighted = MultiLabel(task_weights=[1, 2, 0])
    assert weighted.of_labels(3) == (weighted, 3)
    for wrong in (Softmax(), Ordinal(), MultiLabel(task_weights=[1, 2])):
        with pytest.raises(ValueError, match=r"columns|column of y"):
            wrong.of_labels(3)
    with pytest.raises(ValueError, match="y has one column, of 2 classes"):
        MultiLabel().of_classes(2)


@pytest.mark.parametrize(
    "loss",
    [LogLoss(), Huber(delta=2), Quantile([0.1, 0.5]), Quantile(0.2), Tweedie(power=1.25), Focal(),
     Focal(gamma=1, alpha=0.25), Ordinal(), MultiLabel(), MultiLabel(task_weights=[1.0, 2.0])],
    ids=repr,
)  # fmt: skip
def test_a_loss_is_made_of_its_constants(loss):
    assert loss_of(loss.name, loss.constants()) == loss


@pytest.mark.parametrize(
    ("name", "constants"),
    [("log_loss", (1.0,)), ("huber", ()), ("huber", (-1.0,)), ("quantile", ()), ("focal", ()),
     ("quantile", (0.5, 0.1)), ("tweedie", (1.5, 1.5)), ("focal", (2.0, 0.5))],
)  # fmt: skip
def test_constants_that_a_loss_has_not(name, constants):
    with pytest.raises(ValueError, match="loss_constants"):
        loss_of(name, constants)
    if (name, constants) != ("focal", (2.0, 0.5)):  # a weight for each of as many classes
        with pytest.raises(ValueError, match=f"loss_constants of '{name}' with 1 outputs is"):
            network(loss=name, loss_constants=constants).compile()


@pytest.mark.parametrize("name", [name for name, loss in LOSSES.items() if loss.regresses])
def test_errors_are_those_of_the_deviance(name, rng):
    """They differ by what only the target decides, and are 0 where the answer is the target."""
    loss = LOSSES[name]()
    target, logits = rng.uniform(0.1, 0.9, (50, 2)), rng.normal(size=(2, 50, 2))
    of_deviance = loss.deviance(logits[0], target) - loss.deviance(logits[1], target)
    errors = [loss.errors(loss.inverse_link(z), target) for z in logits]
    np.testing.assert_allclose(errors[0] - errors[1], of_deviance, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(loss.errors(target, target), 0, atol=1e-12)
    weight = rng.uniform(0.5, 2, 50)
    constant = loss.constant(target, weight)
    least = np.average(loss.errors(np.tile(constant, (50, 1)), target), axis=0, weights=weight)
    for moved in (constant * 0.97, constant * 1.03):
        more = np.average(loss.errors(np.tile(moved, (50, 1)), target), axis=0, weights=weight)
        assert (more >= least - 1e-15).all()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_those_of_the_kernels(name, rng):
    h = rng.normal(size=(6, 3))
    given = h, np.eye(3), np.zeros(3)
    want = reference.dense(*given, name)
    np.testing.assert_allclose(ops.dense(*given, name), want, rtol=1e-12)
    Model(network(activation=name, preactivation=name))  # the engine knows it
    assert set(reference.ACTIVATIONS) == set(ACTIVATIONS)


@pytest.mark.parametrize("field", ["cross", "loss", "activation", "preactivation"])
def test_the_engine_refuses_other_names(field):
    with pytest.raises(ValueError, match="swish"):
        network(**{field: "swish"}).compile()


@pytest.mark.parametrize("name", INITIALIZERS)
def test_initializers_draw(name):
    weights = INITIALIZERS[name].draw(np.random.RandomState(0), (2, 40, 50))
    assert weights.shape == (2, 40, 50)
    spread = {"truncated_normal": 0.044, "glorot_uniform": np.sqrt(2 / 90), "he_normal": 0.2}[name]
    assert weights.std() == pytest.approx(spread, rel=0.05)


def test_an_unknown_scaling_is_refused_with_the_names():
    with pytest.raises(ValueError, match=r"'robust', want one of \('auto', 'standard'.*None\)"):
        TableEncoder(numeric_scaling="robust").check_parameters(())
