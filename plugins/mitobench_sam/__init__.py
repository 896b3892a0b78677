"""Built-in plugin: Segment Anything as a promptable segmenter, published or fine-tuned, and its training."""

from collections.abc import Iterable

from mitobench import hookimpl
from mitobench.descriptors import PromptKind, SegmenterDescriptor, TrainerDescriptor
from mitobench_sam.published import BUNDLED, CITATION_MICRO_SAM, CITATION_SAM, PUBLISHED

_KINDS: frozenset[PromptKind] = frozenset({"point", "box", "mask"})
_REQUIRES = ("segment-anything>=1.0", "torch>=2.6", "torchvision>=0.21")


@hookimpl
def mitobench_segmenters() -> Iterable[SegmenterDescriptor]:
    """SAM itself, and SAM with a fine-tuned mask decoder."""
    yield SegmenterDescriptor(
        name="sam",
        target="mitobench_sam.segmenter:SamSegmenter",
        summary="Segment Anything: a mask from each box, point or mask prompt (ViT-B, L, H, MobileSAM's TinyViT, or a bundled tiny one)",
        options="mitobench_sam.options:SamOptions",
        requires=_REQUIRES,
        weights=(*PUBLISHED, *BUNDLED),
        accepts=_KINDS,
        citation=CITATION_SAM,
    )
    yield SegmenterDescriptor(
        name="sam-ft",
        target="mitobench_sam.segmenter:FineTunedSamSegmenter",
        summary="Segment Anything with a fine-tuned mask decoder on the frozen image encoder of its base",
        options="mitobench_sam.options:FineTunedSamOptions",
        requires=_REQUIRES,
        weights=(*PUBLISHED, *BUNDLED),
        accepts=_KINDS,
        citation=CITATION_SAM,
    )


@hookimpl
def mitobench_trainers() -> Iterable[TrainerDescriptor]:
    """Training of a small SAM from nothing, and fine-tuning of any."""
    yield TrainerDescriptor(
        name="sam",
        target="mitobench_sam.trainer:SamTrainer",
        summary="Trains a whole small SAM from random weights by iterative prompting",
        options="mitobench_sam.trainer_options:ScratchOptions",
        version=3,
        requires=_REQUIRES,
        citation=CITATION_MICRO_SAM,
        trains=("sam",),
    )
    yield TrainerDescriptor(
        name="sam-ft",
        target="mitobench_sam.trainer:SamFineTuner",
        summary="Fine-tunes SAM: its mask decoder on embeddings that are made once, or low-rank changes, or all of it",
        options="mitobench_sam.trainer_options:FineTuneOptions",
        version=3,
        requires=_REQUIRES,
        weights=(*PUBLISHED, *BUNDLED),
        citation=CITATION_SAM,
        trains=("sam-ft",),
    )
