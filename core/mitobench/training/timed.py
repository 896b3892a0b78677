"""Options of trainers that train for a number of epochs or for a number of minutes."""

from typing import Any, Self

from pydantic import model_validator

from mitobench.options import ComponentOptions

__all__ = ["TimedTraining"]


class TimedTraining(ComponentOptions):
    """Base of a trainer's options with ``epochs: int | None`` (and a default) and ``minutes: float | None = None``.

    ``minutes`` alone trains for so long: ``epochs`` is None then, whatever its default, so that the options' identity tells such
    a training from one that ends after both so many minutes and so many epochs.
    """

    @model_validator(mode="before")
    @classmethod
    def _time_alone(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("minutes") is not None:
            return {"epochs": None, **given}
        return given

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if getattr(self, "epochs", 1) is None and getattr(self, "minutes", None) is None:
            raise ValueError("a training without epochs and without minutes would never end; give one of them")
        return self
