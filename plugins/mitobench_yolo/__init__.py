"""The plugin ``yolo``: ultralytics YOLO11 as a trainer and as a prompter that emits boxes.

It imports ultralytics, which is licensed under AGPL-3.0 (or bought under another licence from its makers). Whoever passes on
this plugin together with ultralytics, or offers its use over a network, must honour the AGPL-3.0. The rest of mitobench
neither imports nor needs it.
"""

from mitobench import hookimpl
from mitobench.descriptors import PrompterDescriptor, TrainerDescriptor

_PACKAGES = ("ultralytics>=8.3", "torch>=2.6", "torchvision>=0.21", "scipy>=1.12")
_INSTALL = "pip install 'mitobench[yolo]' (in a checkout: pip install '.[yolo]')"
_LICENCE = "AGPL-3.0-only"
_CITATION = (
    "Jocher and Qiu, Ultralytics YOLO11, version 11.0.0, 2024, https://github.com/ultralytics/ultralytics (AGPL-3.0)"
)


@hookimpl
def mitobench_prompters() -> list[PrompterDescriptor]:
    """Offer the prompter ``yolo``."""
    return [
        PrompterDescriptor(
            name="yolo",
            target="mitobench_yolo.prompter:YoloPrompter",
            summary="YOLO11 finds the objects and gives a box with a confidence for each. Uses ultralytics: AGPL-3.0.",
            options="mitobench_yolo.options:PrompterOptions",
            requires=_PACKAGES,
            install=_INSTALL,
            licence=_LICENCE,
            citation=_CITATION,
            emits=frozenset({"box"}),
        )
    ]


@hookimpl
def mitobench_trainers() -> list[TrainerDescriptor]:
    """Offer the trainer ``yolo``."""
    return [
        TrainerDescriptor(
            name="yolo",
            target="mitobench_yolo.trainer:YoloTrainer",
            summary="Trains YOLO11 (n, s or m) from any data source with instance labels, resumable. Uses ultralytics: AGPL-3.0.",
            options="mitobench_yolo.options:TrainerOptions",
            requires=_PACKAGES,
            install=_INSTALL,
            licence=_LICENCE,
            citation=_CITATION,
            trains=("yolo",),
        )
    ]
