"""The workbench of one worker: built components, and encodings shared by all that can share them."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mitobench.components import ComponentPlan
from mitobench.errors import ContractError, DeviceMemoryError, MitobenchError
from mitobench.interfaces import Encoding
from mitobench.plugins import Plugins

__all__ = ["Encoded", "Workbench", "describe", "timed"]

_Result = TypeVar("_Result")


@dataclass(frozen=True, eq=False)
class Encoded:
    """One image's encoding, what it cost and in which batch it was made.

    Attributes:
        value: the encoding, or None where there was nothing to encode.
        seconds: its share of the batch's time.
        batch: images per call; smaller than asked for where memory ran out.
        error: why there is no encoding, or None.
    """

    value: Encoding = None
    seconds: float = 0.0
    batch: int = 0
    error: BaseException | None = None


@dataclass(eq=False)
class Workbench:
    """Builds each component once, on first use. One thread at a time holds ``device_lock`` while models compute.

    ``doing`` says in a few words what is being done, for those who wait.
    """

    plugins: Plugins
    device: str
    seed: int
    doing: str = ""
    device_lock: threading.Lock = field(default_factory=threading.Lock)
    _built: dict[str, Any] = field(default_factory=dict)
    _building: threading.RLock = field(default_factory=threading.RLock)

    def component(self, planned: ComponentPlan) -> Any:
        """The built component. A failure to build is remembered and raised again at every use."""
        key = f"{planned.key}{planned.missing}"
        with self._building:
            if key not in self._built:
                self.doing = f"loading {planned.label}"
                try:
                    self._built[key] = planned.build(self.plugins, device=self.device, seed=self.seed)
                except (Exception, SystemExit) as error:
                    self._built[key] = _Broken(error)
            found = self._built[key]
        if isinstance(found, _Broken):
            raise found.error
        return found

    def encode(
        self,
        planned: ComponentPlan,
        images: Sequence[NDArray[np.uint8]],
        batch: int,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> list[Encoded]:
        """Encode images in batches; where the device's memory runs out, in ever smaller ones.

        Returns:
            one :class:`Encoded` per image, in order; a failure is stored, not raised. Fewer where ``should_stop`` said so.
        """
        component = self.component(planned)
        results: list[Encoded] = []
        while len(results) < len(images) and not should_stop():
            part = images[len(results) : len(results) + batch]
            self.doing = f"{planned.label} encodes {len(part)} image{'s' if len(part) > 1 else ''}"
            start = time.perf_counter()
            try:
                values = list(component.encode(part))
                if len(values) != len(part):
                    raise ContractError(
                        f"{planned.label}: encode returned {len(values)} encodings for {len(part)} images."
                    )
            except DeviceMemoryError as error:
                if batch == 1:
                    results.append(Encoded(error=error))
                batch = max(1, batch // 2)
                continue
            except (Exception, SystemExit) as error:
                results += [Encoded(error=error)] * len(part)
                continue
            share = (time.perf_counter() - start) / len(part)
            results += [Encoded(value, share, len(part)) for value in values]
        return results


@dataclass(frozen=True)
class _Broken:
    error: BaseException


def describe(error: BaseException) -> str:
    """One line that says what went wrong, with the class where the message alone would not do."""
    text = " ".join(str(error).split())
    return (
        text
        if isinstance(error, MitobenchError) and text
        else f"{type(error).__name__}: {text}"
        if text
        else type(error).__name__
    )


def timed(call: Callable[[], _Result]) -> tuple[_Result, float]:
    """The result of a call and the seconds that it took."""
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start
