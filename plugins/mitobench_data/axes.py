"""What the axes of an array are: sections, channels, rows, columns. Asked for where a file leaves it open, never guessed."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Literal

from mitobench.errors import DataError

__all__ = ["Layout", "Role", "resolve_axes"]

Role = Literal["image", "labels"]

_UNKNOWN = frozenset("QI?")
_MOST_CHANNELS = 5
_READINGS = {2: ("YX",), 3: ("ZYX", "CYX", "YXC"), 4: ("ZYXC", "ZCYX", "CZYX")}


@dataclass(frozen=True)
class Layout:
    """The axes of one array, by position.

    Attributes:
        shape: of the array.
        y, x: rows and columns.
        section: sections, or None where the array is one plane.
        channel: channels, or None.
        samples: the channels are the colour samples of a pixel, not separately recorded planes.
    """

    shape: tuple[int, ...]
    y: int
    x: int
    section: int | None = None
    channel: int | None = None
    samples: bool = False

    @property
    def count(self) -> int:
        """The number of sections."""
        return 1 if self.section is None else self.shape[self.section]

    @property
    def plane(self) -> tuple[int, int]:
        """(H, W)."""
        return self.shape[self.y], self.shape[self.x]

    def index(self, section: int) -> tuple[int | slice, ...]:
        """What to index the array with for one section, all channels."""
        kept = (self.y, self.x, self.channel)
        return tuple(
            slice(None) if axis in kept else section if axis == self.section else 0 for axis in range(len(self.shape))
        )

    @property
    def order(self) -> tuple[int, ...]:
        """How to transpose what ``index`` gives to (H, W) or (H, W, C)."""
        wanted = [self.y, self.x] + ([] if self.channel is None else [self.channel])
        return tuple(sorted(wanted).index(axis) for axis in wanted)


def resolve_axes(
    shape: Sequence[int], found: str, *, asked: str = "", role: Role = "image", labels: Layout | None = None, name: str
) -> Layout:
    """Find out what the axes of an array are.

    What the user says decides; then what the file says; then, for images, which reading fits the labels, which have no
    channels. If more than one reading is left, the user is asked.

    Args:
        shape: of the array.
        found: one letter per axis from the file: Y, X, S (samples of a pixel), C, Z, T and so on; Q, I or ? = unknown.
        asked: the user's letters, or "".
        role: labels have no channels, so that whatever comes before rows and columns is sections.
        labels: the layout of the labels that belong to the image, if there are any.
        name: what the array is called in messages.

    Raises:
        DataError: letters that do not fit, more than one axis of sections, or axes that remain open.
    """
    shape = tuple(shape)
    if asked:
        if len(asked) != len(shape):
            raise DataError(f"{name}: axes={asked} names {len(asked)} axes but the array has shape {shape}.")
        return _layout(shape, asked, name)
    if role == "labels":
        known = found if "Y" in found and "X" in found else "?" * (len(shape) - 2) + "YX"
        return _layout(shape, "".join(axis if axis in "YXS" else "Z" for axis in known), name)
    if not _UNKNOWN & set(found):
        return _layout(shape, found, name)
    return _only_reading(shape, found, labels, name)


def _only_reading(shape: tuple[int, ...], found: str, labels: Layout | None, name: str) -> Layout:
    if "S" in found:
        readings: Sequence[str] = ["".join("Z" if axis in _UNKNOWN else axis for axis in found)]
    else:
        readings = [r for r in _READINGS.get(len(shape), ()) if "C" not in r or shape[r.index("C")] <= _MOST_CHANNELS]
    if not readings:
        raise DataError(f"{name}: an array of shape {shape}; its axes are unknown. Name them, such as axes=ZYX.")
    layouts = [_layout(shape, reading, name) for reading in readings]
    if labels is not None:
        fits = [(layout.count, layout.plane) == (labels.count, labels.plane) for layout in layouts]
        if any(fits):
            layouts, readings = list(compress(layouts, fits)), list(compress(readings, fits))
    if len(layouts) > 1:
        raise DataError(
            f"{name}: an array of shape {shape} may be {' or '.join(readings)} (Z = sections, C = channels). Say which with axes=."
        )
    return layouts[0]


def _layout(shape: tuple[int, ...], axes: str, name: str) -> Layout:
    y, x = axes.rfind("Y"), axes.rfind("X")
    if y < 0 or x < 0:
        raise DataError(
            f"{name}: an array of shape {shape} with axes {axes}; expected rows (Y) and columns (X). Name them with axes=."
        )
    channels = [axis for axis, letter in enumerate(axes) if letter in "CS" and shape[axis] > 1]
    others = [axis for axis, letter in enumerate(axes) if letter not in "CSYX"]
    sections = [axis for axis in others if shape[axis] > 1] or others[:1]
    if len(sections) > 1 or len(channels) > 1:
        raise DataError(
            f"{name}: an array of shape {shape} with axes {axes}; expected one axis of sections and at most one of channels. Store one stack per file."
        )
    section, channel = (found[0] if found else None for found in (sections, channels))
    return Layout(shape, y, x, section, channel, channel is not None and (axes[channel] == "S" or channel > x))
