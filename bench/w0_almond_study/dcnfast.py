from bench.w0_almond_study import SEED
from dcnfast import DCNRegressor


def prepare(data, threads):
    model = DCNRegressor(
        **data.estimator, numeric_scaling="standard", alpha=0.0, ema_decay=0.0,
        batch_size=data.batch_size, max_iter=data.epochs,
        early_stopping=False, tol=None, n_jobs=threads, random_state=SEED,
    )  # fmt: skip

    def run():
        return (model.fit(data.X, data.y).loss_curve_,)

    return run
