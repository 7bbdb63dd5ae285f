from bench.training import Training
from bench.w1_cross_matrix import dcnfast as cross_matrix
from bench.w3_full_model import dcnfast as full_model


def prepare(data, threads):
    task = full_model if isinstance(data, Training) else cross_matrix
    return task.prepare(data, threads)
