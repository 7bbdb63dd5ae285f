"""Cross layers of other libraries as those of dcnfast, and back: arrays in, arrays out.

Here the layers of a cross are a dict of arrays, as the functions of :mod:`dcnfast.ops` take them
and ``parameters_`` of an estimator has them behind "cross_": L layers, D columns of x0, rank R, E
experts.

    vector     {"w": (L, D), "b": (L, D)}
    matrix     {"W": (L, D, D), "b": (L, D)}                     W as (outputs, inputs)
    low rank   {"U": (L, D, R), "V": (L, R, D), "b": (L, D)}     W = U V
    mixture    {"U": (L, E, D, R), "C": (L, E, R, R), "V": (L, E, R, D), "gate": (E, D),
                "b": (L, D)}

A mixture is x + sum_e softmax_e(gate x) x0 * (U_e g(C_e g(V_e x)) + b), with the gates of all
layers in common, as torchrec and DeepCTR have it. Their g are relu, unless it is given, and tanh.
It is ``cross_mixture`` of :mod:`dcnfast.ops` with that activation, and
``crosses.Mixture(shared_gate=True, activation=...)``. In torchrec one expert has no gate, as with
gates that are constant. Arrays may be anything that NumPy makes arrays of, such as tensors of
PyTorch on the CPU that need no gradient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "from_deepctr",
    "from_keras",
    "from_torchrec",
    "to_deepctr",
    "to_keras",
    "to_torchrec",
]

Array = npt.NDArray[Any]
Weights = dict[str, Array]

KINDS = {
    frozenset("wb"): "vector",
    frozenset("Wb"): "matrix",
    frozenset("UVb"): "lowrank",
    frozenset(("U", "V", "C", "gate", "b")): "mixture",
    frozenset("UVCb"): "mixture",
}


def from_keras(layers: Sequence[Sequence[Any]]) -> Weights:
    """Take over layers of ``Cross`` of TensorFlow Recommenders, or ``FeatureCross`` of keras-rs.

    Parameters
    ----------
    layers : sequence of sequence of array-like
        ``layer.get_weights()`` of each: a kernel (D, D); or, with ``projection_dim``, (D, R) and
        (R, D); and a bias (D,), which may be left out.

    Returns
    -------
    weights : dict of str to ndarray
        Of a matrix or a low-rank cross.
    """
    kernels, biases = list[list[Array]](), list[Array]()
    for layer in layers:
        arrays = [np.asarray(array) for array in layer]
        rest = [array for array in arrays if array.ndim == 2]
        if len(rest) not in (1, 2) or [array.ndim for array in arrays[len(rest) :]] not in (
            [],
            [1],
        ):
            raise ValueError(
                f"a layer has arrays of the shapes {[a.shape for a in arrays]}, want a kernel, or "
                "two with projection_dim, and then a bias or none"
            )
        kernels.append(rest)
        none = np.zeros(rest[-1].shape[1], rest[0].dtype)
        biases.append(arrays[-1] if len(arrays) > len(rest) else none)
    if len({len(rest) for rest in kernels}) != 1:
        raise ValueError("want at least one layer, and all with one kernel or all with two")
    transposed = [_stack("kernels", [k.T for k in part]) for part in zip(*kernels, strict=True)]
    weights = {"b": _stack("biases", biases)}
    if len(transposed) == 1:
        return _checked({"W": transposed[0]} | weights)
    return _checked({"U": transposed[1], "V": transposed[0]} | weights)


def to_keras(weights: Mapping[str, Any], *, use_bias: bool = True) -> list[list[Array]]:
    """Return what ``layer.set_weights`` of each layer takes; see :func:`from_keras`.

    Parameters
    ----------
    weights : dict of str to array-like
        Of a matrix or a low-rank cross.
    use_bias : bool, default=True
        Whether the layers have one; if not, it must be 0 here.
    """
    given = _checked(weights, "matrix", "lowrank")
    if not use_bias and given["b"].any():
        raise ValueError("use_bias is False and b is not 0, want layers with a bias")
    names = ("W",) if "W" in given else ("V", "U")
    return [
        [
            *(given[name][l].T.copy() for name in names),
            *([given["b"][l].copy()] if use_bias else []),
        ]
        for l in range(len(given["b"]))
    ]


def from_torchrec(state: Mapping[str, Any]) -> Weights:
    """Take over a cross net of torchrec.

    Parameters
    ----------
    state : dict of str to array-like
        ``module.state_dict()`` of ``CrossNet``, ``LowRankCrossNet``, ``VectorCrossNet`` or
        ``LowRankMixtureCrossNet``.

    Returns
    -------
    weights : dict of str to ndarray
        Of a matrix, low-rank or vector cross, or of a mixture.
    """
    names = {name.split(".")[0] for name in state}
    b = _stack("bias", _numbered(state, "bias.{}"))[:, :, 0]
    if "kernels" in names:
        kernels = _stack("kernels", _numbered(state, "kernels.{}"))
        found = (
            {"w": kernels[:, :, 0]}
            if kernels.shape[2:] == (1,) and b.shape[1] > 1
            else {"W": kernels}
        )
    elif "W_kernels" in names:
        found = {
            "U": _stack("W_kernels", _numbered(state, "W_kernels.{}")),
            "V": _stack("V_kernels", _numbered(state, "V_kernels.{}")),
        }
    else:
        found = {n: _stack(n, _numbered(state, f"{n}_kernels.{{}}")) for n in ("U", "C", "V")}
        if "gates" in names:
            gates = _numbered(state, "gates.{}.weight")
            found["gate"] = _stack("gates", [gate.reshape(-1) for gate in gates])
    return _checked(found | {"b": b})


def to_torchrec(weights: Mapping[str, Any]) -> Weights:
    """Return what ``module.load_state_dict`` takes, once made tensors; see :func:`from_torchrec`.

    Parameters
    ----------
    weights : dict of str to array-like
    """
    given = _checked(weights)
    columns = {"b": given["b"][:, :, None]}
    if "w" in given:
        columns["w"] = given["w"][:, :, None]
    theirs = {"b": "bias", "w": "kernels", "W": "kernels", "U": "U_kernels", "V": "V_kernels"}
    theirs["C"] = "C_kernels"
    if "C" not in given:
        theirs["U"] = "W_kernels"
    made = {
        f"{theirs[name]}.{l}": layer.copy()
        for name in given
        if name != "gate"
        for l, layer in enumerate(columns.get(name, given[name]))
    }
    gates = given.get("gate", ())
    return made | {f"gates.{e}.weight": gate[None].copy() for e, gate in enumerate(gates)}


def from_deepctr(arrays: Mapping[str, Any]) -> Weights:
    """Take over ``CrossNet`` or ``CrossNetMix`` of DeepCTR or DeepCTR-Torch.

    Parameters
    ----------
    arrays : dict of str to array-like
        ``module.state_dict()`` of DeepCTR-Torch, or the layer's attributes by name, as DeepCTR has
        them: "kernels" and "bias"; or "U_list", "V_list", "C_list", "bias" and "gating". Each is a
        list with an array a layer, "gating" one with a kernel (D, 1) an expert.

    Returns
    -------
    weights : dict of str to ndarray
        Of a vector or matrix cross, or of a mixture.
    """
    b = _stack("bias", _needed(arrays, "bias"))[:, :, 0]
    if "kernels" in arrays:
        kernels = _stack("kernels", _needed(arrays, "kernels"))
        vector = kernels.shape[2:] == (1,) and b.shape[1] > 1
        return _checked({"w": kernels[:, :, 0], "b": b} if vector else {"W": kernels, "b": b})
    gates = (
        list(_needed(arrays, "gating"))
        if "gating" in arrays
        else _numbered(arrays, "gating.{}.weight")
    )
    found = {name: _stack(name, _needed(arrays, f"{name}_list")) for name in ("U", "C", "V")}
    found["V"] = found["V"].swapaxes(-1, -2)  # which there is (D, R)
    found["gate"] = _stack("gating", [np.reshape(gate, -1) for gate in gates])
    return _checked(found | {"b": b})


def to_deepctr(weights: Mapping[str, Any]) -> Weights:
    """Return the arrays of a ``state_dict`` of DeepCTR-Torch; see :func:`from_deepctr`.

    Parameters
    ----------
    weights : dict of str to array-like
        Of a vector or matrix cross, or of a mixture with gates.
    """
    given = _checked(weights, "vector", "matrix", "mixture")
    made = {"bias": given["b"][:, :, None].copy()}
    if "C" not in given:
        kernels = given["W"] if "W" in given else given["w"][:, :, None]
        return {"kernels": kernels.copy()} | made
    if "gate" not in given:
        raise ValueError("weights have no 'gate', want one: DeepCTR has it with one expert, too")
    made |= {f"{name}_list": given[name].copy() for name in ("U", "C")}
    made["V_list"] = np.ascontiguousarray(given["V"].swapaxes(-1, -2))
    return made | {f"gating.{e}.weight": g[None].copy() for e, g in enumerate(given["gate"])}


def _needed(arrays: Mapping[str, Any], name: str) -> Any:
    if name not in arrays:
        raise ValueError(f"there is no {name!r} among {sorted(arrays)!r}")
    return arrays[name]


def _numbered(state: Mapping[str, Any], name: str) -> list[Array]:
    """Return the arrays of a name with 0, 1, ... in it."""
    found: list[Array] = []
    while (key := name.format(len(found))) in state:
        found.append(np.asarray(state[key]))
    if not found:
        raise ValueError(f"there is no {name.format(0)!r} among {sorted(state)!r}")
    return found


def _stack(name: str, arrays: Any) -> Array:
    listed = [np.asarray(array) for array in arrays]
    if len({array.shape for array in listed}) != 1:
        raise ValueError(
            f"{name} have the shapes {[a.shape for a in listed]}, want one, of a layer each"
        )
    return np.stack(listed)


def _checked(weights: Mapping[str, Any], *kinds: str) -> Weights:
    """Return the arrays, whose names and shapes are those of a kind."""
    given = {name: np.ascontiguousarray(array) for name, array in weights.items()}
    kind = KINDS.get(frozenset(given))
    if kind is None or (kinds and kind not in kinds):
        wanted = sorted(
            {k: "".join(sorted(n, key=len)) for n, k in KINDS.items() if k in kinds or not kinds}
        )
        raise ValueError(f"weights have the names {sorted(given)!r}, want those of {wanted!r}")
    sizes: dict[str, int] = {}
    shapes = {"w": "LD", "W": "LDD", "b": "LD", "U": "LDR", "V": "LRD", "gate": "ED", "C": "LERR"}
    if kind == "mixture":
        shapes |= {"U": "LEDR", "V": "LERD"}
    for name, array in given.items():
        if array.dtype.kind not in "fiu":
            raise ValueError(f"{name} is of type {array.dtype}, want numbers")
        if array.ndim != len(shapes[name]) or any(
            sizes.setdefault(letter, n) != n
            for letter, n in zip(shapes[name], array.shape, strict=True)
        ):
            raise ValueError(
                f"{name} has shape {array.shape}, want ({', '.join(shapes[name])}) with {sizes!r}"
            )
    return given
