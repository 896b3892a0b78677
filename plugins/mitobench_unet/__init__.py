"""The plugin ``unet``: a residual U-Net as segmenter, prompter and trainer."""

from mitobench import hookimpl
from mitobench.descriptors import PrompterDescriptor, SegmenterDescriptor, TrainerDescriptor, WeightsFile

_PACKAGES = ("torch>=2.6", "monai>=1.4", "scipy>=1.12", "scikit-image>=0.23")
_INSTALL = "pip install mitobench"
_CITATION = (
    "Kerfoot et al., Left-ventricle quantification using residual U-Net, STACOM 2018, doi:10.1007/978-3-030-12029-0_40; "
    "Cardoso et al., MONAI, 2022, arXiv:2211.02701"
)
_WEIGHTS: tuple[WeightsFile, ...] = (
    WeightsFile(
        name="unet-em",
        bundled="mitobench_unet:weights/unet-em.safetensors",
        sha256="7e08885b93c354a37f9678ba5217843798c0c23bbe5d562572e72ce04c4b079a",
        size=3328704,
        licence="Apache-2.0",
        summary="Mitochondria in electron microscopy; trained on generated images only.",
        citation="The mitobench developers, weights trained on the data source synthetic (kind=em), 2026",
    ),
    WeightsFile(
        name="unet-nuclei",
        bundled="mitobench_unet:weights/unet-nuclei.safetensors",
        sha256="0288634fc6095cfdb2e3ac289f3262a81f3de117c71f5d88b8a30edad2437030",
        size=3293344,
        licence="CC0-1.0",
        summary="Nuclei in fluorescence microscopy; trained on BBBC038 (2018 Data Science Bowl).",
        citation="Caicedo et al., Nucleus segmentation across imaging experiments: the 2018 Data Science Bowl, Nature Methods 16, 2019, doi:10.1038/s41592-019-0612-7 (BBBC038)",
    ),
)


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
            version=2,
            requires=_PACKAGES,
            install=_INSTALL,
            weights=_WEIGHTS,
            citation=_CITATION,
            trains=("unet",),
        )
    ]
