"""``datetime_features``: hour, weekday, month and day number, the same from any frame and row."""

import pickle
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from dcnfast import DCNClassifier, DCNRegressor
from dcnfast.table.dates import PARTS
from dcnfast.table.schema import read_table

ROME = ZoneInfo("Europe/Rome")
QUICK = {"n_members": 1, "max_iter": 2, "early_stopping": False, "random_state": 0}
BACKENDS = ["pandas", "pandas ns", "pandas arrow", "polars", "polars ms", "pyarrow", "pyarrow ns"]


def model(**more):
    return DCNRegressor(**QUICK | {"datetime_features": True} | more)


def draw(n=120, zone=None):
    """Moments around the epoch, the year's turn and the change of clocks; some are missing."""
    rng = np.random.default_rng(0)
    starts = [datetime(1969, 12, 31), datetime(2023, 12, 30), datetime(2024, 3, 30, 22)]
    found = [starts[i % 3] + timedelta(minutes=int(rng.integers(0, 4000))) for i in range(n)]
    if zone is not None:
        found = [moment.replace(tzinfo=UTC).astimezone(zone) for moment in found]
    return [None if i % 11 == 5 else moment for i, moment in enumerate(found)]


def frame(backend, when, x, zone=None):
    """Return a table of one library, in one of its types."""
    library, _, kind = backend.partition(" ")
    key = getattr(zone, "key", None)
    if library == "pandas":
        column = pd.Series(when)
        if kind == "arrow":
            column = pd.Series(pa.array(when)).astype(pd.ArrowDtype(pa.timestamp("us", key)))
        elif key:
            column = pd.to_datetime(column, utc=True).dt.tz_convert(zone)
        else:
            column = column.astype("M8[ns]" if kind else "M8[us]")
        return pd.DataFrame({"when": column, "x": x})
    if library == "polars":
        column = pl.Series(when, dtype=pl.Datetime(kind or "us", key))
        return pl.DataFrame({"when": column, "x": x})
    column = pa.array(when, pa.timestamp(kind or "us", key))
    return pa.table({"when": column, "x": pa.array(x)})


def parts(moment):
    if moment is None:
        return [None] * 4
    days = (moment.date() - date(1970, 1, 1)).days
    return [moment.hour, moment.weekday(), moment.month, days]


def read(fitted, X):
    """Return the four parts of each row, as the table has them after stage 0."""
    table = read_table(fitted, X)
    columns = [
        [None if code < 0 else int(factor.values[code]) for code in factor.codes]
        for factor in table.factors
    ]
    days = [None if np.isnan(d) else int(d) for d in table.numbers[:, -1]]
    return [list(row) for row in zip(*columns, days, strict=True)]


@pytest.mark.parametrize("zone", [None, ROME, ZoneInfo("UTC")], ids=str)
@pytest.mark.parametrize("backend", BACKENDS)
def test_parts_are_those_of_the_calendar(backend, zone):
    when, x = draw(zone=zone), np.arange(120.0)
    X = frame(backend, when, x, zone)
    fitted = model().fit(X, x)
    assert read(fitted, X) == [parts(moment) for moment in when]
    assert fitted.is_categorical_.tolist() == [False, False]
    assert fitted.n_features_in_ == 2
    assert list(fitted.embedding_dims_) == ["when_hour", "when_weekday", "when_month"]
    assert fitted.encoder_.numeric_names == ["x", "when_day_number"]


@pytest.mark.parametrize("zone", [None, ROME], ids=str)
def test_every_library_and_single_rows_give_the_same_bits(zone):
    when, x = draw(zone=zone), np.arange(120.0)
    answers = []
    for backend in BACKENDS:
        fitted = model().fit(frame(backend, when, x, zone), x)
        answers.append(fitted.predict(frame(backend, when, x, zone)))
        if backend == "pyarrow":
            far = frame("polars", when, x, zone)
            assert np.array_equal(fitted.predict(far), answers[0])
    for other in answers[1:]:
        assert np.array_equal(other, answers[0])
    predict_row = pickle.loads(pickle.dumps(fitted.row_predictor()))
    rows = [{"when": moment, "x": value} for moment, value in zip(when, x, strict=True)]
    assert [predict_row(row) for row in rows] == answers[0].tolist()
    assert [predict_row([row["when"], row["x"]]) for row in rows] == answers[0].tolist()
    stamps = [pd.NaT if moment is None else pd.Timestamp(moment) for moment in when]
    assert [predict_row([w, v]) for w, v in zip(stamps, x, strict=True)] == answers[0].tolist()
    if zone is None:
        numpy = np.array(when, "M8[ns]")
        assert [predict_row((w, v)) for w, v in zip(numpy, x, strict=True)] == answers[0].tolist()


def test_another_zone_is_read_by_the_clock_of_fit():
    when, x = draw(zone=ROME), np.arange(120.0)
    fitted = model().fit(frame("pandas", when, x, ROME), x)
    wanted = fitted.predict(frame("pandas", when, x, ROME))
    for zone in (ZoneInfo("UTC"), ZoneInfo("Asia/Tokyo")):
        moved = [moment and moment.astimezone(zone) for moment in when]
        for backend in BACKENDS:
            assert np.array_equal(fitted.predict(frame(backend, moved, x, zone)), wanted)
        predict_row = fitted.row_predictor()
        assert [predict_row(list(row)) for row in zip(moved, x, strict=True)] == wanted.tolist()


def test_offsets_are_zones():
    zone = timezone(timedelta(hours=-3, minutes=-30))
    when, x = draw(zone=zone), np.arange(120.0)
    X = pd.DataFrame(
        {"when": pd.to_datetime(pd.Series(when), utc=True).dt.tz_convert(zone), "x": x}
    )
    fitted = model().fit(X, x)
    assert read(fitted, X) == [parts(moment) for moment in when]
    predict_row = fitted.row_predictor()
    assert [predict_row(list(row)) for row in zip(when, x, strict=True)] == fitted.predict(
        X
    ).tolist()
    table = pa.table({"when": pa.array(when, pa.timestamp("us", "-03:30")), "x": x})
    assert np.array_equal(model().fit(table, x).predict(table), fitted.predict(X))


@pytest.mark.parametrize(
    "backend", ["polars", "pyarrow", "pyarrow 64", "pandas arrow", "pandas arrow 64"]
)
def test_dates_are_midnight(backend):
    days = [date(1969, 12, 31), date(2024, 2, 29), None] * 20
    column = pa.array(days, pa.date64() if "64" in backend else pa.date32())
    X = pa.table({"when": column})
    if backend == "polars":
        X = pl.DataFrame({"when": days})
    elif backend.startswith("pandas"):
        X = pd.DataFrame({"when": pd.Series(column, dtype=pd.ArrowDtype(column.type))})
    fitted = model().fit(X, np.arange(60.0))
    assert read(fitted, X)[:3] == [[0, 2, 12, -1], [0, 3, 2, 19782], [None] * 4]
    predict_row = fitted.row_predictor()
    assert [predict_row([day]) for day in days[:3]] == fitted.predict(X)[:3].tolist()
    moments = pl.DataFrame({"when": [d and datetime(d.year, d.month, d.day) for d in days]})
    assert np.array_equal(fitted.predict(moments), fitted.predict(X))


@pytest.mark.parametrize("zone", [None, ROME], ids=str)
def test_python_objects_are_read_as_columns_of_dates_are(zone):
    when, x = draw(zone=zone), np.arange(120.0)
    X = frame("pandas", when, x, zone)
    fitted = model().fit(X, x)
    wanted = fitted.predict(X)
    stamps = [pd.NaT if moment is None else pd.Timestamp(moment) for moment in when]
    for values in (when, stamps) if zone else (when, stamps, np.array(when, "M8[us]")):
        objects = pd.DataFrame({"when": pd.Series(list(values), dtype=object), "x": x})
        assert np.array_equal(fitted.predict(objects), wanted)
        assert np.array_equal(model().fit(objects, x).predict(X), wanted)
        rows = [list(row) for row in zip(values, x, strict=True)]
        assert np.array_equal(model().fit(rows, x).predict(rows), wanted)
        array = np.array(rows, object)
        assert np.array_equal(model().fit(rows, x).predict(array), wanted)
    days = [moment and moment.date() for moment in when]
    objects = pd.DataFrame({"when": pd.Series(days, dtype=object), "x": x})
    if zone is None:
        assert np.array_equal(
            model().fit(objects, x).predict(objects),
            model().fit(pl.DataFrame({"when": days, "x": x}), x).predict(objects),
        )
    mixed = objects.assign(when=pd.Series([*when[:3], "x", *when[4:]], dtype=object))
    with pytest.raises(TypeError, match="X: column 'when' is 'x', want a date"):
        model().fit(mixed, x)
    naive = objects.assign(when=pd.Series([*when[:3], draw()[0], *when[4:]], dtype=object))
    if zone:
        with pytest.raises(ValueError, match="X: column 'when' has no time zone, want it as in fi"):
            model().fit(naive, x)


def test_some_parts():
    when, x = draw(), np.arange(120.0)
    X = frame("pandas", when, x)
    fitted = model(datetime_features=["month", "hour"]).fit(X, x)
    assert list(fitted.embedding_dims_) == ["when_hour", "when_month"]
    assert fitted.encoder_.numeric_names == ["x"]
    fitted = model(datetime_features=("day_number",)).fit(X, x)
    assert fitted.encoder_.numeric_names == ["x", "when_day_number"]
    row = fitted.row_predictor()
    assert [row(list(r)) for r in zip(when, x, strict=True)] == fitted.predict(X).tolist()
    with pytest.raises(TypeError, match="row: 'when' is 1, want a date"):
        row(np.array([1, 2]))


def test_several_columns_among_others():
    rng, n = np.random.default_rng(1), 600
    first = np.datetime64("2024-01-01T00:00", "us") + rng.integers(0, 10**7, n) * 1_000_000
    X = pd.DataFrame(
        {
            "a": first, "word": rng.choice(["p", "q"], n), "x": rng.normal(size=n),
            "b": first[::-1], "s": pd.arrays.SparseArray(rng.integers(0, 2, n).astype(float)),
        }
    )  # fmt: skip
    y = (X.a.dt.hour > 12).to_numpy()
    fitted = DCNClassifier(
        datetime_features=True, embedding_dim={"b_month": 3}, n_members=1, random_state=0
    ).fit(X, y)
    assert fitted.score(X, y) > 0.9
    made = [f"{name}_{part}" for name in "ab" for part in PARTS]
    assert list(fitted.embedding_dims_) == ["word", *(m for m in made if "day_n" not in m)]
    assert fitted.embedding_dims_["b_month"] == 3
    assert fitted.encoder_.numeric_names == ["x", "s", "a_day_number", "b_day_number"]
    row = fitted.row_predictor(missing_columns="allow")
    for i in range(9):
        got = row(X.iloc[i].to_dict())
        assert np.array_equal(got, fitted.predict_proba(X.iloc[[i]])[0])
    assert np.array_equal(row({"x": 1.0}), row([None, None, 1.0, pd.NaT, None]))
    assert fitted.count_unknown(X.assign(a=X.a + pd.Timedelta("100D")))["a_month"] > 0
    with pytest.raises(ValueError, match="row has 4 values, want 5"):
        row([1, 2, 3, 4])
    assert (cross_val_score(clone(fitted).set_params(max_iter=2), X, y, cv=2) > 0).all()


def test_sparse_columns_beside_dates():
    n = 60
    X = pd.DataFrame.sparse.from_spmatrix(csr_array(np.eye(n)[:, :3]), columns=list("abc"))
    X["when"] = pd.date_range("2024-01-01", periods=n, freq="D")
    fitted = model().fit(X, np.arange(float(n)))
    assert fitted.encoder_.numeric_names == ["a", "b", "c", "when_day_number"]
    dense = X.astype(dict.fromkeys("abc", float))
    assert np.array_equal(fitted.predict(X), fitted.predict(dense))


def test_a_frame_of_dates_alone_and_columns_without_names():
    X = pd.DataFrame({0: pd.date_range("2024-01-01", periods=60, freq="7h")})
    fitted = model().fit(X, np.arange(60.0))
    assert list(fitted.embedding_dims_) == ["x0_hour", "x0_weekday", "x0_month"]
    row = fitted.row_predictor()
    assert row({"x0": X[0][3]}) == row([X[0][3]]) == fitted.predict(X)[3]
    for unit in ("ns", "us"):
        assert row(X.to_numpy(f"M8[{unit}]")[3]) == fitted.predict(X)[3]


def test_missing_columns_of_dates():
    when, x = draw(), np.arange(120.0)
    fitted = model().fit(frame("pandas", when, x), x)
    nothing = frame("pandas", [None] * 120, x)
    wanted = fitted.predict(nothing)
    for column in (
        pl.Series([None] * 120), pl.Series([None] * 120, dtype=pl.String), [np.nan] * 120,
    ):  # fmt: skip
        assert np.array_equal(
            fitted.predict(
                pl.DataFrame({"when": column, "x": x})
                if isinstance(column, pl.Series)
                else pd.DataFrame({"when": column, "x": x})
            ),
            wanted,
        )
    assert np.array_equal(
        model().fit(nothing, x).predict(nothing),
        model().fit(frame("polars", [None] * 120, x), x).predict(nothing),
    )


def test_warm_start_wants_the_same_parts_and_zones():
    when, x = draw(zone=ROME), np.arange(120.0)
    fitted = model(warm_start=True).fit(frame("pandas", when, x, ROME), x)
    fitted.fit(frame("polars", when, x, ROME), x)
    before = fitted.predict(frame("pandas", when, x, ROME))
    with pytest.raises(ValueError, match=r"warm_start: dates were .*Rome\)'\], got .*UTC"):
        fitted.fit(frame("pandas", when, x, ZoneInfo("UTC")), x)
    with pytest.raises(ValueError, match=r"warm_start: columns were .* want the same"):
        fitted.set_params(datetime_features=["hour"]).fit(frame("pandas", when, x, ROME), x)
    assert np.array_equal(fitted.predict(frame("pandas", when, x, ROME)), before)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("without", [None, False])
def test_without_it_dates_are_an_error(backend, without):
    X = frame(backend, draw(), np.arange(120.0))
    with pytest.raises(ValueError, match="columns that are neither numbers nor categories: 'when'"):
        model(datetime_features=without).fit(X, np.arange(120.0))


@pytest.mark.parametrize(
    "value", ["hour", ["hours"], [], ["hour", "hour"], ["hour", 3], [None], "all"], ids=str
)
def test_bad_parameters(value):
    with pytest.raises(ValueError, match="datetime_features"):
        model(datetime_features=value).fit(frame("pandas", draw(), np.arange(120.0)), np.ones(120))


BAD = {
    "a zone where there was none": (
        lambda x: frame("pandas", draw(zone=ROME), x, ROME),
        "column 'when' has a time zone, want it as in fit: no time zone",
    ),
    "numbers": (
        lambda x: pd.DataFrame({"when": x, "x": x}), "'when' has type Float64, want dates",
    ),
    "words": (
        lambda x: pl.DataFrame({"when": ["a"] * 120, "x": x}), "'when' has type String, want dates",
    ),
    "new dates": (
        lambda x: frame("pandas", draw(), x).assign(x=pd.Timestamp(0)),
        r"X has dates in the columns \['x'\], which had none in fit",
    ),
    "an array": (lambda x: np.column_stack([x, x]), "column 'when' is one of numbers, want dates"),
    "durations": (
        lambda x: frame("pandas", draw(), x).assign(x=pd.Timedelta(0)), "neither numbers nor",
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("case", BAD)
def test_bad_tables(case):
    x = np.arange(120.0)
    make, text = BAD[case]
    fitted = model().fit(frame("pandas", draw(), x), x)
    with pytest.raises(ValueError, match=text):
        fitted.predict(make(x))


def test_bad_tables_of_fit():
    x = np.arange(120.0)
    X = frame("pandas", draw(), x)
    with pytest.raises(ValueError, match=r"X has columns \['when_hour'\], names that datetime_fea"):
        model().fit(X.rename(columns={"x": "when_hour"}), x)
    with pytest.raises(ValueError, match=r"categorical_features has \['when'\], columns of dates"):
        model(categorical_features=["when"]).fit(X, x)
    fitted = model().fit(frame("pandas", draw(zone=ROME), x, ROME), x)
    with pytest.raises(ValueError, match=r"'when' has no time zone, .* the time zone Europe/Rome"):
        fitted.predict(X)
    zone = timezone(timedelta(hours=1), "here")
    aware = X.assign(when=pd.to_datetime(X.when, utc=True).dt.tz_convert(zone))
    with pytest.raises(ValueError, match="has the time zone 'here', want one with a known name"):
        model().fit(aware, x)


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        ("2024-01-01", TypeError, "row: 'when' is '2024-01-01', want a date"),
        (3, TypeError, "row: 'when' is 3, want a date"),
        (np.datetime64("20000-01-01"), ValueError, "row: 'when' is 20000-01-01, want a year from"),
        (datetime(2024, 1, 1, tzinfo=UTC), ValueError, "row: 'when' has a time zone, want it as"),
    ],
)
def test_bad_rows(value, error, text):
    x = np.arange(120.0)
    predict_row = model().fit(frame("pandas", draw(), x), x).row_predictor()
    with pytest.raises(error, match=text):
        predict_row([value, 1.0])
    for missing in (None, pd.NaT, float("nan"), np.datetime64("NaT")):
        assert predict_row([missing, 1.0]) == predict_row([None, 1.0])


def test_rows_without_a_zone():
    x = np.arange(120.0)
    predict_row = model().fit(frame("pandas", draw(zone=ROME), x, ROME), x).row_predictor()
    for value in (datetime(2024, 1, 1), date(2024, 1, 1), np.datetime64("2024-01-01")):
        with pytest.raises(ValueError, match=r"'when' has no time zone, .* zone Europe/Rome"):
            predict_row([value, 1.0])


@pytest.mark.parametrize("name", ["America/New_York", "Etc/GMT+5", "America/Port-au-Prince"])
def test_zones_of_all_names(name):
    zone, x = ZoneInfo(name), np.arange(120.0)
    when = draw(zone=zone)
    table = frame("pandas", when, x, zone)
    fitted = model().fit(table, x)
    wanted = model().fit(frame("polars", when, x, zone), x).predict(frame("polars", when, x, zone))
    np.testing.assert_array_equal(fitted.predict(table), wanted)
    for other in (ROME, ZoneInfo("America/Los_Angeles")):
        moved = [moment and moment.astimezone(other) for moment in when]
        np.testing.assert_array_equal(fitted.predict(frame("pandas", moved, x, other)), wanted)
    assert fitted.row_predictor()([when[1], x[1]]) == wanted[1]
    with pytest.raises(
        ValueError, match=r"neither numbers nor .*'when' .*; datetime_features makes"
    ):
        model(datetime_features=None).fit(table, x)
