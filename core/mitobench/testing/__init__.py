"""The contract kit: what every component must do, as checks that any plugin can run in one line.

import pytest
from mitobench.testing import checks

@pytest.mark.parametrize("check", checks(prompter="my-prompter:side=3"), ids=str)
def test_contract(check):
check()
"""

from mitobench.testing.case import Case, Check
from mitobench.testing.suite import checks
from mitobench.testing.toy import ToySource, toy_prompts, toy_samples

__all__ = ["Case", "Check", "ToySource", "checks", "toy_prompts", "toy_samples"]
