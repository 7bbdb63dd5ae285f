"""dcnfast.ops says what it got and what it wants, and takes arrays of any layout."""

import re
from functools import partial

import numpy as np
import pytest

from dcnfast import ops
from dcnfast.network.losses import LOSSES

B, D, L, R, E = 5, 4, 2, 3, 2  # rows, width, layers, rank, experts
INPUTS, OUTPUTS = 4, 6  # of a dense layer
H, C = 3, 2  # deep width, outputs of the head

CROSS = {
    "vector": {"w": (L, D), "b": (L, D)},
    "matrix": {"W": (L, D, D), "b": (L, D)},
    "lowrank": {"U": (L, D, R), "V": (L, R, D), "b": (L, D)},
    "gated": {"W": (L, D, D), "V": (L, D, D), "b": (L, D)},
    "mixture": {
        "U": (L, E, D, R),
        "V": (L, E, R, D),
        "C": (L, E, R, R),
        "gate": (L, E, D),
        "b": (L, D),
    },
    "exponential": {"W": (L, D // 2, D), "scale": (L, D // 2), "shift": (L, D // 2), "b": (L, D)},
    "onlydense": {"W": (L, D, D), "b": (L, D)},
}
DENSE = {"h": (B, INPUTS), "W": (OUTPUTS, INPUTS), "b": (OUTPUTS,)}
NORM = {"z": (B, OUTPUTS), "scale": (OUTPUTS,), "shift": (OUTPUTS,)}
HEAD = {"x": (B, D), "h": (B, H), "W": (C, D + H), "b": (C,)}
SHAPES = {
    **{f"cross_{kind}": {"x0": (B, D)} | shapes for kind, shapes in CROSS.items()},
    **{f"cross_{k}_backward": {"dxL": (B, D), "x0": (B, D)} | s for k, s in CROSS.items()},
    "dense": DENSE,
    "dense_backward": {"dhn": (B, OUTPUTS)} | DENSE,
    "layer_norm": NORM,
    "layer_norm_backward": {"dy": (B, OUTPUTS)} | NORM,
    "combine": HEAD,
    "combine_backward": {"dlogits": (B, C)} | HEAD,
    **{
        loss.reference: {
            "logits": (B, C), "target": (B, 1 if loss.one_target_a_row else C), "weight": (B,),
        }
        for loss in LOSSES.values()
    },
}  # fmt: skip
CLASSES = {loss.reference for loss in LOSSES.values() if loss.one_target_a_row}
OPTIONS = {"cross_mixture": {"preactivation": "tanh"}}  # or it wants no C
ARGUMENTS = [(name, argument) for name, shapes in SHAPES.items() for argument in shapes]


def test_every_function_is_covered():
    elsewhere = {"embedding", "embedding_backward"}  # tests/embed: ids, and a list of tables
    assert set(SHAPES) | elsewhere == set(ops.__all__)


def arrays(name, dtype=np.float64):
    rng = np.random.default_rng(0)
    made = {k: rng.uniform(0.1, 0.9, shape).astype(dtype) for k, shape in SHAPES[name].items()}
    if name in CLASSES:
        made["target"] = np.arange(B, dtype=dtype).reshape(B, 1) % C
    return made


def function_of(name):
    return partial(getattr(ops, name), **OPTIONS.get(name.removesuffix("_backward"), {}))


def results(name, arguments):
    out = function_of(name)(**arguments)
    return [np.asarray(part) for part in (out if isinstance(out, tuple) else (out,))]


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
@pytest.mark.parametrize("how", ["one more dimension", "longer", "empty last axis"])
def test_wrong_shape_is_named(name, argument, how):
    arguments = arrays(name)
    good = arguments[argument]
    arguments[argument] = {
        "one more dimension": good[None],
        "longer": np.concatenate([good, good], axis=-1),
        "empty last axis": good[..., :0],
    }[how]
    if name in CLASSES and (argument, how) == ("logits", "longer"):
        return  # more classes than needed are no mistake
    # an argument that alone fixes a letter is right in any size: then another one is wrong
    text = rf"{name}: (\w+ has shape \(.*\), want \(.*\)|logits have no columns)"
    with pytest.raises(ValueError, match=text) as error:
        function_of(name)(**arguments)
    if how == "one more dimension":
        shape = str(arguments[argument].shape)
        assert str(error.value).startswith(f"{name}: {argument} has shape {shape}, want (")


def test_wrong_shape_in_words():
    with pytest.raises(
        ValueError,
        match=re.escape("cross_matrix: W has shape (3, 40, 40), want (L, D, D) with L = 3, D = 48"),
    ):
        ops.cross_matrix(np.zeros((2, 48)), np.zeros((3, 40, 40)), np.zeros((3, 48)))


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
@pytest.mark.parametrize(
    "convert",
    [
        lambda a: a.astype(complex),
        lambda a: a.astype(str),
        lambda a: a.astype(object),
        lambda a: a.astype(np.float16),
        lambda a: a.astype(np.longdouble),
        lambda a: (1000 * a).astype("datetime64[s]"),
    ],
    ids=["complex", "str", "object", "float16", "longdouble", "datetime64"],
)
def test_wrong_type_is_named(name, argument, convert):
    arguments = arrays(name)
    arguments[argument] = convert(arguments[argument])
    dtype = re.escape(str(arguments[argument].dtype))
    with pytest.raises(TypeError, match=f"{name}: {argument} has dtype {dtype}, want float32"):
        function_of(name)(**arguments)


def masked(array):
    mask = np.zeros(array.shape, bool)
    mask.flat[-1] = True
    return np.ma.array(array, mask=mask)


MASKED = {
    "array": masked,
    "list of arrays": lambda a: [masked(row) for row in a] if a.ndim > 1 else masked(a),
    "list with the constant": lambda a: [*a[:-1].tolist(), np.ma.masked],
    "nested": lambda a: (*a[:-1].tolist(), masked(a[-1])),
}


@pytest.mark.parametrize("how", MASKED)
@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
def test_masked_values_are_refused(name, argument, how):
    """NumPy would drop the mask and take for real what lies below it."""
    arguments = arrays(name)
    arguments[argument] = MASKED[how](arguments[argument])
    text = f"{name}: {argument} has masked values, want an array without"
    with pytest.raises(ValueError, match=text):
        function_of(name)(**arguments)


@pytest.mark.parametrize("name", SHAPES)
def test_masks_that_hide_nothing_are_fine(name):
    arguments = arrays(name)
    others = {k: np.ma.array(a) for k, a in arguments.items()}
    for one, other in zip(results(name, arguments), results(name, others), strict=True):
        np.testing.assert_array_equal(one, other, strict=True)
        assert not isinstance(other, np.ma.MaskedArray)


def test_masked_ids_and_tables_are_refused():
    ids, tables = np.zeros((3, 2), int), [np.ones((4, 2)), np.ones((5, 3))]
    x0 = ops.embedding(ids, tables)
    for name, first in (("embedding", ()), ("embedding_backward", (x0,))):
        function = getattr(ops, name)
        with pytest.raises(ValueError, match=f"{name}: ids has masked values"):
            function(*first, masked(ids), tables)
        with pytest.raises(ValueError, match=rf"{name}: tables\[1\] has masked values"):
            function(*first, ids, [tables[0], masked(tables[1])])
    with pytest.raises(ValueError, match="embedding_backward: dx0 has masked values"):
        ops.embedding_backward(masked(x0), ids, tables)
    with pytest.raises(ValueError, match=r"embedding: tables\[1\] has masked values"):
        ops.embedding(ids, masked(np.ones((2, 4, 3))))


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("bad", [None, {}, "x"])
def test_no_array_at_all(name, bad):
    arguments = arrays(name)
    first = next(iter(arguments))
    with pytest.raises(TypeError, match=f"{name}: {first} has dtype"):
        function_of(name)(**arguments | {first: bad})


@pytest.mark.parametrize("name", [n for n in SHAPES if re.match("cross_(matrix|lowrank)", n)])
@pytest.mark.parametrize("diag_scale", [-0.1, np.nan, np.inf, "x", None, [1.0]])
def test_bad_diag_scale(name, diag_scale):
    with pytest.raises((ValueError, TypeError), match=f"{name}: diag_scale is "):
        function_of(name)(**arrays(name), diag_scale=diag_scale)


@pytest.mark.parametrize("name", [n for n in SHAPES if n.startswith("cross")])
@pytest.mark.parametrize("jobs", [0, 1.5, "x", True])
def test_bad_n_jobs(name, jobs):
    with pytest.raises(ValueError, match=r"n_jobs is .* want None or an integer other than 0"):
        function_of(name)(**arrays(name), n_jobs=jobs)


@pytest.mark.parametrize("name", [n for n in SHAPES if re.match("dense|cross_(matrix|lowrank)", n)])
@pytest.mark.parametrize("bad", ["foo", "", "ReLU", None, 3, ["relu"], np.array("relu")])
def test_bad_activation(name, bad):
    argument = "activation" if name.startswith("dense") else "preactivation"
    text = f"{name}: {argument} is {bad!r}, want one of 'identity', 'relu', 'tanh', 'sigmoid'"
    with pytest.raises(ValueError, match=re.escape(text)):
        function_of(name)(**arrays(name), **{argument: bad})


@pytest.mark.parametrize("number", [-1, C, 1e30, np.nan, np.inf, 0.5])
def test_class_number_out_of_range(number):
    arguments = arrays("softmax_loss")
    arguments["target"][3] = number
    with pytest.raises(IndexError, match=r"softmax_loss: target\[3\] is class .*want 0 to 1"):
        ops.softmax_loss(**arguments)


LAYOUTS = {
    "lists": lambda a: a.tolist(),
    "strided": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "reversed": lambda a: a[..., ::-1].copy()[..., ::-1],
    "Fortran order": np.asfortranarray,
    "read-only": lambda a: np.broadcast_to(a, a.shape),
    "big-endian": lambda a: a.astype(">f8"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", SHAPES)
def test_layout_does_not_matter_and_nothing_is_written(name, layout):
    arguments = arrays(name)
    others = {k: LAYOUTS[layout](a) for k, a in arguments.items()}
    before = [np.array(a) for a in others.values()]
    for one, other in zip(results(name, arguments), results(name, others), strict=True):
        np.testing.assert_array_equal(one, other, strict=True)
    for was, now in zip(before, others.values(), strict=True):
        np.testing.assert_array_equal(was, now)


@pytest.mark.parametrize("name", SHAPES)
def test_types_mix_to_float64(name):
    single = arrays(name, np.float32)
    arrays_of = [r for r in results(name, single) if r.ndim]
    assert {r.dtype for r in arrays_of} == {np.dtype(np.float32)}
    last = list(single)[-1]
    mixed = single | {last: single[last].astype(np.float64)}
    double = {k: a.astype(np.float64) for k, a in single.items()}
    for one, other in zip(results(name, mixed), results(name, double), strict=True):
        np.testing.assert_array_equal(one, other, strict=True)
        assert one.dtype == np.float64


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int64", "uint64"])
def test_integers_are_numbers(dtype):
    whole = {k: (3 * a).astype(dtype) for k, a in arrays("cross_matrix").items()}
    double = {k: a.astype(np.float64) for k, a in whole.items()}
    np.testing.assert_array_equal(
        ops.cross_matrix(**whole), ops.cross_matrix(**double), strict=True
    )


def test_no_width_to_combine():
    none = np.zeros((B, 0))
    with pytest.raises(ValueError, match="combine: "):
        ops.combine(none, none, np.zeros((C, 0)), np.zeros(C))
