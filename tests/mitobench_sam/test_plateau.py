"""``schedule=plateau`` against torch's ``ReduceLROnPlateau``."""

import numpy as np
import pytest
import torch

from mitobench.samples import Sample, SampleRef
from mitobench_sam import training_task
from mitobench_sam.architecture import random_sam
from mitobench_sam.trainer_options import FineTuneOptions
from mitobench_sam.training_images import TrainingImages
from mitobench_sam.training_task import PromptedTask


def rates_of(scores, monkeypatch, tiny):
    """The learning rate of each epoch of a training with ``schedule=plateau`` whose validations have these scores."""
    options = FineTuneOptions(schedule="plateau", lr=1e-3, batch=4)
    sample = Sample(id="one", image=np.zeros((32, 32), np.uint8), labels=np.tri(32, dtype=np.int32))
    images = TrainingImages([SampleRef(id="one", group="", read=lambda: sample)], 1, 0)
    task = PromptedTask(random_sam(tiny, 0), "", options, 0, torch.device("cpu"), images, images)
    rates, queue = [], list(scores)
    monkeypatch.setattr(training_task, "overlap", lambda found, _: (torch.full((len(found),), queue.pop(0)),) * 2)
    for step in range(len(scores)):
        task.step(step, step / len(scores))
        rates.append(task._optimiser.param_groups[0]["lr"])
        task.validate()
    return rates


@pytest.mark.parametrize(
    "scores",
    [
        [0.5] * 14,
        [0.1, 0.2, 0.2, 0.2, 0.2, 0.3, 0.1, 0.1, 0.1, 0.1, 0.4, 0.4, 0.4],
        [0.5, 0.50001, 0.50002, 0.50003, 0.50004, 0.50005, 0.6],
    ],
    ids=["never better", "better at times", "hardly better"],
)
def test_the_plateau_schedule_is_torchs(scores, monkeypatch, tiny):
    group = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1e-3)
    torchs = torch.optim.lr_scheduler.ReduceLROnPlateau(group, mode="max", factor=0.9, patience=3)
    expected = []
    for score in scores:
        expected.append(group.param_groups[0]["lr"])
        torchs.step(score)
    assert rates_of(scores, monkeypatch, tiny) == pytest.approx(expected, rel=1e-6)


def test_on_a_plateau_the_learning_rate_falls_after_every_fourth_epoch(monkeypatch, tiny):
    rates = rates_of([0.5] * 10, monkeypatch, tiny)
    assert rates == pytest.approx([1e-3] * 5 + [9e-4] * 4 + [8.1e-4])
