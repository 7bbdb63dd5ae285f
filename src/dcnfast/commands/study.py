"""The almond study: cross networks against a deep network on a formula that is known.

Five models on the rows of :func:`dcnfast.datasets.make_almond_clicks`. The best that a polynomial
of degree two can do on the evaluation rows is an RMSE of 0.01740; the formula has degree four.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import PolynomialFeatures

from dcnfast.cpu import config
from dcnfast.datasets import make_almond_clicks
from dcnfast.estimators import DCNRegressor
from dcnfast.network.crosses import Matrix, Vector

Array = npt.NDArray[Any]

# The study is about polynomials of the columns as they are, as in the papers: one network, no
# embedding, no dropout, Adam. Whatever the estimator's defaults become, it computes the same.
POLYNOMIAL: dict[str, Any] = {
    "numeric_embedding": None, "n_members": 1, "hidden_layer_sizes": (), "dropout": 0.0,
    "cross_dropout": 0.0, "alpha": 0.0, "optimizer": "adam", "gradient_clip": None,
    "early_stopping": False, "tol": None, "random_state": 42,
}  # fmt: skip
DEEP: dict[str, Any] = {"cross_layers": 0, "hidden_layer_sizes": (512, 256, 128)}
MODELS: dict[str, dict[str, Any]] = {
    name: POLYNOMIAL | own
    for name, own in {
        "1 matrix cross layer": {
            "cross": Matrix(initial_scale=1.0), "cross_layers": 1, "learning_rate_init": 0.002
        },
        "3 matrix cross layers": {
            "cross": Matrix(initial_scale=1.0), "cross_layers": 3, "learning_rate_init": 0.005,
            "epsilon": 1e-3,
        },
        "3 vector cross layers": {
            "cross": Vector(initial_scale=1.0), "cross_layers": 3, "learning_rate_init": 0.005,
            "epsilon": 1e-3,
        },
        "deep 512-256-128, rate 0.4": DEEP | {"learning_rate_init": 0.4},
        "deep 512-256-128, rate 0.001": DEEP | {"learning_rate_init": 0.001},
    }.items()
}  # fmt: skip


@dataclass(frozen=True)
class Size:
    """Rows to train on and to evaluate on, rows of a batch, epochs."""

    n_train: int = 70_000
    n_evaluate: int = 30_000
    batch_size: int = 1_000
    max_iter: int = 100


QUICK = Size(n_train=14_000, n_evaluate=6_000, batch_size=100, max_iter=30)


@dataclass(frozen=True)
class Result:
    """One line of the table.

    Parameters
    ----------
    name : str
    model : DCNRegressor
    rmse : float
        On the evaluation rows.
    seconds : float
        Of the whole fit.
    rows_per_second : float
        Training rows times epochs over ``seconds``.
    complaint : str or None
        What the fit warned about.
    """

    name: str
    model: DCNRegressor
    rmse: float
    seconds: float
    rows_per_second: float
    complaint: str | None


def best_polynomials(size: Size) -> dict[str, float]:
    """Return the least RMSE on the evaluation rows of a polynomial of degree 0 (the mean), 1 and 2.

    Fitted to those very rows, so nothing of that degree can do better.
    """
    data = make_almond_clicks(size.n_train + size.n_evaluate)
    X, y = data.data[size.n_train :], data.target[size.n_train :]
    best = {}
    for degree, name in enumerate(("constant", "linear", "quadratic")):
        terms = PolynomialFeatures(degree).fit_transform(X)
        coefficients = np.linalg.lstsq(terms, y)[0]
        best[name] = float(np.sqrt(np.mean((terms @ coefficients - y) ** 2)))
    return best


def summary(size: Size, results: list[Result], best: dict[str, float]) -> dict[str, Any]:
    """Return what the study found, ready for JSON.

    Parameters
    ----------
    size : Size
    results : list of Result
    best : dict
        As from :func:`best_polynomials`.

    Returns
    -------
    summary : dict
    """
    return {
        "config": config(),
        "size": asdict(size),
        "best_polynomials": best,
        "models": [
            {
                "name": r.name,
                "n_parameters": r.model.n_parameters_,
                "rmse": r.rmse,
                "seconds": r.seconds,
                "rows_per_second": r.rows_per_second,
                "complaint": r.complaint,
            }
            for r in results
        ],
    }


class EpochCallback:
    """A scikit-learn callback that reports every finished epoch."""

    def __init__(self, report: Callable[[int, float], None]) -> None:
        self.report = report

    def setup(self, estimator: Any, context: Any) -> None:
        """Do nothing: the protocol wants the hook."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """Do nothing: the protocol wants the hook."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing: the protocol wants the hook."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        """Report the epoch and its loss."""
        if context.task_name == "epoch":
            self.report(context.task_id + 1, estimator.loss_curve_[-1])


def run(size: Size, report: Callable[[str, int, float], None]) -> Iterator[Result]:
    """Fit the models one after the other.

    Parameters
    ----------
    size : Size
    report : callable
        Gets the model's name, the epoch that has ended and its loss.

    Yields
    ------
    result : Result
    """
    data = make_almond_clicks(size.n_train + size.n_evaluate)
    X, y, n = data.data, data.target, size.n_train
    for name, parameters in MODELS.items():
        model = DCNRegressor(**parameters, batch_size=size.batch_size, max_iter=size.max_iter)
        model.set_callbacks(EpochCallback(partial(report, name)))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            # a fit that is interrupted keeps what it has; the study as a whole stops
            warnings.filterwarnings("error", "Training interrupted", UserWarning)
            start = time.perf_counter()
            try:
                model.fit(X[:n], y[:n])
            except UserWarning:
                raise KeyboardInterrupt from None
            seconds = time.perf_counter() - start
        rmse = float(np.sqrt(np.mean((model.predict(X[n:]) - y[n:]) ** 2)))
        rate = n * model.n_iter_ / seconds
        complaint = str(caught[0].message) if caught else None
        yield Result(name, model, rmse, seconds, rate, complaint)
