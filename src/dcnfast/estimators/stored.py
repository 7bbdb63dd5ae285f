"""Estimators in files and pickles."""

from __future__ import annotations

import os
from typing import Any, Self

from sklearn.utils.validation import check_is_fitted

from dcnfast import _core
from dcnfast.estimators.published import private_copy, reads_one_fit
from dcnfast.estimators.saved import FITTED, fitted_state, pickled, trimmed, unpickled
from dcnfast.estimators.saved_parameters import parameters_state
from dcnfast.network.saved import offsets_of, tables_of
from dcnfast.plain import interned, separate
from dcnfast.serving.model_file import write_model_file


class Stored:
    """Methods that make an estimator last: ``save``, and what pickle and copy ask for."""

    @reads_one_fit
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write what predicts to a file, for :func:`dcnfast.load`.

        The file has weights, categories, scales and the estimator's own parameters, not what only
        training needs. It is written beside the old one, and then takes its place: there is always
        the old file or the new one, whole.

        Parameters
        ----------
        path : str or path

        Raises
        ------
        OSError
            If it cannot be written, as where the disk is full; the old file is then as it was.
        TypeError
            If a parameter of the estimator is something that a file does not hold, as a function
            is.
        """
        check_is_fitted(self)
        kind = type(self)
        if kind.__module__.partition(".")[0] != "dcnfast":
            raise TypeError(f"save: {kind.__name__} is not of dcnfast, want one that load can make")
        attributes = trimmed(vars(self))
        fitted = fitted_state(attributes, trains=False)
        own: Any = self
        parameters = parameters_state(own.get_params(deep=False))
        document, arrays = separate({"parameters": parameters} | fitted)
        place = "network.parameters."
        offsets = {place + name: at for name, at in offsets_of(attributes["_model"]).items()}
        tables = [place + name for name in tables_of(attributes["_model"])]
        about = {"library": _core.version, "estimator": kind.__name__}
        write_model_file(path, about, document, arrays, offsets, tables)

    def __getstate__(self) -> dict[str, Any]:
        # one reference, whatever another thread fits meanwhile; seconds are those of a machine
        attributes = {name: value for name, value in vars(self).items() if name != "_epochs"}
        if "_model" not in attributes:
            return dict(attributes)
        others = {name: value for name, value in attributes.items() if name not in FITTED}
        return dict(interned(others) | {"fitted": pickled(attributes)})

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict) or FITTED & state.keys() & {"_model", "encoder_", "_target"}:
            raise ValueError(f"the state of {type(self).__name__} is not one that it pickled")
        attributes = {str(name): value for name, value in state.items() if name != "fitted"}
        if "fitted" in state:
            attributes |= unpickled(state["fitted"], type(self))
        self.__dict__ = attributes

    def __copy__(self) -> Self:
        return private_copy(self)  # whose parts are the same, not copies
