import numpy as np
from sklearn.base import BaseEstimator

from dcnfast.encoder import TableEncoder
from dcnfast.schema import read_training_table


def prepare(data, threads):  # noqa: ARG001, one thread
    y = np.zeros(data.shape[0])

    def run():
        table, _ = read_training_table(
            BaseEstimator(), data, y, categorical_features="from_dtype", y_numeric=True
        )
        return tuple(TableEncoder().fit(table).transform(table, "float32").ids.T)

    return run
