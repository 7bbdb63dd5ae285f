"""By Keras' own fit, as in TensorFlow's tutorials; tfrs has a training loop compiled whole."""

from bench import remote
from bench.w0_almond_study.tfrs import job


def prepare(data, threads):
    fit = remote.Remote(job(data, threads) | {"fit": True})
    return lambda: (fit(),)
