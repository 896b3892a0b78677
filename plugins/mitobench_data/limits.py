"""Checks on what a file claims, made before anything is allocated."""

from pathlib import Path

from mitobench.errors import DataError

__all__ = ["check_file", "check_plane"]


def check_file(path: Path) -> None:
    """Raise :class:`DataError` unless the path is a file with at least one byte."""
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise DataError(f"{path}: {found}; expected a file.")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty (0 bytes). Copy it again.")


def check_plane(shape: tuple[int, int], max_pixels: int, name: str) -> None:
    """Raise :class:`DataError` where an (H, W) plane is larger than allowed, or has no pixels."""
    height, width = shape
    if height < 1 or width < 1:
        raise DataError(f"{name}: a plane of {height} x {width} pixels; expected at least one pixel.")
    if height * width > max_pixels:
        raise DataError(
            f"{name}: claims {height} x {width} = {height * width} pixels a plane; at most {max_pixels} are read. "
            "If that is right, raise max_pixels=; else the header is damaged."
        )
