from dcnfast import DCNRegressor


def prepare(data, threads):
    def run():
        model = DCNRegressor(random_state=0, n_jobs=threads).fit(data.X, data.y)
        return data.loss(model.predict(data.X_test))

    return run
