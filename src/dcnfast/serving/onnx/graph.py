"""An ONNX graph as it grows: nodes, each behind those that it reads, and constants."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Value = str | Array  # what a node gives, by its name, or a constant

ML = "ai.onnx.ml"  # the standard's operators beside the plain ones
MOST_BYTES = 2**31 - 2**20  # of a file: protobuf counts them in 31 bits; and some room for nodes


def import_onnx() -> Any:
    """Return the package onnx.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError(
            "to_onnx needs the package onnx, want it installed: pip install 'dcnfast[onnx]'"
        ) from error
    return onnx


class Graph:
    """Nodes and constants.

    Parameters
    ----------
    dtype : {"float32", "float64"}
        Of the network.
    taken : iterable of str
        Names that nodes may not have.
    within : Graph or None, default=None
        The graph that this one is a branch of, whose values it may read.
    """

    def __init__(
        self, dtype: str, taken: Iterable[str] = (), *, within: Graph | None = None
    ) -> None:
        self.onnx = import_onnx()
        self.dtype = np.dtype(dtype)
        self.nodes: list[Any] = []
        # of a graph and its branches together
        self._taken: set[str] = set(taken) if within is None else within._taken
        self._constants: dict[Any, str] = {} if within is None else within._constants
        self.initializers: list[Any] = [] if within is None else within.initializers
        self._bytes: list[int] = [] if within is None else within._bytes

    # ---- constants

    def constant(self, values: Any) -> str:
        """Return the name of an array of numbers, bools or texts."""
        array = np.asarray(values)
        content = tuple(array.tolist()) if array.dtype.kind == "O" else array.tobytes()
        key = array.dtype.str, array.shape, content
        if key not in self._constants:
            self._constants[key] = self._keep(self._new_name("constant"), array)
        return self._constants[key]

    def weight(self, name: str, values: Array) -> str:
        """Return the name of learned numbers, which are rounded to the type of the network."""
        if name not in self._constants:
            array = np.ascontiguousarray(values, self.dtype)
            self._constants[name] = self._keep(self._new_name(name), array)
        return self._constants[name]

    def number(self, value: float) -> Array:
        """Return a number of the type of the network."""
        return np.asarray(value, self.dtype)

    def count_bytes(self, n: int) -> None:
        """Add to what the file will have.

        Raises
        ------
        ValueError
            If that is more than a file may have.
        """
        self._bytes.append(n)
        if (total := sum(self._bytes)) > MOST_BYTES:
            raise ValueError(
                f"to_onnx: the file would have {total} bytes or more, want at most {MOST_BYTES}: "
                "fewer categories, or narrower embeddings"
            )

    def _keep(self, name: str, array: Array) -> str:
        self.count_bytes(array.nbytes)
        helper = self.onnx.helper
        if array.dtype.kind == "O":
            texts = [text.encode() for text in array.ravel().tolist()]
            tensor = helper.make_tensor(name, self.onnx.TensorProto.STRING, array.shape, texts)
        else:
            tensor = self.onnx.numpy_helper.from_array(array, name)
        self.initializers.append(tensor)
        return name

    def _new_name(self, begin: str) -> str:
        name, n = begin, 0
        while name in self._taken:
            n += 1
            name = f"{begin}_{n}"
        self._taken.add(name)
        return name

    # ---- nodes

    def op(
        self, kind: str, *inputs: Value, domain: str = "", name: str = "", **attributes: Any
    ) -> str:
        """Add a node with one result; return the name of that.

        Parameters
        ----------
        kind : str
            Of the operators of ONNX.
        *inputs : str or ndarray
        domain : str, default=""
        name : str, default=""
            Of the result, which is then not changed; else it is made of ``kind``.
        **attributes : object
        """
        made = name or self._new_name(kind.lower())
        self._add(kind, inputs, [made], domain, attributes)
        return made

    def ops(self, kind: str, *inputs: Value, n_results: int, **attributes: Any) -> list[str]:
        """Add a node with several results; return their names."""
        made = [self._new_name(kind.lower()) for _ in range(n_results)]
        self._add(kind, inputs, made, "", attributes)
        return made

    def _add(
        self, kind: str, inputs: Sequence[Value], made: list[str], domain: str, attributes: Any
    ) -> None:
        names = [given if isinstance(given, str) else self.constant(given) for given in inputs]
        node = self.onnx.helper.make_node(kind, names, made, domain=domain, **attributes)
        self.nodes.append(node)

    def chain(self, kind: str, *inputs: Value) -> str:
        """Apply an operator of two inputs to several, from left to right."""
        first, *others = inputs
        made = first if isinstance(first, str) else self.constant(first)
        for other in others:
            made = self.op(kind, made, other)
        return made

    def cast(self, value: Value, dtype: npt.DTypeLike) -> str:
        """Return the value in another type."""
        kind = self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.op("Cast", value, to=kind)

    def beside(self, values: Sequence[str]) -> str:
        """Return columns behind one another."""
        return values[0] if len(values) == 1 else self.op("Concat", *values, axis=-1)

    def columns(self, value: str, chosen: Sequence[int], n: int) -> str:
        """Return the chosen ones of n columns, which are the last axis."""
        if list(chosen) == list(range(n)):
            return value
        return self.op("Gather", value, np.array(chosen, np.int64), axis=-1)

    def flat(self, value: str, width: int) -> str:
        """Return rows (N, width) of (N, ...)."""
        return self.op("Reshape", value, np.array([0, width]))

    def between(self, value: str, low: Array, high: Array) -> str:
        """Return the value, or the end it is beyond."""
        return self.op("Min", self.op("Max", value, low), high)

    def branch(self) -> Graph:
        """Return an empty graph that may read what is in this one."""
        return Graph(self.dtype.name, within=self)

    def when(self, condition: str, then: tuple[Graph, str], other: tuple[Graph, str]) -> str:
        """Return the result of one of two branches, which has the type of the network."""
        return self.op(
            "If",
            condition,
            then_branch=self._as_branch(*then),
            else_branch=self._as_branch(*other),
        )

    def _as_branch(self, graph: Graph, result: str) -> Any:
        helper = self.onnx.helper
        out = helper.make_tensor_value_info(
            result, helper.np_dtype_to_tensor_dtype(self.dtype), None
        )
        return helper.make_graph(graph.nodes, self._new_name("branch"), [], [out])
