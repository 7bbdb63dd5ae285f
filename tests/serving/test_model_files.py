"""Estimators in files: what is loaded is what was saved."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import dcnfast
from dcnfast import DCNClassifier, DCNRegressor, _core
from dcnfast.serving import model_file

OF_TRAINING = {"_training"}


@pytest.fixture
def mapped(monkeypatch):
    """Make small files be mapped, as large ones are."""
    monkeypatch.setattr(model_file, "MAPPED_FROM", 1)


@pytest.fixture(params=["copied", "mapped"])
def how(request):
    if request.param == "mapped":
        request.getfixturevalue("mapped")
    return request.param


def test_answers_are_the_same_bits(model, rows, path, how, tools):
    model.save(path)
    loaded = dcnfast.load(path)
    assert loaded._model.network.read_only is (how == "mapped")
    tools.same(tools.answers(loaded, rows), tools.answers(model, rows))
    assert type(loaded) is type(model)


def test_everything_but_the_training_is_there(model, path, tools):
    """Whatever the estimator and its parts have: an attribute that the file forgets is found."""
    model.save(path)
    loaded = dcnfast.load(path)
    kept = {k: v for k, v in vars(model).items() if k not in OF_TRAINING}
    found = {k: v for k, v in vars(loaded).items() if k not in OF_TRAINING}
    if model.warm_start:  # of two buffers the file has the one that predicts
        tools.same(dict(loaded._model.averages), dict(model._model.averages))
        del kept["_model"], found["_model"]
    tools.same(found, kept)
    assert loaded._training is None


def test_a_loaded_model_is_saved_as_the_same_file(model, path, tmp_path):
    model.save(path)
    again = tmp_path / "again.dcn"
    dcnfast.load(path).save(again)
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.usefixtures("how")
def test_a_loaded_estimator_is_one_like_others(fitted, rows, path):
    model = fitted("rare")
    model.save(os.fspath(path))
    loaded = dcnfast.load(str(path))
    assert clone(loaded).get_params() == clone(model).get_params()
    for copy in (pickle.loads(pickle.dumps(loaded)), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(copy.predict(rows), model.predict(rows))
    _, y = rows, np.arange(len(rows), dtype=float)
    loaded.set_params(warm_start=True).fit(rows, y)
    assert loaded.n_iter_ == model.n_iter_ + loaded.max_iter
    assert not loaded._model.network.read_only
    assert (loaded.predict(rows) != model.predict(rows)).any()
    loaded.save(path)
    np.testing.assert_array_equal(dcnfast.load(path).predict(rows), loaded.predict(rows))


def test_warm_start_goes_on_from_what_predicts(fitted, rows, path):
    model = fitted("warm")
    model.save(path)
    loaded = dcnfast.load(path)
    loaded.fit(rows, np.arange(len(rows), dtype=float))
    assert loaded.n_iter_ == model.n_iter_ + loaded.max_iter


def test_size(fitted, path):
    """Parameters and vocabularies, and at most a twentieth beside."""
    model = fitted("defaults")
    model.save(path)
    words = sum(
        len(str(value).encode()) for column in model.encoder_.columns for value in column.values
    )
    assert path.stat().st_size <= 1.05 * (4 * model.n_parameters_ + words)


def test_moments_are_not_in_the_file(tools, path):
    model = tools.fit("defaults")
    model.save(path)
    before = path.stat().st_size
    X = np.ones((50, 3))
    warm = DCNRegressor(warm_start=True, max_iter=2, ema_decay=0.9).fit(X, np.arange(50.0))
    warm.save(path)
    assert path.stat().st_size < 4.2 * warm.n_parameters_ + 12_000
    assert before < 4.2 * model.n_parameters_ + 12_000


# ---- the format


def test_safetensors_reads_it(fitted, path):
    safe = pytest.importorskip("safetensors.numpy")
    model = fitted("statistics")
    model.save(path)
    arrays = safe.load_file(path)
    for name, values in model.parameters_.items():
        np.testing.assert_array_equal(arrays[f"network.parameters.{name}"], values)


def test_numbers_are_little_endian(fitted, path, monkeypatch):
    """Also on a machine whose numbers are not: what it has is swapped on the way."""
    model = fitted("two targets")
    model.save(path)
    swapped = path.with_name("swapped.dcn")
    place = model_file._place
    monkeypatch.setattr(
        model_file,
        "_place",
        lambda arrays, offsets: place({k: a.astype(a.dtype.newbyteorder(">")) for k, a in
                                       arrays.items()}, offsets),
    )  # fmt: skip
    model.save(swapped)
    assert swapped.read_bytes() == path.read_bytes()


def test_other_byte_order_in_a_state(fitted, rows):
    """As a pickle that was made on such a machine has it."""
    model = fitted("statistics")
    state = model.__getstate__()
    arrays = state["fitted"]["arrays"]
    other = {k: a.astype(a.dtype.newbyteorder(">")) for k, a in arrays.items()}
    copy = DCNClassifier.__new__(DCNClassifier)
    copy.__setstate__(state | {"fitted": state["fitted"] | {"arrays": other}})
    np.testing.assert_array_equal(copy.predict_proba(rows), model.predict_proba(rows))


# ---- memory that is shared


@pytest.mark.usefixtures("mapped")
def test_tables_are_mapped(fitted, rows, path):
    model = fitted("plain")
    model.save(path)
    loaded = dcnfast.load(path)
    maps = Path("/proc/self/maps")
    if maps.exists():
        at = loaded._model.network.flat_parameters.ctypes.data
        line = next(
            line
            for line in maps.read_text().splitlines()
            if int(line.split("-")[0], 16) <= at < int(line.split("-")[1].split()[0], 16)
        )
        assert line.split()[-1] == str(path)
        assert "w" not in line.split()[1]
    assert all(not view.flags.writeable for view in loaded.parameters_.values())
    model.save(path)  # the old file stays as long as somebody reads it
    np.testing.assert_array_equal(loaded.predict(rows), model.predict(rows))
    path.unlink()
    np.testing.assert_array_equal(loaded.predict(rows), model.predict(rows))


@pytest.mark.usefixtures("mapped")
def test_tables_are_read_when_they_are_wanted(fitted, path, monkeypatch):
    model = fitted("hashed")
    model.save(path)
    read = []
    of_file = model_file._File.read

    def watched(self, start, n):
        read.append((start, start + n))
        return of_file(self, start, n)

    monkeypatch.setattr(model_file._File, "read", watched)
    offset = 8 + int.from_bytes(path.read_bytes()[:8], "little")
    first, last = map(int, model_file.START.match(path.read_bytes()[8:]).group(3, 4))
    numbers = sum(v.size for k, v in model.parameters_.items() if k.startswith("embedding"))
    assert 4 * numbers <= last - first < 4 * numbers + 64 * len(model.parameters_)
    for verify, wanted in ((True, True), (False, False)):
        read.clear()
        dcnfast.load(path, verify=verify)
        reads = any(a < offset + last and b > offset + first for a, b in read)
        assert reads is wanted


@pytest.mark.usefixtures("mapped")
def test_a_table_is_not_verified_where_that_is_not_wanted(fitted, path):
    model = fitted("hashed")
    model.save(path)
    raw = bytearray(path.read_bytes())
    offset = 8 + int.from_bytes(raw[:8], "little")
    first = int(model_file.START.match(raw[8:])[3])
    raw[offset + first + 5] ^= 1
    path.write_bytes(raw)
    with pytest.raises(ValueError, match="digest of its tables"):
        dcnfast.load(path)
    dcnfast.load(path, verify=False)
    raw[offset + first - 100] ^= 1
    path.write_bytes(raw)
    with pytest.raises(ValueError, match="damaged"):
        dcnfast.load(path, verify=False)


@pytest.mark.usefixtures("mapped")
def test_a_network_of_lent_parameters_only_predicts(fitted, path):
    model = fitted("plain")
    model.save(path)
    network = dcnfast.load(path)._model.network
    flat = np.array(network.flat_parameters)
    for change in (network.set_parameters, network.set_averages):
        with pytest.raises(ValueError, match="lent parameters"):
            change(flat)
    with pytest.raises(ValueError, match="lent parameters"):
        _core.TrainingStateF32(network)


@pytest.mark.usefixtures("mapped")
def test_a_model_that_could_not_be_trained_here_is_loaded(fitted, path, monkeypatch):
    from dcnfast.network import config, memory

    model = fitted("plain")
    model.save(path)
    monkeypatch.setattr(memory, "memory_limit", lambda: 1000)
    with pytest.raises(ValueError, match="MiB"):
        config.NetworkConfig(n_dense=1000, cross_layers=3).compile()
    dcnfast.load(path)


# ---- what cannot be saved


def test_not_fitted(path):
    with pytest.raises(NotFittedError):
        DCNRegressor().save(path)
    assert not path.exists()


def test_functions_are_not_saved(fitted, path):
    model = pickle.loads(pickle.dumps(fitted("plain")))
    model.set_params(scoring=lambda *_: 0.0)
    with pytest.raises(TypeError, match=r"scoring is <function.*set_params\(scoring"):
        model.save(path)
    assert not path.exists()
    model.set_params(scoring=None).save(path)


def test_classes_of_others_are_not_saved(fitted, path):
    class Mine(DCNRegressor):
        pass

    mine = Mine()
    mine.__dict__ = dict(vars(fitted("plain")))
    with pytest.raises(TypeError, match="Mine is not of dcnfast"):
        mine.save(path)


PARAMETERS = [
    ("categorical_features", np.array([True, False])),
    ("categorical_features", np.array(["a", "bcd"])),
    ("categorical_features", ["a", 1, None]),
    ("categorical_features", np.array(["a", 2], object)),
    ("class_weight", {"a": 1.0, 2: 0.5, (1, "b"): np.float32(2)}),
    ("tol", -np.inf),
    ("tol", np.nan),
    ("cross_rank", np.int64(3)),
    ("hidden_layer_sizes", [3, (4, 5)]),
]


@pytest.mark.parametrize(("name", "value"), PARAMETERS, ids=repr)
def test_parameters_of_all_types(name, value, fitted, path, tools):
    model = pickle.loads(pickle.dumps(fitted("labels")))
    setattr(model, name, value)
    model.save(path)
    loaded = getattr(dcnfast.load(path), name)
    if isinstance(value, float):
        np.testing.assert_equal(loaded, value)
    elif name in ("class_weight", "cross_rank"):
        assert loaded == value
    else:
        tools.same(loaded, value)


@pytest.mark.usefixtures("mapped")
def test_views_keep_what_is_mapped(fitted, path):
    fitted("plain").save(path)
    kept = dcnfast.load(path).parameters_["cross_W"]
    np.testing.assert_array_equal(kept, fitted("plain").parameters_["cross_W"])
