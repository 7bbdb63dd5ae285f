"""Where the package onnx is not installed, ``to_onnx`` says how to get it."""

import sys

import numpy as np
import pytest

from dcnfast import DCNRegressor


def test_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    model = DCNRegressor(max_iter=1).fit(np.eye(20), np.arange(20))
    with pytest.raises(ImportError, match=r"pip install 'dcnfast\[onnx\]'"):
        model.to_onnx(tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []
