from bench.w0_almond_study import SEED
from dcnfast import DCNRegressor


def prepare(data, threads):
    model = DCNRegressor(
        **data.estimator, batch_size=data.batch_size, max_iter=data.epochs,
        early_stopping=False, tol=None, n_jobs=threads, random_state=SEED,
    )  # fmt: skip

    def run():
        return (model.fit(data.X, data.y).loss_curve_,)

    return run
