import numpy as np

from dcnfast import DCNRegressor
from dcnfast.encode.encoder import TableEncoder
from dcnfast.table.schema import read_training_table


def prepare(data, threads):
    y = np.zeros(data.shape[0])

    def run():
        table, _ = read_training_table(
            DCNRegressor(n_jobs=threads), data, y, categorical_features="from_dtype", y_numeric=True
        )
        encoder = TableEncoder().fit(table, None, threads)
        return tuple(encoder.transform(table, "float32", threads).ids.T)

    return run
