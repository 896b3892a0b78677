"""A small foreign plugin for the tests: bright discs, a prompter and segmenters that really find them.

Written as a third party would write it. ``fail_on`` and ``delay`` make failures and slowness; ``log`` is a file to which every
encoder call appends a line, so that tests can count calls across threads and processes.
"""

import mitobench
from mitobench.descriptors import DataSourceDescriptor, MetricDescriptor, PrompterDescriptor, SegmenterDescriptor


@mitobench.hookimpl
def mitobench_data_sources():
    return [
        DataSourceDescriptor(
            name="toy-discs",
            target="mitobench_toy_components:Discs",
            options="mitobench_toy_components:DiscsOptions",
            summary="bright discs",
        )
    ]


@mitobench.hookimpl
def mitobench_prompters():
    shared = {"target": "mitobench_toy_components:Centres", "options": "mitobench_toy_components:CentresOptions"}
    return [
        PrompterDescriptor(
            name="toy-centres", summary="centres of bright regions", emits=frozenset({"point"}), **shared
        ),
        PrompterDescriptor(
            name="toy-oracle",
            target="mitobench_toy_components:Oracle",
            summary="centres of reference objects",
            emits=frozenset({"point"}),
            uses_reference=True,
        ),
        PrompterDescriptor(
            name="toy-boxes",
            target="mitobench_toy_components:Centres",
            summary="says that it emits boxes",
            emits=frozenset({"box"}),
        ),
    ]


@mitobench.hookimpl
def mitobench_segmenters():
    return [
        SegmenterDescriptor(
            name="toy-flood",
            target="mitobench_toy_components:Flood",
            options="mitobench_toy_components:FloodOptions",
            summary="region under a point",
            accepts=frozenset({"point"}),
        ),
        SegmenterDescriptor(
            name="toy-threshold",
            target="mitobench_toy_components:Threshold",
            options="mitobench_toy_components:FloodOptions",
            summary="bright regions",
        ),
        SegmenterDescriptor(
            name="toy-absent",
            target="nowhere:Nothing",
            summary="needs what is not there",
            requires=("no-such-distribution>=1",),
            install="pip install no-such-distribution",
        ),
    ]


@mitobench.hookimpl
def mitobench_metrics():
    return [
        MetricDescriptor(
            name="toy-overlap",
            target="mitobench_toy_components:Overlap",
            options="mitobench_toy_components:OverlapOptions",
            summary="foreground Dice and IoU",
        ),
        MetricDescriptor(name="toy-prompted", target="mitobench_toy_components:Prompted", summary="IoU per prompt"),
    ]
