import time
from contextlib import ExitStack
from unittest.mock import patch

import numpy as np

from dcnfast import DCNClassifier, _core


class Fitting:
    """Fits, and notes the share of the time that is not the engine's."""

    def __init__(self, data, threads):
        self.data = data
        self.model = DCNClassifier(**data.estimator, n_jobs=threads)
        self.shares = []

    def __call__(self):
        engine = []

        def timed(method):
            def call(*args, **kwargs):
                start = time.perf_counter()
                try:
                    return method(*args, **kwargs)
                finally:
                    engine.append(time.perf_counter() - start)

            return call

        with ExitStack() as stack:
            for of, name in (
                (_core.TrainingStateF32, "train_epoch"),
                (_core.NetworkF32, "evaluate_table"),
            ):
                stack.enter_context(patch.object(of, name, timed(getattr(of, name))))
            start = time.perf_counter()
            self.model.fit(self.data.X, self.data.y)
            self.shares.append(1 - sum(engine) / (time.perf_counter() - start))
        return (self.model.loss_curve_,)

    def figures(self):
        return {"outside_engine": float(np.median(self.shares))}


prepare = Fitting
