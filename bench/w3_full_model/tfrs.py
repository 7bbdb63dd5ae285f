from bench import remote
from bench.training import job, mean_loss

remote.interpreter()  # or the rival is absent


def prepare(data, threads):
    turn = remote.Remote(job(data, threads))
    return lambda: mean_loss(turn())
