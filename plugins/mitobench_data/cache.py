"""What was read last, remembered within bounds: patches of one section then decode it once."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

__all__ = ["PlaneCache"]

_MOST_BYTES = 1 << 27
_MOST_PLANES = 16
_MOST_NOTES = 1 << 14


class PlaneCache:
    """Planes (anything with ``nbytes``), least recently used out first, and short notes on many more planes.

    Shared by the volumes of one data source, so that its size does not grow with the number of files. A pickle of it is
    empty.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._planes: OrderedDict[Hashable, Any] = OrderedDict()
        self._notes: OrderedDict[Hashable, str] = OrderedDict()
        self._lock = threading.RLock()

    def plane(self, key: Hashable, read: Callable[[], Any]) -> Any:
        """The plane of that key; read, and remembered, where it is not known."""
        with self._lock:
            if key in self._planes:
                self._planes.move_to_end(key)
                return self._planes[key]
        plane = read()
        with self._lock:
            self._planes[key] = plane
            while len(self._planes) > 1 and (len(self._planes) > _MOST_PLANES or self._held() > _MOST_BYTES):
                self._planes.popitem(last=False)
        return plane

    def note(self, key: Hashable, make: Callable[[], str]) -> str:
        """The note of that key; made, and remembered, where it is not known."""
        with self._lock:
            known = self._notes.get(key)
        if known is None:
            known = make()
            with self._lock:
                self._notes[key] = known
                if len(self._notes) > _MOST_NOTES:
                    self._notes.popitem(last=False)
        return known

    def _held(self) -> int:
        return sum(plane.nbytes for plane in self._planes.values())

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        PlaneCache.__init__(self)
