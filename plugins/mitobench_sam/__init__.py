"""Built-in plugin: Segment Anything as a promptable segmenter, published or with a fine-tuned decoder."""

from collections.abc import Iterable

from mitobench import hookimpl
from mitobench.descriptors import PromptKind, SegmenterDescriptor
from mitobench_sam.published import CITATION_SAM, PUBLISHED

_KINDS: frozenset[PromptKind] = frozenset({"point", "box", "mask"})
_REQUIRES = ("segment-anything>=1.0", "torch>=2.6", "torchvision>=0.21")


@hookimpl
def mitobench_segmenters() -> Iterable[SegmenterDescriptor]:
    """SAM itself, and SAM with a fine-tuned mask decoder."""
    yield SegmenterDescriptor(
        name="sam",
        target="mitobench_sam.segmenter:SamSegmenter",
        summary="Segment Anything: a mask from each box, point or mask prompt (ViT-B, L, H or MobileSAM's TinyViT)",
        options="mitobench_sam.options:SamOptions",
        requires=_REQUIRES,
        weights=PUBLISHED,
        accepts=_KINDS,
        citation=CITATION_SAM,
    )
    yield SegmenterDescriptor(
        name="sam-ft",
        target="mitobench_sam.segmenter:FineTunedSamSegmenter",
        summary="Segment Anything with a fine-tuned mask decoder on the frozen image encoder of its base",
        options="mitobench_sam.options:FineTunedSamOptions",
        requires=_REQUIRES,
        weights=PUBLISHED,
        accepts=_KINDS,
        citation=CITATION_SAM,
    )
