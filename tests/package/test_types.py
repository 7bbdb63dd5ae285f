"""What a type checker tells people who use the package: mypy in strict mode on a small script."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import dcnfast

SCRIPT = """\
from typing import reveal_type

import numpy as np

import dcnfast
from dcnfast import DCNClassifier, DCNRegressor, crosses, datasets, inspection, losses, ops
from dcnfast import optimizers

X = np.zeros((100, 3))
y = np.arange(100.0)

regressor = DCNRegressor(
    cross="lowrank", cross_rank=2, hidden_layer_sizes=[64, 32], activation="gelu", dtype="float64",
    alpha={"deep": 0.1}, embedding_dim={"city": 4}, categorical_features=["city"], tol=None,
    numeric_scaling=None, early_stopping=True, batch_size="auto", random_state=0, scoring="r2",
)
reveal_type(regressor.fit(X, y))  # DCNRegressor
reveal_type(regressor.fit(X, y, X_val=X, y_val=y, sample_weight=y).predict(X))  # ndarray
reveal_type(DCNRegressor(hidden_layer_sizes=100, loss="log_loss").fit(X, y))  # DCNRegressor
reveal_type(regressor.parameters_)  # dict[str, numpy.ndarray

classifier = DCNClassifier(hidden_layer_sizes=(), class_weight={0: 1, 1: 3}, loss="softmax")
reveal_type(classifier.fit(X, y > 50))  # DCNClassifier
reveal_type(classifier.fit(X, y > 50).predict_proba(X))  # ndarray
weights = {"yes": 0.5, "no": 2.0}
DCNClassifier(class_weight=weights, alpha="auto", categorical_features=np.array([True, False]))
reveal_type(classifier.row_predictor())  # RowPredictor
DCNRegressor(cross=crosses.LowRank(rank=3), loss=losses.LogLoss(), optimizer="adam")
DCNClassifier(cross=crosses.Vector(bias=False), optimizer=optimizers.Adam(sparse="exact"))
reveal_type(crosses.LowRank(rank=3).set_params(rank=None))  # LowRank


class Mine(DCNRegressor):
    def fit_twice(self, X: object, y: object) -> "Mine":
        return self.fit(X, y).fit(X, y)


reveal_type(Mine().fit(X, y))  # Mine

reveal_type(inspection.cross_weights(regressor))  # ndarray
reveal_type(dcnfast.inspection.CrossWeightsDisplay.from_estimator(regressor, by="column"))  # CrossW
reveal_type(ops.dense([[0.1]], W=np.ones((1, 1)), b=[0.0], activation="relu"))  # ndarray
reveal_type(ops.losses.squared_error(y[:, None], y[:, None]))  # tuple[float, numpy.ndarray
reveal_type(dcnfast.__version__)  # str
datasets.make_almond_clicks(n_samples=10)
dcnfast.show_config()

DCNRegressor(cross="full")  # error: cross
DCNRegressor(cross=optimizers.Adam())  # error: cross
DCNRegressor(loss=losses.Softmax())  # error: loss
DCNRegressor(optimizer="lbfgs")  # error: optimizer
crosses.LowRank(rank="8")  # error: rank
crosses.Vector(diag_scale=0.1)  # error: Unexpected keyword argument
DCNRegressor(activation="swish")  # error: activation
DCNRegressor(hidden_layer_sizes="big")  # error: hidden_layer_sizes
DCNRegressor(hidden_layer_sizes=[0.5])  # error: List item
DCNRegressor(loss="softmax")  # error: loss
DCNRegressor(structure="serial")  # error: structure
DCNRegressor(early_stopping="always")  # error: early_stopping
DCNRegressor(batch_size="all")  # error: batch_size
DCNRegressor(sparse_adam="dense")  # error: sparse_adam
DCNRegressor(numeric_scaling="robust")  # error: numeric_scaling
DCNRegressor(cross_initializer="zeros")  # error: cross_initializer
DCNRegressor(dtype="float16")  # error: dtype
DCNRegressor(deterministic="no")  # error: deterministic
DCNRegressor(width=3)  # error: Unexpected keyword argument
DCNClassifier(class_weight="equal")  # error: class_weight
regressor.fit(X)  # error: Missing positional argument "y"
ops.dense(X, X, y, "swish")  # error: Argument 4
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory, request):
    """Return what mypy says of each line, by its number."""
    if find_spec("mypy") is None:
        pytest.skip("mypy, of the extra 'dev', is not installed")
    folder = tmp_path_factory.mktemp("types")
    (folder / "script.py").write_text(SCRIPT)
    (folder / "mypy.ini").write_text("[mypy]\n")
    environment = {k: v for k, v in os.environ.items() if k not in ("MYPYPATH", "PYTHONPATH")}
    source = Path(dcnfast.__file__).parents[1]
    if "site-packages" not in source.parts:
        environment["MYPYPATH"] = str(source)
    kept = request.config.cache.mkdir("mypy")  # of NumPy, for the next run
    done = subprocess.run(
        [sys.executable, "-m", "mypy", f"--cache-dir={kept}", "--strict",
         "--follow-imports=silent", "--no-pretty", "--no-error-summary", "script.py"],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert not done.stderr
    lines = {}
    for line in done.stdout.splitlines():
        match = re.fullmatch(r"script\.py:(\d+): (error|note): (.*)", line)
        assert match, done.stdout
        lines.setdefault(int(match[1]), []).append(f"{match[2]}: {match[3]}")
    return lines


@pytest.mark.campaign  # takes as long as mypy does; .ci/run runs it after mypy
def test_types_are_those_that_the_script_says(said):
    for number, line in enumerate(SCRIPT.splitlines(), 1):
        code, _, wanted = line.partition("  # ")
        heard = " ".join(said.get(number, []))
        if not wanted:
            assert not heard, f"{code}: {heard}"
        elif wanted.startswith("error"):
            assert "error" in heard, code
            assert wanted.removeprefix("error: ") in heard, heard
        else:
            assert re.search(rf'note: Revealed type is "[\w.]*{re.escape(wanted)}', heard), heard
            assert "error" not in heard


def test_the_package_says_that_it_is_typed():
    assert (Path(dcnfast.__file__).parent / "py.typed").is_file()
