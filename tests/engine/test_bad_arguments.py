"""Whatever comes into the compiled part is checked: bad arguments end in exceptions, never worse.

Each sweep runs in a process of its own, so that a crash is a failure and not the end.
"""

import json
import math
import sys
from functools import partial

import numpy as np
import pytest

from dcnfast import _core
from dcnfast.network.crosses import CROSSES
from dcnfast.training.optimizers import OptimizerStep

REFUSED = (ValueError, TypeError, IndexError, MemoryError)
HUGE = [2**31, 2**32, 2**62, 2**63, 2**64 - 1, 2**64, 10**30]
NO_COUNT = [-1, -(2**63), 1.5, math.nan, "1", None]
THREADS = [0, *NO_COUNT, 10**30]
NO_RATE = [math.nan, math.inf, -math.inf, "1", None]
COUNTS, FROM_1, CHOICES = [*HUGE, *NO_COUNT], [0, *HUGE, *NO_COUNT], ["", "nothing", None, 1]
SHARES, ALPHAS = [1.0, 1.5, -0.1, *NO_RATE], [-0.1, *NO_RATE]

CONFIG = {
    "fields": [("city", 9, 3), ("day", 4, 2)], "n_dense": 3, "wide": True, "cross": "lowrank",
    "cross_layers": 2, "cross_rank": 2, "cross_experts": 0, "gating": "softmax",
    "shared_gate": False, "cross_linear": False, "cross_factor": 1.0,
    "cross_symmetric": False, "cross_forbidden": [], "cross_heads": 1, "shared_heads": False,
    "diag_scale": 0.1, "cross_bias": True,
    "preactivation": "identity", "hidden": [5, 4], "activation": "relu", "structure": "parallel",
    "dropout": 0.1, "cross_dropout": 0.1, "layer_norm": True, "n_outputs": 1,
    "loss": "squared_error", "loss_constants": [], "label_smoothing": 0.1, "alpha_embedding": 0.1,
    "alpha_cross": 0.1, "alpha_deep": 0.1, "embedding_penalty": "table", "ema_decay": 0.9,
    "sparse_adam": "exact",
    "deterministic": "threads",
    "numeric_embedding": "piecewise", "numeric_bins": [], "numeric_scales": [], "n_members": 1,
    "numeric_width": 0, "numeric_frequencies": 0, "learned_scale": True,
    "parametric_activation": True, "collision_weights": True, "branch_loss": True,
}  # fmt: skip
BAD_CONFIG = {
    "fields": [
        None, "abc", [()], [("a", 1)], [("a", 0, 1)], [("a", 1, 0)], [("a", -1, 1)],
        *([("a", n, 1)] for n in HUGE[1:]), *([("a", 1, n)] for n in HUGE[1:]),
        [("a", 2**63, 1), ("b", 2**63, 1)], [("a", 2**31, 1), ("b", 2**31, 1)],
        [("a", 2**32 - 1, 2**31)], [("a", 1, 2**31), ("b", 1, 2**31)],
    ],
    "numeric_scales": [None, 5, [0.0], [-1.0], ["a"], [1.5], [float("nan")], [0.5]],
    "numeric_bins": [None, 5, [0], [-1], ["a"], [4], *([n] for n in HUGE)],  # of width 0
    "loss_constants": [None, 5, [0.5], ["a"], [float("nan")]],  # squared error has none
    "hidden": [None, 5, [0], [-1], ["a"], *([5, n] for n in HUGE)],
    **dict.fromkeys(("diag_scale", "cross_factor"), NO_RATE),
    **dict.fromkeys(("n_dense", "numeric_width", "numeric_frequencies", "cross_layers"), COUNTS),
    "cross_experts": COUNTS,
    "gating": CHOICES,
    "cross_symmetric": [True, "yes"],  # of another form than the matrix form
    "cross_heads": [2, *FROM_1],
    "shared_heads": ["yes"],
    "cross_forbidden": [None, 5, [0, 1], [0], *([0, n] for n in HUGE)],
    **dict.fromkeys(("n_members", "cross_rank", "n_outputs"), FROM_1),
    **dict.fromkeys(("dropout", "cross_dropout", "label_smoothing", "ema_decay"), SHARES),
    **dict.fromkeys(("alpha_embedding", "alpha_cross", "alpha_deep"), ALPHAS),
    **dict.fromkeys(("cross", "preactivation", "activation", "structure", "loss"), CHOICES),
    **dict.fromkeys(("sparse_adam", "deterministic", "numeric_embedding"), CHOICES),
    "embedding_penalty": CHOICES,
}  # fmt: skip


def network():
    return _core.NetworkF64(_core.NetworkConfig(**CONFIG))


def arrays(*shapes):
    return [np.full(shape, 0.5) for shape in shapes]


ARRAYS = np.zeros((6, 2), np.int32), *arrays((6, 3), (6, 1), (6,))


def table(network_of_it=None):
    return _core.TableF64(network_of_it or network(), *ARRAYS)


def other_tables():
    """Yield tables of networks of another type or shape."""
    f32 = _core.NetworkF32(_core.NetworkConfig(**CONFIG))
    yield _core.TableF32(f32, ARRAYS[0], *(a.astype(np.float32) for a in ARRAYS[1:]))
    ids, dense, target, weight = ARRAYS
    for change, rows in (
        ({"n_dense": 2}, (ids, dense[:, 1:].copy(), target, weight)),
        ({"n_outputs": 2}, (ids, dense, np.ones((6, 2)), weight)),
        ({"fields": [("city", 10, 3), ("day", 4, 2)]}, ARRAYS),
        ({"fields": [("city", 9, 3)]}, (ids[:, 1:].copy(), dense, target, weight)),
        ({"fields": [("city", 9, 3), ("day", 4, 2), ("x", 1, 1)]},
         (np.zeros((6, 3), np.int32), dense, target, weight)),
        ({"loss": "softmax"}, (ids, dense, np.zeros((6, 1)), weight)),
    ):  # fmt: skip
        yield _core.TableF64(_core.NetworkF64(_core.NetworkConfig(**CONFIG | change)), *rows)


def not_an_array_like(good, free_axes):
    """Return what is none, or has another type, shape or size."""
    dtype, shape = good.dtype, good.shape
    yield from (None, "a", 7, [], {}, np.array(None), np.zeros(shape, complex))
    yield from (np.zeros(shape, "M8[s]"), np.full(shape, "a"), np.zeros((), dtype))
    yield from (np.zeros((0,) * (good.ndim + 1), dtype), np.zeros((*shape, 1), dtype))
    for axis in set(range(good.ndim)) - free_axes:
        longer = list(shape)
        longer[axis] += 1
        yield np.zeros(longer, dtype)


def strange_but_good(good):
    """Return the same numbers, lying in memory otherwise."""
    shifted = np.frombuffer(b"\0" + good.tobytes(), np.uint8)[1:].view(good.dtype)
    yield shifted.reshape(good.shape)
    yield np.asfortranarray(good)
    yield np.repeat(good, 2, axis=0)[::2]
    yield good.astype(good.dtype.newbyteorder())


def cross(k, kind, n):
    """Return the layers of a kind with n weights, as a function of these one by one."""
    return lambda x0, *rest: k.cross(kind, x0, list(rest[:n]), *rest[n:])


def cross_backward(k, kind, n):
    return lambda dxL, x0, *rest: k.cross_backward(kind, dxL, x0, list(rest[:n]), *rest[n:])


# name -> (function, good arguments, bad ones by their place)


def of_ops():
    k = _core.ops_f64
    x0, w, b = arrays((6, 4), (2, 4), (2, 4))
    W, U, V = arrays((2, 4, 4), (2, 4, 3), (2, 3, 4))
    h, Wd, bd, dh, s, t = arrays((6, 4), (5, 4), (5,), (6, 5), (4,), (4,))
    ids = np.zeros((6, 2), np.int32)
    tables, stacked = arrays((3, 2), (4, 2)), np.ones((6, 4))
    bad_ids = [ids - 1, ids + 3, ids + (2**31 - 1), np.zeros((6, 2))]
    bad_tables = [None, 3, [None], [np.ones(3)], arrays((0, 2), (4, 2)), tables * 2]
    gate, bad_gate = (0.1, "relu", 2), [NO_RATE, ["", "no", None], THREADS]
    C, c, wide = arrays((3, 8), (3,), (6, 3))
    weight, classes = np.ones(6), np.zeros((6, 1))
    no_share = [1.0, -0.1, *NO_RATE]
    no_class = [classes - 1, classes + 3, classes + 0.5, classes * math.nan, classes + math.inf]
    no_constants = [None, 3, "a", [0.5], [None]]
    of_numbers = (wide, wide, weight, 0.1, ()), {3: no_share, 4: no_constants}
    of_classes = (wide, classes, weight, 0.1, ()), {1: no_class, 3: no_share, 4: no_constants}
    levels = (wide, wide[:, :1].copy(), weight, 0.0, [0.1, 0.5, 0.9])
    bad_levels = [[], [0.1, 0.5], [0.5, 0.1, 0.9], [0.1, 0.5, 1.0], [math.nan] * 3, None]
    flat = [np.ones(7) for _ in range(4)]
    U4, V4, C4, g3, W3, s2 = arrays(
        (2, 3, 4, 3), (2, 3, 3, 4), (2, 3, 3, 3), (2, 3, 4), (2, 2, 4), (2, 2)
    )
    weights = {
        "vector": [w], "matrix": [W], "lowrank": [U, V], "gated": [W, W],
        "mixture": [U4, V4, C4, g3], "exponential": [W3, s2, s2], "onlydense": [W],
    }  # fmt: skip
    crosses = {}
    for kind, given in weights.items():
        n, end = len(given), dict(enumerate(bad_gate, len(given) + 2))
        crosses[f"cross_{kind}"] = (cross(k, kind, n), (x0, *given, b, *gate), end)
        crosses[f"cross_{kind}_backward"] = (
            cross_backward(k, kind, n),
            (x0, x0, *given, b, *gate),
            {place + 1: bad for place, bad in end.items()},
        )
    return crosses | {
        "embedding": (k.embedding, (ids, tables), {0: bad_ids, 1: bad_tables}),
        "embedding_backward": (
            k.embedding_backward, (stacked, ids, tables), {1: bad_ids, 2: bad_tables},
        ),
        "dense": (k.dense, (h, Wd, bd, "relu"), {3: ["", "no", None]}),
        "dense_backward": (k.dense_backward, (dh, h, Wd, bd, "gelu"), {4: ["", "no", None]}),
        "layer_norm": (k.layer_norm, (h, s, t), {}),
        "layer_norm_backward": (k.layer_norm_backward, (h, h, s, t), {}),
        "combine": (k.combine, (x0, h, C, c), {}),
        "combine_backward": (k.combine_backward, (wide, x0, h, C, c), {}),
        "squared_error": (partial(k.loss, "squared_error"), *of_numbers),
        "log_loss": (partial(k.loss, "log_loss"), *of_numbers),
        "poisson_loss": (partial(k.loss, "poisson"), *of_numbers),
        "softmax_loss": (partial(k.loss, "softmax"), *of_classes),
        "quantile_loss": (partial(k.loss, "quantile"), levels, {3: no_share, 4: bad_levels}),
        "optimizer_update": (
            k.optimizer_update, (*flat, OptimizerStep(0.1).compile(), 1, 0.0),
            {4: [None, "adam", 1], 5: [0, -1, 1.5, None, 2**64], 6: [-1, *NO_RATE]},
        ),
    }  # fmt: skip


def of_network():
    net = network()
    size = net.flat_parameters.size
    flat, (ids, dense, _, _) = np.ones(size), ARRAYS
    bad_ids = [ids - 1, ids + 4, ids + (2**31 - 1), ids.astype(np.int64)]
    return {
        "set_parameters": (net.set_parameters, (flat,), {}),
        "set_averages": (net.set_averages, (flat,), {}),
        "tiling": (net.tiling, (100,), {0: [2**32, 2**63, 2**64, -1, None]}),
        "predict": (net.predict, (ids, dense, 2), {0: bad_ids, 2: THREADS}),
        "evaluate": (net.evaluate, (*ARRAYS, 2), {0: bad_ids, 4: THREADS}),
        "Table": (
            _core.TableF64, (net, *ARRAYS),
            {0: [None, 1, _core.NetworkF32(_core.NetworkConfig(**CONFIG))], 1: bad_ids},
        ),
        "evaluate_table": (
            net.evaluate_table, (table(), 2),
            {0: [None, 1, ARRAYS, net, *other_tables()], 1: THREADS},
        ),
    }  # fmt: skip


def of_training():
    state = _core.TrainingStateF64(network())
    flat, order = np.ones(state.flat_gradients.size), np.arange(6)
    bad_order = [order + 1, order - 1, order + 2**62, order.astype(np.int32), order * 1.0]
    seeds = [-1, 2**64, 1.5, None]
    count = [0, *NO_COUNT, 2**64]
    steps = [2**32, 2**63, 2**64, -1, None, 0.5, math.nan]
    bad_factors = [np.ones(3), *(np.full(2, bad) for bad in (math.nan, -1.0, math.inf)), [1, 2]]
    rows, bad_rows = table(), [None, 1, ARRAYS, np.ones((6, 3)), state, *other_tables()]
    return {
        "TrainingState": (
            _core.TrainingStateF64, (network(),),
            {0: [None, 1, state, _core.NetworkF32(_core.NetworkConfig(**CONFIG))]},
        ),
        "set_optimizer": (state.set_optimizer, (flat, flat, 3), {2: steps}),
        "set_sharing": (
            state.set_sharing, (3, 8, 1e6),
            {0: [-1, 2**64, None], 1: [-1, 2**64, None], 2: [math.nan, None, "a"]},
        ),
        "compute_gradients": (
            state.compute_gradients, (rows, order, 0, 2),
            {0: bad_rows, 1: [order[:0], *bad_order], 2: seeds, 3: THREADS},
        ),
        "train_epoch": (
            state.train_epoch,
            (rows, order, 4, OptimizerStep(0.1).compile(), 0, 2, *np.ones((3, 2))),
            {0: bad_rows, 1: bad_order, 2: count, 3: [None, "adam", 1], 4: seeds, 5: THREADS,
             **dict.fromkeys((6, 7), bad_factors), 8: [*bad_factors, np.full(2, 1.5)]},
        ),
    }  # fmt: skip


def of_rows():
    net = network()
    names, knots = ["a", "b"], [([0.0, 1.0, 2.0], [-1.0, 0.0, 1.0]), ([], [])]
    zero, one, no = np.zeros(2), np.ones(2), np.zeros(2, bool)
    bad = [np.array([1, x]) for x in (math.nan, math.inf)]
    many = np.zeros(4, np.int64)
    x, z = knots[0]
    bad_knots = [
        None, [], knots * 2, [knots[0]], [(x, z[:2]), ([], [])],
        *([(k, z), ([], [])] for k in ([0, 2, 1], [0, 0, 1], [0, math.nan, 1], [math.nan] * 3)),
        *([(k, z), ([], [])] for k in ([-math.inf, 0, 1], [0, 1, math.inf])),
        *([(x, k), ([], [])] for k in ([0, math.nan, 1], [0, 1, math.inf])),
    ]  # fmt: skip
    low, high = np.full(2, -math.inf), np.full(2, 1.0)
    none = ([], 1.0, -1e9)
    bins = [([0.0, 1.0, 2.0], 1.0, -1e9), none]
    bad_bins = [
        None, bins * 2, [none], [(x, 1.0), none], [(x, 1.0, math.nan), none],
        *([(x, unit, 0.0), none] for unit in (0.0, -1.0, math.nan, math.inf)),
        *([(b, 1.0, 0.0), none] for b in ([0.0], [0, 0], [1, 0], [0, math.nan, 1], [0, math.inf])),
        *([(b, 1.0, 0.0), none] for b in ([-1e308, 1e308], [0, 5e-324, 1])),
    ]  # fmt: skip
    make = (names, knots, low, high, one, zero, one, zero, no, np.array([1]), 1e4, 3.0, bins, True)
    scales, plain = _core.ColumnScales(*make), _core.ColumnScales(*make[:12])
    predict = _core.RowPredictorF64(net, plain)
    ids, numbers = np.zeros(2, np.int32), np.ones(2)
    return {
        "ColumnScales": (
            _core.ColumnScales, make,
            {0: [None, [], ["a"], names * 2, [1, 2]], 1: bad_knots,
             2: [bad[0], high + 1, low[:1]], 3: [bad[0], high[:1]], 4: bad, 5: bad,
             6: [zero, *bad], 7: bad, 9: [many - 1, many + 2, many[:3] + 2**62],
             10: [0.0, -1.0, math.nan, None], 11: [-1.0, math.nan, math.inf, None], 12: bad_bins},
        ),
        "transform": (
            scales.transform, (np.ones((5, 2), order="F"), np.empty((5, 4))),
            {0: [None, np.ones((5, 2)), np.ones((5, 2), np.float32, order="F")],
             1: [None, np.empty((5, 4), np.int64), np.empty((5, 4), order="F")]},
        ),
        "RowPredictor": (
            _core.RowPredictorF64, (net, plain),
            {0: [None, 1, _core.NetworkF32(_core.NetworkConfig(**CONFIG))],
             1: [None, 1, make, _core.ColumnScales(*make[:9], many, 1e4)]},
        ),
        "row": (
            predict, (ids, numbers),
            {0: [ids - 1, ids + 4, ids + (2**31 - 1)], 1: [numbers * math.inf, -numbers / 0.0]},
        ),
    }  # fmt: skip


def of_module():
    seconds = [math.nan, math.inf, -1, 1e9, None]
    return {
        "force_isa": (_core.force_isa, ("scalar",), {0: ["", "avx1024", None, 1]}),
        "measure_fma_peak": (
            _core.measure_fma_peak, (True, 2, 0.0), {1: THREADS, 2: seconds},
        ),
        "measure_bandwidth": (_core.measure_bandwidth, (2, 0.0), {0: THREADS, 1: seconds}),
        "measure_read_bandwidth": (
            _core.measure_read_bandwidth, (4000, 2, 0.0),
            {0: [0, 7, *HUGE[2:], *NO_COUNT], 1: THREADS, 2: seconds},
        ),
        "Network": (_core.NetworkF64, (_core.NetworkConfig(**CONFIG),), {0: [None, 1, {}, CONFIG]}),
    }  # fmt: skip


SURFACES = {"ops": of_ops, "network": of_network, "training": of_training, "rows": of_rows}
SURFACES["module"] = of_module
# by place: arguments that may be None, and axes of arguments that may be as long as they are
WEIGHTS = dict.fromkeys(
    ("squared_error", "log_loss", "softmax_loss", "poisson_loss", "quantile_loss"), (2,)
) | {
    "evaluate": (3,),
    "train_epoch": (6, 7, 8),
    "Table": (4,),
}
FREE_AXES = dict.fromkeys([f"cross_{kind}" for kind in CROSSES], (0, 0)) | {
    "embedding": (0, 0), "dense": (0, 0), "layer_norm": (0, 0), "softmax_loss": (0, 1),
    "compute_gradients": (1, 0), "train_epoch": (1, 0), "ColumnScales": (9, 0),
}  # fmt: skip


def bad_calls(name, arguments, bad):
    """Yield a description and arguments, of which one is bad."""
    free_place, axis = FREE_AXES.get(name, (None, None))
    for place, good in enumerate(arguments):
        values = list(bad.get(place, []))
        if isinstance(good, np.ndarray):
            values += not_an_array_like(good, {axis} if place == free_place else set())
        for value in values:
            if value is None and place in WEIGHTS.get(name, ()):
                continue
            if (name, place) == ("ColumnScales", free_place) and isinstance(value, list):
                continue  # no indicators
            yield (
                f"{name}, argument {place}: {value!r}"[:200],
                [value if i == place else argument for i, argument in enumerate(arguments)],
            )


def sweep(surface):
    """Print what was not refused, or what was refused and should not be."""
    wrong, n = [], 0
    for name, (function, arguments, bad) in SURFACES[surface]().items():
        function(*arguments)  # so that what is refused is refused for what was changed
        for what, changed in bad_calls(name, arguments, bad):
            n += 1
            print(what, file=sys.stderr, flush=True)  # the last line before a crash
            try:
                function(*changed)
            except REFUSED:
                continue
            except Exception as error:
                what += f": {error!r}"
            wrong.append(what)
        function(*arguments)
    print(json.dumps([n, wrong]))


@pytest.mark.parametrize("surface", SURFACES)
def test_bad_arguments(surface, fresh):
    code = "import runpy, warnings; warnings.simplefilter('ignore')\n"
    done = fresh(f"{code}runpy.run_path({__file__!r})['sweep']({surface!r})", timeout=300)
    assert done.returncode == 0, (done.returncode, done.stderr[-500:])
    n, wrong = json.loads(done.stdout)
    assert not wrong, "\n".join(wrong)
    assert n >= 20


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD_CONFIG.items() for value in values]
)
def test_bad_description_of_a_network(name, value):
    _core.NetworkConfig(**CONFIG)
    with pytest.raises(REFUSED):
        _core.NetworkConfig(**CONFIG | {name: value})


@pytest.mark.parametrize("surface", ["ops", "network", "training"])
def test_threads_are_as_many_as_the_pool_has(surface):
    """A call that made room for each of 10^9 threads would take all memory."""
    calls = 0
    for function, arguments, bad in SURFACES[surface]().values():
        for place in (place for place, values in bad.items() if values is THREADS):
            function(*arguments[:place], 10**9, *arguments[place + 1 :])
            calls += 1
    assert calls >= 2
