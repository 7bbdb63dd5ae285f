"""What was learned of categories, as a frame."""

from __future__ import annotations

from typing import Any, Literal

import narwhals.stable.v2 as nw
import numpy as np

from dcnfast.encode.vocabulary import FIRST
from dcnfast.inspection.weights import one_fit
from dcnfast.network.collision import embeddings_of


def embedding_frame(
    estimator: Any,
    column: str,
    *,
    backend: Literal["pandas", "polars", "pyarrow"] = "pandas",
) -> Any:
    """Return the embeddings of a categorical column, one row a category.

    Of a column of lists they are those of the items; columns that share embeddings have the same.
    Categories that share a row because they are infrequent are not listed. With
    ``collision_weights`` they are what the network has, times their factors.

    Parameters
    ----------
    estimator : DCNRegressor or DCNClassifier
        Fitted.
    column : str
        A categorical column with a vocabulary: not one of ``hash_buckets``.
    backend : {"pandas", "polars", "pyarrow"}, default="pandas"
        Whose frame it is.

    Returns
    -------
    frame : DataFrame or Table
        The column of that name has the categories; "count", or "count_" where that is its name, how
        often training saw each, which for lists is as an item; and "item_0", "item_1" and so on,
        for a column "item", its embedding.

    Raises
    ------
    ValueError
        If there is no such column, it is hashed, or the backend is another, or one without columns
        of several types where the categories have several.
    """
    fit = one_fit(estimator)
    if backend not in ("pandas", "polars", "pyarrow"):
        raise ValueError(f"backend is {backend!r}, want 'pandas', 'polars' or 'pyarrow'")
    encoder, model = fit.encoder_, fit._model
    names = [field.name for field in encoder.fields]
    if column not in names:
        raise ValueError(f"column is {column!r}, want a categorical column: {names!r}")
    f, categories = names.index(column), encoder.categories(column)
    vectors = embeddings_of(model, f)[FIRST : FIRST + len(categories)]
    seen = np.asarray(fit._seen[f])[FIRST : FIRST + len(categories)]
    counts = "count" if column != "count" else "count_"
    columns: dict[str, Any] = {column: _ids(column, categories, backend), counts: seen}
    columns |= {f"{column}_{k}": np.array(vectors[:, k]) for k in range(vectors.shape[1])}
    return nw.from_dict(columns, backend=backend).to_native()


def _ids(column: str, categories: list[Any], backend: str) -> Any:
    """Return categories of one type as an array; of several as they are, which pandas has alone."""
    kinds = {type(value) for value in categories}
    if kinds <= {str}:
        return categories
    if kinds <= {int}:
        low, high = min(categories), max(categories)
        if high < 2**63:
            return np.array(categories, np.int64)
        if low >= 0 and high < 2**64:
            return np.array(categories, np.uint64)
    if (
        float in kinds
        and kinds <= {int, float}
        and all(float(value) == value for value in categories)
    ):
        return np.array(categories, np.float64)
    if len(kinds) == 1 and kinds <= {bool}:
        return np.array(categories)
    if backend == "pandas":
        return np.array(categories, object)
    raise ValueError(
        f"backend is {backend!r}, whose columns have one type of at most 64 bits, want 'pandas': "
        f"{column!r} has categories of the types {sorted(kind.__name__ for kind in kinds)!r}"
    )
