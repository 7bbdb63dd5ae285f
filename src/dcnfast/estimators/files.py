"""Estimators in files: ``estimator.save(path)`` and ``dcnfast.load(path)``."""

from __future__ import annotations

import os
from typing import Any

from dcnfast import _core
from dcnfast.estimators.base import BaseDCN
from dcnfast.estimators.classifier import DCNClassifier
from dcnfast.estimators.ranker import DCNRanker
from dcnfast.estimators.regressor import DCNRegressor
from dcnfast.estimators.saved import read_fitted
from dcnfast.estimators.saved_parameters import read_parameters
from dcnfast.plain import join
from dcnfast.serving.model_file import Contents, read_model_file

ESTIMATORS: dict[str, type[BaseDCN]] = {
    kind.__name__: kind for kind in (DCNClassifier, DCNRanker, DCNRegressor)
}


def load(path: str | os.PathLike[str], *, verify: bool = True) -> Any:
    """Load an estimator that ``save`` has written.

    No code in the file is run, since there is none; all of it is checked, and nothing is allocated
    that the file has no bytes for. Of a network of 32 MiB or more the parameters stay in the file,
    mapped into memory that all processes share: they are read when they are wanted.

    Parameters
    ----------
    path : str or path
    verify : bool, default=True
        Whether to read the tables of embeddings, to compare their digest and to see that they are
        finite. False leaves this out, so that tables of many gigabytes are there in milliseconds;
        all other bytes are compared with their digest in any case.

    Returns
    -------
    model : DCNRegressor, DCNClassifier or DCNRanker
        Predicts the same bits as the one that was saved.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no model file, of a later version, damaged or cut off, or if its parts do not fit
        together.
    """
    if not isinstance(verify, bool):
        raise TypeError(f"verify is {verify!r}, want True or False")
    try:
        contents = read_model_file(path, verify=verify)
        return _estimator_of(contents, check_tables=verify)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{os.fspath(path)!r} cannot be loaded: {error}") from error


def _estimator_of(contents: Contents, *, check_tables: bool) -> BaseDCN:
    name, library = contents.about["estimator"], contents.about["library"]
    if name not in ESTIMATORS:
        raise ValueError(
            f"it has a {name!r} of dcnfast {library}, this is {_core.version} and has "
            f"{list(ESTIMATORS)!r}"
        )
    tree = join(contents.document, contents.arrays)
    estimator = ESTIMATORS[name]()
    parameters = read_parameters(tree.pop("parameters", None))
    known = estimator.get_params(deep=False)
    if unknown := [parameter for parameter in parameters if parameter not in known]:
        raise ValueError(f"it has the parameter {unknown[0]!r}, which {name} does not have")
    for parameter, value in parameters.items():  # those it does not name have their defaults
        setattr(estimator, parameter, value)
    kind = ESTIMATORS[name]
    fitted = read_fitted(tree, kind, contents.lent, check_tables=check_tables)
    estimator.__dict__.update(fitted)
    return estimator
