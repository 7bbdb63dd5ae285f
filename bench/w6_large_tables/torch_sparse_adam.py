from functools import partial

from bench.memory import Weighed
from bench.w3_full_model import torch_sparse_adam

prepare = partial(Weighed, torch_sparse_adam.prepare)
