"""The bits of whole fits, which no change of the house may change: hashes of what is predicted.

Columns, targets and first parameters are whole numbers or fractions of powers of two, so that no
library's rounding is in the hashes. A change of the arithmetic that is meant is made known here:
``python tests/estimators/test_golden_fits.py`` prints the hashes anew.
"""

import hashlib
import warnings
from unittest.mock import patch

import numpy as np
import pytest
from sklearn.metrics import make_scorer, mean_absolute_error

from dcnfast import DCNClassifier, DCNRegressor
from dcnfast.network.model import Model

SIZES = {
    "hidden_layer_sizes": (9,), "cross_layers": 2, "max_iter": 6, "random_state": 0,
    "deterministic": "isa",
}  # fmt: skip
PLAIN = {
    "numeric_scaling": "standard", "numeric_embedding": None, "n_members": 1, "dropout": 0.0,
    "cross_dropout": 0.0, "optimizer": "adam", "gradient_clip": None, "learning_rate_init": 2**-6,
    "validation_fraction": 0.1, "tol": 1e-4,
}  # fmt: skip
STOPS = {"early_stopping": True, "n_iter_no_change": 2}
SCORER = make_scorer(mean_absolute_error, greater_is_better=False)
FITS = {
    "plain": (DCNRegressor, 200, {"early_stopping": False}),
    "no weights": (DCNRegressor, 200, {"early_stopping": False, "weighted": False}),
    "two targets": (DCNRegressor, 150, {"early_stopping": False, "targets": 2}),
    "folds": (DCNRegressor, 300, {"max_iter": 12}),
    "folds of classes": (DCNClassifier, 300, {"classes": 2, "n_iter_no_change": 2}),
    "shrinks": (DCNRegressor, 2100, {"n_iter_no_change": 2}),
    "held out": (DCNRegressor, 400, STOPS),
    "no average": (DCNRegressor, 400, STOPS | {"ema_decay": 0.0}),
    "exact adam": (DCNRegressor, 400, STOPS | {"sparse_adam": "exact", "wide": True}),
    "strata": (DCNClassifier, 400, STOPS | {"classes": 3, "class_weight": {0: 2, 1: 1, 2: 0.5}}),
    "softmax": (DCNClassifier, 400, STOPS | {"classes": 2, "loss": "softmax", "wide": True}),
    "given rows": (DCNRegressor, 400, STOPS | {"given": True}),
    "scoring": (
        DCNRegressor, 400, STOPS | {"scoring": SCORER, "learning_rate_init": 0.25, "max_iter": 20}
    ),
    "warm start": (DCNRegressor, 300, {"warm_start": True}),
    "warm and held out": (DCNRegressor, 300, STOPS | {"warm_start": True}),
    "rates": (DCNRegressor, 300, STOPS | {"loss": "log_loss", "classes": 2}),
    "dropout": (DCNRegressor, 300, STOPS | {"dropout": 0.25, "dtype": "float64"}),
    "stops": (DCNRegressor, 300, STOPS | {"learning_rate_init": 0.125, "max_iter": 40}),
    "diverges": (DCNRegressor, 300, {"learning_rate_init": 1e30, "early_stopping": False}),
    "astray": (DCNRegressor, 300, {"learning_rate_init": 64.0, "early_stopping": False}),
    "defaults": (DCNRegressor, 300, {"early_stopping": False, "defaults": True}),
    "defaults, folds": (DCNClassifier, 300, {"classes": 3, "defaults": True}),
    "defaults, held out": (DCNRegressor, 400, STOPS | {"defaults": True, "dtype": "float64"}),
}  # fmt: skip
GOLDEN = {
    "plain": "1b001f35bfc2c840",
    "no weights": "958828cc6fbda494",
    "two targets": "13b0c1c18ecc7342",
    "folds": "910eb79ef2a9bb94",
    "folds of classes": "50cb2c3abacd1f40",
    "shrinks": "243d0f6d267b1390",
    "held out": "886b19960c77cdb9",
    "no average": "83ae3f09ec55b07e",
    "exact adam": "2f7445612d8da3ff",
    "strata": "bff3448e1e513b58",
    "softmax": "cd0aab15c28c2e0b",
    "given rows": "ed751dada0c01896",
    "scoring": "314f834da71b28c7",
    "warm start": "dd34626b61a56016",
    "warm and held out": "acbb204ffa728437",
    "rates": "94aad5647120fb04",
    "dropout": "c01aa1338ccd9fe6",
    "stops": "a025a92cde4154a6",
    "diverges": "4ba31fc2c61c7093",
    "astray": "caf1969c5e269c7d",
    "defaults": "5c9cf48ff9d87a41",
    "defaults, folds": "950ae51048900eb1",
    "defaults, held out": "282d41e9e7e3ea47",
}


def whole_numbers(model, *_):
    """Set parameters that are whole numbers over 128, in place of drawn ones."""
    flat = np.zeros_like(model.network.flat_parameters)
    for _, shape, offset in model.network.tensors:
        numbers = np.random.RandomState(sum(shape)).randint(-20, 20, shape) / 128
        flat[offset : offset + numbers.size] = numbers.ravel()
    model.network.set_parameters(flat)
    return model


def data(n, *, targets=1, classes=None, seed=0):
    """Return numbers and categories, many of them rare, and what depends on them."""
    rng = np.random.RandomState(seed)
    numbers = rng.randint(-8, 8, (n, 3)).astype(float)
    words = np.minimum(rng.geometric(0.06, n), 90)
    X = np.column_stack([numbers, words, rng.randint(0, 4, n)])
    y = numbers[:, 0] * numbers[:, 1] + 8 * (words % 5) + rng.randint(-9, 9, n)
    if classes is not None:
        y = np.searchsorted(np.quantile(y, np.arange(1, classes) / classes), y)
    return X, y if targets == 1 else np.column_stack([y, numbers[:, 2] * words])


def hash_of_fit(name):
    """Fit, twice where it goes on; hash losses and what is predicted of other rows."""
    kind, n, options = FITS[name]
    options = dict(options)
    options = SIZES | ({} if options.pop("defaults", False) else PLAIN) | options
    about = {key: options.pop(key) for key in ("targets", "classes") if key in options}
    weighted, given = options.pop("weighted", True), options.pop("given", False)
    X, y = data(n, **about)
    more = {}
    if weighted:
        more["sample_weight"] = np.random.RandomState(1).randint(0, 4, n) / 4
    if given:
        more["X_val"], more["y_val"] = data(90, seed=2, **about)
    model = kind(categorical_features=[3, 4], **options)
    with patch.object(Model, "initialize", whole_numbers), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(1 + options.get("warm_start", False)):
            model.fit(X, y, **more)
    others = data(70, seed=3, **about)[0]
    says = model.predict(others) if kind is DCNRegressor else model.decision_function(others)
    if options.get("loss") == "log_loss":  # whose exponential is SciPy's
        says = model.parameters_["head_W"]
    parts = [says, np.array(model.loss_curve_), np.array([model.n_iter_])]
    return hashlib.sha256(b"".join(map(np.ndarray.tobytes, map(np.asarray, parts)))).hexdigest()[
        :16
    ]


@pytest.mark.parametrize("name", FITS)
def test_fits_have_the_bits_they_had(name):
    assert hash_of_fit(name) == GOLDEN[name]


def test_every_fit_is_another():
    assert len(set(GOLDEN.values())) == len(FITS) == len(GOLDEN)


if __name__ == "__main__":
    for name in FITS:
        print(f'    "{name}": "{hash_of_fit(name)}",')
