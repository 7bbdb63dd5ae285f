from bench.latency import Servers
from bench.training import Training
from bench.w1_cross_matrix import dcnfast as cross_matrix
from bench.w3_full_model import dcnfast as full_model
from bench.w5_prediction import Served


def prepare(data, threads):
    if isinstance(data, Served):
        return Servers([data.estimator.row_predictor()] * threads, data.rows())
    task = full_model if isinstance(data, Training) else cross_matrix
    return task.prepare(data, threads)
