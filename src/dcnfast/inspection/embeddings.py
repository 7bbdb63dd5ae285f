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
        The column of that name has the categories; "count" how often training saw each, which for
        lists is as an item; and "item_0", "item_1" and so on, for a column "item", its embedding.

    Raises
    ------
    ValueError
        If there is no such column, it is hashed, or the backend is another.
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
    columns: dict[str, Any] = {column: categories, "count": seen}
    columns |= {f"{column}_{k}": np.array(vectors[:, k]) for k in range(vectors.shape[1])}
    return nw.from_dict(columns, backend=backend).to_native()
