"""One training of the Keras U-Net: a step, a validation, and the state between steps."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mitobench.seeds import derive_rng
from mitobench_keras.intensities import normalise
from mitobench_keras.options import TrainerOptions
from mitobench_keras.pool import Pool
from mitobench_keras.runtime import device_memory, keras, tf
from mitobench_keras.weights import read_weights, set_weights

__all__ = ["Learner"]

_NAMES = ("loss", "correct", "shared", "predicted", "expected", "counted")


class Learner:
    """A model, its optimiser and its inputs. An epoch is one pass over the inputs in an order that the seed and the epoch fix.

    Args:
        model: the network, its weights on ``device``.
        options: the trainer's.
        seed: of the order of the inputs.
        device: TensorFlow's name.
        training, validation: the inputs.
    """

    def __init__(
        self, model: Any, options: TrainerOptions, *, seed: int, device: str, training: Pool, validation: Pool
    ) -> None:
        self.steps_per_epoch = -(-len(training) // options.batch)
        self._model, self._options, self._seed, self._device = model, options, seed, device
        self._training, self._validation = training, validation
        with tf.device(device):
            self._optimiser = keras.optimizers.Adam(learning_rate=options.lr)
            self._optimiser.build(model.trainable_variables)
        side = model.input_shape[1]
        planes = tf.TensorSpec((None, side, side, 1), tf.float32)
        self._update = tf.function(self._update_eagerly, input_signature=[planes] * 3, autograph=False)
        self._score = tf.function(self._score_eagerly, input_signature=[planes] * 3, autograph=False)

    def step(self, step: int, progress: float) -> Mapping[str, float]:
        """One optimiser step; the loss and the pixel accuracy of its inputs before it."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = derive_rng(self._seed, "unet-keras", "epoch", epoch).permutation(len(self._training))
        chosen = order[place * self._options.batch : (place + 1) * self._options.batch]
        with device_memory(), tf.device(self._device):
            loss, accuracy = self._update(*self._planes(self._training, chosen))
        return {"loss": float(loss), "accuracy": float(accuracy)}

    def validate(self) -> Mapping[str, float]:
        """Loss (mean binary cross-entropy), pixel accuracy and pooled foreground Dice of the held-out inputs.

        The Dice is 1 where neither the reference nor the prediction has foreground.
        """
        pool, batch = self._validation, self._options.batch
        total = dict.fromkeys(_NAMES, 0.0)
        for start in range(0, len(pool), batch):
            chosen = np.arange(start, min(start + batch, len(pool)))
            with device_memory(), tf.device(self._device):
                scored = self._score(*self._planes(pool, chosen))
            for name, value in zip(_NAMES, scored, strict=True):
                total[name] += float(value)
        area = total["predicted"] + total["expected"]
        return {
            "loss": total["loss"] / total["counted"],
            "accuracy": total["correct"] / total["counted"],
            "dice": 2 * total["shared"] / area if area else 1.0,
        }

    def better(self, values: Mapping[str, float], best: Mapping[str, float]) -> bool:
        """A lower loss, or a higher Dice, as the option ``keep`` says; always where the last weights are asked for."""
        if self._options.keep == "last":
            return True
        if self._options.keep == "dice":
            return values["dice"] > best["dice"]
        return values["loss"] < best["loss"]

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """The model's weights by name."""
        return read_weights(self._model)

    def state(self) -> dict[str, NDArray[Any]]:
        """The model's weights and the optimiser's variables."""
        model = {f"model/{name}": value for name, value in read_weights(self._model).items()}
        slots = {f"optimiser/{i}": np.array(v.value.numpy()) for i, v in enumerate(self._optimiser.variables)}
        return {**model, **slots}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what ``state`` returned."""
        model = {n.removeprefix("model/"): value for n, value in state.items() if n.startswith("model/")}
        set_weights(self._model, model, source="the training state")
        for index, variable in enumerate(self._optimiser.variables):
            variable.assign(state[f"optimiser/{index}"])

    @staticmethod
    def _planes(pool: Pool, chosen: NDArray[np.integer]) -> list[Any]:
        """Images, targets and counted pixels of some inputs, float32 (N, S, S, 1) each."""
        images = normalise(pool.images[chosen])
        others = [plane[chosen].astype(np.float32)[..., None] for plane in (pool.targets, pool.counted)]
        return [tf.constant(planes) for planes in (images, *others)]

    def _update_eagerly(self, images: Any, targets: Any, counted: Any) -> tuple[Any, Any]:
        variables = self._model.trainable_variables
        pixels = tf.maximum(tf.reduce_sum(counted), 1.0)
        with tf.GradientTape() as tape:
            probability = self._model(images, training=True)
            losses = keras.ops.binary_crossentropy(targets, probability)
            loss = tf.reduce_sum(losses * counted) / pixels
        self._optimiser.apply(tape.gradient(loss, variables), variables)
        correct = tf.cast((probability > 0.5) == (targets > 0.5), tf.float32)
        return loss, tf.reduce_sum(correct * counted) / pixels

    def _score_eagerly(self, images: Any, targets: Any, counted: Any) -> tuple[Any, ...]:
        """The sums that ``_NAMES`` lists, over the counted pixels of one batch."""
        probability = self._model(images, training=False)
        losses = keras.ops.binary_crossentropy(targets, probability) * counted
        seen = counted > 0.5
        predicted, expected = (probability > 0.5) & seen, (targets > 0.5) & seen
        planes = (seen & (predicted == expected), predicted & expected, predicted, expected, seen)
        return (tf.reduce_sum(losses), *(tf.math.count_nonzero(plane) for plane in planes))
