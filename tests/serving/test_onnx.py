"""Models in ONNX: onnxruntime says what ``predict`` says, within 1e-5 of the size of answers."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

import dcnfast
from dcnfast import DCNClassifier, DCNRegressor, losses
from dcnfast.network.config import NetworkConfig
from dcnfast.serving.onnx import OPSETS, activations, answer, categories, cross, embed
from dcnfast.serving.onnx import graph as graphs
from dcnfast.serving.onnx import model as models
from dcnfast.serving.onnx import numbers as scalings
from dcnfast.target_statistics import TargetStatistics
from tests.serving.onnx_rows import check, feeds, fit, onnx, session_of

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

NONE = "<none>"  # "" is a category of the table


@pytest.fixture(scope="module")
def table():
    rng, n = np.random.default_rng(0), 200
    words = np.array(["a", "", "東京", "é", 'x" \\ \n', "(0, 30]", "0"], object)
    return pd.DataFrame(
        {
            "number": rng.normal(size=n),
            "holes": np.where(rng.random(n) < 0.2, np.nan, rng.exponential(size=n)),
            "word": rng.choice([*words, None], n),
            "id": rng.integers(-5, 5, n) + 2**60,
            "large": rng.integers(0, 9, n).astype(np.uint64) + np.uint64(2**63 - 4),
            "real": rng.choice([2.5, -1e300, 7.0, np.nan, 0.0], n),
            "flag": rng.random(n) < 0.3,
        }
    )


CATEGORIES = ["word", "id", "large", "real", "flag"]


@pytest.fixture(scope="module")
def new(table):
    """Rows with categories that training has not seen, and numbers far out."""
    X = table.copy()
    X.loc[::7, "word"] = "Ω"
    X.loc[::5, "id"] = 2**60 + 7
    X.loc[1::5, "large"] = np.uint64(5)
    X.loc[::3, "real"] = -3.75
    X.loc[::9, "number"] *= 1e6
    X.loc[::4, "number"] = np.nan
    return X


@pytest.fixture(scope="module")
def targets(table):
    y = np.nan_to_num(table["number"] + (table["word"] == "é") + table["holes"]).clip(-3, 3)
    return {
        "y": y,
        "both": np.stack([y, 1e6 * y], axis=1),
        "tiny": 1e-300 * y,
        "constant": np.full(len(y), 7.0),
        "counts": np.floor(np.abs(y)),
        "rates": 1 / (1 + np.exp(-y)),
        "words": np.where(y > 0, "né", "yes"),
        "objects": np.where(y > 0, "dog", "a cat").astype(object),
        "bools": y > 0,
        "integers": np.digitize(y, [-0.5, 0.5]) * 2**40,
        "floats": np.digitize(y, [-0.5, 0.5]) / 1.0,
        "labels": np.stack([y > 0, y > 1, y < -1], axis=1).astype(float),
        "pairs": np.where((table["word"] == "é") != table["flag"], 3.0, -3.0),
    }


# ---- what a model may have; the network itself is in test_onnx_network.py


@pytest.mark.parametrize(
    ("kind", "target", "options"),
    [
        (DCNRegressor, "y", {"n_members": 3, "numeric_embedding": "auto", "cross_layers": 3}),
        (DCNRegressor, "y", {"dtype": "float64", "n_members": 2, "learned_scale": True}),
        (DCNRegressor, "both", {"prediction_clip": True, "wide": True}),
        (DCNRegressor, "y", {"ema_decay": 0.9, "structure": "stacked_parallel"}),
        (DCNRegressor, "tiny", {}),
        (DCNRegressor, "constant", {}),
        (DCNRegressor, "counts", {"loss": "poisson", "n_members": 2}),
        (DCNRegressor, "rates", {"loss": "log_loss", "n_members": 2}),
        (DCNRegressor, "y", {"loss": "absolute_error"}),
        (DCNRegressor, "y", {"loss": "huber"}),
        (DCNRegressor, "y", {"loss": "quantile"}),
        (DCNRegressor, "both", {"loss": losses.Quantile([0.1, 0.5, 0.9]), "n_members": 2}),
        (DCNRegressor, "y", {"loss": losses.Quantile([0.1, 0.9]), "prediction_clip": True}),
        (DCNRegressor, "rates", {"loss": "gamma", "n_members": 2}),
        (DCNRegressor, "counts", {"loss": "tweedie"}),
        (DCNClassifier, "words", {"loss": "focal"}),
        (DCNClassifier, "integers", {"loss": "ordinal", "n_members": 2}),
        (DCNClassifier, "words", {"loss": "ordinal"}),
        (DCNClassifier, "labels", {"n_members": 2}),
        (DCNClassifier, "words", {}),
        (DCNClassifier, "words", {"loss": "softmax"}),
        (DCNClassifier, "objects", {"n_members": 3}),
        (DCNClassifier, "bools", {"dtype": "float64"}),
        (DCNClassifier, "integers", {"n_members": 2}),
        (DCNClassifier, "floats", {}),
        (DCNRegressor, "y", {"min_frequency": 0.1, "max_categories": 4}),
        (DCNRegressor, "y", {"embedding_dim": {"word": 3, "id": 5, "flag": 5, "real": 3}}),
        (DCNClassifier, "pairs", {"target_statistics": TargetStatistics(min_categories=2)}),
        (
            DCNRegressor,
            "both",
            {"target_statistics": TargetStatistics(order=1, min_categories=2), "wide": True},
        ),
    ],
)  # fmt: skip
def test_a_model(table, new, targets, kind, target, options, tmp_path):
    model = fit(table, targets[target], kind, categorical_features=CATEGORIES, **options)
    if "target_statistics" in options:
        assert max(map(len, model.encoder_.statistics.groups)) == options["target_statistics"].order
    both = pd.concat([table, new])
    written = check(model, both, tmp_path, missing_text=NONE)
    assert [(of.name, of.kind) for of in written.inputs] == [
        ("number", "double"), ("holes", "double"), ("word", "string"), ("id", "int64"),
        ("large", "uint64"), ("real", "double"), ("flag", "int64"),
    ]  # fmt: skip


def test_fields_that_share_embeddings(table, targets, tmp_path):
    other = table["word"].to_numpy()[::-1]
    X = table[["word", "id", "number"]].assign(other=other, last=table["real"].astype(str))
    shared = fit(
        X, targets["y"], categorical_features=["word", "id", "other", "last"], wide=True,
        shared_embeddings=[["word", "other"]], embedding_dim={"id": 3},
    )  # fmt: skip
    check(shared, X, tmp_path, missing_text=NONE)


def test_tables_that_training_leaves_as_they_are(table, targets, tmp_path):
    words = sorted({word for word in table["word"] if isinstance(word, str)})
    pretrained = {"word": (words, np.eye(len(words), 4))}
    X = table[["word", "number"]]
    frozen = fit(X, targets["y"], pretrained_embeddings=pretrained, frozen_embeddings=["word"])
    check(frozen, X, tmp_path, missing_text=NONE)


def test_categories_that_came_after_fit(table, targets, tmp_path):
    columns = ["number", "word", "id"]
    first, later = table.loc[:120, columns], table.loc[120:, columns].copy()
    later.loc[::2, "word"], later.loc[::3, "id"] = "new", 2**61
    grown = fit(first, targets["y"][:121], categorical_features=["word", "id"])
    grown.partial_fit(later, targets["y"][120:])
    assert "new" not in grown.encoder_.columns[0].rows_by_value  # but in what is beside
    check(grown, pd.concat([first, later]), tmp_path, missing_text=NONE)
    other = later.assign(word=later.index.astype(str))
    for _ in range(3):
        grown.partial_fit(other, targets["y"][120:])
    check(grown, pd.concat([first, later, other]), tmp_path, missing_text=NONE)


def test_categories_that_took_the_rows_of_others(table, targets, tmp_path):
    columns = ["number", "word", "id"]
    options = {"max_categories": 6, "recycle_categories": True}
    grown = fit(table[columns], targets["y"], categorical_features=["word", "id"], **options)
    later = table[columns].assign(word="new", id=table["id"] % 4 + 100)
    grown.partial_fit(later, targets["y"])
    assert "new" in grown.encoder_.categories("word")
    check(grown, pd.concat([table[columns], later]), tmp_path, missing_text=NONE)


def test_arrays_without_names_and_few_rows(tmp_path):
    X = np.random.default_rng(0).normal(size=(60, 3))
    plain = fit(X)
    written = plain.to_onnx(tmp_path / "model.onnx")
    assert [of.name for of in written.inputs] == ["x0", "x1", "x2"]
    session = session_of(tmp_path / "model.onnx")
    for n in (0, 1, 60):
        given = {f"x{j}": X[:n, [j]] for j in range(3)}
        (said,) = session.run(["variable"], given)
        assert said.shape == (n, 1)
        if n:
            np.testing.assert_allclose(said[:, 0], plain.predict(X[:n]), atol=1e-5)


def test_a_table_of_categories_alone(table, tmp_path):
    words = table[["word", "flag"]].assign(empty=None)
    for options in ({}, {"wide": True, "cross": "vector"}, {"cross_layers": 0}):
        check(fit(words, **options), words, tmp_path, missing_text=NONE)


# ---- names and labels


def test_names_of_columns(tmp_path):
    rng = np.random.default_rng(0)
    names = ["label", "probabilities", "head_W", "add", "a b", "東京", "constant", "rows", "\x01"]
    X = pd.DataFrame(rng.normal(size=(80, len(names))), columns=names)
    written = check(fit(X, X["a b"] > 0, DCNClassifier), X, tmp_path)
    assert written.outputs == ("label_", "probabilities_")
    assert check(fit(X), X, tmp_path).outputs == ("variable",)


@pytest.mark.parametrize(("name", "what"), [("", "the name ''"), ("\ud800", "'\\\\ud800'")])
def test_a_name_that_onnx_cannot_have(name, what, tmp_path):
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(80, 2)), columns=list("ab"))
    X.columns = pd.Index(["a", name], dtype=object)
    with pytest.raises(ValueError, match=what):
        fit(X).to_onnx(tmp_path / "model.onnx")


# ---- what ONNX cannot say


def refused(model, tmp_path, error, what, **options):
    with pytest.raises(error, match=re.escape(what)):
        model.to_onnx(tmp_path / "model.onnx", **options)
    assert list(tmp_path.iterdir()) == []


def test_columns_that_are_refused(tmp_path):
    rng, n = np.random.default_rng(0), 60
    words = pd.DataFrame({"w": rng.choice(["a", "b", ""], n), "x": rng.normal(size=n)})
    hashed = fit(words, hash_buckets={"w": 10})
    refused(hashed, tmp_path, ValueError, "column 'w' has hash_buckets and strings")
    empty = fit(words)
    refused(empty, tmp_path, ValueError, "column 'w' has the category '', which says in ONNX")
    refused(empty, tmp_path, ValueError, "column 'w' has the category 'a'", missing_text="a")
    refused(empty, tmp_path, TypeError, "missing_text is None", missing_text=None)
    of_values = {
        "w has strings and numbers": (TypeError, [1, "a"]),
        "w has the category -9223372036854775808": (ValueError, [-(2**63), 3]),
        "w has the category 18446744073709551615": (ValueError, [2**64 - 1, 3]),
        "w has the integers -1 and 9223372036854775808": (ValueError, [-1, 2**63]),
        "w has fractions, and integers beyond 9007199254740992": (ValueError, [0.5, 2**60 + 1]),
        "w has the category '\ud800'": (ValueError, ["a", "\ud800"]),
    }
    for what, (error, values) in of_values.items():
        X = words.assign(w=pd.Series(values * (n // 2), dtype=object))
        what = what.replace("w has", "column 'w' has").encode("unicode_escape").decode()
        refused(fit(X, categorical_features=["w"]), tmp_path, error, what)


def test_kinds_that_are_not_written(table, targets, tmp_path, monkeypatch):
    numbers = fit(table[["number", "holes"]], targets["y"], numeric_embedding="piecewise")
    of = {
        "cross is 'matrix'": (cross.CROSSES, "matrix"),
        "the activation is 'relu'": (activations.ACTIVATIONS, "relu"),
        "numeric_embedding is 'piecewise'": (embed.NUMERIC, "piecewise"),
        "loss is 'squared_error'": (answer.LINKS, "squared_error"),
    }
    for what, (kinds, name) in of.items():
        with monkeypatch.context() as without:
            without.delitem(kinds, name)
            refused(numbers, tmp_path, TypeError, what)
    with monkeypatch.context() as without:
        without.setattr(scalings, "KNOWN", ("standard",))
        refused(numbers, tmp_path, TypeError, "numeric_scaling is 'robust_smooth'")
    with monkeypatch.context() as without:
        without.setattr(models, "WRITTEN", models.WRITTEN - {"hidden"})
        refused(numbers, tmp_path, TypeError, "the network has hidden=(4,)")
    words = fit(table[["flag"]], targets["y"])
    monkeypatch.delitem(categories._COLUMNS, categories.Vocabulary)
    refused(words, tmp_path, TypeError, "column 'flag' is encoded by Vocabulary")


def test_every_option_of_a_network_is_known():
    assert set(NetworkConfig.__dataclass_fields__) >= models.WRITTEN | models.OF_TRAINING
    assert not models.WRITTEN & models.OF_TRAINING


def test_a_file_larger_than_they_may_be(table, targets, tmp_path, monkeypatch):
    model = fit(table, targets["y"], categorical_features=CATEGORIES)
    size = model.to_onnx(tmp_path / "model.onnx", missing_text=NONE).n_bytes
    (tmp_path / "model.onnx").unlink()
    monkeypatch.setattr(graphs, "MOST_BYTES", size // 4)
    refused(model, tmp_path, ValueError, f"want at most {size // 4}", missing_text=NONE)


# ---- files


def test_what_is_written(table, targets, tmp_path):
    model = fit(table, targets["y"], categorical_features=CATEGORIES)
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    written = model.to_onnx(str(path), missing_text=NONE)
    proto = onnx.load(path)
    assert {of.domain: of.version for of in proto.opset_import} == OPSETS == written.opsets
    assert {node.domain for node in proto.graph.node} <= {"", "ai.onnx.ml"}
    assert written.n_nodes == len(proto.graph.node)
    assert written.parameter_bytes == 4 * model.n_parameters_
    assert proto.producer_name == "dcnfast"
    assert "'<none>' is missing" in proto.graph.input[2].doc_string
    first = path.read_bytes()
    model.to_onnx(path, missing_text=NONE)
    assert path.read_bytes() == first
    model.save(tmp_path / "model.dcn")
    dcnfast.load(tmp_path / "model.dcn").to_onnx(path, missing_text=NONE)
    assert path.read_bytes() == first


def test_a_large_model_is_little_more_than_its_parameters(tmp_path):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(200, 20)))
    X["id"] = rng.integers(0, 100_000, 200).astype(str)
    large = fit(X.rename(columns=str), hidden_layer_sizes=(256, 256), embedding_dim=16)
    written = large.to_onnx(tmp_path / "model.onnx")
    assert written.n_bytes < 1.1 * written.parameter_bytes + 10_000


def test_a_model_that_is_not_fitted(tmp_path):
    with pytest.raises(NotFittedError):
        DCNRegressor().to_onnx(tmp_path / "model.onnx")


def test_a_row_does_not_depend_on_the_others(table, targets, tmp_path):
    model = fit(table, targets["y"], categorical_features=CATEGORIES, n_members=2)
    written = model.to_onnx(tmp_path / "model.onnx", missing_text=NONE)
    session, given = session_of(tmp_path / "model.onnx"), feeds(written.inputs, table)
    (all_rows,) = session.run(None, given)
    for i in range(0, 200, 40):
        (alone,) = session.run(None, {name: array[[i]] for name, array in given.items()})
        np.testing.assert_allclose(alone[0], all_rows[i], rtol=1e-5)
