from functools import partial

from bench.memory import Weighed
from bench.w3_full_model import dcnfast

prepare = partial(Weighed, dcnfast.prepare)
