from functools import partial

from dcnfast import ops


def prepare(data, threads):
    return partial(ops.cross_matrix_backward, *data, n_jobs=threads)
