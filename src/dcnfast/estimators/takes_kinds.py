"""Parameters that choose among kinds: by name, or as objects with options."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from dcnfast.network.crosses import CROSSES
from dcnfast.network.kinds import Family
from dcnfast.network.losses import LOSSES
from dcnfast.network.numeric_embeddings import NUMERIC_EMBEDDINGS
from dcnfast.training.checkpoints import CHECKPOINTS
from dcnfast.training.optimizers import OPTIMIZERS
from dcnfast.training.schedules import DROPOUT_SCHEDULES, SCHEDULES
from dcnfast.training.target_statistics import TARGET_STATISTICS

FAMILIES: dict[str, Family[Any]] = {
    family.parameter: family
    for family in (
        CHECKPOINTS,
        CROSSES,
        DROPOUT_SCHEDULES,
        LOSSES,
        NUMERIC_EMBEDDINGS,
        OPTIMIZERS,
        SCHEDULES,
        TARGET_STATISTICS,
    )
}


class TakesKinds:
    """Parameters that are the name of a kind, or an object with options of its own."""

    _families: ClassVar[dict[str, Family[Any]]] = FAMILIES

    def set_params(self, **params: Any) -> Self:
        """Set parameters, also those of objects: ``cross__rank=8`` where ``cross`` is one.

        Raises
        ------
        ValueError
            If there is no such parameter, or the object that should have it is a name.
        """
        for name in params:
            parameter, nested, option = name.partition("__")
            given = params.get(parameter, getattr(self, parameter, None))
            if nested and isinstance(given, str | None) and parameter in self._families:
                what = "None" if given is None else f"the name {given!r}"
                raise ValueError(
                    f"{name} is given and {parameter} is {what}, want "
                    + _objects_with(option, self._families[parameter], given)
                )
        super().set_params(**params)  # type: ignore[misc]
        return self

    def _validate_params(self) -> None:
        super()._validate_params()  # type: ignore[misc]
        for name, family in self._families.items():
            given = getattr(self, name)  # None and "auto": which constraints above allow or not
            if given is not None and (given in family or given != "auto"):
                family.resolve(given, vars(self))


def _objects_with(option: str, family: Family[Any], given: str | None) -> str:
    """Tell which object has an option: of the kind that is given, if it has it."""
    own = [kind for name, kind in family.items() if name == given]
    for kind in [*own, *family.values()]:
        if option in kind.defaults():
            return f"an object that has {option}, as {family.parameter}={kind.__name__}()"
    names = ", ".join(kind.__name__ for kind in family.values())
    return f"an object with options of its own; none of {names} has {option}"
