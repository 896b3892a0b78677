"""The plugin ``unet``: a residual U-Net as segmenter, prompter and trainer."""

from mitobench import hookimpl
from mitobench.descriptors import PrompterDescriptor, SegmenterDescriptor, TrainerDescriptor, WeightsFile

_PACKAGES = ("torch>=2.6", "monai>=1.4", "scipy>=1.12", "scikit-image>=0.23")
_INSTALL = "pip install mitobench"
_CITATION = (
    "Kerfoot et al., Left-ventricle quantification using residual U-Net, STACOM 2018, doi:10.1007/978-3-030-12029-0_40; "
    "Cardoso et al., MONAI, 2022, arXiv:2211.02701"
)
_WEIGHTS: tuple[WeightsFile, ...] = ()


@hookimpl
def mitobench_segmenters() -> list[SegmenterDescriptor]:
    """Offer the segmenter ``unet``."""
    return [
        SegmenterDescriptor(
            name="unet",
            target="mitobench_unet.segmenter:UnetSegmenter",
            summary="Residual U-Net: foreground and interior maps, then components or a watershed; takes no prompts.",
            options="mitobench_unet.options:SegmenterOptions",
            requires=_PACKAGES,
            install=_INSTALL,
            weights=_WEIGHTS,
            citation=_CITATION,
        )
    ]


@hookimpl
def mitobench_prompters() -> list[PrompterDescriptor]:
    """Offer the prompter ``unet``."""
    return [
        PrompterDescriptor(
            name="unet",
            target="mitobench_unet.prompter:UnetPrompter",
            summary="The U-Net's instances as points, boxes or masks; shares the segmenter's forward pass.",
            options="mitobench_unet.options:PrompterOptions",
            requires=_PACKAGES,
            install=_INSTALL,
            weights=_WEIGHTS,
            citation=_CITATION,
            emits=frozenset({"point", "box", "mask"}),
        )
    ]


@hookimpl
def mitobench_trainers() -> list[TrainerDescriptor]:
    """Offer the trainer ``unet``."""
    return [
        TrainerDescriptor(
            name="unet",
            target="mitobench_unet.trainer:UnetTrainer",
            summary="Trains the U-Net from any data source with references (Dice + cross-entropy, augmentation, resumable).",
            options="mitobench_unet.options:TrainerOptions",
            requires=_PACKAGES,
            install=_INSTALL,
            citation=_CITATION,
            trains=("unet",),
        )
    ]
