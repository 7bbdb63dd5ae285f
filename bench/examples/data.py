"""The tables that are not part of the project, read from a folder of the reader's own."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

Target = npt.NDArray[np.float64]

VARIABLE = "DCNFAST_DATA"
UCI = {  # tables of the quality suite: a header, then rows, as bench/quality/suite.py reads them
    "abalone": "Abalone",
    "bank": "Bank Marketing",
    "bike": "Bike Sharing, hourly",
    "covtype20k": "Covertype, 20,000 rows",
    "credit": "Default of Credit Card Clients, 24,000 rows",
    "grid": "Electrical Grid Stability Simulated Data",
    "magic": "MAGIC Gamma Telescope",
    "poker": "Poker Hand, 99,998 rows",
    "satellite": "Statlog (Landsat Satellite)",
    "traffic": "Metro Interstate Traffic Volume",
    "wine": "Wine Quality, red and white",
}
ORIGIN = {
    "adult.data": "UCI Machine Learning Repository, Adult (CC BY 4.0)",
    "adult.test": "UCI Machine Learning Repository, Adult (CC BY 4.0)",
    "california_housing.csv": "housing.csv of github.com/ageron/handson-ml",
    "hflights.csv.gz": "the CSV of github.com/hadley/hflights (CC0), gzipped",
    "ml-100k/u.data": "GroupLens, MovieLens 100K, with u.user and u.item",
    "ml-1m/ratings.dat": "GroupLens, MovieLens 1M, with users.dat and movies.dat",
    "criteo/train.txt": "Criteo, display advertising challenge, or a part of the file",
    **{
        f"uci/{name}.csv.gz": f"UCI Machine Learning Repository, {title} (CC BY 4.0), gzipped"
        for name, title in UCI.items()
    },
}
ADULT = (
    "age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation",
    "relationship", "race", "sex", "capital_gain", "capital_loss", "hours_per_week",
    "native_country", "income",
)  # fmt: skip
FLIGHT_CATEGORIES = (
    "Month", "DayofMonth", "DayOfWeek", "Hour", "UniqueCarrier", "FlightNum", "TailNum", "Origin",
    "Dest",
)  # fmt: skip


def locate(file: str, folder: str | Path | None) -> Path:
    """Return the path of a file in ``folder``, or in the folder that DCNFAST_DATA names.

    Raises
    ------
    FileNotFoundError
        That says what was looked for, and where it comes from.
    """
    folder = folder or os.environ.get(VARIABLE)
    want = f"{file} ({ORIGIN[file]})"
    if not folder:
        raise FileNotFoundError(
            f"no folder to find {want} in: give --data DIR or set the environment variable "
            f"{VARIABLE}"
        )
    path = Path(folder) / file
    if not path.is_file():
        raise FileNotFoundError(f"{folder} has no {want}")
    return path


def _adult(path: Path) -> tuple[pd.DataFrame, Target]:
    table = pd.read_csv(
        path, header=None, names=ADULT, skipinitialspace=True, na_values="?", comment="|"
    )
    return table.drop(columns="income"), table.income.str.startswith(">50K").to_numpy(np.float64)


def read_adult(
    folder: str | Path | None = None,
) -> tuple[pd.DataFrame, Target, pd.DataFrame, Target]:
    """Return X and y of the official training file, X and y of the test file; y is 0 or 1."""
    return (*_adult(locate("adult.data", folder)), *_adult(locate("adult.test", folder)))


def read_california(folder: str | Path | None = None) -> tuple[pd.DataFrame, Target]:
    """Return the eight numeric columns that papers use, and the median value in $100,000.

    Averages per household stand for totals, as in scikit-learn's copy; there is no ocean_proximity,
    and 207 rows miss their bedrooms.
    """
    table = pd.read_csv(locate("california_housing.csv", folder))
    X = pd.DataFrame(
        {
            "MedInc": table.median_income,
            "HouseAge": table.housing_median_age,
            "AveRooms": table.total_rooms / table.households,
            "AveBedrms": table.total_bedrooms / table.households,
            "Population": table.population,
            "AveOccup": table.population / table.households,
            "Latitude": table.latitude,
            "Longitude": table.longitude,
        }
    )
    return X, table.median_house_value.to_numpy(np.float64) / 1e5


def read_hflights(folder: str | Path | None = None) -> tuple[pd.DataFrame, Target]:
    """Return what is known of a flight before it leaves, and whether it came over 15 minutes late.

    The scheduled hour is the departure minus its delay. Cancelled flights have neither, and count
    as not late: to every model alike, a missing hour gives them away (1.3 % of the rows).
    """
    table = pd.read_csv(locate("hflights.csv.gz", folder))
    minutes = table.DepTime // 100 * 60 + table.DepTime % 100 - table.DepDelay
    hour = (minutes // 60 % 24).astype("Int64")
    X = table.assign(Hour=hour)[[*FLIGHT_CATEGORIES, "Distance"]]
    X = X.astype(dict.fromkeys(FLIGHT_CATEGORIES, "category"))
    return X, (table.ArrDelay > 15).to_numpy(np.float64)
