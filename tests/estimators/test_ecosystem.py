"""Estimators among scikit-learn's tools: copied, searched, stacked, shown."""

import copy
import pickle
import re

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler


def through_joblib(model, folder):
    joblib.dump(model, folder / "model.joblib")
    return joblib.load(folder / "model.joblib")


COPIES = {
    "pickle": lambda model, _: pickle.loads(pickle.dumps(model)),
    "deepcopy": lambda model, _: copy.deepcopy(model),
    "joblib": through_joblib,
}


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_copy_answers_and_trains_on_alike(how, dtype, table, estimator, tmp_path):
    model = estimator.make(dtype=dtype, warm_start=True).fit(table.X, estimator.y)
    copied = COPIES[how](model, tmp_path)
    answer = estimator.answer(model, table.X)
    np.testing.assert_array_equal(estimator.answer(copied, table.X), answer)
    copied.fit(table.X, estimator.y)  # with its own parameters, and the moments of the original
    np.testing.assert_array_equal(estimator.answer(model, table.X), answer)
    model.fit(table.X, estimator.y)
    np.testing.assert_array_equal(
        estimator.answer(copied, table.X), estimator.answer(model, table.X)
    )


def test_clone_has_the_parameters_and_nothing_else(table, estimator):
    model = estimator.make(alpha=0.5, cross="vector").fit(table.X, estimator.y)
    assert clone(model).get_params() == model.get_params()
    assert vars(clone(model)) == model.get_params()


def test_pipeline(table, regressor):
    model = make_pipeline(
        PolynomialFeatures(2), regressor(cross_layers=0, learning_rate_init=0.01, max_iter=40)
    )
    assert model.fit(table.X, table.y).score(table.X, table.y) > 0.8
    model.set_params(dcnregressor__hidden_layer_sizes=(3,)).fit(table.X, table.y)
    assert model[-1].parameters_["deep_W_0"].shape[0] == 3


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_grid_search_in_parallel(backend, table, estimator):
    grid = {"cross": ["matrix", "vector", "lowrank"], "cross_layers": [1, 2]}
    searches = [
        GridSearchCV(estimator.make(), grid, cv=2, n_jobs=jobs).fit(table.X, estimator.y)
        for jobs in (1,)
    ]
    with joblib.parallel_config(backend):
        searches.append(
            GridSearchCV(estimator.make(), grid, cv=2, n_jobs=2).fit(table.X, estimator.y)
        )
    one, two = (search.cv_results_["mean_test_score"] for search in searches)
    np.testing.assert_array_equal(one, two)
    assert len(set(one)) > 1


def test_cross_validation(table, estimator):
    predicted = cross_val_predict(estimator.make(), table.X, estimator.y, cv=3)
    assert predicted.shape == (300,)
    assert cross_val_score(estimator.make(), table.X, estimator.y, cv=3).shape == (3,)


def test_permutation_importance_finds_the_columns(table, regressor):
    model = regressor(max_iter=60, learning_rate_init=0.01).fit(table.X, table.y)
    importance = permutation_importance(
        model, table.X, table.y, n_repeats=3, random_state=0
    ).importances_mean
    assert importance[:3].min() > 10 * abs(importance[3])


def test_transformed_target(table, regressor):
    model = TransformedTargetRegressor(regressor(max_iter=40), func=np.log, inverse_func=np.exp)
    assert model.fit(table.X, np.exp(table.y)).predict(table.X).min() > 0


def test_html_representation(table, estimator):
    model = estimator.make(alpha=0.125)
    for html in (model._repr_html_(), model.fit(table.X, estimator.y)._repr_html_()):
        assert type(model).__name__ in html
        assert "0.125" in html
    assert "alpha=0.125" in repr(model)


def links(html):
    return re.findall(r"href=[\"'](.*?)[\"']", html)


@pytest.mark.parametrize("fitted", [False, True])
def test_html_has_no_link_to_pages_that_do_not_exist(fitted, table, estimator):
    """There is no site of this project, and scikit-learn's does not know these estimators."""
    model = estimator.make()
    if fitted:
        model.fit(table.X, estimator.y)
    html = model._repr_html_()
    assert type(model).__name__ in html
    assert links(html) == []
    inside = links(make_pipeline(StandardScaler(), model)._repr_html_())
    assert any("preprocessing.StandardScaler" in link for link in inside)
    assert not any("DCN" in link for link in inside)
