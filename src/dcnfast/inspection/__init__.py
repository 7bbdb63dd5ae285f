"""Reading what was learned. Drawing needs matplotlib, the extra ``plot``."""

from dcnfast.inspection.displays import CrossWeightsDisplay, need_matplotlib
from dcnfast.inspection.embeddings import embedding_frame
from dcnfast.inspection.ranks import effective_rank, singular_values, to_low_rank
from dcnfast.inspection.weights import cross_weights

__all__ = [
    "CrossWeightsDisplay",
    "cross_weights",
    "effective_rank",
    "embedding_frame",
    "need_matplotlib",
    "singular_values",
    "to_low_rank",
]
