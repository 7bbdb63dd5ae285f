"""docs/kinds.md names every kind and every flat name."""

from pathlib import Path

import pytest

from dcnfast.network.crosses import CROSSES
from dcnfast.network.losses import LOSSES, RANKING_LOSSES
from dcnfast.network.numeric_embeddings import NUMERIC_EMBEDDINGS
from dcnfast.training.optimizers import OPTIMIZERS
from dcnfast.training.schedules import SCHEDULES

PAGE = (Path(__file__).parents[2] / "docs" / "kinds.md").read_text()


@pytest.mark.parametrize(
    "family",
    [CROSSES, LOSSES, RANKING_LOSSES, NUMERIC_EMBEDDINGS, OPTIMIZERS, SCHEDULES],
    ids=lambda f: f.parameter,
)
def test_the_page_names_every_kind(family):
    for kind in family.values():
        assert f'"{kind.name}"' in PAGE
        assert f"{kind.__name__}(" in PAGE
        for option, flat in kind.shorthands.items():
            assert f"`{flat}`" in PAGE
            assert f"`{option}`" in PAGE
