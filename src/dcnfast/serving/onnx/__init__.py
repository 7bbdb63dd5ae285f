"""A fitted model as an ONNX graph, preprocessing inside, of standard operators alone.

A module for each stage writes its nodes, in the order of the data flow: ``inputs`` what a row is,
``encode`` with ``categories`` and ``numbers``, ``lists``, ``embed``, ``cross``, ``deep`` and
``answer``; ``model`` puts them together. Numbers are scaled in doubles, the network is of the
model's type. A new kind of column, numeric embedding, cross, activation or loss is one function,
and its name in the dict of its module. The package onnx is imported when a graph is made, and not
before.
"""

from dcnfast.serving.onnx.inputs import OnnxInput
from dcnfast.serving.onnx.model import OPSETS, OnnxFile, write_onnx

__all__ = ["OPSETS", "OnnxFile", "OnnxInput", "write_onnx"]
