from bench.w11_default_fit import loss
from dcnfast import DCNClassifier


def prepare(data, threads):
    def run():
        model = DCNClassifier(n_members=1, random_state=0, n_jobs=threads).fit(data.X, data.y)
        return loss(data.y_test, model.predict_proba(data.X_test)[:, 1])

    return run
