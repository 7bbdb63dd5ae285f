from bench.latency import Calls
from bench.w3_full_model.dcnfast import compiled


def single_rows(raw):
    """Return tables of one row each."""
    rows = getattr(raw, "iloc", raw)
    return [rows[i : i + 1] for i in range(len(raw))]


def prepare(data, threads):
    if data.single:
        predict = data.estimator.predict
        return Calls(lambda row: predict(row)[0], single_rows(data.raw))
    network = compiled(data.config, data.parameters)
    return lambda: (network.predict(data.ids, data.dense, threads),)
