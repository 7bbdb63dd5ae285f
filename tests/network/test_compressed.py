"""Networks whose tables and weights are stored in fewer bytes, and how rows are stored."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest

from dcnfast.network.compressed import TABLES, CompressedModel, compressed
from dcnfast.network.model import Model
from dcnfast.network.row_codes import CODES, SCALE, code_of, decode, encode, is_finite, stored_shape
from dcnfast.reference.network import State
from dcnfast.testing import force_isa
from dcnfast.training.state import Training

FIELDS = (("city", 11, 3), ("day", 7, 1), ("user", 60, 17), ("colour", 2, 16), ("item", 50, 3))
NETWORK = {"fields": FIELDS, "wide": True, "cross_layers": 2, "hidden": (17, 5), "n_outputs": 3}


def expanded(model):
    """Return a network of float parameters that has the numbers of a compressed one."""
    plain = Model(replace(model.config, ema_decay=0.0))
    flat = np.zeros(plain.network.flat_parameters.shape, model.config.dtype)
    for name, shape, offset in plain.network.tensors:
        flat[offset : offset + int(np.prod(shape))] = model.averages[name].ravel()
    plain.restore(flat)
    return plain


def check(case, code):
    """The bits are those of the expanded numbers, and the numbers those of the reference."""
    small = compressed(case.model, code)
    assert small.stored.keys() == case.model.averages.keys()
    got = small.logits(case.ids, case.dense, 1, case.lists)
    whole = replace(case, training=Training(expanded(small)))
    np.testing.assert_array_equal(got, whole.predict())
    rtol = 1e-12 if case.config.dtype == "float64" else 1e-4
    parameters = {name: p.astype(np.float64) for name, p in small.parameters.items()}
    want = case.reference.predict(State.start(parameters), *case.batch()[:2])
    np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol * np.abs(want).max())
    assert (got != case.predict()).any()  # rounded they are
    return small


# ---- rows of numbers


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bfloat16_is_the_nearest(dtype):
    rng = np.random.default_rng(0)
    numbers = (rng.normal(size=(40, 50)) * 10.0 ** rng.integers(-30, 30, (40, 50))).astype(dtype)
    numbers[0] = 0
    stored = encode(numbers, "bfloat16")
    got = decode(stored, "bfloat16", dtype)
    assert stored.dtype == np.uint16
    assert got.dtype == dtype
    one = np.uint16(1)
    below, above = (decode(bits, "bfloat16", dtype) for bits in (stored - one, stored + one))
    distance = np.abs(got - numbers)
    others = np.minimum(np.abs(below - numbers), np.abs(above - numbers))
    np.testing.assert_array_less(distance[1:], others[1:] * (1 + 1e-6))
    np.testing.assert_array_equal(encode(got, "bfloat16"), stored)


def test_bfloat16_of_ties_is_even():
    ties = np.array([[1 + 2**-8, 1 + 3 * 2**-8, -1 - 2**-8]], np.float32)
    got = decode(encode(ties, "bfloat16"), "bfloat16", "float32")
    np.testing.assert_array_equal(got, [[1, 1 + 2**-6, -1]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_int8_is_within_half_a_step(dtype):
    rng = np.random.default_rng(1)
    rows = 10.0 ** rng.integers(-30, 30, (300, 1))
    numbers = (rng.normal(size=(300, 5, 9)) * rows[:, None]).astype(dtype)
    numbers[7] = 0
    stored = encode(numbers, "int8")
    assert stored.shape == stored_shape(numbers.shape, "int8") == (300, 5, SCALE + 9)
    got = decode(stored, "int8", dtype)
    most = np.abs(numbers).max(axis=-1, keepdims=True)
    assert (np.abs(got - numbers) <= most / 254 * (1 + 1e-5)).all()
    assert np.abs(stored[..., SCALE:].view(np.int8)).max() == 127
    assert not got[7].any()


@pytest.mark.parametrize("code", CODES)
def test_denormal_numbers_become_zero(code):
    numbers = np.full((3, 6), 1e-39, np.float32)
    assert not decode(encode(numbers, code), code, "float32").any()


@pytest.mark.parametrize("code", CODES)
def test_blocks_make_no_difference(code, monkeypatch):
    numbers = np.random.default_rng(2).normal(size=(77, 6)).astype(np.float32)
    whole = encode(numbers, code)
    monkeypatch.setattr("dcnfast.network.row_codes.BLOCK", 13)
    np.testing.assert_array_equal(encode(numbers, code), whole)
    assert is_finite(whole, code)


@pytest.mark.parametrize("code", CODES)
def test_numbers_that_are_too_large(code):
    with pytest.raises(ValueError, match=f"{code} cannot hold, the largest is of 1e\\+300"):
        encode(np.array([[1.0, -1e300, 0, 0, 0, 0]]), code)


def test_what_is_not_finite():
    assert not is_finite(np.array([[0, 0x7F80]], np.uint16), "bfloat16")
    assert not is_finite(np.array([[0xFFC1]], np.uint16), "bfloat16")
    for scale in (np.inf, np.nan, 3e38):
        row = np.concatenate([np.array([scale], "<f4").view(np.uint8), np.full(3, 128, np.uint8)])
        assert not is_finite(row[None], "int8"), scale


# ---- networks


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("code", CODES)
def test_every_cross(code, kind, dtype, make_case):
    check(make_case(dtype=dtype, **NETWORK, **kind), code)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("first", range(1, 41, 5))
def test_every_width(code, first, dtype, make_case):
    """Rows of all lengths: they end anywhere in a vector."""
    fields = tuple((f"of {K}", 9, K) for K in range(first, first + 5))
    case = make_case(145, fields=fields, wide=True, n_outputs=first, dtype=dtype, n_dense=1)
    small = check(case, code)
    codes = {name: code_of(stored) for name, stored in small.stored.items()}
    for K in range(first, first + 5):
        assert codes[f"embedding_{K}"] == (code if K > SCALE else "bfloat16")


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize(
    "options",
    [
        {"n_members": 3},
        {"ema_decay": 0.9},
        {"numeric_bins": (3, 8), "numeric_width": 6, "numeric_scales": (1.0, 0.5)},
        {"structure": "stacked_parallel", "layer_norm": True, "parametric_activation": True},
        {"fields": (), "wide": False},
        {"wide": False},
        {"cross_layers": 0, "hidden": ()},
    ],
    ids=str,
)
def test_every_part(code, options, make_case):
    check(make_case(**NETWORK | options), code)


ITEMS = (("tags", 60, 17), ("clicks", 9, 3), ("seen", 41, 33))


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize(
    "options",
    [
        {"fields": (*FIELDS, *ITEMS), "poolings": ("sum", "max", "sum")},
        {"fields": ITEMS, "poolings": ("max", "sum", "max"), "n_outputs": 19, "n_members": 2},
        {"fields": (*FIELDS, *ITEMS), "table_of": (0, 1, 2, 3, 4, 2, 6, 7)}
        | {"poolings": ("max", "sum", "sum"), "wide": False},
    ],
    ids=("beside", "alone", "shared"),
)
def test_lists(code, options, dtype, make_case):
    """Items of all poolings, with weights and without."""
    case = make_case(145, **NETWORK | options, dtype=dtype)
    small = check(case, code)
    whole = small.logits(case.ids, case.dense, 1, case.lists)
    again = small.copy().logits(case.ids, case.dense, 3, case.lists)
    np.testing.assert_array_equal(again, whole)
    one = case.rows(slice(70, 75))
    np.testing.assert_array_equal(small.logits(one.ids, one.dense, 1, one.lists), whole[70:75])


@pytest.mark.parametrize("code", CODES)
def test_bits_do_not_depend_on_threads_rows_or_isa(code, make_case, isa):
    case = make_case(3 * 385, **NETWORK)
    small = compressed(case.model, code)
    whole = small.logits(case.ids, case.dense, 1)
    np.testing.assert_array_equal(small.logits(case.ids, case.dense, 3), whole)
    one = case.rows(slice(700, 701))
    np.testing.assert_array_equal(small.logits(one.ids, one.dense, 1), whole[700:701])
    if isa in ("avx2", "avx512"):
        with force_isa("avx2"):
            other = small.copy().logits(case.ids, case.dense, 1)
        np.testing.assert_array_equal(other, whole)


@pytest.mark.usefixtures("isa")
def test_one_row_of_a_large_network(kind, dtype, make_case):
    """It reads weights in bfloat16, of which many rows read what they were expanded to."""
    options = {"fields": FIELDS, "cross_layers": 2, "hidden": (300, 411), "dtype": dtype}
    case = make_case(3, **options, **kind)
    small = compressed(case.model, "bfloat16")
    assert small.network.flat_parameters.nbytes > 2**19
    whole = small.logits(case.ids, case.dense, 1)
    for i in range(3):
        one = case.rows(slice(i, i + 1))
        np.testing.assert_array_equal(small.logits(one.ids, one.dense, 1), whole[i : i + 1])
    plain = expanded(small)
    np.testing.assert_array_equal(plain.logits(case.ids, case.dense, 1), whole)


@pytest.mark.parametrize("code", CODES)
def test_candidates(code, make_case):
    case = make_case(50, **NETWORK)
    small = compressed(case.model, code)
    case.ids[:, 0], case.dense[:, 0] = case.ids[0, 0], case.dense[0, 0]
    context = np.zeros(case.config.width, bool)
    context[:3] = True  # the columns of "city"
    got = small.logits_of_candidates(context, case.ids, case.dense, 1)
    want = small.logits(case.ids, case.dense, 1)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5 * np.abs(want).max())


@pytest.mark.parametrize("code", CODES)
def test_memory(code, make_case):
    fields = (("user", 5000, 16), ("item", 300, 32))
    case = make_case(5, fields=fields, cross_layers=1, hidden=(64,))
    small = compressed(case.model, code)
    share = sum(array.nbytes for array in small.stored.values()) / (4 * case.model.n_parameters)
    assert share < (0.52 if code == "bfloat16" else 0.32)
    dense = sum(small.parameters[n].size for n, r in small.network.roles.items() if r not in TABLES)
    assert small.network.flat_parameters.size == dense
    assert small.n_parameters == case.model.n_parameters


@pytest.mark.parametrize("code", CODES)
def test_copies_and_pickles(code, make_case):
    case = make_case(20, **NETWORK)
    small = compressed(case.model, code)
    want = small.logits(case.ids, case.dense, 1)
    for other in (small.copy(), copy.deepcopy(small), pickle.loads(pickle.dumps(small))):
        assert type(other) is CompressedModel
        assert (other.code, other.config) == (code, small.config)
        np.testing.assert_array_equal(other.logits(case.ids, case.dense, 1), want)


def test_it_does_not_change_with_the_other(make_case):
    case = make_case(20, **NETWORK)
    small = compressed(case.model, "int8")
    want = small.logits(case.ids, case.dense, 1)
    case.model.restore(np.zeros_like(case.model.snapshot()))
    np.testing.assert_array_equal(small.logits(case.ids, case.dense, 1), want)
    with pytest.raises(ValueError, match="read-only"):
        small.stored["embedding_17"][0] = 0
    with pytest.raises(ValueError, match="read-only"):
        small.parameters["embedding_17"][0] = 0


# ---- what is refused


def test_it_does_not_train(make_case):
    small = compressed(make_case(5, **NETWORK).model, "bfloat16")
    assert small.network.read_only
    with pytest.raises(ValueError, match=r"TrainingState: the network has stored tables and only"):
        Training(small)
    with pytest.raises(ValueError, match="set_averages: the network has stored tables"):
        small.network.set_averages(small.network.flat_averages)


def without(stored, name):
    return {k: v for k, v in stored.items() if k != name}


WRONG = {
    "embedding_17": (lambda s: without(s, "embedding_17"), "numbers, want"),
    "more": (lambda s: s | {"more": np.zeros(0, np.float32)}, "want no others"),
    "bias": (lambda s: s | {"head_b": np.zeros((1, 3), np.float32)}, "want numbers of shape"),
    "rows": (lambda s: s | {"embedding_17": s["embedding_17"].reshape(1, -1)}, "tables has sh"),
    "float": (
        lambda s: s | {"embedding_17": np.zeros((60, 17), np.float32)},
        "no table 'embedding_17'",
    ),
    "nan": (lambda s: s | {"head_b": np.full(3, np.nan, np.float32)}, "not finite"),
    "table": (
        lambda s: s | {"embedding_17": np.full((60, 17), 0x7FC0, np.uint16)},
        "'embedding_17' has numbers that are not finite",
    ),
    "text": (lambda s: s | {"head_b": "none"}, "'head_b' is str, want an array"),
    "scalar": (lambda s: s | {"head_b": np.float32(1)}, "'head_b' is float32, want an array"),
    "words": (lambda s: s | {"head_b": np.array(["a", "b", "c"])}, "'head_b' has type <U1"),
    "coded bias": (lambda s: s | {"head_b": np.zeros(3, np.uint16)}, "has type uint16"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong(wrong, make_case):
    small = compressed(make_case(5, **NETWORK).model, "bfloat16")
    change, text = WRONG[wrong]
    with pytest.raises(ValueError, match=text):
        CompressedModel(small.config, "bfloat16", change(dict(small.stored)))


def test_other_codes(make_case):
    small = compressed(make_case(5, **NETWORK).model, "bfloat16")
    with pytest.raises(ValueError, match=r"compressed is 'int4', want one of \['bfloat16', 'int8'"):
        CompressedModel(small.config, "int4", small.stored)
    tables = [("int4", small.stored["embedding_1"].view(np.uint8))]
    with pytest.raises(ValueError, match="tables are stored as 'int4', want one of 'bfloat16'"):
        small.config.compile(tables=tables)
    with pytest.raises(ValueError, match="tables are 0, want 5"):
        small.config.compile(tables=[])


def test_numbers_beyond_float32(make_case):
    case = make_case(5, **NETWORK, dtype="float64")
    flat = case.model.snapshot()
    flat[-1] = 1e300
    case.model.restore(flat)
    with pytest.raises(ValueError, match="the parameters 'wide': there are numbers that bfloat16"):
        compressed(case.model, "int8")
