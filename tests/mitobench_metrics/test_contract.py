"""Every metric, with every option that changes its statistics, keeps the contract of its interface."""

import pytest

from mitobench.testing import checks

SPECS = [
    "semantic",
    "instance",
    "instance:convention=stardist",
    "instance:convention=cellpose",
    "instance:convention=microsam",
    "boundary",
    "boundary:tolerance_px=0",
    "prompted",
    "prompted:boundary=true",
]
IDS_MATTER = {"relabelling_changes_nothing": "cellpose takes the largest id for the number of objects"}


@pytest.mark.parametrize(
    "check",
    [c for spec in SPECS for c in checks(metric=spec, expected_failures=IDS_MATTER if "cellpose" in spec else None)],
    ids=str,
)
def test_metric_keeps_the_contract(check):
    check()
