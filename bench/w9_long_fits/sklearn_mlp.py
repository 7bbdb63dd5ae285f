import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor


def _fit(data, matrix):
    kind = MLPClassifier if data.classes else MLPRegressor
    y = data.y if data.classes else (data.y - data.y.mean()) / data.y.std()
    mlp = kind(
        hidden_layer_sizes=data.hidden, batch_size=data.batch_size, max_iter=data.epochs,
        learning_rate_init=data.rate, alpha=0, n_iter_no_change=data.epochs, random_state=0,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 100 epochs are what is asked for
        return (np.array(mlp.fit(matrix, y.astype(matrix.dtype)).loss_curve_),)


def reference(data):
    return _fit(data, data.matrix.astype(np.float64))


def prepare(data, threads):  # noqa: ARG001  the harness limits BLAS, the only threads there are
    matrix = data.matrix
    return lambda: _fit(data, matrix)
