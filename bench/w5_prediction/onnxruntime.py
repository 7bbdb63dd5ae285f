"""The network as an ONNX graph."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from bench.latency import Calls


class Graph:
    """Nodes and constants, each named after what it computes."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, value):
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, operation, *inputs, **attributes):
        name = f"{operation}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, list(inputs), [name], **attributes))
        return name

    def linear(self, x, W, b):
        return self.add("Gemm", x, self.constant(W), self.constant(b), transB=1)


def export(data):
    """Return the model; its operator set and format are of 2023, which any runtime reads."""
    g, p, config = Graph(), data.parameters, data.config
    x0 = "dense"
    if data.table is not None:
        rows = g.add("Add", "ids", g.constant(data.offsets))
        embedded = g.add("Gather", g.constant(data.table), rows)
        shape = g.constant(np.array([-1, config.embedding_width]))
        x0 = g.add("Concat", g.add("Reshape", embedded, shape), "dense", axis=1)
    x = h = x0
    for W, b in zip(p["cross_W"], p["cross_b"], strict=True):
        x = g.add("Add", g.add("Mul", x0, g.linear(x, W, b)), x)
    for i in range(len(config.hidden)):
        h = g.add("Relu", g.linear(h, p[f"deep_W_{i}"], p[f"deep_b_{i}"]))
    result = g.linear(g.add("Concat", x, h, axis=1), p["head_W"], p["head_b"])
    if data.single:
        result = g.add("Sigmoid", result)
    inputs = [helper.make_tensor_value_info("dense", TensorProto.FLOAT, [None, config.n_dense])]
    if data.table is not None:
        F = len(config.fields)
        inputs.append(helper.make_tensor_value_info("ids", TensorProto.INT32, [None, F]))
    outputs = [helper.make_tensor_value_info(result, TensorProto.FLOAT, [None, 1])]
    graph = helper.make_graph(g.nodes, "dcn", inputs, outputs, g.constants)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9, producer_name="bench"
    )


def prepare(data, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    model = export(data)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )

    def feed(rows):
        ids = {} if data.table is None else {"ids": data.ids[rows]}
        return ids | {"dense": data.dense[rows]}

    if not data.single:
        everything = feed(slice(None))
        return lambda: session.run(None, everything)
    rows = [feed(slice(i, i + 1)) for i in range(len(data.dense))]
    return Calls(lambda row: session.run(None, row)[0].item(), rows)
