"""Files of an enemy, whose digests are right: an error, or a model that predicts."""

import json
import re
import tracemalloc
from contextlib import nullcontext, suppress

import numpy as np
import pytest

from dcnfast.serving import model_file
from tests.serving.sealed import mutate, opened, sealed

RICH = ("statistics", "piecewise", "quantile", "rare", "hashed", "objects", "bools", "two targets")


VALUES = [
    None, True, False, -1, 0, 1, 2, 7, 255, 2**31 - 1, 2**31, 2**63 - 1, 2**63, 2**64, 10**30, 0.5,
    -0.0, 1e308, 1e-320, "", "x", "float64", "F64", "U8", "matrix", [], [0], [[]], {},
    {"array": True}, {"array": False}, [1e308] * 3, ["a", "a"], "\ud800",
]  # fmt: skip


def places(tree, found=None, way=()):
    """Return the way to each value of a tree."""
    found = [] if found is None else found
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        found.append((*way, key))
        if isinstance(value, dict | list):
            places(value, found, (*way, key))
    return found


def change(tree, rng):
    """Replace, leave out or double a value of a tree."""
    ways = places(tree)
    *way, key = ways[int(rng.integers(len(ways)))]
    node = tree
    for step in way:
        node = node[step]
    value = VALUES[int(rng.integers(len(VALUES)))]
    what = int(rng.integers(4))
    if what == 0:
        del node[key]
    elif what == 1 and isinstance(node, list):
        node.insert(key, node[key])
    elif what == 1:
        node[f"{key}x"] = node[key]
    elif what == 2 and isinstance(node[key], int | float) and not isinstance(node[key], bool):
        node[key] = type(node[key])(node[key] + [-1, 1, 2**31, -(2**40)][int(rng.integers(4))])
    else:
        node[key] = value


def forge(raw, rng):
    """Return a file with wrong contents and right digests."""
    tree, data = opened(raw)
    where = int(rng.integers(4))
    if where == 0:
        change(tree, rng)
    elif where == 1:
        arrays = [v["data_offsets"] for k, v in tree.items() if k != "__metadata__"]
        begin, end = arrays[int(rng.integers(len(arrays)))]
        if begin < end:
            at = int(rng.integers(begin, end))
            some = np.array([np.nan, np.inf, -1.0, 1e300, 0.0]).view("u1")
            n = min(8, end - at)
            start = 8 * int(rng.integers(5))
            data[at : at + n] = some[start : start + n].tobytes()
    else:
        document = json.loads(tree["__metadata__"]["model"])
        change(document, rng)
        tree["__metadata__"]["model"] = json.dumps(document)
    try:
        return sealed(tree, data)
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
        return None  # no digests could be made for it


def forgeries(raws, load, n, seed, rows):
    """Load forged files: an error, or a model that predicts."""
    rng, refused, loaded = np.random.default_rng(seed), 0, 0
    for k in range(n):
        raw = forge(raws[k % len(raws)], rng)
        if raw is None:
            continue
        try:
            model = load(raw)
        except ValueError:
            refused += 1
            continue
        loaded += 1
        predict(model, rows)
    assert refused > 0.3 * n
    assert loaded > 0


def predict(model, rows):
    """Predict; columns of other names are not those of the rows."""
    model.set_params(n_jobs=1)
    same = list(getattr(model, "feature_names_in_", ())) == list(rows.columns)
    with np.errstate(all="ignore"), nullcontext() if same else suppress(ValueError):
        model.predict(rows)
        model.row_predictor()(rows.iloc[0].to_dict())


def test_forged_files(file_of, load, rows):
    forgeries([file_of(name) for name in RICH], load, 400, 2, rows.iloc[:20])


@pytest.mark.campaign
def test_many_forged_files(file_of, load, rows):
    forgeries([file_of(name) for name in RICH], load, 500_000, 3, rows.iloc[:20])


@pytest.mark.campaign
def test_memory_of_bad_files(file_of, load):
    """What is allocated is a small multiple of the file."""
    raws, rng = [file_of(name) for name in RICH], np.random.default_rng(4)
    tracemalloc.start()
    try:
        for k in range(5000):
            raw = forge(raws[k % len(raws)], rng) if k % 2 else mutate(raws[k % len(raws)], rng)
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            with suppress(ValueError):
                load(raw or b"")
            assert tracemalloc.get_traced_memory()[1] - before < 20 * len(raws[0]) + 2**20
    finally:
        tracemalloc.stop()


def forged(file_of, name, alter):
    tree, data = opened(file_of(name))
    document = json.loads(tree["__metadata__"]["model"])
    alter(document, tree)
    tree["__metadata__"]["model"] = json.dumps(document)
    return sealed(tree, data)


def put(way, value):
    def alter(document, _):
        *first, last = way.split(".")
        node = document
        for key in first:
            node = node[int(key) if isinstance(node, list) else key]
        node[last] = value

    return alter


FORGED = [
    ("plain", put("network.config.hidden", [2**30, 2**30]), "parameters, as its config says"),
    ("plain", put("network.config.cross", "no"), "want one of"),
    ("plain", put("network.config.n_members", 2**31 - 1), "parameters, as its config says"),
    ("plain", put("network.config.loss", "poisson"), "loss"),
    ("plain", put("columns.names", ["a", "b", "c"]), "categorical"),
    ("plain", put("encoder.numeric_scaling", "no"), "encoder.numeric_scaling is 'no'"),
    ("plain", put("encoder.n_dense", 9), "dense columns"),
    ("plain", put("encoder.names", {}), "want a list"),
    ("plain", put("target.n_outputs", 10**12), "n_outputs|outputs|shape"),
    ("plain", put("colour", 3), "colour is not known"),
    ("plain", put("parameters.cross", {"kind": "Popen", "options": {}}), "'Popen', want one of"),
    ("plain", put("parameters.cross", {"kind": "LowRank", "options": {"rank": "x"}}), "rank"),
    ("plain", put("parameters.cross", {"kind": "LowRank", "options": {"x": 1}}), "no option"),
    ("plain", put("parameters.loss", {"kind": "LowRank", "options": {}}), "want one of"),
    ("plain", put("parameters.tol", {"float": "1"}), "not as save writes it"),
    ("plain", put("parameters.tol", {"eval": "1"}), "not as save writes it"),
    ("hashed", put("encoder.hash_buckets", [["user", 2**31 - 3]]), "shape"),
    ("hashed", put("encoder.hash_buckets", [["user", 10**30]]), "want an integer"),
    ("plain", put("encoder.dense_names", ["a", "b", "\ud800", "d"]), "encoder.dense_names"),
    ("labels", put("target.classes.dtype", "<U999999999"), "dtype"),
    ("statistics", put("encoder.statistics.groups", [[0, 1, 2]]), "groups"),
    ("statistics", put("encoder.statistics.groups", [[99]]), "integers from 0"),
    ("piecewise", put("encoder.numeric_bins", None), "bins"),
]


@pytest.mark.parametrize(("name", "alter", "text"), FORGED)
def test_forged_parts(name, alter, text, file_of, load):
    if text == "bins":  # only training asks for the rule
        load(forged(file_of, name, alter))
        return
    with pytest.raises(ValueError, match=f"cannot be loaded: .*({text})"):
        load(forged(file_of, name, alter))


def test_a_header_that_is_deep(file_of, load):
    tree, data = opened(file_of("plain"))
    tree["__metadata__"]["model"] = "[" * 100_000
    with pytest.raises(ValueError, match="nested too deeply"):
        load(sealed(tree, data))


def test_names_that_come_twice(file_of, load):
    tree, data = opened(file_of("plain"))
    text = tree["__metadata__"]["model"]
    tree["__metadata__"]["model"] = text.replace('"columns":{', '"columns":{},"columns":{', 1)
    with pytest.raises(ValueError, match="a name twice"):
        load(sealed(tree, data))


def test_numbers_that_json_does_not_have(file_of, load):
    tree, data = opened(file_of("plain"))
    text = tree["__metadata__"]["model"]
    for number in ("NaN", "Infinity", "1e999"):
        changed = re.sub(
            r'"diag_scale":0\.0,"cross_bias"', f'"diag_scale":{number},"cross_bias"', text
        )
        assert changed != text
        tree["__metadata__"]["model"] = changed
        with pytest.raises(ValueError, match=r"NaN|Infinity|finite"):
            load(sealed(tree, data))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_parameters_that_are_not_finite(value, file_of, load):
    tree, data = opened(file_of("plain"))
    for name in ("network.parameters.cross_W", "network.parameters.embedding_4"):
        begin = tree[name]["data_offsets"][0]
        changed = bytearray(data)
        changed[begin : begin + 4] = np.float32(value).tobytes()
        with pytest.raises(ValueError, match="finite parameters"):
            load(sealed(tree, changed))


def test_arrays_that_overlap_or_leave_gaps(file_of, load):
    raw = file_of("plain")
    for first, more in ((0, 4), (4, 0), (-4, 0), (0, -4), (2**62, 2**62)):
        tree, data = opened(raw)
        offsets = tree["network.parameters.cross_W"]["data_offsets"]
        offsets[0], offsets[1] = offsets[0] + first, offsets[1] + more
        with pytest.raises(ValueError, match="cross_W"):
            load(sealed(tree, data))


@pytest.mark.usefixtures("_mapped")
def test_a_file_in_another_order_is_read_as_well(file_of, load, fitted, rows):
    """A later engine may lay its parameters out otherwise: they go by their names."""
    tree, data = opened(file_of("plain"))
    about = tree.pop("__metadata__")
    names = sorted(tree, reverse=True)
    moved, at, made = bytearray(), 0, {}
    for name in names:
        begin, end = tree[name]["data_offsets"]
        moved += data[begin:end]
        made[name] = tree[name] | {"data_offsets": [at, at + end - begin]}
        at += end - begin
    about["tables"] = f"0-{at} "
    loaded = load(sealed({"__metadata__": about} | made, moved))
    assert not loaded._model.network.read_only
    np.testing.assert_array_equal(loaded.predict(rows), fitted("plain").predict(rows))


@pytest.fixture
def _mapped(monkeypatch):
    monkeypatch.setattr(model_file, "MAPPED_FROM", 1)
