"""Data whose truth is known, and readers of data sets that recommenders are measured on."""

from dcnfast.datasets.clicks import load_avazu, load_criteo
from dcnfast.datasets.generated import ALMOND_FEATURES, make_almond_clicks
from dcnfast.datasets.libsvm import load_libsvm
from dcnfast.datasets.movielens import load_movielens_1m, load_movielens_100k

__all__ = [
    "ALMOND_FEATURES",
    "load_avazu",
    "load_criteo",
    "load_libsvm",
    "load_movielens_1m",
    "load_movielens_100k",
    "make_almond_clicks",
]
