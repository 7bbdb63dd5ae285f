"""Models written as ONNX and run by onnxruntime."""

import math

import numpy as np
import pandas as pd
import pytest

from dcnfast import DCNRegressor

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

SMALL = {
    "hidden_layer_sizes": (4,),
    "cross_layers": 1,
    "max_iter": 2,
    "early_stopping": False,
    "n_members": 1,
    "numeric_embedding": None,
    "random_state": 0,
    "n_jobs": 1,
}


def fit(table, y=None, kind=DCNRegressor, **options):
    y = np.arange(len(table)) % 7 if y is None else y
    return kind(**(SMALL | options)).fit(table, y)


def feeds(inputs, X):
    """Return what onnxruntime takes for the rows of a table."""
    return {of.name: column(of, X[of.counts or of.name]) for of in inputs}


def lists(of, values):
    """Return lists with what is missing behind their items, or how many items they have."""
    items = [None if is_missing(value) else list(value) for value in values]
    if of.counts:
        return np.array([[-1 if row is None else len(row)] for row in items], np.int64)
    width = max([0, *(len(row) for row in items if row is not None)])
    rows = [[*(row or []), *[None] * (width - len(row or []))] for row in items]
    dtype = object if of.kind == "string" else {"double": np.float64}.get(of.kind, of.kind)
    filled = [[of.missing if is_missing(item) else item for item in row] for row in rows]
    return np.array(filled, dtype).reshape(len(rows), width)


def column(of, values):
    if of.counts or of.shape[1] != 1:
        return lists(of, values.tolist())
    if pd.api.types.is_datetime64_any_dtype(values):
        clock = values.dt.tz_localize(None).astype("datetime64[s]")
        return clock.to_numpy().astype(np.int64)[:, None]
    dtype = object if of.kind == "string" else {"double": np.float64}.get(of.kind, of.kind)
    filled = [of.missing if is_missing(value) else value for value in values.tolist()]
    whole = of.kind in ("int64", "uint64")
    return np.array([[int(value) if whole else value] for value in filled], dtype)


def is_missing(value):
    if value is None or value is pd.NA or value is pd.NaT:
        return True
    return isinstance(value, float) and math.isnan(value)


def session_of(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    providers = ["CPUExecutionProvider"]
    return onnxruntime.InferenceSession(str(path), options, providers=providers)


def check(model, X, folder, *, missing_text="", atol=1e-5):
    """Assert that onnxruntime says what predict says, within 1e-5 of the size of the answers."""
    path = folder / "model.onnx"
    written = model.to_onnx(path, missing_text=missing_text)
    onnx.checker.check_model(str(path), full_check=True)
    assert written.n_bytes == path.stat().st_size
    session = session_of(path)
    assert [(of.name, tuple(of.shape)) for of in session.get_inputs()] == [
        (of.name, of.shape) for of in written.inputs
    ]
    said = session.run(None, feeds(written.inputs, X))
    assert [out.name for out in session.get_outputs()] == list(written.outputs)
    wanted = model.predict_proba(X) if hasattr(model, "classes_") else model.predict(X)
    answers = said[-1]
    assert answers.dtype == np.float64
    scale = np.abs(wanted).max()
    np.testing.assert_allclose(
        answers, wanted.reshape(len(X), -1), rtol=0, atol=atol * max(scale, 1e-300)
    )
    if hasattr(model, "classes_") and written.outputs[0] == "label":
        if said[0].ndim == 2:  # a label is 0 or 1 in each column
            sure = np.abs(wanted - 0.5) > 1e-4
            np.testing.assert_array_equal(said[0][sure], model.predict(X)[sure])
            return written
        order = np.sort(wanted, axis=1)
        sure = order[:, -1] - order[:, -2] > 1e-4
        labels = np.asarray(said[0])
        assert labels.shape == (len(X),)
        np.testing.assert_array_equal(labels[sure], model.predict(X)[sure])
    return written
