"""The engine alone, on rows that are encoded."""

from scipy.special import expit

from dcnfast.estimators.prediction import encode_table


def prepare(data, threads):
    model, rows = data.estimator._model, encode_table(data.estimator, data.whole)
    return lambda: (expit(model.logits(rows.ids, rows.dense, threads)[:, 0]),)
