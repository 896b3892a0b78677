"""The trainers ``sam`` (a small SAM from random weights) and ``sam-ft`` (fine-tuning on a base)."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Generic, TypeVar

from segment_anything.modeling import Sam
from torch import Tensor
from torch.nn import functional

from mitobench.checkpoints import Card, continued
from mitobench.errors import MissingError, UsageError
from mitobench.hashing import hash_data
from mitobench.interfaces import BuildContext, TrainingEvent, TrainingRequest, TrainingResult
from mitobench.seeds import derive_seed
from mitobench.training.loop import SCORE, Outcome, Schedule, library_versions, resume_path, run_training
from mitobench_sam.architecture import Architecture, random_sam
from mitobench_sam.loading import load_sam
from mitobench_sam.trainer_options import FineTuneOptions, PromptedTrainingOptions, ScratchOptions
from mitobench_sam.training_images import change_of, read_images
from mitobench_sam.training_task import PromptedTask
from mitobench_torch.devices import resolve_device
from mitobench_torch.training import TorchStore
from mitobench_torch.weights import load_into, save_state

__all__ = ["VERSION", "SamFineTuner", "SamTrainer"]

VERSION = 3
"""Bumped whenever the same options would give other weights; the descriptors say the same."""

Options = TypeVar("Options", bound=PromptedTrainingOptions)


class _PromptedTrainer(Generic[Options]):
    """What both trainers share; subclasses say what the training starts from.

    With one seed, one number of threads and the CPU, a training repeats bit for bit, stopped and resumed or not (unless
    ``minutes`` is given).
    """

    component = ""

    def __init__(self, options: Options, context: BuildContext) -> None:
        self._options, self._context = options, context
        self._device = resolve_device(context.device)

    def train(self, request: TrainingRequest) -> TrainingResult:
        """Train and write ``request.out``.

        Returns:
            the checkpoint's path, whether the training ended, and the best validation scores ``iou_<prompt>``,
            ``dice_<prompt>`` and ``score`` (mean IoU) with their ``epoch``. A stopped training has written no checkpoint,
            only its state.

        Raises:
            DataError: samples without reference, too few of them, or no object among them.
            UsageError: the unfinished state is of another training; ``out`` is not named ``.safetensors``.
            MissingError: the base cannot be loaded, or the unfinished state is damaged.
        """
        options = self._options
        if request.out.suffix != ".safetensors":
            raise UsageError(f"{request.out}: the checkpoint's name must end in .safetensors.")
        training, validation = read_images(
            request.training,
            request.validation,
            share=options.validation_share,
            min_area=options.min_area,
            seed=self._context.seed,
            change=change_of(options),
        )
        sam, architecture, base = self._start()
        task = PromptedTask(sam, base, options, self._context.seed, self._device, training, validation)
        schedule = Schedule(epochs=options.epochs, steps_per_epoch=task.steps_per_epoch, minutes=options.minutes)
        start = task.scores() if base else {}
        if start:
            said = ", ".join(f"{name} {value:.4g}" for name, value in start.items())
            request.report(TrainingEvent(done=0, total=schedule.steps, epoch=0, message=f"before training: {said}"))
        outcome = run_training(
            task,
            schedule,
            TorchStore(),
            replace(request, should_stop=lambda: task.exhausted or request.should_stop()),
            identity=self._identity(request, base),
        )
        finished = outcome.finished or task.exhausted
        if finished:
            card = self._card(request, task, outcome, architecture, base, start)
            if start:
                done = schedule.epoch(outcome.step)
                message = _verdict(start[SCORE], outcome.best[SCORE])
                request.report(TrainingEvent(done=outcome.step, total=schedule.steps, epoch=done, message=message))
            save_state(request.out, outcome.weights, continued(card, self._init()), half=options.half)
            resume_path(request.out).unlink(missing_ok=True)
        return TrainingResult(checkpoint=request.out, finished=finished, best=outcome.best)

    def _start(self) -> tuple[Sam, Architecture, str]:
        """The SAM before the first step, what it is made of, and the SHA-256 of its weights ("" for random ones)."""
        raise NotImplementedError

    def _init(self) -> Path | None:
        """The checkpoint whose training this one goes on with; a fine-tuning has a base instead, which is listed beside it."""
        return None

    def _identity(self, request: TrainingRequest, base: str) -> str:
        sources = [s.fingerprint for s in (request.training, request.validation) if s is not None]
        plain = {"options": self._options.identity(), "seed": self._context.seed, "data": sources, "version": VERSION}
        return hash_data({**plain, "component": self.component, "base": base})

    def _card(
        self,
        request: TrainingRequest,
        task: PromptedTask,
        outcome: Outcome,
        architecture: Architecture,
        base: str,
        start: Mapping[str, float],
    ) -> Card:
        options = self._options
        facts = [task.training.facts, task.validation.facts]
        return Card(
            component=self.component,
            architecture=architecture.plain(),
            trainer={
                "name": self.component,
                "version": VERSION,
                "options": options.identity(),
                "trained": options.trained,
                "seed": self._context.seed,
                "device": self._device.type,
                "steps": outcome.step,
                "pieces_per_step": task.pieces,
                "seconds": round(outcome.seconds, 1),
                "start_sha256": base,
            },
            base_sha256=base if self.component == "sam-ft" else "",
            training_origins=tuple(sorted({origin for fact in facts for origin in fact.origins})),
            training_groups=tuple(sorted({group for fact in facts for group in fact.groups})),
            data={
                **request.data,
                "samples": len(task.training),
                "objects": task.training.facts.objects,
                "validation_samples": len(task.validation),
            },
            metrics={f"validation_{name}": value for name, value in outcome.best.items()}
            | {f"start_{name}": value for name, value in start.items()},
            history=outcome.history.curves(),
            versions=library_versions("torch", "segment-anything", "numpy", "scipy"),
            licence=options.licence,
            notes="" if options.licence else "The licence of these weights follows from that of the training data.",
        )


def _verdict(before: float, best: float) -> str:
    """Whether a training helped."""
    if best > before:
        return f"score on the held-out samples: {before:.4g} before training, {best:.4g} in the best epoch"
    return "no epoch was better on the held-out samples than the weights it started from; lower lr= or train for longer"


class SamTrainer(_PromptedTrainer[ScratchOptions]):
    """Trains a whole small SAM from random weights, by iterative prompting; ``sam:checkpoint=`` reads what it writes."""

    component = "sam"

    def _start(self) -> tuple[Sam, Architecture, str]:
        options = self._options
        architecture = Architecture(
            encoder="pyramid",
            embed_dim=options.width,
            depth=options.depth,
            heads=options.heads,
            global_blocks=options.attention,
            window=1,
            image_size=options.image_size,
            prompt_dim=options.prompt_dim,
            decoder_mlp=options.decoder_mlp,
        )
        sam = random_sam(architecture, derive_seed(self._context.seed, "sam", "weights") >> 1)
        path = self._init()
        if path is None:
            return sam, architecture, ""
        start = load_sam(path, "tiny")
        if replace(start.architecture, image_size=architecture.image_size) != architecture:
            raise MissingError(
                f"{path}: a SAM with {start.architecture.plain()}, expected {architecture.plain()} but for image_size. Give the same sizes."
            )
        state = start.sam.state_dict()
        state[_POSITION] = _resized(state[_POSITION], sam.state_dict()[_POSITION].shape[-1])
        load_into(sam, state, source=str(path))
        return sam, architecture, start.sha256

    def _init(self) -> Path | None:
        return self._context.weights.get("init", self._options.init)


_POSITION = "image_encoder.pos_embed"


def _resized(position: Tensor, side: int) -> Tensor:
    """An encoder's positional embedding (1, C, h, w) for another image size."""
    return functional.interpolate(position, (side, side), mode="bicubic", align_corners=False)


class SamFineTuner(_PromptedTrainer[FineTuneOptions]):
    """Fine-tunes a SAM; ``sam-ft:checkpoint=`` reads what it writes, beside the same base."""

    component = "sam-ft"

    def _start(self) -> tuple[Sam, Architecture, str]:
        path = self._context.weights.get("base", self._options.base)
        if path is None:
            wanted = self._options.weights()[0].name
            raise MissingError(
                f"sam-ft: the weights {wanted!r} are not here. Run `mitobench weights fetch {wanted}` or give base=."
            )
        loaded = load_sam(path, self._options.model)
        return loaded.sam, loaded.architecture, loaded.sha256
