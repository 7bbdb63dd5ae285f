"""Generators of data whose truth is known."""

from __future__ import annotations

from numbers import Integral

import numpy as np
import numpy.typing as npt
from sklearn.utils import Bunch, check_random_state

ALMOND_FEATURES = ("age", "employed", "rum", "soda", "almond")


def make_almond_clicks(
    n_samples: int = 100_000, random_state: int | np.random.RandomState | None = 42
) -> Bunch:
    """Generate the almond study: clicks that depend on products of two, three and four columns.

    y = 0.1 age + 1.2 employed + 0.5 rum + 0.2 soda + 1.8 employed rum + 0.1 employed soda
    + 3.1 employed almond + 1.5 rum almond + 2 employed rum soda almond, without noise. The columns
    are drawn in this order: age = randint(18, 80) / 68; then employed, rum, soda and almond, each
    randint(2) / 2.

    Parameters
    ----------
    n_samples : int, default=100_000
        Rows, at least 1.
    random_state : int, RandomState or None, default=42
        Same seed, same rows: NumPy's legacy generator draws them.

    Returns
    -------
    data : Bunch
        ``data``: ndarray of shape (n_samples, 5); ``target``: ndarray of shape (n_samples,);
        ``feature_names``: list of 5 names; ``DESCR``: str.

    Raises
    ------
    ValueError
        If n_samples is not an integer of at least 1.
    """
    if isinstance(n_samples, bool) or not isinstance(n_samples, Integral) or n_samples < 1:
        raise ValueError(f"n_samples is {n_samples!r}, want an integer of at least 1")
    n, rng = int(n_samples), check_random_state(random_state)
    age = rng.randint(18, 80, size=n) / (80 - 12)
    employed, rum, soda, almond = (rng.randint(2, size=n) / 2 for _ in range(4))
    X: npt.NDArray[np.float64] = np.column_stack([age, employed, rum, soda, almond])
    y = (
        0.1 * age + 1.2 * employed + 0.5 * rum + 0.2 * soda + 1.8 * employed * rum
        + 0.1 * employed * soda + 3.1 * employed * almond + 1.5 * rum * almond
        + 2 * employed * rum * soda * almond
    )  # fmt: skip
    return Bunch(
        data=X,
        target=y,
        feature_names=list(ALMOND_FEATURES),
        DESCR=(make_almond_clicks.__doc__ or "").split("\n\n")[0],
    )
