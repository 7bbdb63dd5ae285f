"""Pickles, copies and skops: arrays and plain dicts, checked on the way in as a file is."""

import copy
import json
import os
import pickle
import subprocess
import sys
from hashlib import sha256

import joblib
import numpy as np
import pytest

from dcnfast import DCNClassifier, DCNRegressor, crosses


def through_skops(model, _):
    skops = pytest.importorskip("skops.io")
    dumped = skops.dumps(model)
    unknown = skops.get_untrusted_types(data=dumped)
    assert all(name.startswith("dcnfast.") for name in unknown)
    with pytest.raises(Exception, match="Untrusted types"):
        skops.loads(dumped)
    return skops.loads(dumped, trusted=unknown)


def through_joblib(model, folder):
    joblib.dump(model, folder / "model.joblib")
    return joblib.load(folder / "model.joblib")


HOW = {
    "pickle": lambda model, _: pickle.loads(pickle.dumps(model)),
    "old pickle": lambda model, _: pickle.loads(pickle.dumps(model, protocol=2)),
    "deepcopy": lambda model, _: copy.deepcopy(model),
    "joblib": through_joblib,
}


@pytest.mark.parametrize("how", HOW)
def test_answers_are_the_same_bits(how, model, rows, tools, tmp_path):
    copied = HOW[how](model, tmp_path)
    tools.same(tools.answers(copied, rows), tools.answers(model, rows))
    kept, found = (
        {k: v for k, v in vars(m).items() if k not in ("_training", "_epochs")}
        for m in (model, copied)
    )
    tools.same(found, kept)


@pytest.mark.parametrize("name", ["labels", "rare", "statistics", "lowrank", "two targets"])
def test_skops(name, fitted, rows, tools, tmp_path):
    model = fitted(name)
    copied = through_skops(model, tmp_path)
    tools.same(tools.answers(copied, rows), tools.answers(model, rows))


def test_state_is_plain(model):
    """Nothing in it is an object of dcnfast, but for kinds that the user gave."""
    fitted = model.__getstate__()["fitted"]
    assert fitted.keys() == {"format", "document", "arrays"}
    assert isinstance(json.loads(fitted["document"]), dict)
    assert all(type(array) is np.ndarray for array in fitted["arrays"].values())
    assert all(array.dtype.kind in "biuf" for array in fitted["arrays"].values())


def test_two_pickles_are_the_same_bytes(model):
    dumped = pickle.dumps(model)
    assert pickle.dumps(model) == dumped
    assert pickle.dumps(pickle.loads(dumped)) == dumped


FITS = """
import sys, pickle
from hashlib import sha256
sys.path.insert(0, sys.argv[1])
from conftest import fit
print(sha256(pickle.dumps(fit("rare"))).hexdigest())
"""


def test_pickles_do_not_depend_on_hash_seeds(tools):
    folder = os.path.dirname(__file__)  # noqa: PTH120
    found = {sha256(pickle.dumps(tools.fit("rare"))).hexdigest()}
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", FITS, folder]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        found.add(run.stdout.strip())
    assert len(found) == 1


def test_a_shallow_copy_has_the_same_parts(fitted):
    model = fitted("plain")
    copied = copy.copy(model)
    assert copied._model is model._model
    copied.max_iter = 77
    assert model.max_iter != 77


def test_not_fitted_is_pickled_as_it_is():
    model = DCNRegressor(cross=crosses.LowRank(rank=3), max_iter=7)
    copied = pickle.loads(pickle.dumps(model))
    assert vars(copied) == vars(model)


def test_attributes_of_the_user_stay(fitted):
    model = copy.copy(fitted("plain"))
    model.note = ["mine"]
    assert pickle.loads(pickle.dumps(model)).note == ["mine"]


@pytest.mark.parametrize("name", ["labels", "plain"])
def test_views_of_a_private_copy_are_pickled(name, fitted):
    """As a process for each callback gets them."""
    model = copy.copy(fitted(name))
    del model.loss_curve_, model.n_iter_, model.validation_scores_
    copied = pickle.loads(pickle.dumps(model))
    assert not hasattr(copied, "loss_curve_")
    assert hasattr(copied, "shrinkage_")


# ---- states that nobody pickled


def loaded(kind, state):
    model = kind.__new__(kind)
    model.__setstate__(state)
    return model


@pytest.mark.parametrize(
    "state",
    [
        None, [], "state", {"fitted": None}, {"fitted": {}}, {"_model": 3},
        {"fitted": {"format": 1, "document": "{}", "arrays": {}}},
        {"fitted": {"format": 2, "document": "{}", "arrays": {}}},
        {"fitted": {"format": 1, "document": "[", "arrays": {}}},
        {"fitted": {"format": 1, "document": b"{}", "arrays": {}}},
        {"fitted": {"format": 1, "document": "{}", "arrays": {"a": np.ones(3)}}},
        {"fitted": {"format": 1, "document": "{}", "arrays": {"a": 3}}},
        {"fitted": {"format": 1, "document": "{}", "arrays": []}},
    ],
)  # fmt: skip
def test_no_state(state):
    with pytest.raises(ValueError, match=r"state|document|array|JSON|Expecting"):
        loaded(DCNRegressor, state)


def test_the_state_of_another_estimator(fitted):
    with pytest.raises(ValueError, match="want a target of DCNRegressor"):
        loaded(DCNRegressor, fitted("labels").__getstate__())
    with pytest.raises(ValueError, match="want a target of DCNClassifier"):
        loaded(DCNClassifier, fitted("plain").__getstate__())


SHOWN = ("shown.loss_curve_", "shown.validation_scores_", "shown.shrinkage_")
RICH = ("statistics", "piecewise", "quantile", "warm", "two targets")
CHANGES = {
    "shape": lambda a: (
        np.concatenate([a.ravel(), a.ravel()[:1]]) if a.size else np.ones(3, a.dtype)
    ),
    "dimension": lambda a: a[None],
    "type": lambda a: a.astype(np.float16),
    "objects": lambda a: a.astype(object),
    "complex": lambda a: a.astype(complex),
    "text": lambda a: a.astype("U8"),
    "list": lambda a: a.tolist(),
    "none": lambda _: None,
}
NOT_FINITE = {"nan": np.nan, "inf": np.inf}


@pytest.mark.parametrize("how", CHANGES)
@pytest.mark.parametrize("name", RICH)
def test_every_array_is_checked(how, name, fitted):
    model = fitted(name)
    state = model.__getstate__()
    arrays = state["fitted"]["arrays"]
    for name in arrays:
        if name in SHOWN and how == "shape":
            continue  # as many epochs as there were
        with np.errstate(over="ignore"):
            changed = {**arrays, name: CHANGES[how](arrays[name])}
        fitted = {**state["fitted"], "arrays": changed}
        with pytest.raises(ValueError, match=r"state|array"):
            loaded(type(model), {**state, "fitted": fitted})


@pytest.mark.parametrize("value", NOT_FINITE)
@pytest.mark.parametrize("name", RICH)
def test_numbers_are_finite(value, name, fitted):
    model = fitted(name)
    state = model.__getstate__()
    arrays = state["fitted"]["arrays"]
    for name, array in arrays.items():
        if array.dtype.kind != "f" or not array.size or name in SHOWN or ".values." in name:
            continue  # what happened in training, and categories, may be infinite
        changed = array.copy()
        changed.reshape(-1)[-1] = NOT_FINITE[value]
        fitted = {**state["fitted"], "arrays": {**arrays, name: changed}}
        with pytest.raises(ValueError, match=r"finite|NaN"):
            loaded(type(model), {**state, "fitted": fitted})


def test_an_estimator_stays_as_it_was_when_a_state_is_refused(fitted, rows):
    model = pickle.loads(pickle.dumps(fitted("plain")))
    before, answers = dict(vars(model)), model.predict(rows)
    state = model.__getstate__()
    state["fitted"]["arrays"]["network.parameters.cross_W"] = np.zeros(3, np.float32)
    with pytest.raises(ValueError, match="parameters"):
        model.__setstate__(state)
    assert vars(model) == before
    np.testing.assert_array_equal(model.predict(rows), answers)


def test_warm_start_goes_on_with_its_moments(tools, rows):
    """As without a pickle: moments, steps, and parameters beside their averages are in it."""
    model = tools.fit("warm")
    copied = pickle.loads(pickle.dumps(model))
    y = np.arange(len(rows), dtype=float)
    for one in (model, copied):
        one.fit(rows, y)
    tools.same(copied.loss_curve_, model.loss_curve_)
    np.testing.assert_array_equal(copied.predict(rows), model.predict(rows))
