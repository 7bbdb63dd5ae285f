"""Files of each version of the format, and what their models said when they were written.

Later versions of dcnfast read older files: a file here is never changed and never left out. For a
new version of the format, running this file writes new ones beside them.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import dcnfast
from dcnfast import DCNClassifier, DCNRegressor, crosses, numeric_embeddings
from dcnfast.serving.model_file import FORMAT
from dcnfast.target_statistics import TargetStatistics

FOLDER = Path(__file__).parent / "golden"
FILES = sorted(FOLDER.glob("*.dcn"))

ROWS = pd.DataFrame(
    {
        "a": [0.5, -1.5, np.nan, 100.0, 0.0, 2.5],
        "b": [1.0, 2.0, 3.0, -4.0, np.nan, 0.25],
        "city": ["Lima", "Oslo", None, "東京", "Paris", ""],
        "user": [7, 2**60 + 3, 2**60 + 4, 7, 8, 2**60 + 3],
    }
)
SMALL = {
    "hidden_layer_sizes": (4,),
    "cross_layers": 1,
    "max_iter": 3,
    "early_stopping": False,
    "n_members": 1,
    "numeric_embedding": None,
    "deterministic": "isa",
    "random_state": 0,
    "categorical_features": ["city", "user"],
}
MODELS = {
    "regressor": (DCNRegressor, {"numeric_scaling": "quantile", "wide": True, "n_members": 2}),
    "classifier": (
        DCNClassifier,
        {
            "numeric_embedding": numeric_embeddings.Piecewise(width=2, max_bins=3, max_distinct=2),
            "cross": crosses.LowRank(rank=2),
            "target_statistics": TargetStatistics(min_categories=2),
            "dtype": "float64",
        },
    ),
    "classes": (
        DCNClassifier,
        {"hash_buckets": {"user": 5}, "min_frequency": 4, "numeric_scaling": "log"},
    ),
    "targets": (DCNRegressor, {"cross": "gated", "ema_decay": 0.9, "prediction_clip": True}),
}


def table():
    n = np.arange(60)
    X = pd.DataFrame({"a": np.sin(n), "b": np.where(n % 7, n % 13, np.nan)})
    X["city"] = [("Lima", "Oslo", "東京", "", None)[i] for i in n * n % 5]
    X["user"] = np.where(n % 3, 2**60 + n % 4, n % 9)
    y = X["a"] + (X["city"] == "Lima")
    targets = {
        "regressor": y,
        "classifier": np.where(y > 0.4, "yes", "no"),
        "classes": n % 3,
        "targets": np.stack([y, -y], axis=1),
    }
    return X, targets


def write():
    X, targets = table()
    FOLDER.mkdir(exist_ok=True)
    for name, (kind, options) in MODELS.items():
        model = kind(**(SMALL | options)).fit(X, targets[name])
        path = FOLDER / f"v{FORMAT}_{name}.dcn"
        model.save(path)
        said = {"answers": np.asarray(answer(model)).tolist(), "n_iter": model.n_iter_}
        path.with_suffix(".json").write_text(json.dumps(said) + "\n")


def answer(model):
    return model.predict_proba(ROWS) if hasattr(model, "predict_proba") else model.predict(ROWS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_old_files_are_read(path):
    said = json.loads(path.with_suffix(".json").read_text())
    model = dcnfast.load(path)
    assert model.n_iter_ == said["n_iter"]
    np.testing.assert_allclose(answer(model), said["answers"], rtol=1e-6, atol=1e-9)
    kind, options = MODELS[path.stem.split("_")[1]]
    assert type(model) is kind
    for name, value in (SMALL | options).items():
        assert getattr(model, name) == value


def test_there_are_files_of_every_version():
    assert {path.stem.split("_")[0] for path in FILES} == {f"v{k + 1}" for k in range(FORMAT)}
    assert len(FILES) == len(MODELS) * FORMAT
    assert all(path.stat().st_size < 20_000 for path in FILES)


if __name__ == "__main__":
    write()
