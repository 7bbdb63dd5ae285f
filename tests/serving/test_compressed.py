"""Compressed estimators: what they say, their files, and what goes on from them."""

import copy
import json
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

import dcnfast
from bench.examples import data
from dcnfast import DCNClassifier, DCNRegressor, inspection
from dcnfast.network.collision import without_factors
from dcnfast.network.row_codes import CODES
from dcnfast.serving import model_file
from tests.serving.compiled import COMPILER, run
from tests.serving.sealed import opened, sealed


@pytest.fixture
def mapped(monkeypatch):
    """Make small files be mapped, as large ones are."""
    monkeypatch.setattr(model_file, "MAPPED_FROM", 1)


@pytest.fixture(params=CODES)
def code(request):
    return request.param


def rounded(model, code):
    """Return a model of floats that has the numbers of the compressed one."""
    small, plain = model.compress(code), copy.deepcopy(model)
    vars(plain)["_model"] = without_factors(plain._model)
    flat = np.zeros(plain._model.network.flat_parameters.shape, plain._model.config.dtype)
    for name, shape, offset in plain._model.network.tensors:
        flat[offset : offset + int(np.prod(shape))] = small.parameters_[name].ravel()
    plain._model.restore(flat)
    return small, plain


# ---- what it says


def test_it_says_what_its_parameters_say(model, code, rows, tools):
    small, plain = rounded(model, code)
    assert type(small) is type(model)
    tools.same(tools.answers(small, rows), tools.answers(plain, rows))
    tools.same(dict(small.parameters_), dict(plain.parameters_))
    assert small.n_parameters_ == plain._model.n_parameters
    if hasattr(model, "predict_members"):
        tools.same(small.predict_members(rows), plain.predict_members(rows))


def test_the_model_stays_as_it_was(fitted, rows, code):
    model = fitted("rare")
    before, bits = model.predict(rows), pickle.dumps(model)
    small = model.compress(code)
    assert (small.predict(rows) != before).any()
    np.testing.assert_array_equal(model.predict(rows), before)
    assert pickle.dumps(model) == bits


def test_candidates(fitted, rows, code):
    small, plain = rounded(fitted("rare"), code)
    rows = rows.assign(**{name: rows[name].iloc[0] for name in ("a", "city")})
    context, rest = rows[["a", "city"]].iloc[0].to_dict(), rows.drop(columns=["a", "city"])
    scores = [
        model.candidate_scorer(context_columns=["a", "city"])(context, rest)
        for model in (small, plain)
    ]
    np.testing.assert_array_equal(*scores)
    np.testing.assert_allclose(scores[0], small.predict(rows), rtol=1e-4, atol=1e-4)


def test_inspection(fitted, code):
    small, plain = rounded(fitted("rare"), code)
    np.testing.assert_array_equal(
        inspection.cross_weights(small)[0], inspection.cross_weights(plain)[0]
    )
    np.testing.assert_array_equal(
        inspection.singular_values(small), inspection.singular_values(plain)
    )


@pytest.mark.skipif(COMPILER is None, reason="there is no compiler of C")
def test_it_is_written_as_c_with_its_numbers(fitted, code, rows, tmp_path):
    small = fitted("rare").compress(code)
    some = rows.astype(object).where(rows.notna(), None)[:10]
    said, refused = run(tmp_path, small, some.to_dict("records"))
    assert refused == [0] * len(some)
    np.testing.assert_allclose(np.ravel(said), small.predict(rows[:10]), rtol=1e-4, atol=1e-5)
    some = some.to_dict("records")
    np.testing.assert_array_equal(run(tmp_path, small, some, tables="file")[0], said)
    assert "expand_bfloat16(e, embedding_" in (tmp_path / "model.c").read_text()


# ---- how well


def check_auc(model, X, y):
    """The issue's bound."""
    want = roc_auc_score(y, model.predict_proba(X)[:, 1])
    for code in CODES:
        got = roc_auc_score(y, model.compress(code).predict_proba(X)[:, 1])
        assert abs(got - want) < 1e-4, (code, got - want)
    return want


def test_auc_of_clicks():
    rng = np.random.default_rng(0)
    n = 40_000
    user, item, hour = rng.integers(0, 2000, n), rng.integers(0, 500, n), rng.integers(0, 24, n)
    price = rng.lognormal(size=n)
    active, appeal = rng.normal(size=2000), rng.normal(size=500)
    logits = active[user] + 2 * appeal[item] + np.cos(hour / 4) - 0.5 * price
    X = pd.DataFrame({"user": user, "item": item, "hour": hour, "price": price})
    X = X.astype(dict.fromkeys(["user", "item", "hour"], "category"))
    y = rng.random(n) < 1 / (1 + np.exp(-logits))
    X, X_test, y, y_test = train_test_split(X, y, random_state=0)
    model = DCNClassifier(
        embedding_dim=16, max_iter=4, n_members=1, early_stopping=False, random_state=0
    ).fit(X, y)
    assert check_auc(model, X_test, y_test) > 0.7


def table(read):
    try:
        return read(None)
    except FileNotFoundError as error:
        pytest.skip(str(error))


def test_auc_of_adult():
    X, y, X_test, y_test = table(data.read_adult)
    model = DCNClassifier(random_state=0, max_iter=10, early_stopping=True).fit(X[:4000], y[:4000])
    assert check_auc(model, X_test, y_test) > 0.9


def test_auc_of_flights():
    X, y = table(data.read_hflights)
    X, X_test, y, y_test = train_test_split(X, y, train_size=20_000, random_state=0)
    once = {"early_stopping": True, "max_iter": 4}
    model = DCNClassifier(random_state=0, n_members=4, **once).fit(X, y)
    assert check_auc(model, X_test[:50_000], y_test[:50_000]) > 0.6


# ---- files, pickles and copies


@pytest.mark.parametrize("how", ["copied", "mapped"])
def test_files(model, code, rows, path, tmp_path, tools, how, request):
    if how == "mapped":
        request.getfixturevalue("mapped")
    small = model.compress(code)
    small.save(path)
    loaded = dcnfast.load(path)
    tools.same(tools.answers(loaded, rows), tools.answers(small, rows))
    tools.same(dict(loaded.parameters_), dict(small.parameters_))
    again = tmp_path / "again.dcn"
    loaded.save(again)
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.usefixtures("mapped")
def test_tables_are_read_in_the_file(fitted, code, path):
    fitted("rare").compress(code).save(path)
    loaded = dcnfast.load(path, verify=False)
    stored = loaded._model.stored
    owner = stored["embedding_4"]
    while getattr(owner, "base", None) is not None:
        owner = owner.base
    assert not isinstance(owner, np.ndarray)  # the file in memory


def test_size(code, path, rng):
    n, words = 3000, [f"{word:x}" for word in range(1500)]
    X = pd.DataFrame({"user": words * 2, "item": np.repeat(words[:300], 10)})
    model = DCNRegressor(
        embedding_dim=32, hidden_layer_sizes=(128, 128), max_iter=1, n_members=1,
        early_stopping=False,
    ).fit(X, rng.normal(size=n))  # fmt: skip
    model.compress(code).save(path)
    n_words = sum(len(word) for word in [*words, *words[:300]])
    share = {"bfloat16": 2.0, "int8": 1.15}[code]
    assert path.stat().st_size < 1.05 * (share * model.n_parameters_ + n_words) + 40 * 1800
    model.save(whole := path.with_name("whole.dcn"))
    saved = whole.stat().st_size - path.stat().st_size
    assert saved > (4 - share) * 0.97 * model.n_parameters_


def test_copies(model, code, rows, tools):
    small = model.compress(code)
    want = tools.answers(small, rows)
    for other in (copy.copy(small), copy.deepcopy(small), pickle.loads(pickle.dumps(small))):
        tools.same(tools.answers(other, rows), want)
        assert other._model.code == code
    assert pickle.dumps(pickle.loads(pickle.dumps(small))) == pickle.dumps(small)
    assert len(pickle.dumps(small)) < len(pickle.dumps(model))
    predict_row = pickle.loads(pickle.dumps(small.row_predictor()))
    tools.same(predict_row(dict(rows.iloc[3])), small.row_predictor()(dict(rows.iloc[3])))


def test_every_changed_byte_is_found(fitted, code, path, load):
    fitted("rare").compress(code).save(path)
    raw = path.read_bytes()
    for at in np.linspace(0, len(raw) - 1, 300).astype(int):
        changed = bytearray(raw)
        changed[at] ^= 16
        with pytest.raises(ValueError, match="cannot be loaded"):
            load(bytes(changed))


def document(tree):
    return json.loads(tree["__metadata__"]["model"])


def test_forged_files(fitted, code, path, load):
    """Their digests are right, their parts do not fit together."""
    fitted("rare").compress(code).save(path)
    tree, whole = opened(path.read_bytes())
    for name, of in tree.items():
        if name == "__metadata__" or not name.startswith("network.parameters"):
            continue
        begin, end = of["data_offsets"]
        if of["dtype"] == "U16" and end > begin:  # not finite
            forged = bytearray(whole)
            forged[begin : begin + 2] = b"\x80\x7f"
            with pytest.raises(ValueError, match="not finite"):
                load(sealed(tree, forged))
        other = {**of, "dtype": {"U16": "I16", "U8": "I8", "F32": "I32"}[of["dtype"]]}
        with pytest.raises(ValueError, match="cannot be loaded"):
            load(sealed(tree | {name: other}, whole))
    for change in ({"compressed": "int4"}, {"compressed": None}, {}):
        found = document(tree)
        del found["network"]["compressed"]
        found["network"] |= change
        about = tree["__metadata__"] | {"model": json.dumps(found)}
        with pytest.raises(ValueError, match="cannot be loaded"):
            load(sealed(tree | {"__metadata__": about}, whole))


# ---- what goes on from it


def test_fit_trains_anew(fitted, code, rows):
    model = fitted("rare")
    y = np.arange(len(rows), dtype=float)
    small = model.compress(code).fit(rows, y)
    again = copy.deepcopy(model).fit(rows, y)
    np.testing.assert_array_equal(small.predict(rows), again.predict(rows))
    np.testing.assert_array_equal(
        small.partial_fit(rows, y).predict(rows), again.partial_fit(rows, y).predict(rows)
    )


def test_what_goes_on_is_refused(fitted, code, rows, tools):
    y = np.arange(len(rows), dtype=float)
    small = fitted("warm").compress(code)
    want = tools.answers(small, rows)
    text = f"the model is compressed to '{code}' and only predicts"
    with pytest.raises(ValueError, match=text):
        small.fit(rows, y)
    with pytest.raises(ValueError, match=text):
        small.partial_fit(rows, y)
    with pytest.raises(ValueError, match=text):
        inspection.to_low_rank(small)
    tools.same(tools.answers(small, rows), want)
    several = fitted("piecewise").compress(code)
    with pytest.raises(ValueError, match=text):
        several.prune_members(rows, y)


@pytest.mark.parametrize("dtype", ["float16", "BFLOAT16", None, 8, np.int8])
def test_other_types(fitted, dtype):
    with pytest.raises(ValueError, match=r"compress: dtype is .*, want one of \['bfloat16', 'int8"):
        fitted("rare").compress(dtype)


def test_twice(fitted, code):
    small = fitted("rare").compress(code)
    for other in CODES:
        with pytest.raises(ValueError, match=f"the model is compressed to '{code}' already"):
            small.compress(other)


def test_before_fit():
    with pytest.raises(NotFittedError):
        DCNRegressor().compress()


def test_numbers_that_are_too_large(fitted):
    model = copy.deepcopy(fitted("bools"))  # of float64
    flat = model._model.snapshot()
    flat[-1] = 1e200
    model._model.restore(flat)
    with pytest.raises(ValueError, match="compress: the parameters 'embedding_"):
        model.compress()
