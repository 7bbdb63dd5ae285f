"""DCNRanker: relevance in, scores out, groups whole."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

import dcnfast
from dcnfast import DCNRanker, DCNRegressor, checkpoints, losses, metrics
from dcnfast.network.losses import RANKING_LOSSES

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def make(**parameters):
    given = {"hidden_layer_sizes": (16,), "max_iter": 15, "random_state": 0, "n_members": 2}
    return DCNRanker(**given | parameters)


def ranked_table(n_groups=60, seed=0, mixed=True):
    """Groups of 1 to 20 rows; relevance by a product of numbers, a category, and noise."""
    random = np.random.default_rng(seed)
    sizes = random.integers(1, 21, n_groups)
    group = np.repeat(np.arange(n_groups), sizes)
    n = len(group)
    X = pd.DataFrame(
        {
            "user": np.array([f"u{g}" for g in group % 7]),
            "item": random.choice(list("abcdef"), n),
            "price": random.normal(size=n),
            "age": random.normal(size=n_groups)[group],
        }
    )
    z = X["price"] * X["age"] + (X["item"] == "a") + 0.3 * random.normal(size=n)
    y = np.digitize(z, [-0.5, 0.5, 1.5])
    order = random.permutation(n) if mixed else np.arange(n)
    return X.iloc[order].reset_index(drop=True), y[order], group[order]


@pytest.fixture(scope="module")
def table():
    return ranked_table()


@pytest.mark.parametrize("loss", [*RANKING_LOSSES, losses.Lambda(k=5, gain="exponential")])
def test_it_learns_to_rank(table, loss):
    X, y, group = table
    model = make(loss=loss, max_iter=40).fit(X, y, group=group)
    X2, y2, group2 = ranked_table(seed=1)
    chance = metrics.ndcg(y2, np.zeros(len(y2)), group2)
    score = model.score(X2, y2, group=group2)
    assert score == metrics.ndcg(y2, model.predict(X2), group2)
    assert score > chance + 0.6 * (1 - chance) * 0.6
    assert model.predict(X2).shape == (len(X2),)
    assert (model.shrinkage_ == 1).all()


def test_the_order_of_rows_does_not_matter(table):
    X, y, group = table
    model = make().fit(X, y, group=group)
    by_group = np.argsort(group, kind="stable")
    names = np.array([f"query {g:03}" for g in group])
    other = make().fit(X.iloc[by_group], y[by_group], group=names[by_group])
    np.testing.assert_array_equal(model.predict(X), other.predict(X))


def test_bits_do_not_depend_on_threads(table):
    X, y, group = table
    one, two = (make(n_jobs=n).fit(X, y, group=group).predict(X) for n in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_the_mean_of_the_members_predicts(table):
    X, y, group = table
    model = make(n_members=3).fit(X, y, group=group)
    of_members = model.predict_members(X)
    assert of_members.shape == (len(X), 3)
    np.testing.assert_allclose(of_members.mean(axis=1), model.predict(X), rtol=1e-5, atol=1e-6)
    best = clone(model).fit(X, y, group=group).prune_members(X, y, group=group, n_members=2)
    assert best.predict_members(X).shape == (len(X), 2)
    assert best.score(X, y, group=group) > 0.5


def test_served_as_other_estimators_are(table, tmp_path):
    X, y, group = table
    model = make(loss=losses.Lambda(k=5)).fit(X, y, group=group)
    want = model.predict(X)
    row = model.row_predictor()
    assert [row(r) for r in X.head(5).to_dict("records")] == pytest.approx(want[:5], rel=1e-5)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), want)
    model.save(tmp_path / "model.dcn")
    loaded = dcnfast.load(tmp_path / "model.dcn")
    assert isinstance(loaded, DCNRanker)
    assert loaded.loss == losses.Lambda(k=5)
    np.testing.assert_array_equal(loaded.predict(X), want)
    loaded.partial_fit(X, y, group=group)
    assert dcnfast.inspection.cross_weights(model).any()


def test_rank(table):
    X, y, group = table
    model = make().fit(X, y, group=group)
    context = {"user": "u3", "age": 0.7}
    candidates = X[["item", "price"]].head(20)
    places, scores = model.rank(context, candidates, top_k=4)
    whole = candidates.assign(**context)[list(X)]
    want = model.predict(whole)
    np.testing.assert_array_equal(places, np.argsort(-want, kind="stable")[:4])
    np.testing.assert_allclose(scores, want[places], rtol=1e-4, atol=1e-6)
    assert len(model.rank(context, candidates)[0]) == 20
    with pytest.raises(TypeError, match="context is 'u3', want a dict"):
        model.rank("u3", candidates)
    with pytest.raises(ValueError, match="k is 0"):
        model.rank(context, candidates, top_k=0)
    with pytest.raises(ValueError, match="context_columns has 'nobody'"):
        model.rank({"nobody": 1}, candidates)


def test_early_stopping_holds_out_whole_groups(table):
    X, y, group = table
    seen = []
    real = metrics.ndcg

    def scoring(estimator, rows, y, group):
        seen.append(set(group.tolist()))
        return real(y, estimator.predict(rows), group)

    model = make(scoring=scoring, early_stopping=True, max_iter=3).fit(X, y, group=group)
    assert len(model.validation_scores_) == 3
    assert len(seen[0]) == 9  # 0.15 of 60
    counts = np.bincount(group)
    rows = np.isin(group, list(seen[0])).sum()
    assert rows == counts[list(seen[0])].sum()
    by_metric = make(scoring=metrics.scorer(real), early_stopping=True, max_iter=3)
    by_metric.fit(X, y, group=group)
    np.testing.assert_allclose(by_metric.validation_scores_, model.validation_scores_)
    by_score = make(scoring=DCNRanker.score, early_stopping=True, max_iter=3)
    by_score.fit(X, y, group=group)
    np.testing.assert_allclose(by_score.validation_scores_, model.validation_scores_)


def test_rows_to_watch_may_be_given(table):
    X, y, group = table
    X2, y2, group2 = ranked_table(n_groups=20, seed=2)
    model = make(max_iter=4).fit(
        X, y, group=group, X_val=X2, y_val=y2, group_val=group2,
        sample_weight_val=np.ones(len(y2)),
    )  # fmt: skip
    assert len(model.validation_scores_) == 4
    target, scores = y2.astype(float)[:, None], model.predict(X2)[:, None]
    loss = losses.Pairwise().mean_of_lists(scores, target, None, group2)
    assert -max(model.validation_scores_) == pytest.approx(loss, rel=1e-5)


def test_weights_of_groups(table):
    X, y, group = table
    weight = np.where(group < 30, 1.0, 0.0)
    options = {"early_stopping": False, "max_iter": 5}
    some = group < 30
    # rows of weight 0 count as absent, but for the categories and scales of the columns
    same = make(**options).fit(X[some], y[some], group=group[some])
    model = make(**options).fit(X, y, group=group, sample_weight=weight)
    assert model.loss_curve_[0] == pytest.approx(same.loss_curve_[0], rel=0.2)
    twice = make(**options).fit(X, y, group=group, sample_weight=np.full(len(y), 7.0))
    plain = make(**options).fit(X, y, group=group)
    np.testing.assert_array_equal(twice.predict(X), plain.predict(X))
    heavy = make(**options).fit(X, y, group=group, sample_weight=1.0 + 9 * (group < 30))
    assert not np.array_equal(heavy.predict(X), plain.predict(X))


def test_the_first_loss_is_the_mean_over_groups(table):
    X, y, group = table
    still = {"learning_rate_init": 1e-12, "alpha": 0, "optimizer": "adam", "early_stopping": False}
    model = make(
        **still, max_iter=1, n_members=1, dropout=0.0, cross_dropout=0.0, dtype="float64"
    ).fit(X, y, group=group)
    target, scores = y.astype(float)[:, None], model.predict(X)[:, None]
    loss = losses.Pairwise().mean_of_lists(scores, target, None, group)
    assert model.loss_curve_[0] == pytest.approx(loss, rel=1e-6)


def test_one_group_and_small_ones(table):
    X, y, group = table
    alone = make(max_iter=3).fit(X, y)  # one group
    np.testing.assert_array_equal(
        alone.predict(X), make(max_iter=3).fit(X, y, group=np.zeros(len(y))).predict(X)
    )
    assert alone.validation_scores_ is None
    with pytest.raises(ValueError, match="holds out whole groups and group has 1"):
        make(early_stopping=True).fit(X, y)
    with pytest.raises(ValueError, match="y is the same for all rows of each of"):
        make().fit(X, y, group=np.arange(len(y)))
    with pytest.raises(ValueError, match="y is the same for all rows of each of 60 groups"):
        make().fit(X, np.ones(len(y)), group=group)


def test_a_group_longer_than_any_batch():
    random = np.random.default_rng(0)
    X = random.normal(size=(2600, 3))
    y = X[:, 0] * X[:, 1] > 0
    group = np.repeat([0, 1, 2], [2500, 60, 40])
    model = make(max_iter=20, batch_size=64, early_stopping=False).fit(X, y, group=group)
    assert model.score(X, y, group=group) > 0.9


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"group": [1, 2, 3]}, ValueError, "group has 3 values for"),
        ({"group": "missing"}, ValueError, "group is missing in row 2"),
        ({"group": "matrix"}, ValueError, r"group has shape \(.*, 1\)"),
        ({"loss": "lambda", "y": "negative"}, ValueError, "y goes from -1 to .*relevance"),
        ({"loss": "listwise", "y": "negative"}, ValueError, "y goes from -1 to .*relevance"),
        ({"loss": losses.Lambda(gain="exponential"), "y": "large"}, ValueError, "at most 100"),
        ({"y": "nan"}, ValueError, "NaN"),
        ({"y": "two"}, ValueError, "2 columns|1d array"),
        ({"loss": "squared_error"}, ValueError, "loss"),
        ({"loss": losses.Lambda(k=0)}, ValueError, "k of Lambda is 0"),
        ({"loss": losses.Huber()}, ValueError, "loss"),
        ({"group_val": [1]}, ValueError, "group_val is given, want X_val and y_val"),
        ({"sample_weight": "negative"}, ValueError, "egative"),
    ],
)
def test_bad_input(table, arguments, error, match):
    X, y, group = table
    missing = group.astype(float)
    missing[2] = np.nan
    groups = {"missing": missing, "matrix": group[:, None]}
    targets = {
        "negative": y - 1, "large": y * 101, "nan": np.where(y == 1, np.nan, y),
        "two": np.column_stack([y, y]),
    }  # fmt: skip
    given = dict(arguments)
    model = make(**({"loss": given.pop("loss")} if "loss" in given else {}))
    chosen = given.pop("group", group)
    chosen = groups.get(chosen, chosen) if isinstance(chosen, str) else chosen
    target = targets[given.pop("y")] if "y" in given else y
    if "sample_weight" in given:
        given["sample_weight"] = -np.ones(len(y))
    with pytest.raises(error, match=match):
        model.fit(X, target, group=chosen, **given)
    assert not hasattr(model, "encoder_")


@pytest.mark.parametrize(
    ("loss", "of"),
    [
        ("pairwise", lambda y: y + 1.7e9),  # seconds, which float32 does not tell apart
        ("pairwise", lambda y: y * 1e-300),
        ("pairwise", lambda y: y * 1e300 - 1e300),
        ("listwise", lambda y: y * 2.0**-900),
        ("listwise", lambda y: y * 2.0**900),
        ("lambda", lambda y: y * 2.0**-900),
        ("lambda", lambda y: y * 2.0**900),
    ],
)
def test_relevance_of_any_unit(loss, of, table):
    X, y, group = table
    usual = make(loss=loss, max_iter=4).fit(X, y, group=group)
    other = make(loss=loss, max_iter=4).fit(X, of(y.astype(float)), group=group)
    np.testing.assert_allclose(other.loss_curve_, usual.loss_curve_, rtol=1e-5)
    np.testing.assert_allclose(other.predict(X), usual.predict(X), rtol=1e-3, atol=1e-4)


def test_gains_that_the_type_does_not_tell_apart(table):
    X, y, group = table
    for loss in (losses.Lambda(gain="exponential"), losses.Listwise(gain="exponential")):
        with pytest.raises(ValueError, match="y is the same for all rows of each"):
            make(loss=loss).fit(X, y * 1e-300, group=group)


def test_errors_say_whose_rows_they_are_of(table):
    X, y, group = table
    with pytest.raises(ValueError, match="Of the rows in X_val: group has 2 values"):
        make().fit(X, y, group=group, X_val=X, y_val=y, group_val=[1, 2])


def test_losses_of_other_estimators_are_refused():
    X, y = np.random.default_rng(0).normal(size=(50, 2)), np.arange(50.0)
    with pytest.raises(ValueError, match="loss"):
        DCNRegressor(loss="pairwise").fit(X, y)
    with pytest.raises(ValueError, match="loss"):
        DCNRegressor(loss=losses.Lambda()).fit(X, y)


def test_partial_fit_and_warm_start(table):
    X, y, group = table
    model = make()
    for part in np.array_split(np.unique(group), 4):
        rows = np.isin(group, part)
        model.partial_fit(X[rows], y[rows], group=group[rows])
    assert model.predict(X).shape == (len(X),)
    again = pickle.loads(pickle.dumps(model))
    for one in (model, again):
        one.partial_fit(X, y, group=group)
    np.testing.assert_array_equal(model.predict(X), again.predict(X))
    warm = make(warm_start=True, max_iter=3).fit(X, y, group=group)
    first = warm.loss_curve_[0]
    assert warm.fit(X, y, group=group).loss_curve_[0] == first
    assert warm.n_iter_ == 6


def test_a_prior_holds_groups(table):
    X, y, group = table
    model = make(prior_strength=10.0, max_iter=5).fit(X, y, group=group)
    fisher = model._training.state.prior[1]
    assert (fisher > 0).mean() > 0.3


def test_checkpoints_go_on_to_the_same_bits(table, tmp_path):
    X, y, group = table
    want = make(max_iter=6).fit(X, y, group=group).predict(X)
    kept = checkpoints.Checkpoints(tmp_path / "here")

    model = make(max_iter=6, checkpoints=kept, max_time=1e-9)
    with pytest.warns(ConvergenceWarning, match="max_time"):
        model.fit(X, y, group=group)
    assert model.n_iter_ == 1
    model.set_params(max_time=None).fit(X, y, group=group)
    np.testing.assert_array_equal(model.predict(X), want)


def test_search_over_options():
    model = make(loss=losses.Lambda(k=5))
    assert clone(model).set_params(loss__k=3).loss == losses.Lambda(k=3)
    with pytest.raises(ValueError, match="loss is the name 'lambda'"):
        make(loss="lambda").set_params(loss__k=3)


@pytest.mark.parametrize("loss", [*RANKING_LOSSES])
def test_training_that_ends_far_out_goes_back_to_a_constant(loss):
    rng = np.random.default_rng(0)
    X, y, group = rng.normal(size=(400, 3)), rng.integers(0, 4, 400), np.arange(400) // 8
    wild = {"numeric_embedding": None, "numeric_scaling": None, "max_iter": 5, "n_members": 1}
    with pytest.warns(ConvergenceWarning, match="Training ended worse than a constant"):
        model = DCNRanker(loss=loss, random_state=0, **wild).fit(X * [1, 100, 1000], y, group=group)
    assert np.isfinite(model.predict(X)).all()
