"""Boards of samples: with their reference, with prompts, and with each augmentation."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from mitobench.overlays import REFERENCE
from mitobench.prompts import Prompts
from mitobench.seeds import derive_rng
from mitobench_cli.drawing.boards import REFERENCE_LEGEND, Board, Panel, View, counted, prompt_legend

if TYPE_CHECKING:
    from mitobench.samples import Sample
    from mitobench.training.augmentation import Augmentation
    from mitobench.training.broad_augmentation import BroadAugmentation

    AnyAugmentation = Augmentation | BroadAugmentation

__all__ = ["augmentation_board", "augmentations", "samples_board"]

_COLUMNS = 4
_DRAWS = 16


def samples_board(samples: "Sequence[Sample]", prompts: Sequence[Prompts] = ()) -> Board:
    """Samples with their reference outlined and, where they are given, one set of prompts each drawn over it."""
    panels = []
    for number, sample in enumerate(samples):
        layers = [] if sample.labels is None else [(sample.labels, REFERENCE)]
        drawn = prompts[number] if prompts else Prompts()
        objects = "no reference" if sample.labels is None else _objects(sample)
        shown = f", {counted(len(drawn), 'prompt')}" if prompts else ""
        panels.append(View.of(sample).prompted(drawn, f"{sample.id}\n{objects}{shown}", layers=layers))
    referenced = REFERENCE_LEGEND if any(sample.labels is not None for sample in samples) else ()
    return Board.grid(panels, min(_COLUMNS, len(panels)), (*referenced, *prompt_legend(prompts)))


@overload
def augmentations(how: "Augmentation") -> "dict[str, Augmentation]": ...
@overload
def augmentations(how: "BroadAugmentation") -> "dict[str, BroadAugmentation]": ...
def augmentations(how: "AnyAugmentation") -> "Mapping[str, AnyAugmentation]":
    """Each transformation of an augmentation alone, and with certainty where it has a probability, by a title with its parameters."""
    from mitobench.training.augmentation import Augmentation

    return _published(how) if isinstance(how, Augmentation) else _broad(how)


def _published(how: "Augmentation") -> "dict[str, Augmentation]":
    none = type(how).none()

    def only(**fields: Any) -> "Augmentation":
        return none.model_copy(update=fields)

    low, high = how.elastic_alpha
    few, many = how.photons
    elastic = only(elastic_alpha=how.elastic_alpha, elastic_sigma=how.elastic_sigma)
    alone: Mapping[str, tuple[bool, Augmentation]] = {
        f"rotation\nwithin ±{how.rotation:g}°": (how.rotation > 0, only(rotation=how.rotation)),
        "flips\neach axis, p = 0.5": (how.flips, only(flips=True)),
        f"shift\nwithin ±{how.shift:g} px": (how.shift > 0, only(shift=how.shift)),
        f"elastic field\nσ {how.elastic_sigma:g} px, α {low:g}–{high:g} px": (high != 0, elastic),
        f"contrast\n× {1 - how.gain:g}–{1 + how.gain:g}": (how.gain > 0, only(gain=how.gain)),
        f"brightness\n± {how.offset:g} of full scale": (how.offset > 0, only(offset=how.offset)),
        f"Poisson noise, p = {how.poisson:g}\n{few:g}–{many:g} photons": (
            how.poisson > 0,
            only(poisson=1.0, photons=how.photons),
        ),
        f"Gaussian noise\nSD up to {how.gaussian:g} of full scale": (how.gaussian > 0, only(gaussian=how.gaussian)),
        f"local equalisation\np = {how.equalise:g}": (how.equalise > 0, only(equalise=1.0)),
    }
    return {title: made for title, (wanted, made) in alone.items() if wanted}


def _broad(how: "BroadAugmentation") -> "dict[str, BroadAugmentation]":
    none = type(how).none()

    def only(**fields: Any) -> "BroadAugmentation":
        return none.model_copy(update=fields)

    low, high = how.gain
    sharp, soft = how.blur
    extract = only(whole=0.0, smallest_extract=how.smallest_extract)
    blur = only(blurred=1.0, blur=how.blur)
    alone: Mapping[str, tuple[bool, BroadAugmentation]] = {
        f"extract, p = {1 - how.whole:g}\nsides × {how.smallest_extract:g}–1": (how.whole < 1, extract),
        "turns\nquarters, mirrored or not": (how.turns, only(turns=True)),
        f"gamma\nexponent {np.exp(-how.gamma):.2f}–{np.exp(how.gamma):.2f}": (how.gamma > 0, only(gamma=how.gamma)),
        f"contrast\n× {low:g}–{high:g}": (how.gain != (1, 1), only(gain=how.gain)),
        f"brightness\n± {how.offset:g} of full scale": (how.offset > 0, only(offset=how.offset)),
        f"negative\np = {how.inverted:g}": (how.inverted > 0, only(inverted=1.0)),
        f"blur, p = {how.blurred:g}\nσ {sharp:g}–{soft:g} px": (how.blurred > 0, blur),
        f"Gaussian noise\nSD up to {how.noise:g} of full scale": (how.noise > 0, only(noise=how.noise)),
    }
    return {title: made for title, (wanted, made) in alone.items() if wanted}


def augmentation_board(sample: "Sample", how: "AnyAugmentation", seed: int, *, together: int = 2) -> Board:
    """A sample, the same under each transformation alone (the strongest of 16 draws), and under all ``together`` times."""

    def panel(title: str, changed: "Sample") -> Panel:
        layers = [] if changed.labels is None else [(changed.labels, REFERENCE)]
        return View.of(changed, side=512, stretch=False).prompted(Prompts(), title, layers=layers)

    panels = [panel("unchanged", sample)]
    panels += [panel(title, _strongest(sample, alone, seed)) for title, alone in augmentations(how).items()]
    for number in range(together):
        changed = _changed(sample, how, derive_rng(seed, "augmentation", "all", number))
        panels.append(panel(f"all together\ndraw {number + 1}", changed))
    return Board.grid(panels, _COLUMNS, REFERENCE_LEGEND if sample.labels is not None else ())


def _changed(sample: "Sample", how: "AnyAugmentation", rng: np.random.Generator) -> "Sample":
    from mitobench.training.augmentation import Augmentation, augment
    from mitobench.training.broad_augmentation import vary

    return augment(sample, how, rng) if isinstance(how, Augmentation) else vary(sample, rng, how)


def _strongest(sample: "Sample", how: "AnyAugmentation", seed: int) -> "Sample":
    """Of some draws the smallest extract; of equally large ones that which changes the image most."""

    def change(changed: "Sample") -> tuple[int, float]:
        if changed.shape != sample.shape:
            return -changed.image.size, np.inf
        return -changed.image.size, float(np.abs(changed.image.astype(np.int16) - sample.image).mean())

    return max(
        (_changed(sample, how, derive_rng(seed, "augmentation", number)) for number in range(_DRAWS)), key=change
    )


def _objects(sample: "Sample") -> str:
    assert sample.labels is not None  # noqa: S101  (asked for only where there is a reference)
    return counted(int((np.unique(sample.labels) > 0).sum()), "object")
