"""Numbers, dates and ids in ONNX: onnxruntime says what ``predict`` says of all of them."""

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dcnfast import load
from dcnfast.serving.onnx import embed
from dcnfast.serving.onnx import numbers as scalings
from tests.serving.onnx_rows import check, feeds, fit, session_of

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("clips", [True, False])
@pytest.mark.parametrize("scaling", scalings.KNOWN)
@pytest.mark.parametrize("numeric", [None, *embed.NUMERIC])
def test_numbers_and_those_beyond_the_training_rows(scaling, numeric, clips, tmp_path):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.standard_t(2, size=(150, 6)), columns=list("abcdef"))
    X.loc[::5, "b"], X["c"], X["d"], X["e"] = np.nan, 1.0, np.nan, 1e-20 * X["e"]
    X["f"] = 1e305 * X["f"]
    if scaling is None:
        X = X.drop(columns=["e", "f"])
    wild = fit(
        X, categorical_features=None, numeric_scaling=scaling, numeric_clip=clips,
        numeric_embedding=numeric, dtype="float64", cross_layers=2,
    )  # fmt: skip
    far = X.iloc[:60] * np.where(np.arange(60) % 2, 1.0, 10.0 ** (np.arange(60) % 4))[:, None]
    far.loc[::7, "a"] = np.nan
    for rows in (X, far, X.assign(a=1e7 * X.a, b=1e9 * X.b)):
        check(wild, rows, tmp_path)


@pytest.mark.parametrize("numeric", ["periodic", "periodic_relu"])
def test_angles_far_out_are_rounded_as_the_engine_does(numeric, tmp_path):
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(150, 3)), columns=list("abc"))
    waves = fit(X, y=X.a, numeric_embedding=numeric, numeric_clip=False, numeric_scaling="standard")
    check(waves, 1000 * X, tmp_path)


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("numeric", [None, "piecewise"])
def test_a_polynomial_that_overflows_is_asked_at_the_border(n_members, numeric, tmp_path):
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(150, 2)), columns=list("ab"))
    X.loc[::5, "b"] = np.nan
    wild = fit(
        X, y=X.a, categorical_features=None, numeric_scaling=None, numeric_clip=False,
        cross_layers=6, hidden_layer_sizes=(), n_members=n_members, numeric_embedding=numeric,
    )  # fmt: skip
    far = X.iloc[:20] * np.where(np.arange(20) % 2, 1.0, 1e30)[:, None]
    assert np.isfinite(wild.predict(far)).all()
    alone, near = far.iloc[::2], far.iloc[1::2]
    for rows in (alone, near, far):
        check(wild, rows, tmp_path)


def test_dates(tmp_path):
    rng, n = np.random.default_rng(0), 300
    seconds = rng.integers(-(10**10), 10**10, n)
    when = pd.Series(pd.to_datetime(seconds, unit="s", utc=True)).mask(rng.random(n) < 0.1)
    X = pd.DataFrame({"a": rng.normal(size=n), "when": when.dt.tz_convert("Europe/Rome")})
    days = ["2000-02-29", "1900-03-01", "1969-12-31", "2100-02-28", "2024-12-31"]
    X["day"] = pd.Series(pd.to_datetime(days * (n // 5))).astype("datetime64[s]")
    dated = fit(X, datetime_features=True, target_statistics="auto")
    written = check(dated, X, tmp_path)
    assert "the clock of Europe/Rome" in written.inputs[1].about
    assert [of.missing for of in written.inputs[1:]] == [np.datetime64("NaT").astype(int)] * 2
    check(fit(X, datetime_features=["month", "hour"]), X, tmp_path)


def test_every_hour_of_many_years(tmp_path):
    hours = np.arange(-700_000, 700_000, 61)
    X = pd.DataFrame({"when": pd.Series((3600 * hours).astype("M8[s]"))})
    y = X.when.dt.month + X.when.dt.hour / 24 + X.when.dt.day_of_week / 7
    check(fit(X, y, datetime_features=True, batch_size=1000), X, tmp_path)


def test_hashes_of_integers_are_those_of_python(tmp_path):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"id": rng.integers(-(2**62), 2**62, 300), "a": rng.normal(size=300)})
    X.loc[:3, "id"] = [0, -1, 2**63 - 1, -(2**63) + 1]
    X["id"] = X["id"].astype(object).where(X.index % 3 > 0)
    y = X["a"] + 3 * X["id"].isna()
    check(fit(X, y, categorical_features=["id"], hash_buckets=20, max_iter=20), X, tmp_path)


@pytest.mark.parametrize("scaled", [True, False])
def test_means_of_members_beyond_a_double(scaled, tmp_path):
    """The mean over members is taken of logarithms, as in predict."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(300, 2)), columns=["a", "b"])
    model = fit(
        X, y=rng.poisson(np.exp(X["a"])), loss="poisson", n_members=3, cross_layers=3,
        numeric_clip=False, dtype="float64", categorical_features=None,
    )  # fmt: skip
    if not scaled:
        model._target = replace(model._target, scaler=None)  # as in files of before
    far = X * (10.0 ** np.arange(6)).repeat(50)[:, None]
    wanted = model.predict(far)
    assert (wanted > 1e307).sum() > 20
    written = model.to_onnx(tmp_path / "model.onnx")
    said = session_of(tmp_path / "model.onnx").run(None, feeds(written.inputs, far))[-1]
    tiny = np.finfo(np.float64).tiny  # what is less is 0 in predict
    np.testing.assert_allclose(said.ravel(), wanted, rtol=1e-6, atol=tiny)


def test_hashes_of_fractions_are_refused(tmp_path):
    """An input of int64 would take .5 for 0."""
    X = pd.DataFrame({"id": [0.0, 1, 2, 3] * 10, "a": np.linspace(-1, 1, 40)})
    halves = X.assign(id=X["id"] / 2)
    options = {"categorical_features": ["id"], "hash_buckets": 20}
    grown = fit(X, **options)
    check(grown, X, tmp_path)
    (tmp_path / "model.onnx").unlink()
    grown.partial_fit(halves, X["a"])
    hashed = fit(halves, **options)
    hashed.save(tmp_path / "halves.dcn")
    loaded = load(tmp_path / "halves.dcn")
    (tmp_path / "halves.dcn").unlink()
    listed = fit(X.assign(id=[[0.5, 1.5], []] * 20), **options)
    for model in (hashed, grown, loaded, pickle.loads(pickle.dumps(hashed)), listed):
        with pytest.raises(ValueError, match="'id' has hash_buckets and numbers that are no integ"):
            model.to_onnx(tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("clips", [True, False])
@pytest.mark.parametrize("scaling", ["standard", "robust_smooth", "auto"])
@pytest.mark.parametrize("values", [[0.5, 1.5, -2.25, 1e100, 0.0], [1e-60, 2e-60, 5e-60],
                                    [1.0 + 3e-6, 1 + 9e-6, 1 - 1e-5]])  # fmt: skip
def test_a_single_column_of_any_unit(values, scaling, clips, tmp_path):
    """A single number that float32 takes for 0 is left out by onnxruntime."""
    X = pd.DataFrame({"x": np.random.default_rng(0).choice(values, 120)})
    y = np.random.default_rng(1).normal(size=120)
    y = 1e-60 * (y + 3)  # whose mean and scale are such constants as well
    for numeric in (None, "piecewise"):
        model = fit(
            X, y=y, numeric_scaling=scaling, numeric_clip=clips, numeric_embedding=numeric,
            categorical_features=None,
        )  # fmt: skip
        check(model, X, tmp_path)
        check(model, 1.01 * X, tmp_path)
