from functools import partial

from bench.memory import Weighed
from bench.w3_full_model import torch_eager

prepare = partial(Weighed, torch_eager.prepare)
