import numpy as np
from lightgbm import LGBMRanker


def prepare(data, threads):
    _, sizes = np.unique(data.group, return_counts=True)

    def run():
        model = LGBMRanker(random_state=0, n_jobs=threads, label_gain=list(range(5)), verbose=-1)
        model.fit(data.X, data.y, group=sizes)
        return data.loss(model.predict(data.X_test))

    return run


def reference(data):
    """Return its own answer: how well another learner ranks is shown, not judged."""
    return prepare(data, None)()
