def prepare(data, threads):  # noqa: ARG001, all of them
    return lambda: (data.estimator.predict_proba(data.whole)[:, 1],)
