"""Estimators as programs in other languages."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sklearn.utils.validation import check_is_fitted

from dcnfast.encode.encoder import TableEncoder
from dcnfast.estimators.fitted import Columns
from dcnfast.estimators.published import reads_one_fit
from dcnfast.estimators.saved import trimmed
from dcnfast.network.model import Model
from dcnfast.serving.whole_file import replace_file

if TYPE_CHECKING:
    from dcnfast.serving.c_source.model import CText
    from dcnfast.serving.onnx import OnnxFile

FilePath = str | os.PathLike[str]
TABLES = ("inline", "file")


class Exports:
    """Methods that write a fitted estimator for other programs."""

    _columns: Columns
    _model: Model
    _target: Any
    encoder_: TableEncoder

    def save(self, path: FilePath) -> None:
        """Write what predicts to a file."""
        raise NotImplementedError

    @reads_one_fit
    def to_c(
        self,
        path: FilePath,
        source: FilePath | None = None,
        *,
        name: str | None = None,
        tables: str = "inline",
    ) -> None:
        """Write the model as C99: a header and a source, preprocessing inside.

        They need nothing but the library of C with its mathematics, allocate nothing, and answer
        what ``predict`` of a regressor or ``predict_proba`` of a classifier says, but for rounding:
        all is computed in float64. The header says what a row is, and how to call
        ``<name>_predict``.

        Parameters
        ----------
        path : str or path
            Of the header, or what the names of both files begin with: "model" is "model.h" and
            "model.c".
        source : str or path, default=None
            Of the source; None is beside the header, with the end ".c".
        name : str or None, default=None
            What all names in C begin with; None takes the name of the header.
        tables : {"inline", "file"}, default="inline"
            Whether tables of embeddings are in the source, or in a model file beside it, with the
            end ".dcn", as ``save`` writes it. That is mapped into memory by ``<name>_open``, which
            takes a system with POSIX, and is for tables of more than a few million numbers.

        Raises
        ------
        OSError
            If a file cannot be written.
        ValueError, TypeError
            If an argument is not as described, or the model has something that is not written as C;
            nothing is written then.
        """
        # writers are needed by few programs, and by none when it starts
        from dcnfast.serving.c_source.literals import identifier
        from dcnfast.serving.c_source.model import c_source

        check_is_fitted(self)
        if not isinstance(tables, str) or tables not in TABLES:
            raise ValueError(f"tables is {tables!r}, want one of {TABLES!r}")
        header, body = _paths(path, source)
        prefix = identifier(_stem(header), set()) if name is None else name
        if not isinstance(prefix, str):
            raise TypeError(f"name is {prefix!r}, want a name of C, or None")
        write = partial(
            c_source, self.encoder_, self._model_as_saved, self._columns, self._target,
            name=prefix, header_name=header.name,
        )  # fmt: skip
        text = write() if tables == "inline" else self._with_tables_beside(body, write)
        replace_file(header, [text.header.encode()])
        replace_file(body, [text.source.encode()])

    @property
    def _model_as_saved(self) -> Model:
        """The model without room for categories that there are not yet."""
        model: Model = trimmed(vars(self))["_model"]
        return model

    def _with_tables_beside(self, body: Path, write: Callable[..., CText]) -> CText:
        """Write the model file beside a source; return the source that reads it."""
        from dcnfast.serving.c_source.tables import TablesFile

        saved = body.with_name(f"{_stem(body)}.dcn")
        beside = body.with_name(f".dcnfast-{secrets.token_hex(8)}.tmp")
        try:
            self.save(beside)
            text = write(file=TablesFile.of(beside, saved.name))
            beside.replace(saved)
        finally:
            beside.unlink(missing_ok=True)
        return text

    @reads_one_fit
    def to_onnx(self, path: FilePath, *, missing_text: str = "") -> OnnxFile:
        """Write the model as ONNX, preprocessing inside, for onnxruntime and others.

        Its operators are those of the standard: opset 20, with ai.onnx.ml 4. Each column of ``fit``
        is an input of its own, of shape (rows, 1) and by its name: numbers are doubles, categories
        strings, int64, uint64 or doubles, as training saw them, and dates are seconds. Lists are
        (rows, items), with how many there are as an input "<name>_count" beside. A regressor
        has the output "variable" of shape (rows, n_outputs), a classifier "label" (rows,) and
        "probabilities" (rows, n_classes), of several labels a row both (rows, n_labels). They are
        what ``predict`` and ``predict_proba`` say, but for rounding.

        It takes the package onnx: ``pip install 'dcnfast[onnx]'``.

        Parameters
        ----------
        path : str or path
            Of the file. It is written beside the old one, and then takes its place.
        missing_text : str, default=""
            What is given for a missing value in columns of strings. NaN says it in columns of
            doubles, -2**63 in those of int64, where NumPy's NaT is the same, and 2**64 - 1 in those
            of uint64.

        Returns
        -------
        written : OnnxFile
            Bytes of the file and of its parameters, nodes and opsets; ``inputs``, each with name,
            kind, shape and what is missing there, and names of ``outputs``.

        Raises
        ------
        ImportError
            If onnx is not installed.
        OSError
            If the file cannot be written.
        ValueError, TypeError
            If the model has something that ONNX cannot say, such as strings in a column with
            ``hash_buckets``: the message names the column. Nothing is written then.
        """
        from dcnfast.serving.onnx import write_onnx

        check_is_fitted(self)
        if not isinstance(missing_text, str):
            raise TypeError(f"missing_text is {missing_text!r}, want a string")
        return write_onnx(
            path, self.encoder_, self._model_as_saved, self._columns, self._target,
            missing_text=missing_text,
        )  # fmt: skip


def _paths(path: FilePath, source: FilePath | None) -> tuple[Path, Path]:
    """Return where the header and the source go."""
    for what, given in (("path", path), ("source", source)):
        if given is not None and not Path(_file_path(what, given)).name:
            raise ValueError(f"{what} is {os.fspath(given)!r}, want the name of a file")
    header = Path(os.fspath(path))
    if source is not None:
        body = Path(os.fspath(source))
        if header == body:
            raise ValueError(f"source is {os.fspath(source)!r}, as path is, want another file")
        return header, body
    stem = _stem(header)
    return header.with_name(f"{stem}.h"), header.with_name(f"{stem}.c")


def _file_path(what: str, given: FilePath) -> str:
    try:
        return os.fspath(given)
    except TypeError:
        raise TypeError(f"{what} is {given!r}, want a path") from None


def _stem(path: Path) -> str:
    return path.stem if path.suffix in (".h", ".c") else path.name
