"""Objects with options: values, equality, pickles, what they look like, what they refuse."""

import copy
import pickle
import re

import numpy as np
import pytest
from sklearn.base import clone

import dcnfast.crosses
import dcnfast.losses
import dcnfast.numeric_embeddings
import dcnfast.optimizers
from dcnfast.crosses import LowRank, Matrix, Mixture, OnlyDense, Vector
from dcnfast.lists import Lists
from dcnfast.losses import (
    Focal,
    Huber,
    Lambda,
    Listwise,
    LogLoss,
    MultiLabel,
    Quantile,
    Softmax,
    Tweedie,
)
from dcnfast.network.crosses import CROSSES
from dcnfast.network.losses import LOSSES, RANKING_LOSSES
from dcnfast.network.numeric_embeddings import NUMERIC_EMBEDDINGS
from dcnfast.numeric_embeddings import Periodic, PeriodicRelu, Piecewise
from dcnfast.optimizers import SGD, Adagrad, Adam, AdamW, RowwiseAdagrad
from dcnfast.schedules import Constant, Cosine, Exponential, FlatCosine, Plateau
from dcnfast.target_statistics import TargetStatistics
from dcnfast.training.optimizers import OPTIMIZERS
from dcnfast.training.schedules import SCHEDULES

OBJECTS = [
    LowRank(rank=8),
    LowRank(rank=None, diag_scale=0.5, bias=False, preactivation="relu", initializer="he_normal"),
    Matrix(diag_scale=0.25),
    Matrix(symmetric=True, forbidden_pairs=[("a", "b"), ("b", "b")]),
    Matrix(allowed_pairs=(("a", "b"),)),
    Matrix(heads=3, shared_heads=True),
    Mixture(experts=2, rank=8, gate="sigmoid", shared_gate=True, activation="tanh"),
    OnlyDense(scale=2.0, activation="gelu"),
    Vector(bias=False),
    Adam(beta_1=0.5, beta_2=0.9, epsilon=1e-3, sparse="exact"),
    AdamW(weight_decay=0.1, beta_1=0.5),
    AdamW(weight_decay_schedule="cosine"),
    Adagrad(epsilon=1e-3),
    RowwiseAdagrad(epsilon=1e-3),
    SGD(rate_factors={"bias": 0.5, "embedding": 2.0}),
    SGD(momentum=0.5, nesterov=False),
    LogLoss(),
    Huber(delta=0.5),
    Quantile([0.1, 0.5, 0.9]),
    Quantile((0.25,)),
    Tweedie(power=1.9),
    Focal(gamma=0.5, alpha=0.25),
    MultiLabel(task_weights=[1.0, 0.25]),
    Lambda(k=5, gain="exponential"),
    Listwise(gain="exponential"),
    FlatCosine(flat=0.25, final=0.1, warmup=0.05),
    Exponential(final=0.5),
    Piecewise(width=4, max_bins=9, max_distinct=0),
    Piecewise(edges="tree", min_samples_leaf=16),
    Periodic(width=3, frequencies=5, sigma=1.0),
    PeriodicRelu(width=1, sigma=0.01),
    Lists(pooling="sqrtn", separator="|", weights="seconds"),
    TargetStatistics(order=1, folds=5, smoothing=10.0, max_pairs=3, min_categories=2),
]
BASES = {"Cross", "Loss", "NumericEmbedding", "Optimizer", "Schedule"}


@pytest.mark.parametrize(
    "family",
    [CROSSES, LOSSES, RANKING_LOSSES, NUMERIC_EMBEDDINGS, OPTIMIZERS, SCHEDULES],
    ids=lambda f: f.parameter,
)
def test_modules_have_every_kind(family):
    module = {
        "cross": dcnfast.crosses, "loss": dcnfast.losses, "optimizer": dcnfast.optimizers,
        "learning_rate": dcnfast.schedules, "numeric_embedding": dcnfast.numeric_embeddings,
    }  # fmt: skip
    public = module[family.parameter]
    families = (LOSSES, RANKING_LOSSES) if public is dcnfast.losses else (family,)
    kinds = {kind.__name__ for of in families for kind in of.values()}
    assert set(public.__all__) - BASES == kinds
    assert all(getattr(public, kind.__name__) is kind for kind in family.values())


@pytest.mark.parametrize("kind", OBJECTS, ids=repr)
@pytest.mark.parametrize(
    "other",
    [clone, copy.copy, copy.deepcopy, lambda k: pickle.loads(pickle.dumps(k)),
     lambda k: type(k)().set_params(**k.get_params()), lambda k: eval(repr(k))],
)  # fmt: skip
def test_copies_are_equal_and_apart(kind, other):
    copied = other(kind)
    assert copied == kind
    assert copied is not kind
    assert hash(copied) == hash(kind)
    assert type(copied) is type(kind)
    assert repr(copied) == repr(kind)
    for name in kind.get_params():
        copied.set_params(**{name: "something"})
        assert copied != kind


def test_equal_by_value_and_by_kind():
    assert LowRank(rank=8) == LowRank(rank=np.int64(8))
    assert hash(LowRank(rank=8)) == hash(LowRank(rank=np.int64(8)))
    assert LowRank(rank=8) != LowRank(rank=4)
    assert Matrix() != Vector()
    assert Matrix() != LowRank()
    assert LogLoss() != Softmax()
    assert LowRank() != "lowrank"
    assert len({LowRank(rank=8), LowRank(rank=8), LowRank(), Matrix()}) == 3


def test_levels_are_compared_by_value():
    levels = [0.1, 0.5]
    assert Quantile(levels) == Quantile((0.1, 0.5)) == Quantile(np.array(levels))
    assert hash(Quantile(levels)) == hash(Quantile(np.array(levels)))
    assert Quantile(levels) != Quantile([0.1, 0.6])
    assert repr(Quantile(np.array(levels))) == "Quantile(levels=array([0.1, 0.5]))"
    assert repr(Quantile()) == "Quantile()"
    Quantile(np.array(levels)).check("somewhere")
    with pytest.raises(TypeError, match="levels"):
        Quantile(np.array([levels])).check("somewhere")


def test_what_they_look_like():
    assert repr(LowRank()) == "LowRank()"
    assert repr(LowRank(rank=8, bias=False)) == "LowRank(rank=8, bias=False)"
    assert repr(Adam(sparse="exact")) == "Adam(sparse='exact')"
    assert repr(LogLoss()) == "LogLoss()"
    page = LowRank(rank=8, initializer="<b>")._repr_html_()
    assert "LowRank" in page
    assert re.search(r"<td>rank</td><td>8</td>", page)
    assert "&lt;b&gt;" in page


def test_parameters_are_those_of_the_signature():
    assert list(LowRank().get_params()) == [
        "rank", "diag_scale", "bias", "preactivation", "initializer", "initial_scale",
    ]  # fmt: skip
    assert Adam().get_params(deep=False) == {
        "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, "sparse": "lazy", "rate_factors": None,
    }  # fmt: skip
    assert Softmax().get_params() == {}


def test_unknown_options_are_refused_and_nothing_is_set():
    cross = LowRank()
    with pytest.raises(ValueError, match=r"'ranks' is no option of LowRank, want one of \['rank'"):
        cross.set_params(rank=3, ranks=4)
    assert cross == LowRank()
    with pytest.raises(TypeError, match="diag_scale"):
        Vector(diag_scale=0.1)
    with pytest.raises(TypeError):
        LowRank(8)


BAD = {
    "rank": (LowRank, [0, -1], [1.5, "8", True]),
    "diag_scale": (Matrix, [-0.1, np.nan, np.inf], ["x", None, True]),
    "experts": (Mixture, [0, -1], [1.5, "8", True, None]),
    "gate": (Mixture, ["relu"], [None, 3]),
    "shared_gate": (Mixture, [], [1, None, "yes"]),
    "activation": (Mixture, ["swish", "identity"], [3, True]),
    "scale": (OnlyDense, [0, -1.0, np.nan, np.inf], ["x", None, True]),
    "linear": (dcnfast.crosses.Exponential, [], [1, None, "yes"]),
    "symmetric": (Matrix, [], [1, None, "yes"]),
    "heads": (Matrix, [0, -1], [1.5, "2", True, None]),
    "shared_heads": (Matrix, [], [1, None, "yes"]),
    "forbidden_pairs": (Matrix, [], ["ab", 3, [("a",)], [("a", 1)], [3], {"a": "b"}]),
    "allowed_pairs": (Matrix, [[], ()], ["ab", 3, [("a",)], [("a", 1)], [3], {"a": "b"}]),
    "bias": (Vector, [], [1, None, "yes"]),
    "preactivation": (Matrix, ["swish"], [None, 3]),
    "initializer": (Vector, ["zeros"], [None, 3]),
    "beta_1": (Adam, [-0.1, 1.0, np.nan], [None, "x"]),
    "beta_2": (Adam, [-0.1, 1.0, np.nan], [None, "x"]),
    "epsilon": (Adam, [0, -1.0, np.nan, np.inf], [None, "x"]),
    "sparse": (Adam, ["dense"], [None, 3]),
    "initial_scale": (Vector, [-1, np.nan, np.inf], [None, "x"]),
    "warmup": (Constant, [-0.1, 1.0, np.nan], [None, "x"]),
    "flat": (FlatCosine, [-0.1, 1.0, np.nan], [None, "x"]),
    "final": (Cosine, [-0.1, 1.1, np.nan, np.inf], [None, "x"]),
    "factor": (Plateau, [0, 1.0, -0.1, np.nan], [None, "x"]),
    "patience": (Plateau, [0, -1], [1.5, "x", True]),
    "max_cuts": (Plateau, [0, -1], [None, 1.5, "x", True]),
    "momentum": (SGD, [-0.1, 1.0, np.nan], [None, "x"]),
    "nesterov": (SGD, [], [None, 1, "x"]),
    "width": (Piecewise, [0, -1, 4097], [8.0, "8", None, True]),
    "max_bins": (Piecewise, [0, -1, 4097], [8.0, "8", None, True]),
    "max_distinct": (Piecewise, [-1, 4097], [8.0, "8", None, True]),
    "edges": (Piecewise, ["uniform", ""], [None, 3]),
    "min_samples_leaf": (Piecewise, [0, -1], [8.0, "8", None, True]),
    "frequencies": (Periodic, [0, -1, 4097], [8.0, "8", None, True]),
    "delta": (Huber, [0, -1.0, np.nan, np.inf], [None, "x", True]),
    "levels": (
        Quantile,
        [0, 1.0, -0.1, np.nan, [], [0.5, 0.5], [0.9, 0.1], [0.1, 1.0], [0.0, 0.5], [0.1, np.nan]],
        [None, "x", True, ["x"], [None], {0.5}, [[0.1, 0.5]]],
    ),
    "task_weights": (
        MultiLabel,
        [[-1, 1], [0.0, 0], [np.nan, 1], [np.inf]],
        [3, "x", ["x"], [None], [[1, 2]], True],
    ),
    "power": (Tweedie, [1, 2.0, 0, 3, np.nan, np.inf], [None, "x", True]),
    "gamma": (Focal, [-0.1, np.nan, np.inf], [None, "x", True]),
    "alpha": (Focal, [0, 1, -0.1, np.nan, np.inf], ["x", True, [0.5]]),
    "sigma": (PeriodicRelu, [0, -0.1, np.nan, np.inf], [None, "x", True]),
    "rate_factors": (
        Adagrad,
        [{"bias": -0.1}, {"bias": np.nan}, {"bias": np.inf}, {"biases": 1.0}, {1: 1.0}],
        ["x", 3, ["bias"], {"bias": "x"}, {"bias": None}, {"bias": True}],
    ),
    "k": (Lambda, [0, -1], [1.5, "x", True]),
    "gain": (Lambda, ["square"], [None, 2]),
    "weight_decay": (AdamW, [-0.1, np.nan, np.inf], [None, "x"]),
    "weight_decay_schedule": (AdamW, ["linear", "plateau", Plateau()], [None, 3, Adam(), Cosine]),
}


def test_every_option_is_tried():
    families = [CROSSES, LOSSES, RANKING_LOSSES, NUMERIC_EMBEDDINGS, OPTIMIZERS, SCHEDULES]
    kinds = [kind for family in families for kind in family.values()]
    assert set(BAD) == {name for kind in kinds for name in kind.options}


def test_one_column_of_a_periodic_embedding_is_the_number():
    with pytest.raises(ValueError, match="width of Periodic is 1, want an integer from 2 to"):
        Periodic(width=1).check("somewhere")
    PeriodicRelu(width=1).check("somewhere")


@pytest.mark.parametrize("name", BAD)
def test_bad_options_are_named(name):
    kind, values, types = BAD[name]
    for error, bad in ((ValueError, values), (TypeError, types)):
        for value in bad:
            text = re.escape(f"somewhere: {name} of {kind.__name__} is {value!r}, want ")
            with pytest.raises(error, match=text):
                kind(**{name: value}).check("somewhere")


def test_an_option_may_have_options():
    kind = AdamW(weight_decay_schedule=FlatCosine(flat=0.25), beta_1=0.5)
    assert kind.get_params()["weight_decay_schedule__flat"] == 0.25
    assert "weight_decay_schedule__flat" not in kind.get_params(deep=False)
    assert repr(kind) == "AdamW(weight_decay_schedule=FlatCosine(flat=0.25), beta_1=0.5)"
    copied = clone(kind).set_params(weight_decay_schedule__flat=0.5, beta_1=0.25)
    assert copied.weight_decay_schedule == FlatCosine(flat=0.5)
    assert (copied.beta_1, kind.weight_decay_schedule) == (0.25, FlatCosine(flat=0.25))
    kind.set_params(weight_decay_schedule__final=0.5, weight_decay_schedule=Cosine())
    assert kind.weight_decay_schedule == Cosine(final=0.5)
    assert hash(kind) == hash(AdamW(weight_decay_schedule=Cosine(final=0.5), beta_1=0.5))
    for unknown in ("weight_decay_schedule__flat", "beta_1__flat", "decay__flat"):
        with pytest.raises(ValueError, match="is no option of "):
            kind.set_params(beta_1=0.9, **{unknown: 0.1})
    assert kind == AdamW(weight_decay_schedule=Cosine(final=0.5), beta_1=0.5)
    with pytest.raises(ValueError, match="final of Cosine is 2, want a number in"):
        AdamW(weight_decay_schedule=Cosine(final=2)).check("somewhere")


def test_families_resolve_names_and_objects():
    flat = {"cross_rank": 3, "cross_bias": False, "diag_scale": 0.5}
    assert CROSSES.resolve("lowrank", flat) == LowRank(rank=3, bias=False, diag_scale=0.5)
    assert CROSSES.resolve("vector", flat) == Vector(bias=False)
    assert CROSSES.resolve(LowRank(rank=8), {"cross_rank": None}) == LowRank(rank=8)
    with pytest.raises(ValueError, match=r"cross is 'full', want one of \['matrix', 'vector'"):
        CROSSES.resolve("full", {})
    for given in (LowRank, None, 3, Adam()):
        with pytest.raises(TypeError, match=r"want one of \['matrix'.* or an object of \['Matrix'"):
            CROSSES.resolve(given, {})
