"""A fit in one thread and readers in others: the model of before or the new one, nothing else."""

import threading
import time
from collections import Counter
from itertools import cycle

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from dcnfast import DCNRegressor

ROWS = 200


def make_table(seed, k):
    """Two columns of k categories and one of numbers."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({name: rng.integers(0, k, ROWS).astype(str) for name in "ab"})
    return X.assign(c=rng.normal(size=ROWS)), rng


TABLES = [make_table(0, 5), make_table(1, 90)]


@pytest.fixture(params=["regressor", "classifier"])
def kind(request, regressor, classifier):
    """The estimator, two tables of fit with their targets, and what is asked meanwhile."""
    X, Z = (frame for frame, _ in TABLES)
    if request.param == "regressor":
        return regressor, [(X, X.c.to_numpy()), (Z, 1000 + 100 * Z.c.to_numpy())], "predict"
    labels = [np.where(X.c > 0, "yes", "no"), np.digitize(Z.c, [-0.5, 0.5]).astype(str)]
    return classifier, [(X, labels[0]), (Z, labels[1])], "predict_proba"


def answers(model, question, X):
    return [getattr(model, question)(X[:20]), [model.row_predictor()(dict(X.iloc[0]))]]


def same(one, other):
    return all(
        np.shape(a) == np.shape(b) and np.allclose(a, b, rtol=1e-6, atol=1e-9)
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("warm_start", [False, True])
def test_readers_have_one_model_or_the_other(warm_start, kind):
    make, tables, question = kind
    X = tables[0][0]
    parameters = {"max_iter": 2, "warm_start": warm_start}
    expected = [answers(make(**parameters).fit(*table), question, X) for table in tables]
    model = make(**parameters).fit(*tables[0])
    if warm_start:
        expected = [answers(model, question, X)]
        twin = make(**parameters).fit(*tables[0])
        expected += [answers(twin.fit(*tables[0]), question, X) for _ in range(12)]
    seen, done = Counter(), threading.Event()

    def row(model):
        return [model.row_predictor()(dict(X.iloc[0]))]

    def read(number):
        while not done.is_set():
            time.sleep(0.002)  # or the thread that fits waits for the GIL most of the time
            try:
                ask = (lambda: getattr(model, question)(X[:20]), lambda: row(model))[number]
                got = [ask()]
                known = (i for i, e in enumerate(expected) if same(got, [e[number]]))
                seen[next(known, "none of them")] += 1
            except Exception as error:
                seen[repr(error)] += 1

    threads = [threading.Thread(target=read, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    try:
        for i, table in zip(range(12), cycle(tables[:1] if warm_start else tables), strict=False):
            model.fit(*table)
            if i % 3 == 2:  # a fit that fails late
                with pytest.raises(ValueError, match="hidden_layer_sizes"):
                    model.set_params(hidden_layer_sizes=("a",)).fit(*table)
                model.set_params(hidden_layer_sizes=(8, 4))
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert set(seen) <= set(range(len(expected))), seen
    assert len(seen) > 1


class Peek:
    """A callback that does something after every epoch."""

    def __init__(self, look):
        self.look = look

    def setup(self, estimator, context):
        self.look(estimator)

    def teardown(self, estimator, context):
        self.look(estimator)

    def on_fit_task_begin(self, estimator, context):
        self.look(estimator)

    def on_fit_task_end(self, estimator, context):
        self.look(estimator)


@pytest.mark.parametrize("refit", [False, True])
@pytest.mark.parametrize("early_stopping", [False, True, "auto"])
def test_nothing_is_published_while_training(early_stopping, refit, kind):
    """Seen from callbacks and scorers, which get an estimator of their own, in training."""
    make, tables, question = kind
    looks = []

    def look(estimator, *_):
        assert estimator is not model
        assert vars(model) == before
        if refit:
            assert same(answers(model, question, tables[0][0]), expected)
        else:
            with pytest.raises(NotFittedError):
                getattr(model, question)(tables[0][0])
        looks.append(getattr(estimator, "n_features_in_", None))
        return float(len(looks))

    model = make(early_stopping=early_stopping, max_iter=2)
    if early_stopping is True:
        model.set_params(scoring=look)
    if refit:
        expected = answers(model.set_params(scoring=None).fit(*tables[0]), question, tables[0][0])
        model.set_params(scoring=look if early_stopping is True else None)
    model.set_callbacks(Peek(look))
    before = dict(vars(model))
    assert model.fit(*tables[1]) is model
    assert len(looks) > 5
    assert looks[-1] == 3  # callbacks see what is fitted
    assert not {name for name in vars(model) if "callback" in name} - {"_skl_callbacks"}
    fresh = make(early_stopping=early_stopping, max_iter=2, scoring=model.scoring)
    if early_stopping is not True:
        assert same(answers(model, question, tables[0][0]), answers(
            fresh.fit(*tables[1]), question, tables[0][0]
        ))  # fmt: skip


def test_what_users_set_meanwhile_stays(table, regressor):
    """A fit publishes what it set, and nothing else that was there when it began."""
    model = regressor()
    model.set_callbacks(Peek(lambda _: setattr(model, "note", "mine")))
    model.fit(pd.DataFrame(table.X, columns=list("abcd")), table.y)
    assert model.note == "mine"
    assert list(model.feature_names_in_) == list("abcd")
    model.fit(table.X, table.y)
    assert not hasattr(model, "feature_names_in_")


def test_row_predictor_of_a_subclass(table):
    class Doubled(DCNRegressor):
        def predict(self, X):
            return 2 * super().predict(X)

    model = Doubled(max_iter=2, random_state=0, early_stopping=False).fit(table.X, table.y)
    plain = DCNRegressor(max_iter=2, random_state=0, early_stopping=False).fit(table.X, table.y)
    np.testing.assert_array_equal(model.predict(table.X), 2 * plain.predict(table.X))
    assert model.row_predictor()(table.X[0]) == plain.predict(table.X[:1])[0]
