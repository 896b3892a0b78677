"""The plugin ``unet-keras``: the TensorFlow/Keras U-Net of the published centroid system, as segmenter, prompter and trainer."""

from mitobench import hookimpl
from mitobench.descriptors import PrompterDescriptor, SegmenterDescriptor, TrainerDescriptor

_PACKAGES = ("tensorflow>=2.16", "h5py>=3.10", "scipy>=1.12", "scikit-image>=0.23")
_INSTALL = "pip install 'mitobench[keras]' (in a checkout: pip install '.[keras]')"
_CITATION = (
    "Ronneberger, Fischer and Brox, U-Net: convolutional networks for biomedical image segmentation, MICCAI 2015, "
    "doi:10.1007/978-3-319-24574-4_28; layer widths and training as in the published Keras U-Net whose centroids prompt SAM"
)


@hookimpl
def mitobench_segmenters() -> list[SegmenterDescriptor]:
    """Offer the segmenter ``unet-keras``."""
    return [
        SegmenterDescriptor(
            name="unet-keras",
            target="mitobench_keras.segmenter:KerasSegmenter",
            summary="U-Net in TensorFlow/Keras: a foreground map and its connected components; takes no prompts.",
            options="mitobench_keras.options:SegmenterOptions",
            requires=_PACKAGES,
            install=_INSTALL,
            citation=_CITATION,
        )
    ]


@hookimpl
def mitobench_prompters() -> list[PrompterDescriptor]:
    """Offer the prompter ``unet-keras``."""
    return [
        PrompterDescriptor(
            name="unet-keras",
            target="mitobench_keras.prompter:KerasPrompter",
            summary="The Keras U-Net's components as centroids, boxes or masks; shares the segmenter's forward pass.",
            options="mitobench_keras.options:PrompterOptions",
            requires=_PACKAGES,
            install=_INSTALL,
            citation=_CITATION,
            emits=frozenset({"point", "box", "mask"}),
        )
    ]


@hookimpl
def mitobench_trainers() -> list[TrainerDescriptor]:
    """Offer the trainer ``unet-keras``."""
    return [
        TrainerDescriptor(
            name="unet-keras",
            target="mitobench_keras.trainer:KerasTrainer",
            summary="Trains the Keras U-Net as published: 128 x 128 inputs, Adam, binary cross-entropy, 20 epochs, resumable.",
            options="mitobench_keras.options:TrainerOptions",
            requires=_PACKAGES,
            install=_INSTALL,
            citation=_CITATION,
            trains=("unet-keras",),
        )
    ]
