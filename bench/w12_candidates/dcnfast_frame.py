"""The scorer, which reads the candidates anew."""


def prepare(data, threads):  # noqa: ARG001, all of them
    scorer = data.estimator.candidate_scorer(context_columns=list(data.context))
    return lambda: (scorer(data.context, data.candidates),)
