def prepare(data, threads):  # noqa: ARG001, all of them
    names = list(data.context)
    scorer = data.estimator.candidate_scorer(context_columns=names)
    catalog = scorer.read(data.candidates)
    return lambda: (scorer(data.context, catalog),)
