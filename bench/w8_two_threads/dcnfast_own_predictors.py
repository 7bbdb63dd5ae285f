from bench.latency import Servers
from bench.w5_prediction import Served


def prepare(data, threads):
    if not isinstance(data, Served):
        return None
    return Servers([data.estimator.row_predictor() for _ in range(threads)], data.rows())
