"""Built-in plugin: segmentations that another tool made, read from its label images."""

from mitobench import hookimpl
from mitobench.descriptors import SegmenterDescriptor


@hookimpl
def mitobench_segmenters() -> list[SegmenterDescriptor]:
    """The segmenters of this plugin."""
    return [
        SegmenterDescriptor(
            name="predictions",
            target="mitobench_predictions.segmenter:StoredSegmentations",
            options="mitobench_predictions.options:PredictionsOptions",
            summary="label images that another tool (or another run) made, one for each image, under the name that you give",
        )
    ]
