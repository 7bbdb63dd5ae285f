from dcnfast import ops


def prepare(data, threads):
    dxL, *arguments = data

    def run():
        xL = ops.cross_vector(*arguments, n_jobs=threads)
        return xL, *ops.cross_vector_backward(dxL, *arguments, n_jobs=threads)

    return run
