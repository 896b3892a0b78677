"""PNG images through Pillow, without its global limit on pixels (ours is an option)."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.PngImagePlugin import PngImageFile

from mitobench.errors import DataError
from mitobench_data.axes import Layout, Role
from mitobench_data.limits import check_plane
from mitobench_data.planes import PlaneFile

__all__ = ["PngPlane"]

_IMAGE_MODES = {"1": "L", "P": "RGB", "PA": "RGB", "LA": "L"}


class PngPlane:
    """One PNG image: alpha is dropped, a palette is looked up for images and kept as indices for labels.

    Sixteen bits a channel are kept for grey; Pillow reduces colour to eight.
    """

    cmyk = False

    def __init__(self, file: PlaneFile, role: Role) -> None:
        """Read the header. Raises DataError where it is damaged or claims more than ``max_pixels``."""
        self._path, self._role = file.path, role
        with self._opened() as image:
            width, height = image.size
        check_plane((height, width), file.max_pixels, str(file.path))
        self.layout = Layout((height, width), 0, 1)

    def read(self, section: int) -> NDArray[Any]:
        """The image, (H, W) or (H, W, C)."""
        with self._opened() as image:
            try:
                mode = _IMAGE_MODES.get(image.mode, "") if self._role == "image" else "L" if image.mode == "LA" else ""
                return np.asarray(image.convert(mode) if mode else image)
            except (OSError, SyntaxError, ValueError) as error:
                raise _damaged(self._path, error) from None

    def _opened(self) -> PngImageFile:
        try:
            return PngImageFile(self._path)
        except (OSError, SyntaxError, ValueError, EOFError) as error:
            raise _damaged(self._path, error) from None


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: the PNG image is damaged or cut short ({error}). Copy it again.")
