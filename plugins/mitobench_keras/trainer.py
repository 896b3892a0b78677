"""The trainer ``unet-keras``: the published training from any data source, the best weights with their card."""

from pathlib import Path
from typing import Any

from mitobench.checkpoints import Card, continued
from mitobench.errors import MissingError, UsageError
from mitobench.hashing import hash_data, hash_file, sha256_file
from mitobench.interfaces import BuildContext, TrainingRequest, TrainingResult
from mitobench.training.loop import Outcome, Schedule, library_versions, resume_path, run_training
from mitobench_keras.architecture import COMPONENT, Architecture, build_model
from mitobench_keras.learner import Learner
from mitobench_keras.options import ROLE, TrainerOptions
from mitobench_keras.pool import Pool, read_pools
from mitobench_keras.runtime import resolve_device, tf
from mitobench_keras.training import ArrayStore
from mitobench_keras.weights import load_model, read_weights, set_weights, write_weights

__all__ = ["VERSION", "KerasTrainer"]

VERSION = 1
"""Bumped whenever the same options would give other weights; the descriptor says the same."""


class KerasTrainer:
    """Trains the network of the components ``unet-keras``: Adam, binary cross-entropy, accuracy.

    With one seed, one number of threads and the CPU, a training repeats bit for bit, stopped and resumed or not. TensorFlow is
    switched to deterministic operations, for the rest of the process.
    """

    def __init__(self, options: TrainerOptions, context: BuildContext) -> None:
        self._options, self._context = options, context
        self._device = resolve_device(context.device)

    def train(self, request: TrainingRequest) -> TrainingResult:
        """Train and write ``request.out``.

        Returns:
            the checkpoint's path, whether the training ended, and the best validation scores ``loss``, ``accuracy`` and
            ``dice`` with their ``epoch``. A stopped training has written no checkpoint, only its state.

        Raises:
            DataError: samples without reference, too few of them, or no object among them.
            UsageError: the unfinished state is of another training; ``out`` is not named ``.safetensors``.
            MissingError: ``init`` is not a checkpoint of this architecture, or the unfinished state is damaged.
            DeviceMemoryError: the device's memory ran out.
        """
        options = self._options
        if request.out.suffix != ".safetensors":
            raise UsageError(f"{request.out}: the checkpoint's name must end in .safetensors.")
        training, validation = read_pools(
            request.training,
            request.validation,
            size=options.size,
            tiling=options.tiling,
            share=options.validation_share,
        )
        tf.config.experimental.enable_op_determinism()
        architecture = Architecture(channels=options.channels, size=options.size, tiling=options.tiling)
        learner = Learner(
            self._start(architecture),
            options,
            seed=self._context.seed,
            device=self._device,
            training=training,
            validation=validation,
        )
        outcome = run_training(
            learner,
            Schedule(epochs=options.epochs, steps_per_epoch=learner.steps_per_epoch),
            ArrayStore(),
            request,
            identity=self._identity(request),
            better=learner.better,
        )
        if outcome.finished:
            card = self._card(request, architecture, outcome, training, validation)
            write_weights(request.out, outcome.weights, continued(card, self._base()), half=options.half)
            resume_path(request.out).unlink(missing_ok=True)
        return TrainingResult(checkpoint=request.out, finished=outcome.finished, best=outcome.best)

    def _start(self, architecture: Architecture) -> Any:
        """The network before the first step: random from the seed, or the weights that ``init`` names."""
        with tf.device(self._device):
            model = build_model(architecture, seed=self._context.seed)
        base = self._base()
        if base is not None:
            other, described = load_model(base, self._device)
            if (described.channels, described.size) != (architecture.channels, architecture.size):
                raise MissingError(
                    f"{base}: a network with channels {list(described.channels)} and size {described.size}, expected "
                    f"{list(architecture.channels)} and {architecture.size}. Give the same channels and size."
                )
            set_weights(model, read_weights(other), source=str(base))
        return model

    def _base(self) -> Path | None:
        return self._context.weights.get(ROLE, self._options.init)

    def _identity(self, request: TrainingRequest) -> str:
        sources = [s.fingerprint for s in (request.training, request.validation) if s is not None]
        base = self._base()
        plain = {"options": self._options.identity(), "seed": self._context.seed, "data": sources, "version": VERSION}
        return hash_data({**plain, "init": hash_file(base) if base else ""})

    def _card(
        self, request: TrainingRequest, architecture: Architecture, outcome: Outcome, training: Pool, validation: Pool
    ) -> Card:
        options, base, pools = self._options, self._base(), (training, validation)
        counts = {"inputs": len(training), "validation_inputs": len(validation)}
        return Card(
            component=COMPONENT,
            architecture=architecture.plain(),
            trainer={
                "name": "unet-keras",
                "version": VERSION,
                "options": options.identity(),
                "seed": self._context.seed,
                "device": "cpu" if "CPU" in self._device else "cuda",
                "steps": outcome.step,
                "seconds": round(outcome.seconds, 1),
            },
            base_sha256=sha256_file(base) if base else "",
            training_origins=tuple(sorted({origin for pool in pools for origin in pool.origins})),
            training_groups=tuple(sorted({group for pool in pools for group in pool.groups if group})),
            data={**request.data, "samples": training.samples, "validation_samples": validation.samples, **counts},
            metrics={f"validation_{name}": value for name, value in outcome.best.items()},
            history=outcome.history.curves(),
            versions=library_versions("tensorflow", "keras", "numpy"),
            licence=options.licence,
            notes="" if options.licence else "The licence of these weights follows from that of the training data.",
        )
