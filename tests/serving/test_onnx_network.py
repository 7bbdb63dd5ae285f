"""Stages 2 to 5 in ONNX against the reference: every option that a network may have."""

import numpy as np

from dcnfast.network.config import NetworkConfig
from dcnfast.network.model import Model
from dcnfast.reference.network import ReferenceNetwork
from dcnfast.serving.onnx.deep import network
from dcnfast.serving.onnx.graph import Graph
from dcnfast.serving.onnx.model import IR_VERSION, OPSETS
from dcnfast.serving.onnx.numbers import Dense
from dcnfast.testing import draw_dense
from tests.serving.onnx_rows import onnx, session_of

ROWS = 5
CLOSE = {"float32": 1e-5, "float64": 1e-12}  # of the largest logit


def logits_of(folder, config, p, ids, dense):
    """Return what a graph of these stages alone says."""
    helper, M = onnx.helper, config.n_dense
    given = {"ids": ids.astype(np.int64), "plain": dense[:, :M]}
    given |= {"scaled": dense[:, M::2], "place": dense[:, M + 1 :: 2]}
    given = {name: np.ascontiguousarray(array) for name, array in given.items() if array.shape[1]}
    g = Graph(config.dtype, [*given, "logits"])
    has = [name if name in given else "" for name in ("plain", "scaled", "place")]
    g.op("Identity", network(g, config, p, "ids", Dense(*has)), name="logits")
    inputs = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), ["rows", array.shape[1]]
        )
        for name, array in given.items()
    ]
    kind = helper.np_dtype_to_tensor_dtype(g.dtype)
    axes = [config.n_members] * (config.n_members > 1) + ["rows", config.n_outputs]
    output = helper.make_tensor_value_info("logits", kind, axes)
    graph = helper.make_graph(g.nodes, "stages", inputs, [output], g.initializers)
    opsets = [helper.make_opsetid(*of) for of in OPSETS.items()]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, folder / "stages.onnx")
    return session_of(folder / "stages.onnx").run(None, given)[0]


def test_a_network_is_the_reference_s(full_network, dtype, tmp_path):
    beside = {"weighted", "collision_weights"}  # factors are in the embeddings before it is written
    options = {name: value for name, value in full_network.items() if name not in beside}
    config, random = NetworkConfig(dtype=dtype, **options), np.random.RandomState(3)
    p = Model(config).initialize(random).parameters
    p = {name: (a + random.normal(0, 0.2, a.shape)).astype(dtype) for name, a in p.items()}
    dense = draw_dense(config, ROWS, random).astype(dtype)
    ids = np.array([random.randint(V, size=ROWS) for _, V, _ in config.fields]).reshape(-1, ROWS).T
    exact = {name: a.astype(np.float64) for name, a in p.items()}
    wanted = ReferenceNetwork(config).forward(exact, ids, dense.astype(np.float64))["logits"]
    got = logits_of(tmp_path, config, p, ids, dense)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, wanted, rtol=0, atol=CLOSE[dtype] * np.abs(wanted).max())
