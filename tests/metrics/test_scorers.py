"""Scorers in scikit-learn's functions and in early stopping; groups come by metadata routing."""

import pickle

import numpy as np
import pytest
import sklearn
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score, cross_validate

from dcnfast import DCNClassifier, metrics

QUICK = {"n_members": 1, "numeric_embedding": None, "hidden_layer_sizes": (), "random_state": 0}


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    y = (X[:, 0] + rng.normal(size=300) > 0.5).astype(int)
    return X, y, rng.integers(0, 30, 300)


@pytest.mark.parametrize(("metric", "name"), [("auc", "roc_auc"), ("log_loss", "neg_log_loss")])
@pytest.mark.parametrize("labels", [[0, 1], [3, 5], ["a", "b"]], ids=str)
def test_equals_scikit_learns_scorer(metric, name, labels, data):
    X, y, _ = data
    y = np.array(labels)[y]
    model = LogisticRegression().fit(X, y)
    weight = np.arange(300) % 3
    ours, theirs = metrics.scorer(getattr(metrics, metric)), get_scorer(name)
    assert ours(model, X, y) == pytest.approx(theirs(model, X, y), rel=1e-12)
    got = pickle.loads(pickle.dumps(ours))(model, X, y, sample_weight=weight)
    assert got == pytest.approx(theirs(model, X, y, sample_weight=weight), rel=1e-12)


def test_more_is_better(data):
    X, y, _ = data
    good, poor = LogisticRegression().fit(X, y), DummyClassifier(strategy="uniform").fit(X, y)
    for metric in (
        metrics.auc, metrics.log_loss, metrics.normalized_entropy, metrics.calibration_ratio,
        metrics.ndcg,
    ):  # fmt: skip
        scorer = metrics.scorer(metric)
        assert scorer(good, X, y) > scorer(poor, X, y), metric
    scorer = metrics.scorer(metrics.calibration_ratio)
    ratio = metrics.calibration_ratio(y, good.predict_proba(X)[:, 1])
    assert scorer(good, X, y) == pytest.approx(-abs(np.log(ratio)))
    assert scorer(DummyClassifier(strategy="constant", constant=0).fit(X, y), X, y) == -np.inf


def test_in_searches_and_with_regressors(data):
    X, y, _ = data
    search = GridSearchCV(
        LogisticRegression(), {"C": [0.1, 1]}, scoring=metrics.scorer(metrics.normalized_entropy)
    )
    assert -1 < search.fit(X, y).best_score_ < 0
    scores = cross_val_score(LinearRegression(), X, y, scoring=metrics.scorer(metrics.auc))
    assert scores.mean() > 0.6


def test_groups_are_routed(data):
    X, y, user = data
    scorers = {
        "ndcg": metrics.scorer(metrics.ndcg, k=3, without_relevant=None),
        "gauc": metrics.scorer(metrics.grouped_auc),
    }
    with sklearn.config_context(enable_metadata_routing=True):
        for scorer in scorers.values():
            scorer.set_score_request(group=True)
        found = cross_validate(
            DCNClassifier(**QUICK, max_iter=3), X, y, scoring=scorers, cv=GroupKFold(3),
            params={"group": user, "groups": user}, return_estimator=True, return_indices=True,
        )  # fmt: skip
    for fold, model in enumerate(found["estimator"]):
        rows = found["indices"]["test"][fold]
        logits = model.decision_function(X[rows])
        want = metrics.ndcg(y[rows], logits, user[rows], k=3, without_relevant=None)
        assert found["test_ndcg"][fold] == want
        assert found["test_gauc"][fold] == metrics.grouped_auc(y[rows], logits, user[rows])


@pytest.mark.parametrize("metric", [metrics.auc, metrics.normalized_entropy])
def test_early_stopping_watches_it(metric, data):
    X, y, _ = data
    model = DCNClassifier(**QUICK, max_iter=5, scoring=metrics.scorer(metric))
    model.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:], sample_weight_val=np.arange(100.0))
    at_the_end = metrics.scorer(metric)(model, X[200:], y[200:], sample_weight=np.arange(100.0))
    assert max(model.validation_scores_) == pytest.approx(at_the_end, rel=1e-6)


def test_bad_metrics_and_options():
    for metric in (np.mean, metrics.calibration_curve, "auc", []):
        with pytest.raises(ValueError, match=r"metric is .*, want a function of dcnfast.metrics"):
            metrics.scorer(metric)
    with pytest.raises(TypeError, match=r"auc has no option k, want \[\]"):
        metrics.scorer(metrics.auc, k=3)
    with pytest.raises(TypeError, match=r"ndcg has no option at, want \['gain', 'k', 'without"):
        metrics.scorer(metrics.ndcg, at=3)
