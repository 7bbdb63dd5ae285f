"""A fitted estimator as plain state, and back: what is in a model file, and in a pickle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin

from dcnfast.encode.saved import encoder_state, read_encoder
from dcnfast.encode.saved_values import counts_state, read_counts
from dcnfast.estimators.fitted import Fitted
from dcnfast.estimators.label_targets import LabelsTarget
from dcnfast.estimators.ranking_target import RankingTarget
from dcnfast.estimators.saved_lists import lists_state, read_lists
from dcnfast.estimators.saved_targets import read_target, target_state
from dcnfast.estimators.targets import ClassTarget, NumericTarget
from dcnfast.network.compressed import CompressedModel
from dcnfast.network.model import Model
from dcnfast.network.saved import Bytes, config_state, read_flat, read_model, tensors_of
from dcnfast.plain import State, Tree, join, separate
from dcnfast.table.dates import NO_DATES, PARTS, DateColumn, Dates, find_zone
from dcnfast.table.lists import NO_LISTS, ListColumns
from dcnfast.training.optimizers import OPTIMIZERS
from dcnfast.training.state import Training

FORMAT = 1  # of the state in a pickle
WORDS = ("format", "document", "arrays")
SHOWN = ("loss_curve_", "validation_scores_", "shrinkage_")
# what __setstate__ makes of "fitted"
FITTED = frozenset(
    (
        "feature_names_in_", "n_features_in_", "is_categorical_", "_dates", "_lists",
        "n_outputs_", "classes_", "_columns", "encoder_", "_target", "_model", "_seen",
        "_training", "_spare",
        "n_parameters_", "n_members_", "embedding_dims_", "n_iter_", "_unwatched", *SHOWN,
    )
)  # fmt: skip


def attributes_of(fitted: Fitted) -> Tree:
    """Return the attributes of an estimator that predicts."""
    return {
        "_columns": fitted.columns,
        "encoder_": fitted.encoder,
        "_target": fitted.target,
        "_model": fitted.model,
        "_seen": fitted.seen,
        "_training": fitted.training,
        "_spare": None,
        "n_parameters_": fitted.n_parameters,
        "n_members_": fitted.model.config.n_members,
        "embedding_dims_": {name: width for name, _, width in fitted.model.config.fields},
    }


def trimmed(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the attributes with a network without room for categories that there are not yet."""
    model, sizes = attributes["_model"], [field.size for field in attributes["encoder_"].fields]
    if [rows for _, rows, _ in model.config.fields] == sizes:
        return attributes
    training = attributes["_training"]
    small = (training or Training(model)).resized(sizes)
    return {
        **attributes,
        "_model": small.model,
        "_training": None if training is None else small,
    }


def fitted_state(attributes: Mapping[str, Any], *, trains: bool) -> Tree:
    """Return the attributes of a fitted estimator as plain state.

    Parameters
    ----------
    attributes : dict
        Of the estimator, by name.
    trains : bool
        Whether with what only training needs: moments, steps, and parameters beside averages.
    """
    model, encoder, seen = attributes["_model"], attributes["encoder_"], attributes["_seen"]
    names, mask, dates, lists = attributes["_columns"]
    same = all(s is f.counts for s, f in zip(seen, encoder.fields, strict=True))
    tree: Tree = {
        "columns": {
            "names": list(names),
            "named": "feature_names_in_" in attributes,
            "categorical": np.array(mask, np.bool_),
            "dates": _dates_state(dates) if dates else None,
            **({"lists": lists_state(lists)} if lists else {}),
        },
        "encoder": encoder_state(encoder),
        "seen": None if same else [counts_state(np.asarray(counts)) for counts in seen],
        "target": target_state(attributes["_target"]),
        "network": _network_state(model, trains=trains),
        "shown": _shown_state(attributes),
    }
    training = attributes.get("_training")
    if trains and training is not None:
        state = training.state
        tree["training"] = {
            "first_moments": tensors_of(model, state.flat_first_moments),
            "second_moments": tensors_of(model, state.flat_second_moments),
            "step": int(state.step),
        }
        if training.moments:
            tree["training"]["moments"] = training.moments
        if training.streamed:
            tree["training"]["streamed"] = training.streamed
        if (prior := state.prior) is not None:
            tree["training"]["prior"] = {
                "anchor": tensors_of(model, prior[0]),
                "fisher": tensors_of(model, prior[1]),
                "rows": training.prior_rows,
            }
    return tree


def _shown_state(attributes: Mapping[str, Any]) -> Tree:
    shown = {name: attributes[name] for name in SHOWN if name in attributes}
    if (unwatched := attributes.get("_unwatched", 0)) and shown.get("validation_scores_"):
        shown["validation_scores_"] = [*shown["validation_scores_"], *[np.nan] * unwatched]
    return {k: None if v is None else np.array(v, np.float64) for k, v in shown.items()}


def _dates_state(dates: Dates) -> Tree:
    return {
        "parts": list(dates.parts),
        "places": [column.place for column in dates.columns],
        "names": [column.name for column in dates.columns],
        "zones": [column.zone or "" for column in dates.columns],
    }


def _read_dates(state: State | None, names: Sequence[str], n_lists: int) -> Dates:
    """Return which of the columns, beside so many of lists, are made of dates."""
    if state is None:
        return NO_DATES
    parts, found = tuple(state.texts("parts")), state.texts("names")
    places, zones = state.integers("places"), state.texts("zones")
    state.done()
    if not parts or parts != tuple(part for part in PARTS if part in parts):
        raise state.refuse(f"parts among {PARTS!r}, in their order")
    if not found or {len(found)} != {len(places), len(zones)}:
        raise state.refuse("as many names as places and zones of columns")
    columns = zip(places, found, (zone or None for zone in zones), strict=True)
    dates = Dates(parts, tuple(DateColumn(*column) for column in columns))
    plain = len(names) - len(dates.made)
    if places != sorted(set(places)) or places[-1] >= plain + len(places) + n_lists:
        raise state.refuse("places among the columns, ascending")
    if list(names[plain:]) != [name for name, _ in dates.made]:
        raise state.refuse("the columns made of dates at the end of all columns")
    if unknown := [zone for zone in zones if zone and find_zone(zone) is None]:
        raise state.refuse(f"time zones that this system knows, not {unknown!r}")
    return dates


def _network_state(model: Model, *, trains: bool) -> Tree:
    if isinstance(model, CompressedModel):
        return {
            "config": config_state(model.config), "compressed": model.code,
            "parameters": dict(model.stored),
        }  # fmt: skip
    flat, averages = model.network.flat_parameters, model.network.flat_averages
    tree: Tree = {"config": config_state(model.config)}
    if trains and model.config.ema_decay and not np.array_equal(flat, averages):
        tree["averages"] = tensors_of(model, averages)
    else:
        flat = averages
    return tree | {"parameters": tensors_of(model, flat)}


def read_fitted(
    tree: Tree, kind: type, lent: Bytes | None = None, *, check_tables: bool = True
) -> Tree:
    """Return the attributes of a fitted estimator, checked.

    Parameters
    ----------
    tree : dict
    kind : type
        Of the estimator.
    lent, check_tables
        See :func:`dcnfast.network.saved.read_model`.
    """
    state = State(tree)
    columns = state.part("columns")
    names, named = tuple(columns.texts("names")), columns.flag("named")
    mask = columns.array("categorical", np.bool_, (len(names),))
    lists = read_lists(columns.part("lists")) if columns.names("lists") else NO_LISTS
    dates = _read_dates(columns.maybe("dates", columns.part), names, len(lists.taken))
    columns.done()
    encoder, target = read_encoder(state.part("encoder")), read_target(state.part("target"))
    network = state.part("network")
    model = read_model(network, lent, check_tables=check_tables)
    if network.has("averages"):
        model.network.set_averages(read_flat(network, "averages", model))
    network.done()
    seen = _read_seen(state, [field.counts for field in encoder.fields])
    training = state.part("training") if state.has("training") else None
    fitted = Fitted(
        (names, mask.tolist(), dates, lists), encoder, target, model, seen,
        None if training is None else _read_training(training, model),
    )  # fmt: skip
    shown = _read_shown(state.part("shown"), model.config.n_outputs)
    state.done()
    _check_fit(state, fitted, kind)
    given = _given(state, names, dates, lists)
    found: Tree = {"feature_names_in_": np.array(given, object)} if named else {}
    found |= {
        "n_features_in_": len(given),
        "is_categorical_": _categorical_of(given, names, mask, lists),
        "_dates": dates,
        "_lists": lists,
    }
    if isinstance(target, NumericTarget):
        found["n_outputs_"] = target.n_targets
    elif not isinstance(target, RankingTarget):
        found["classes_"] = target.classes
    return found | attributes_of(fitted) | shown


def _given(state: State, names: Sequence[str], dates: Dates, lists: ListColumns) -> list[str]:
    """Return all columns of the table."""
    taken = lists.taken
    n = len(names) - len(dates.made) + len(dates.places) + len(taken)
    if taken.keys() & set(dates.places) or not all(place < n for place in taken):
        raise state.refuse("places of lists among the columns")
    return dates.given(names, taken)


def _categorical_of(
    given: Sequence[str], names: Sequence[str], mask: Any, lists: ListColumns
) -> Any:
    """Return which columns of the table are categorical."""
    categorical = dict(zip(names, mask.tolist(), strict=True)) | dict.fromkeys(lists.names, True)
    return np.array([categorical.get(name, False) for name in given], np.bool_)


def _read_seen(state: State, counts: list[Any]) -> list[Any]:
    if not state.has("seen"):
        state.take("seen")
        return counts
    parts = state.parts("seen")
    if len(parts) != len(counts):
        raise state.refuse(f"counts of {len(counts)} fields")
    return [read_counts(part, len(known)) for part, known in zip(parts, counts, strict=True)]


def _read_training(state: State, model: Model) -> Training:
    training = Training.__new__(Training)
    found: Tree = {k: read_flat(state, k, model) for k in ("first_moments", "second_moments")}
    if state.names("moments"):
        found["moments"] = state.text("moments", {kind.keeps for kind in OPTIMIZERS.values()})
    if state.names("streamed"):
        found["streamed"] = state.integer("streamed", 1, 2**62)
    if state.names("prior"):
        prior = state.part("prior")
        found |= {k: read_flat(prior, k, model) for k in ("anchor", "fisher")}
        found["prior_rows"] = prior.integer("rows", 1, 2**62)
        prior.done()
    training.__setstate__(found | {"model": model, "step": state.take("step")})
    state.done()
    return training


def _read_shown(state: State, n_outputs: int) -> Tree:
    shown: Tree = {}
    for name in SHOWN:
        if state.has(name):
            shape = (n_outputs,) if name == "shrinkage_" else (None,)
            found = state.array(name, np.float64, shape, finite=False)
            shown[name] = found if name == "shrinkage_" else found.tolist()
        elif name == "validation_scores_" and state.names(name):
            shown[name] = state.maybe(name, state.part)
    state.done()
    if "loss_curve_" in shown:
        shown["n_iter_"], shown["_unwatched"] = len(shown["loss_curve_"]), 0
    if scores := shown.get("validation_scores_"):
        n = int(np.flatnonzero(~np.isnan(scores)).max(initial=-1)) + 1
        shown["validation_scores_"], shown["_unwatched"] = scores[:n], len(scores) - n
    return shown


def _check_fit(state: State, fitted: Fitted, kind: type) -> None:
    """Raise ValueError unless all parts are of one model."""
    (names, mask, _, lists), encoder = fitted.columns, fitted.encoder
    config, target = fitted.model.config, fitted.target
    categorical = [name for name, chosen in zip(names, mask, strict=True) if chosen]
    if [*categorical, *lists.names] != [field.name for field in encoder.fields]:
        raise state.refuse("an encoder of the categorical columns")
    if [(c.name, c.rule.pooling) for c in lists.columns] != list(encoder.poolings.items()):
        raise state.refuse("an encoder of the columns of lists")
    made = 0 if encoder.statistics is None else len(encoder.statistics.fields_of_columns())
    if len(encoder.scaler.standardizer.mean) != len(names) - len(categorical) + made:
        raise state.refuse("an encoder of the numeric columns")
    fields = [(name, rows) for name, rows, _ in config.fields]
    if fields != [(field.name, field.size) for field in encoder.fields]:
        raise state.refuse("a network of the encoder's fields")
    if config.table_of != encoder.table_of:
        raise state.refuse("a network of the fields that the encoder says share a table")
    pooled = ["max" if p == "max" else "sum" for p in encoder.poolings.values()]
    if list(config.poolings) != pooled:
        raise state.refuse("a network of the encoder's lists")
    if (config.n_dense, list(config.numeric_bins)) != (encoder.n_dense, encoder.bins):
        raise state.refuse("a network of the encoder's numbers")
    if (config.loss_kind, config.n_outputs) != (target.loss, target.n_outputs):
        raise state.refuse("a network of the target's loss and outputs")
    wanted: tuple[type, ...] = (RankingTarget,)
    if issubclass(kind, ClassifierMixin):
        wanted = (ClassTarget, LabelsTarget)
    elif issubclass(kind, RegressorMixin):
        wanted = (NumericTarget,)
    if not isinstance(target, wanted):
        raise state.refuse(f"a target of {kind.__name__}")


def pickled(attributes: Mapping[str, Any]) -> Tree:
    """Return what a pickle of a fitted estimator has."""
    document, arrays = separate(fitted_state(trimmed(attributes), trains=True))
    return {"format": FORMAT, "document": document, "arrays": arrays}


def unpickled(state: Any, kind: type) -> Tree:
    """Return the attributes of a fitted estimator, checked as those of a file are."""
    if not isinstance(state, dict) or state.keys() != set(WORDS):
        raise ValueError(f"the state of {kind.__name__} is no dict of {WORDS!r}")
    if state["format"] != FORMAT:
        raise ValueError(f"the state has format {state['format']!r}, want {FORMAT}")
    document, arrays = state["document"], state["arrays"]
    if not isinstance(document, str) or not isinstance(arrays, dict):
        raise ValueError("the state has no text as its document, or no dict of arrays")
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise ValueError("the state has arrays that are none")
    return read_fitted(join(document, arrays), kind)
