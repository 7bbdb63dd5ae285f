"""Files that are cut, changed or of another kind: an error each."""

import io
import json
import os
import pickle
import zipfile

import numpy as np
import pytest

import dcnfast
from dcnfast.serving import model_file
from tests.serving.sealed import mutate, opened, sealed

RICH = ("statistics", "piecewise", "quantile", "rare", "hashed", "objects", "bools", "two targets")


def test_opening_and_sealing_changes_nothing(file_of, load, fitted, rows):
    raw = file_of("rare")
    loaded = load(sealed(*opened(raw)))
    np.testing.assert_array_equal(loaded.predict(rows), fitted("rare").predict(rows))


# ---- what is no model file


def of_torch():
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("data.pkl", "x")
    return made.getvalue()


OTHERS = [
    (b"", "is empty"),
    (b"x", "begins with b'x'"),
    (b"\0" * 100, "begins with"),
    (pickle.dumps({"a": 1}), "looks like a pickle"),
    (of_torch(), "zip archive"),
    (b"\x89HDF\r\n\x1a\n" + b"\0" * 100, "HDF5"),
    ((50).to_bytes(8, "little") + b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
     "safetensors that another program"),
    (b"\xff" * 8 + b'{"__metadata__":', "safetensors that another program"),
    (b"tree\nversion=v4\n" * 9, "begins with"),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "text"), OTHERS, ids=[text for _, text in OTHERS])
def test_other_files(raw, text, load, path):
    with pytest.raises(ValueError, match=f"{path}' cannot be loaded: it is no model file.*{text}"):
        load(raw)


def test_other_things_at_the_path(tmp_path):
    with pytest.raises(FileNotFoundError):
        dcnfast.load(tmp_path / "nothing.dcn")
    with pytest.raises(ValueError, match="it is a folder"):
        dcnfast.load(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="device or a pipe"):
        dcnfast.load(tmp_path / "pipe")
    with pytest.raises(TypeError):
        dcnfast.load(None)
    with pytest.raises(TypeError, match="verify is 'no'"):
        dcnfast.load(tmp_path, verify="no")


def test_later_versions(file_of, load):
    raw = file_of("plain")
    with pytest.raises(ValueError, match=r"has version 2 of the format.*later version of dcnfast"):
        load(raw.replace(b"dcnfast-1", b"dcnfast-2", 1))
    with pytest.raises(ValueError, match="version 0"):
        load(raw.replace(b"dcnfast-1", b"dcnfast-0", 1))
    tree, data = opened(raw)
    tree["__metadata__"] |= {"estimator": "DCNFuture", "library": "9.1"}
    with pytest.raises(ValueError, match=r"has a 'DCNFuture' of dcnfast 9\.1, this is"):
        load(sealed(tree, data))


def test_a_later_parameter_and_one_that_is_missing(file_of, load):
    tree, data = opened(file_of("plain"))
    document = json.loads(tree["__metadata__"]["model"])
    del document["parameters"]["max_iter"]
    tree["__metadata__"]["model"] = json.dumps(document)
    assert load(sealed(tree, data)).max_iter == dcnfast.DCNRegressor().max_iter
    document["parameters"]["colour"] = "red"
    tree["__metadata__"]["model"] = json.dumps(document)
    with pytest.raises(ValueError, match="parameter 'colour', which DCNRegressor does not have"):
        load(sealed(tree, data))


# ---- bytes that changed


@pytest.mark.parametrize("name", ["plain", "hashed"])
def test_every_byte_counts(name, file_of, load):
    raw = file_of(name)
    rng = np.random.default_rng(0)
    step = 7  # a file has thousands of bytes; all of them in a campaign
    for i in range(int(rng.integers(step)), len(raw), step):
        changed = bytearray(raw)
        changed[i] ^= 1 << int(rng.integers(8))
        with pytest.raises(ValueError, match="cannot be loaded"):
            load(changed)


@pytest.mark.campaign
@pytest.mark.parametrize("mapped", [False, True])
def test_every_bit_counts(mapped, file_of, load, monkeypatch):
    if mapped:
        monkeypatch.setattr(model_file, "MAPPED_FROM", 1)
    raw = file_of("hashed")
    for i in range(8 * len(raw)):
        changed = bytearray(raw)
        changed[i // 8] ^= 1 << i % 8
        with pytest.raises(ValueError, match="cannot be loaded"):
            load(changed)


def test_cut_off_and_longer(file_of, load):
    raw = file_of("labels")
    for n in [*range(0, 700), *range(700, len(raw), 17), len(raw) - 1]:
        with pytest.raises(ValueError, match="cannot be loaded"):
            load(raw[:n])
    for more in (b"\0", b" ", raw):
        with pytest.raises(ValueError, match="damaged or cut off"):
            load(raw + more)


def mutations(raws, load, n, seed):
    rng, refused = np.random.default_rng(seed), 0
    for k in range(n):
        raw = raws[k % len(raws)]
        changed = mutate(raw, rng)
        if changed != raw:
            with pytest.raises(ValueError, match="cannot be loaded"):
                load(changed)
            refused += 1
    assert refused > 0.99 * n


def test_mutations(file_of, load):
    mutations([file_of(name) for name in ("plain", "labels", "hashed")], load, 5000, 0)


@pytest.mark.campaign
def test_many_mutations(file_of, load):
    mutations([file_of(name) for name in RICH], load, 500_000, 1)
