from dcnfast import DCNRegressor


def prepare(data, threads):
    model = DCNRegressor(
        **data.estimator, numeric_scaling="standard", ema_decay=0.0,
        batch_size=data.batch_size, max_iter=data.epochs, n_jobs=threads,
    )  # fmt: skip

    def run():
        return (model.fit(data.X, data.y).loss_curve_,)

    return run
