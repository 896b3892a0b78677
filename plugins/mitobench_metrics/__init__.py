"""The built-in metrics: semantic, instance, prompted, boundary. This module only describes them."""

from mitobench import hookimpl
from mitobench.descriptors import MetricDescriptor


@hookimpl
def mitobench_metrics() -> tuple[MetricDescriptor, ...]:
    """The metrics of this plugin."""
    return (
        MetricDescriptor(
            name="semantic",
            target="mitobench_metrics.semantic:SemanticMetric",
            summary="Dice, IoU, precision and recall of the foreground pixels",
            default=True,
            citation="Dice, Ecology 26, 1945, doi:10.2307/1932409; Jaccard, New Phytologist 11, 1912, doi:10.1111/j.1469-8137.1912.tb05611.x",
        ),
        MetricDescriptor(
            name="instance",
            target="mitobench_metrics.instance:InstanceMetric",
            options="mitobench_metrics.options:InstanceOptions",
            summary="F1, SA and mSA over IoU 0.50..0.95, PQ = SQ x RQ, splits, merges, count error, recall by size",
            default=True,
            citation="Kirillov et al., Panoptic Segmentation, CVPR 2019; Caicedo et al., Nature Methods 16, 2019, doi:10.1038/s41592-019-0612-7",
        ),
        MetricDescriptor(
            name="prompted",
            target="mitobench_metrics.prompted:PromptedMetric",
            options="mitobench_metrics.options:PromptedOptions",
            summary="IoU and Dice of each prompt's own mask against the object that the prompt was made from",
            default=True,
            citation="Kirillov et al., Segment Anything, ICCV 2023, arXiv:2304.02643",
        ),
        MetricDescriptor(
            name="boundary",
            target="mitobench_metrics.boundary:BoundaryMetric",
            options="mitobench_metrics.options:BoundaryOptions",
            summary="NSD (normalised surface Dice) and HD95 of the foreground and of matched instances",
            citation="Nikolov et al., J Med Internet Res 23, 2021, doi:10.2196/26151; Huttenlocher et al., IEEE TPAMI 15, 1993",
        ),
    )
