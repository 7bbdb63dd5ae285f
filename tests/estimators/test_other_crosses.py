"""Options that another cross has: ignored, so that a search may vary them beside the cross."""

import re

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

from dcnfast.estimators.parameters import PARAMETERS

OF_OTHER_CROSSES = [
    {"cross": "matrix", "cross_rank": 2},
    {"cross": "vector", "cross_rank": 2},
    {"cross": "vector", "diag_scale": 0.5},
    {"cross": "vector", "preactivation": "tanh"},
    {"cross": "gated", "diag_scale": 0.5},
    {"cross": "gated", "preactivation": "tanh"},
    {"cross": "mixture", "preactivation": "tanh"},
    {"cross": "mixture", "diag_scale": 0.5},
    {"cross": "exponential", "preactivation": "tanh"},
    {"cross": "exponential", "cross_rank": 3},
    {"cross": "onlydense", "preactivation": "tanh"},
]


@pytest.mark.parametrize("parameters", OF_OTHER_CROSSES)
def test_option_of_another_cross_is_ignored(parameters, table, regressor):
    plain = regressor(cross=parameters["cross"]).fit(table.X, table.y)
    model = regressor(**parameters).fit(table.X, table.y)
    np.testing.assert_array_equal(model.predict(table.X), plain.predict(table.X))
    assert model.n_parameters_ == plain.n_parameters_
    other = regressor(warm_start=True, **parameters).fit(table.X, table.y)
    (name,) = parameters.keys() - {"cross"}
    other.set_params(**{name: regressor().get_params()[name]}).fit(table.X, table.y)  # the same net


@pytest.mark.parametrize("name", ["cross_rank", "diag_scale", "preactivation"])
def test_the_ignored_is_described_as_such(name):
    text = PARAMETERS.partition(f"\n{name} : ")[2].partition("\n\n")[0]
    assert re.match(r".*\n(    .*\n)*?    .*ignores? it\.", text)


def test_a_search_over_crosses_with_their_options(table, regressor):
    grid = {
        "cross": ["matrix", "lowrank", "vector"],
        "cross_rank": [None, 2],
        "diag_scale": [0.0, 0.5],
        "preactivation": ["identity", "tanh"],
    }
    search = GridSearchCV(regressor(max_iter=6, cross_layers=2), grid, cv=2, error_score="raise")
    search.fit(table.X, table.y)
    assert len(search.cv_results_["params"]) == 24
    scores = search.cv_results_["mean_test_score"]
    assert len(set(scores)) == 4 + 8 + 1  # as many networks: what is ignored changes no bit
