"""Tables with columns of lists of every kind, and models of them."""

import numpy as np
import pandas as pd

from dcnfast.lists import Lists

WORDS = np.array(["", "a", "Zürich", "東京", "(0, 1]", "b|c", "d" * 130], object)


def lists_of(rng, n, draw, holes=0.1):
    """Return lists of up to five items, some of them empty, missing, or with missing items."""
    made = []
    for _ in range(n):
        items = [None if rng.random() < holes else draw() for _ in range(rng.integers(0, 6))]
        made.append(None if rng.random() < 0.1 else items)
    return made


def weights_of(rng, lists):
    """Return weights of lists; those of the first third are 0."""
    least = len(lists) // 3
    return [
        None if of is None else (rng.exponential(2.0, len(of)) * (i >= least)).tolist()
        for i, of in enumerate(lists)
    ]


def make_table(n=150, seed=0, new=False):
    """Return lists of all kinds of items, between plain columns; `new` has unseen ones, too."""
    rng = np.random.default_rng(seed)
    unseen = int(new)
    numbers = np.array([0.5, 1.0, -2.25, 1e300, 3.5][: 4 + unseen])
    mixed = np.array([2.5, -7, 2**63 + 5, True, 2**60 + 1][: 4 + unseen], object)
    X = pd.DataFrame({"number": rng.normal(size=n), "city": rng.choice(WORDS[1:4], n)})
    words = WORDS[: 6 + unseen]
    X["words"] = lists_of(rng, n, lambda: rng.choice(words))
    X["ids"] = lists_of(rng, n, lambda: int(rng.integers(-5, 5 + unseen)) + 2**60)
    X["seconds"] = weights_of(rng, X["ids"])
    X["large"] = lists_of(rng, n, lambda: int(rng.integers(0, 5 + unseen)) + 2**63)
    X["reals"] = lists_of(rng, n, lambda: float(rng.choice(numbers)))
    X["mixed"] = lists_of(rng, n, lambda: mixed[rng.integers(len(mixed))])
    X["shares"] = weights_of(rng, X["mixed"])
    split = lists_of(rng, n, lambda: str(rng.choice(WORDS[1:4])), holes=0)
    X["split"] = [None if of is None else "||".join(of) for of in split]
    X["other"] = rng.choice(["Oslo", *WORDS[1:3]], n)
    return X


# poolings by column, so that every kind of item meets every pooling
RULES = [
    {"words": "mean", "ids": Lists("mean", weights="seconds"), "large": "sqrtn", "reals": "max",
     "mixed": Lists("sum", weights="shares"), "split": Lists("sum", separator="||")},
    {"words": "max", "ids": Lists("sqrtn", weights="seconds"), "large": "sum", "reals": "mean",
     "mixed": Lists("mean", weights="shares"), "split": Lists("max", separator="||")},
    {"words": "sqrtn", "ids": Lists("sum", weights="seconds"), "large": "max", "reals": "sum",
     "mixed": Lists("sqrtn", weights="shares"), "split": Lists("mean", separator="||")},
]  # fmt: skip
SHARED = [("city", "words", "split"), ("ids", "large")]
# what differs of a model: rules, and options
CASES = [
    (RULES[0], {"hash_buckets": {"words": 9, "ids": 9, "split": 30}, "n_members": 3}),
    (RULES[1], {"wide": True, "n_members": 3, "shared_embeddings": SHARED}),
    (RULES[2], {"wide": True, "dtype": "float64", "shared_embeddings": SHARED[:1],
                "numeric_embedding": "piecewise"}),
]  # fmt: skip
