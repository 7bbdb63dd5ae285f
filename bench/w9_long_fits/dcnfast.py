import time
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from bench.epochs import slowdown, timed_epochs

ROWS = 2000  # to predict
REPEATS = 20


class Fitting:
    """Fits, and notes what each epoch took, and predict afterwards."""

    def __init__(self, data):
        self.data = data
        self.last_epochs, self.predicts = [], []
        self.new = self.fit(data.estimator(max_iter=3))

    def fit(self, model):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # 100 epochs are what is asked for
            return model.fit(self.data.X, self.data.y)

    def __call__(self):
        with timed_epochs() as epochs:
            model = self.fit(self.data.estimator())
        self.last_epochs.append(slowdown(epochs))
        self.predicts.append(self.predict_time(model) / self.predict_time(self.new))
        return (np.array(model.loss_curve_),)

    def predict_time(self, model):
        best, X = np.inf, self.data.X[:ROWS]
        for _ in range(REPEATS):
            start = time.process_time()
            model.predict(X)
            best = min(best, time.process_time() - start)
        return best

    def figures(self):
        return {
            "last_epochs": float(np.median(self.last_epochs)),
            "predict_after": float(np.median(self.predicts)),
        }


def prepare(data, threads):  # noqa: ARG001  one thread
    return Fitting(data)
