from bench.w13_other_crosses import FORMS
from dcnfast import ops


def prepare(data, threads):
    form, dxL, *arguments = data
    name, options = FORMS[form]
    backward = getattr(ops, f"{name}_backward")

    def run():
        gradients = backward(dxL, *arguments, **options, n_jobs=threads)
        return tuple(gradient for gradient in gradients if gradient is not None)

    return run
