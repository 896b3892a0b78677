"""Every prompter of this plugin keeps the contract, with the options that change what it does."""

import json

import pytest

from mitobench.testing import checks, toy_samples

SPECS = [
    "gt-box",
    "gt-box:jitter=20",
    "gt-box:jitter=5,direction=random",
    "gt-box:jitter=0.5,unit=fraction,direction=random",
    "gt-union-box",
    "gt-union-box:jitter=20",
    "gt-point",
    "gt-point:mode=random,n=3,negative=2",
    "gt-point:mode=farthest,n=2,negative=1",
    "gt-mask",
    "grid:side=3",
    "grid:spacing=8",
    "none",
]


@pytest.mark.parametrize("check", [c for spec in SPECS for c in checks(prompter=spec)], ids=str)
def test_contract(check):
    check()


MANUAL = checks(prompter="manual:path=.,missing=skip")


@pytest.mark.parametrize("number", range(len(MANUAL)), ids=[check.name for check in MANUAL])
def test_contract_of_manual(number, tmp_path):
    entries = [
        {"image": sample.id, "points": [[x, 0], [0, 0]], "labels": [1, 0]}
        for sample in toy_samples()
        for x in range(min(3, sample.shape[1]))
    ]
    file = tmp_path / "prompts.json"
    file.write_text(json.dumps(entries))
    checks(prompter=f"manual:path={file}")[number]()
