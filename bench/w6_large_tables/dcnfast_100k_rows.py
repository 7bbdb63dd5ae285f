"""The same with the smallest table: what the others are to be as fast as."""

from bench.training import mean_loss
from bench.w3_full_model import dcnfast
from bench.w6_large_tables import smallest_like


def reference(data):
    return mean_loss(smallest_like(data).first_losses)


def prepare(data, threads):
    return dcnfast.prepare(smallest_like(data), threads)
