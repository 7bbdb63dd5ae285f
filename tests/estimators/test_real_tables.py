"""The estimators untouched, one seed, on real tables that are not part of the project."""

import pytest
from sklearn.metrics import accuracy_score, roc_auc_score, root_mean_squared_error
from sklearn.model_selection import train_test_split

from bench.examples import data
from dcnfast import DCNClassifier, DCNRegressor

ROWS = 4_000  # to train on: of all, the quality suite tells


def table(read, *arguments):
    try:
        return read(*arguments)
    except FileNotFoundError as error:
        pytest.skip(str(error))


def test_adult():
    X, y, X_test, y_test = table(data.read_adult, None)
    X, y = X[:ROWS], y[:ROWS]
    p = DCNClassifier(random_state=0).fit(X, y).predict_proba(X_test)[:, 1]
    assert accuracy_score(y_test, p > 0.5) >= 0.855
    assert roc_auc_score(y_test, p) >= 0.91


def test_california():
    X, y = table(data.read_california, None)
    X, X_test, y, y_test = train_test_split(X, y, train_size=ROWS, test_size=0.2, random_state=0)
    predicted = DCNRegressor(random_state=0).fit(X, y).predict(X_test)
    assert root_mean_squared_error(y_test, predicted) <= 0.52  # in $100,000
