from dcnfast import DCNRanker


def prepare(data, threads):
    def run():
        model = DCNRanker(random_state=0, n_jobs=threads)
        model.fit(data.X, data.y, group=data.group)
        return data.loss(model.predict(data.X_test))

    return run
