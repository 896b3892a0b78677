"""The trainer ``unet``: patches from any data source, Dice + cross-entropy, the best weights with their card."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mitobench.checkpoints import Card, continued, read_card
from mitobench.errors import MissingError, UsageError
from mitobench.hashing import hash_data, hash_file, sha256_file
from mitobench.interfaces import BuildContext, TrainingRequest, TrainingResult
from mitobench.seeds import derive_rng, derive_seed
from mitobench.training.loop import SCORE, Outcome, Schedule, library_versions, resume_path, run_training
from mitobench_torch.devices import device_memory, resolve_device
from mitobench_torch.training import TorchStore, WeightAverage, learning_rate, mixed_precision
from mitobench_torch.weights import load_into, read_state, save_state
from mitobench_unet.architecture import COMPONENT, Architecture, build_network, read_architecture
from mitobench_unet.augmentation import Augmentation
from mitobench_unet.inference import Viewing, probability_maps
from mitobench_unet.instances import find_instances
from mitobench_unet.judgement import Tally, tally
from mitobench_unet.objective import Objective
from mitobench_unet.options import ROLE, TrainerOptions
from mitobench_unet.pool import Pool, read_pools

__all__ = ["VERSION", "UnetTrainer"]

VERSION = 2
"""Bumped whenever the same options would give another checkpoint; the descriptor says the same."""
_AREA_SHARES = (1, 2, 5, 10, 15, 20, 25)
"""Percentiles of the training objects' areas; half of each is a candidate for the smallest instance."""


class UnetTrainer:
    """Trains the network of the components ``unet``.

    With one seed, one number of threads and the CPU, a training repeats bit for bit, stopped and resumed or not (unless
    ``minutes`` is given).
    """

    def __init__(self, options: TrainerOptions, context: BuildContext) -> None:
        self._options, self._context = options, context
        self._device = resolve_device(context.device)

    def train(self, request: TrainingRequest) -> TrainingResult:
        """Train and write ``request.out``.

        Returns:
            the checkpoint's path, whether the training ended, and the best validation scores ``dice``, ``iou``, ``f1`` and
            ``score`` (mean of Dice and F1@0.5) with their ``epoch``. A stopped training has written no checkpoint, only
            its state.

        Raises:
            DataError: samples without reference, too few of them, or no object among them.
            UsageError: the unfinished state is of another training; ``out`` is not named ``.safetensors``.
            MissingError: ``init`` is not a checkpoint of this architecture, or the unfinished state is damaged.
        """
        options = self._options
        if request.out.suffix != ".safetensors":
            raise UsageError(f"{request.out}: the checkpoint's name must end in .safetensors.")
        training, validation = read_pools(request.training, request.validation, options.patch, options.validation_share)
        task = _UnetTask(options, self._context, self._device, self._architecture(training), training, validation)
        outcome = run_training(
            task,
            Schedule(epochs=options.epochs, steps_per_epoch=options.steps_per_epoch, minutes=options.minutes),
            TorchStore(),
            request,
            identity=self._identity(request),
        )
        if outcome.finished:
            calibrated, f1 = task.calibrated(outcome.weights)
            card = self._card(request, task, outcome, calibrated, f1)
            save_state(request.out, outcome.weights, continued(card, self._base()), half=options.half)
            resume_path(request.out).unlink(missing_ok=True)
        return TrainingResult(checkpoint=request.out, finished=outcome.finished, best=outcome.best)

    def _architecture(self, training: Pool) -> Architecture:
        options, facts = self._options, training.facts
        by_data: Literal["components", "watershed"] = "components" if facts.semantic else "watershed"
        return Architecture(
            colour=options.colour,
            channels=options.channels,
            residual_units=options.residual_units,
            border=options.border,
            split=by_data if options.split == "auto" else options.split,
            min_area=int(np.percentile(facts.areas, 1)) // 2,
        )

    def _identity(self, request: TrainingRequest) -> str:
        sources = [s.fingerprint for s in (request.training, request.validation) if s is not None]
        base = self._base()
        plain = {"options": self._options.identity(), "seed": self._context.seed, "data": sources, "version": VERSION}
        return hash_data({**plain, "init": hash_file(base) if base else ""})

    def _base(self) -> Path | None:
        return _located(self._options, self._context)

    def _card(
        self, request: TrainingRequest, task: "_UnetTask", outcome: Outcome, calibrated: Architecture, f1: float
    ) -> Card:
        options, base = self._options, self._base()
        facts = [task.training.facts, task.validation.facts]
        return Card(
            component=COMPONENT,
            architecture=calibrated.plain(),
            trainer={
                "name": "unet",
                "version": VERSION,
                "options": options.identity(),
                "seed": self._context.seed,
                "device": self._device.type,
                "steps": outcome.step,
                "seconds": round(outcome.seconds, 1),
            },
            base_sha256=sha256_file(base) if base else "",
            training_origins=tuple(sorted({origin for fact in facts for origin in fact.origins})),
            training_groups=tuple(sorted({group for fact in facts for group in fact.groups if group})),
            data={**request.data, "samples": len(task.training), "validation_samples": len(task.validation)},
            metrics={
                **{f"validation_{name}": value for name, value in outcome.best.items()},
                "validation_f1_calibrated": f1,
            },
            history=outcome.history.curves(),
            versions=library_versions("torch", "monai", "numpy", "scipy"),
            licence=options.licence,
            notes="" if options.licence else "The licence of these weights follows from that of the training data.",
        )


class _UnetTask:
    """One training, as the loop drives it. Step n's patches depend on the seed and n alone."""

    def __init__(
        self,
        options: TrainerOptions,
        context: BuildContext,
        device: torch.device,
        architecture: Architecture,
        training: Pool,
        validation: Pool,
    ) -> None:
        self.architecture, self.training, self.validation = architecture, training, validation
        self._options, self._seed, self._device = options, context.seed, device
        self._network = _start(architecture, options, context).to(device)
        self._average = copy.deepcopy(self._network)
        self._follow = WeightAverage(self._network, self._average, options.averaging)
        self._optimiser = torch.optim.AdamW(
            self._network.parameters(), lr=options.lr, weight_decay=options.weight_decay
        )
        self._objective = Objective(options.border)
        self._augmentation = Augmentation(
            zoom=options.zoom, rotate=options.rotate, elastic=options.elastic, intensity=options.intensity
        )

    def step(self, step: int, progress: float) -> Mapping[str, float]:
        options = self._options
        planes, labels, ignore = self._batch(step)
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate(options.lr, progress)
        self._network.train()
        with device_memory():
            with mixed_precision(self._device):
                logits = self._network(planes)
            loss = self._objective(logits, labels, ignore)
            self._optimiser.zero_grad()
            torch.autograd.backward(loss)
            self._optimiser.step()
        self._follow.update(step)
        return {"loss": float(loss.detach())}

    def _batch(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        rng = derive_rng(self._seed, "unet", "step", step)
        channels = 3 if self.architecture.colour else 1
        drawn = [
            self.training.draw(channels, self._augmentation, self._options.objects, rng)
            for _ in range(self._options.batch)
        ]
        planes = torch.from_numpy(np.stack([patch.planes for patch in drawn])).to(self._device)
        labels = torch.from_numpy(np.stack([patch.labels for patch in drawn])).to(self._device)
        ignore = torch.from_numpy(np.stack([patch.ignore for patch in drawn])).to(self._device)
        return planes.contiguous(memory_format=torch.channels_last), labels, ignore

    def validate(self) -> Mapping[str, float]:
        self._average.eval()
        total = Tally()
        for index in range(len(self.validation)):
            _, reference, ignore = self.validation.judged(index)
            total += tally(reference, self._instances(index, self.architecture.min_area), ignore)
        scores = {"dice": total.dice, "iou": total.iou, "f1": total.f1}
        return {**scores, SCORE: (total.dice + total.f1) / 2}

    def calibrated(self, weights: Mapping[str, Tensor]) -> tuple[Architecture, float]:
        """The architecture with the ``min_area`` that gives ``weights`` the highest F1 on the held-out samples, and that F1.

        The smallest of equals. As nnU-Net chooses its postprocessing: Isensee et al., Nature Methods 18, 2021.
        """
        self._average.load_state_dict(weights)
        self._average.eval()
        sizes = sorted({int(np.percentile(self.training.facts.areas, share)) // 2 for share in _AREA_SHARES})
        totals = dict.fromkeys(sizes, Tally())
        for index in range(len(self.validation)):
            _, reference, ignore = self.validation.judged(index)
            labels = self._instances(index, min_area=0)
            areas = np.bincount(labels.reshape(-1))
            for size in sizes:
                totals[size] += tally(reference, np.where(areas[labels] >= size, labels, 0), ignore)
        best = max(sizes, key=lambda size: totals[size].f1)
        return replace(self.architecture, min_area=best), totals[best].f1

    def _instances(self, index: int, min_area: int) -> NDArray[np.int32]:
        """What the averaged weights find in a held-out sample, as instance labels."""
        image, _, _ = self.validation.judged(index)
        maps = probability_maps(self._average, self.architecture, [image], Viewing(), self._device)[0]
        return find_instances(maps, threshold=0.5, min_area=min_area, split=self.architecture.split)[0]

    def weights(self) -> Mapping[str, Tensor]:
        return self._average.state_dict()

    def state(self) -> dict[str, Any]:
        return {
            "network": self._network.state_dict(),
            "average": self._average.state_dict(),
            "optimiser": self._optimiser.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self._network.load_state_dict(state["network"])
        self._average.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])


def _located(options: TrainerOptions, context: BuildContext) -> Path | None:
    """The file to start from, if any.

    Raises:
        MissingError: bundled weights are named and whoever built the trainer did not locate them.
    """
    found = context.weights.get(ROLE, options.init)
    if found is None or isinstance(found, Path):
        return found
    raise MissingError(
        f"init is the bundled weights {found!r}, but BuildContext.weights has no {ROLE!r}. Give there the path that WeightsStore.locate finds."
    )


def _start(architecture: Architecture, options: TrainerOptions, context: BuildContext) -> torch.nn.Module:
    """The network before the first step: random from the seed, or the weights that ``init`` names."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(context.seed, "unet", "weights") >> 1)
        network = build_network(architecture)
    path = _located(options, context)
    if path is not None:
        card = read_card(path)
        described = read_architecture(card, path)
        same = replace(described, split=architecture.split, min_area=architecture.min_area, border=architecture.border)
        if same != architecture:
            raise MissingError(
                f"{path}: a network with {described.plain()}, expected {architecture.plain()}. Give the same channels, residual_units and colour."
            )
        load_into(network, read_state(path), source=str(path))
    return network
