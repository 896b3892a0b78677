"""The pixel size that a TIFF file states: in OME's or in ImageJ's words. A bare resolution tag is no such statement.

Cameras, scanners and paint programs fill in 72 or 96 dots per inch where they know nothing, so without a unit that somebody
chose, nothing is guessed.
"""

import math
import re
from pathlib import Path
from typing import Any

__all__ = ["stored_pixel_size"]

_NANOMETRES = {
    "pm": 1e-3,
    "å": 0.1,
    "angstrom": 0.1,
    "nm": 1.0,
    "nanometer": 1.0,
    "um": 1e3,
    "µm": 1e3,
    "micron": 1e3,
    "microns": 1e3,
    "micrometer": 1e3,
    "mm": 1e6,
    "cm": 1e7,
}
_OME_DEFAULT = "µm"


def stored_pixel_size(path: Path) -> tuple[float, float] | None:
    """(y, x) in nanometres, or None where the file does not say it or cannot be read (which whoever reads it will say).

    Source: the OME-TIFF specification (``PhysicalSizeX``, micrometres unless it names a unit), and ImageJ's description
    (``unit``) with the resolution tags in pixels per unit.
    """
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            if file.ome_metadata:
                return _from_ome(file.ome_metadata)
            return _from_imagej(file) if file.imagej_metadata else None
    except Exception:  # whatever a damaged or foreign file makes its decoder raise
        return None


def _from_ome(text: str) -> tuple[float, float] | None:
    pixels = re.search(r"<(?:\w+:)?Pixels\b[^>]*>", text)
    if pixels is None:
        return None
    sizes = []
    for axis in "YX":
        size = re.search(rf'\bPhysicalSize{axis}="([^"]*)"', pixels[0])
        unit = re.search(rf'\bPhysicalSize{axis}Unit="([^"]*)"', pixels[0])
        sizes.append(_nanometres(float(size[1]) if size else math.nan, unit[1] if unit else _OME_DEFAULT))
    return _known(sizes[0], sizes[1])


def _from_imagej(file: Any) -> tuple[float, float] | None:
    unit = str(file.imagej_metadata.get("unit", ""))
    tags = file.pages[0].tags
    sizes = []
    for name in ("YResolution", "XResolution"):
        pixels, units = tags[name].value
        sizes.append(_nanometres(units / pixels, unit))
    return _known(sizes[0], sizes[1])


def _nanometres(size: float, unit: str) -> float:
    """NaN where the unit is none that we know."""
    plain = unit.strip().replace("\\u00B5", "µ").replace("\\u00b5", "µ").replace("μ", "µ").lower()
    return size * _NANOMETRES.get(plain, math.nan)


def _known(y: float, x: float) -> tuple[float, float] | None:
    return (y, x) if all(math.isfinite(size) and size > 0 for size in (y, x)) else None
