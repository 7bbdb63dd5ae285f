from bench.harness import AbsentError
from bench.latency import Calls
from dcnfast import DCNRegressor

if not hasattr(DCNRegressor, "row_predictor"):
    raise AbsentError("DCNRegressor has no row_predictor")


def prepare(data, threads):  # noqa: ARG001, it has one
    if not data.single:
        return None
    return Calls(data.estimator.row_predictor(), data.rows())
