from catboost import CatBoostClassifier

from bench.w11_default_fit import WORDS, loss


def prepare(data, threads):
    columns = list(data.X.columns[-WORDS:])

    def run():
        model = CatBoostClassifier(
            random_seed=0, thread_count=threads, cat_features=columns, verbose=False,
            allow_writing_files=False,
        )  # fmt: skip
        model.fit(data.X, data.y)
        return loss(data.y_test, model.predict_proba(data.X_test)[:, 1])

    return run
