from statistics import median

from bench.epochs import slowdown, timed_epochs
from bench.w11_default_fit import loss
from dcnfast import DCNClassifier


class Fitting:
    """Fits at the defaults, and notes what the epochs took."""

    def __init__(self, data, threads):
        self.data, self.threads = data, threads
        self.last_epochs = []

    def __call__(self):
        with timed_epochs() as epochs:
            model = DCNClassifier(random_state=0, n_jobs=self.threads)
            model.fit(self.data.X, self.data.y)
        self.last_epochs.append(slowdown(epochs))
        return loss(self.data.y_test, model.predict_proba(self.data.X_test)[:, 1])

    def figures(self):
        return {"last_epochs": median(self.last_epochs)}


def prepare(data, threads):
    return Fitting(data, threads)
