import numpy as np
from sklearn.metrics import roc_auc_score


def prepare(data, threads):  # noqa: ARG001, one thread
    clicks, scores, weight = data
    return lambda: (np.array(roc_auc_score(clicks, scores, sample_weight=weight)),)
