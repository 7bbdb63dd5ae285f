"""Several labels a row, some of them missing."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest

from dcnfast import DCNClassifier, losses

FAST = {"n_members": 2, "hidden_layer_sizes": (32,), "max_iter": 30, "random_state": 0}


def same_when_saved(model, X, tmp_path, method="predict"):
    """Check files, pickles, rows and members against what a model says."""
    from dcnfast import load

    want = getattr(model, method)(X)
    model.save(tmp_path / "model.dcn")
    for other in (load(tmp_path / "model.dcn"), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(getattr(other, method)(X), want)
        assert other.loss == model.loss
    row = copy.deepcopy(model).row_predictor()
    np.testing.assert_allclose([row(x) for x in X[:9]], want[:9], rtol=1e-12)
    mean = model.predict_members(X).mean(axis=1)
    scale = np.abs(want).max()
    np.testing.assert_allclose(mean, want, rtol=2e-4, atol=2e-6 * scale)


@pytest.fixture(scope="module")
def labels():
    """Return columns of 1500 rows, of which 1000 train, and clicks and what was bought, if so."""
    X = np.random.default_rng(0).normal(size=(1500, 4))
    rng = np.random.default_rng(4)
    click = X[:, 0] + X[:, 1] * X[:, 2] + rng.logistic(0, 0.3, 1500) > 0
    bought = np.where(click, X[:, 3] + rng.logistic(0, 0.3, 1500) > 0, np.nan)
    return X, np.column_stack([click, bought])


def several(labels, **options):
    X, y = labels
    return DCNClassifier(**FAST | options).fit(X[:1000], y[:1000])


def test_several_labels(labels, tmp_path):
    X, y = labels[0][1000:], labels[1][1000:]
    model = several(labels)
    p, predicted = model.predict_proba(X), model.predict(X)
    assert p.shape == predicted.shape == model.decision_function(X).shape == (500, 2)
    np.testing.assert_array_equal(predicted, p > 0.5)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), p, rtol=1e-12)
    np.testing.assert_array_equal(model.classes_, [0, 1])
    assert (predicted[:, 0] == y[:, 0]).mean() > 0.8
    known = ~np.isnan(y[:, 1])
    assert (predicted[known, 1] == y[known, 1]).mean() > 0.8
    assert ((X[:, 3] > 0) == predicted[:, 1]).mean() > 0.85  # also where nobody clicked
    same_when_saved(model, X, tmp_path, "predict_proba")
    assert model.prune_members(X, y, n_members=1).predict_proba(X).shape == (500, 2)
    clicks = y[:, [0, 0]]
    assert model.score(X, clicks) == np.mean((model.predict(X) == clicks).all(axis=1))


def test_a_missing_label_counts_for_nothing(labels):
    """Its row trains the other label alone, whatever holds it."""
    X, y = labels
    frame = pd.DataFrame({"click": y[:, 0] == 1, "bought": pd.array(y[:, 1]).astype("Int64")})
    objects = np.where(np.isnan(y), None, y.astype(object))
    want = several(labels).predict_proba(X)
    for other in (frame, objects, frame.astype(object)):
        np.testing.assert_array_equal(several((X, other)).predict_proba(X), want)
    few = {"early_stopping": False, "target_statistics": None}
    alone = np.column_stack([y[:, 0], np.where(np.arange(1500) < 2, [0.0, 1.0] * 750, np.nan)])
    constant = several((X, alone), **few).predict_proba(X)
    assert np.isfinite(constant).all()


def test_task_weights(labels):
    X, y = labels
    kinds = [
        {"task_weights": [1, 0.25]},
        {"loss": losses.MultiLabel(task_weights=(1, 0.25))},
        {"loss": "multi_label", "task_weights": np.array([1, 0.25])},
    ]
    answers = [several(labels, **kind).predict_proba(X) for kind in kinds]
    for other in answers[1:]:
        np.testing.assert_array_equal(answers[0], other)
    assert not np.array_equal(answers[0], several(labels).predict_proba(X))
    first = several(labels, task_weights=[1, 0]).predict_proba(X)
    y_other = np.column_stack([y[:, 0], 1 - y[:, 1]])
    other = several((X, y_other), task_weights=[1, 0]).predict_proba(X)
    np.testing.assert_array_equal(first[:, 0], other[:, 0])


def test_several_labels_with_categories_and_statistics(labels):
    X, y = labels
    frame = pd.DataFrame(X[:, :3]).assign(user=[f"u{i % 150}" for i in range(1500)])
    frame.columns = frame.columns.astype(str)
    model = several((frame, y), target_statistics="auto", early_stopping=True)
    assert np.isfinite(model.predict_proba(frame)).all()
    watched = DCNClassifier(**FAST).fit(
        frame[:1000], y[:1000], X_val=frame[1000:], y_val=y[1000:], sample_weight=np.ones(1000)
    )
    assert len(watched.validation_scores_) == watched.n_iter_


BAD_LABELS = [
    ({}, lambda y: 2 * y, "y has 2 in row .* of column .*, want 0 or 1 in each of several columns"),
    ({}, lambda y: y * [1, np.nan], "y has no label in column 1, want at least one"),
    ({}, lambda y: y.astype(str), "y has '.*' in row 0 of column 0, want 0 or 1"),
    ({}, lambda y: y[:-1], "inconsistent numbers of samples"),
    ({"loss": "softmax"}, lambda y: y, r"loss is Softmax\(\) and y has 2 columns"),
    ({"loss": "ordinal"}, lambda y: y, r"loss is Ordinal\(\) and y has 2 columns"),
    ({"loss": "multi_label"}, lambda y: y[:, 0], r"loss is MultiLabel\(\) and y has one column"),
    ({"class_weight": "balanced"}, lambda y: y, "class_weight is 'balanced' and y has 2 columns"),
    ({"task_weights": [1]}, lambda y: y, "task_weights has 1 numbers, want 2"),
    ({"task_weights": [-1, 1]}, lambda y: y, "task_weights of MultiLabel is .*, want finite"),
    ({"task_weights": [0, 0]}, lambda y: y, "task_weights of MultiLabel is .*, want finite"),
    ({"task_weights": [1, 1], "loss": losses.MultiLabel()}, lambda y: y, "is .* beside loss=Multi"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "change", "text"), BAD_LABELS)
def test_labels_that_are_refused(options, change, text, labels):
    X, y = labels
    with pytest.raises(ValueError, match=text):
        DCNClassifier(**options).fit(X, change(y))


def test_labels_of_other_shapes_to_watch(labels):
    X, y = labels
    with pytest.raises(ValueError, match="y_val has 2 columns, want one, as y"):
        DCNClassifier().fit(X, y[:, 0], X_val=X, y_val=y)
    with pytest.raises(ValueError, match="y_val has 1 columns, want 2, as many labels as y"):
        DCNClassifier().fit(X, y, X_val=X, y_val=y[:, 0])
    model = several(labels, max_iter=1)
    with pytest.raises(ValueError, match="y has 3 columns, want 2"):
        model.prune_members(X, y[:, [0, 1, 0]])


@pytest.mark.parametrize("how", ["fit", "partial_fit"])
def test_task_weights_are_for_several_columns(how):
    X, y = np.random.default_rng(0).normal(size=(50, 2)), np.arange(50) % 2
    known = {"classes": [0, 1]} if how == "partial_fit" else {}
    with pytest.raises(ValueError, match=r"task_weights is .1, 2. and y has one column, want None"):
        getattr(DCNClassifier(task_weights=[1, 2]), how)(X, y, **known)


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (pd.array([2**60, 2**60 + 1, 2**60 + 2] * 20, "Int64"), "i"),
        (pd.Series([1, 2, 3] * 20, dtype="uint8[pyarrow]"), "u"),
        (pd.array([True, False, False] * 20, "boolean"), "b"),
        (np.array([2**60, 2**60 + 1, 2**60 + 2] * 20, object), "i"),
        (np.array([True, False, False] * 20, object), "b"),
        (np.array(["a", "b", "c"] * 20, np.dtypes.StringDType()), "O"),
    ],
)
def test_labels_are_what_they_were(labels, kind):
    X = np.arange(60.0)[:, None]
    model = DCNClassifier(**FAST | {"max_iter": 1}, early_stopping=False).fit(X, labels)
    assert model.classes_.dtype.kind == kind
    assert model.classes_.tolist() == sorted(set(labels))
    assert model.predict(X).dtype == model.classes_.dtype
    assert model.score(X, labels) >= 0
    with pytest.raises(ValueError, match=r"y (has|is an array with masked) "):
        model.fit(X, pd.array([1, None, 3] * 20, "Int64"))
