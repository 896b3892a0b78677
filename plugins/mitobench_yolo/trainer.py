"""The trainer ``yolo``: any data source as YOLO's data set in a temporary folder, then YOLO11, kept as safetensors with a card."""

import tempfile
from dataclasses import replace
from pathlib import Path

from mitobench.checkpoints import Card, continued
from mitobench.errors import UsageError
from mitobench.hashing import hash_data, hash_file, sha256_file
from mitobench.interfaces import BuildContext, TrainingEvent, TrainingRequest, TrainingResult
from mitobench.seeds import derive_seed
from mitobench.training.holdout import hold_out
from mitobench.training.loop import Outcome, Schedule, library_versions, resume_path, run_training
from mitobench_torch.devices import resolve_device
from mitobench_torch.training import TorchStore
from mitobench_torch.weights import save_state
from mitobench_yolo.architecture import COMPONENT, Architecture, build_network, yolo11
from mitobench_yolo.options import LOWEST_CONFIDENCE, ROLE, TrainerOptions
from mitobench_yolo.runtime import DetectionModel
from mitobench_yolo.samples import Block, write_dataset
from mitobench_yolo.task import DetectionTask
from mitobench_yolo.weights import start_from

__all__ = ["VERSION", "YoloTrainer"]

VERSION = 1
"""Bumped whenever the same options would give other weights; the descriptor says the same."""

_HIGHEST_CONFIDENCE = 0.999
_NOTES = "Trained with ultralytics (AGPL-3.0), whose makers hold that such weights fall under the same licence."


class YoloTrainer:
    """Trains YOLO11 for one class, "object".

    With one seed, one number of threads and the CPU, a training repeats bit for bit, stopped and resumed or not (unless
    ``minutes`` is given): the weights, their average and the optimiser resume, and batches depend on the step's number alone.
    """

    def __init__(self, options: TrainerOptions, context: BuildContext) -> None:
        self._options, self._context = options, context
        self._device = resolve_device(context.device)

    def train(self, request: TrainingRequest) -> TrainingResult:
        """Train and write ``request.out``.

        Returns:
            the checkpoint's path, whether the training ended, and the best validation scores: ``ap50``, ``ap50_95``, ``f1`` (the
            highest at IoU 0.5) with its ``confidence``, ``precision`` and ``recall``, and ``score`` (mean of ``ap50_95`` and
            ``f1``) with their ``epoch``. A stopped training has written no checkpoint, only its state.

        Raises:
            DataError: samples without reference, too few of them, or no object among them.
            UsageError: the unfinished state is of another training; ``out`` is not named ``.safetensors``.
            MissingError: ``init`` is refused or of another size, or the unfinished state is damaged.
            DeviceMemoryError: the device's memory ran out.
            ResourceError: the temporary folder is full.
        """
        options = self._options
        if request.out.suffix != ".safetensors":
            raise UsageError(f"{request.out}: the checkpoint's name must end in .safetensors.")
        architecture = yolo11(options.size, options.image_size)
        network = self._start(architecture, request)
        learn, judge = hold_out(request.training, request.validation, options.validation_share)
        with tempfile.TemporaryDirectory(prefix="mitobench-yolo-") as folder:
            blocks = write_dataset(learn, judge, Path(folder))
            task = DetectionTask(
                network, architecture, options, seed=self._context.seed, device=self._device, blocks=blocks
            )
            outcome = run_training(
                task,
                Schedule(epochs=options.epochs, steps_per_epoch=task.batches.steps_per_epoch, minutes=options.minutes),
                TorchStore(),
                request,
                identity=self._identity(request),
            )
            if outcome.finished and options.report is not None:
                _write_report(task, outcome, options.report, options.report_iou)
        if outcome.finished:
            card = self._card(request, architecture, outcome, blocks)
            save_state(request.out, outcome.weights, continued(card, self._base()), half=options.half)
            resume_path(request.out).unlink(missing_ok=True)
        return TrainingResult(checkpoint=request.out, finished=outcome.finished, best=outcome.best)

    def _start(self, architecture: Architecture, request: TrainingRequest) -> DetectionModel:
        """The network before the first step: random from the seed, or the weights that ``init`` names."""
        network = build_network(architecture, seed=derive_seed(self._context.seed, "yolo", "weights") >> 1)
        base = self._base()
        if base is not None:
            taken, total = start_from(network, base, self._options.init_sha256)
            message = f"took over {taken} of {total} tensors from {base.name}"
            request.report(TrainingEvent(done=0, total=0, epoch=0, message=message))
        return network

    def _base(self) -> Path | None:
        return self._context.weights.get(ROLE, self._options.init)

    def _identity(self, request: TrainingRequest) -> str:
        sources = [s.fingerprint for s in (request.training, request.validation) if s is not None]
        base = self._base()
        plain = {"options": self._options.identity(), "seed": self._context.seed, "data": sources, "version": VERSION}
        return hash_data({**plain, "init": hash_file(base) if base else ""})

    def _card(
        self, request: TrainingRequest, architecture: Architecture, outcome: Outcome, blocks: tuple[Block, Block]
    ) -> Card:
        options, base = self._options, self._base()
        return Card(
            component=COMPONENT,
            architecture=replace(architecture, confidence=_confidence(outcome)).plain(),
            trainer={
                "name": "yolo",
                "version": VERSION,
                "options": options.identity(),
                "seed": self._context.seed,
                "device": self._device.type,
                "steps": outcome.step,
                "seconds": round(outcome.seconds, 1),
            },
            base_sha256=sha256_file(base) if base else "",
            training_origins=tuple(sorted({origin for block in blocks for origin in block.origins})),
            training_groups=tuple(sorted({group for block in blocks for group in block.groups})),
            data={
                **request.data,
                "samples": len(blocks[0].images),
                "validation_samples": len(blocks[1].images),
                "objects": sum(blocks[0].objects),
            },
            metrics={f"validation_{name}": value for name, value in outcome.best.items()},
            history=outcome.history.curves(),
            versions=library_versions("torch", "ultralytics", "numpy", "opencv-python"),
            licence=options.licence,
            notes=_NOTES,
        )


def _confidence(outcome: Outcome) -> float:
    """Where F1 peaked, within what the prompter's option may be."""
    return min(max(outcome.best["confidence"], LOWEST_CONFIDENCE), _HIGHEST_CONFIDENCE)


def _write_report(task: DetectionTask, outcome: Outcome, folder: Path, iou: float) -> None:
    from mitobench_yolo.figures import draw  # matplotlib, for those who want figures

    report = task.report(outcome.weights, _confidence(outcome), iou)
    report.write(folder)
    draw(report, folder)
