"""Ultralytics, imported without its side effects: no network, no telemetry, no installs, no output, no files left behind.

Every other module of this plugin takes what it needs of ultralytics from here, so that what must be set before the import is.
What the import changes for the whole process (environment, warning filters, print options, ``torch.save``, ``torch.load``) is put back.
"""

import contextlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

__all__ = [
    "DEFAULTS",
    "DetectionModel",
    "Settings",
    "YOLODataset",
    "cv2",
    "layers_of_yolo11",
]

_ENVIRONMENT = {
    "YOLO_OFFLINE": "true",
    "YOLO_AUTOINSTALL": "false",
    "YOLO_VERBOSE": "false",
    "NO_ALBUMENTATIONS_UPDATE": "1",
}
_HELD: list[tempfile.TemporaryDirectory[str]] = []
"""The private folder of ultralytics' settings; it is removed when the process ends."""


@contextlib.contextmanager
def _as_before() -> Iterator[None]:
    """Put back what importing ultralytics changes for everybody in the process."""
    environment, save, load = dict(os.environ), torch.save, torch.load
    import cv2  # it writes into the environment, too

    threads = cv2.getNumThreads()
    options, profile = np.get_printoptions(), torch._tensor_str.PRINT_OPTS
    kept = {name: getattr(profile, name) for name in ("precision", "threshold", "edgeitems", "linewidth", "sci_mode")}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ultralytics adds filters of its own, and its dependencies warn
            yield
    finally:
        os.environ.clear()
        os.environ.update(environment)
        torch.save, torch.load = save, load  # older versions make loading unsafe for everybody
        torch.set_printoptions(**kept)
        np.set_printoptions(**options)
        cv2.setNumThreads(threads)


def _prepare() -> None:
    if "ultralytics" in sys.modules:  # somebody else's settings; theirs to decide
        return
    folder = tempfile.TemporaryDirectory(prefix="mitobench-yolo-", ignore_cleanup_errors=True)
    _HELD.append(folder)
    with _as_before():
        os.environ.update(_ENVIRONMENT, YOLO_CONFIG_DIR=folder.name)
        from ultralytics.utils import SETTINGS

        SETTINGS.update({name: False for name in SETTINGS if isinstance(SETTINGS[name], bool)})
    logger = logging.getLogger("ultralytics")
    for handler in list(logger.handlers):  # they write to stdout
        logger.removeHandler(handler)
    logger.setLevel(logging.ERROR)


_prepare()
with _as_before():
    os.environ.update(_ENVIRONMENT)
    import cv2
    import ultralytics
    from ultralytics.data.dataset import YOLODataset
    from ultralytics.nn.tasks import DetectionModel
    from ultralytics.utils import DEFAULT_CFG
    from ultralytics.utils import IterableSimpleNamespace as Settings

DEFAULTS = dict(vars(DEFAULT_CFG))
"""Ultralytics' own hyperparameters and augmentation settings, by name."""


def layers_of_yolo11() -> dict[str, object]:
    """The description of YOLO11's layers that ultralytics ships, all sizes, as plain data."""
    import yaml

    path = Path(ultralytics.__file__).parent / "cfg" / "models" / "11" / "yolo11.yaml"
    with path.open(encoding="utf-8") as file:
        return dict(yaml.safe_load(file))
