"""What a matrix of prompters and segmenters costs: encode once and prompt in batches, or the notebook way, in one run.

    python benchmarks/speed/encode_once.py [--model vit_b] [--images 1] [--objects 20] [--quick]

The matrix is gt-box, gt-point, gt-mask and grid x sam and sam-ft, with random weights. The notebook way is the official
``SamPredictor``: ``set_image`` in every cell, then one prompt per ``predict`` call. Ours builds the components from their
specs and shares the encodings of equal ``encoder_key``. Compare ratios, not seconds of different runs. The full run says how
the whole matrix compares with TARGET, and exits with status 1 where it is less than FLOOR times as fast on the wall clock.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from segment_anything import SamPredictor
from segment_anything.modeling import ImageEncoderViT, Sam

from mitobench.checkpoints import Card
from mitobench.hashing import sha256_file
from mitobench.interfaces import BuildContext, Prompter, Segmenter
from mitobench.options import parse_options
from mitobench.plugins import Plugins
from mitobench.prompts import Prompts
from mitobench.samples import Sample
from mitobench.specs import parse_spec
from mitobench_sam.architecture import ARCHITECTURES, Architecture, build_sam
from mitobench_torch.weights import save_state

TARGET, FLOOR = 15.0, 5.0
QUICK = Architecture(embed_dim=64, depth=2, heads=2, global_blocks=(1,))


@dataclass
class Times:
    """Seconds spent on each piece of work by one way of doing it, by a given clock."""

    clock: Callable[[], float] = time.perf_counter
    spent: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def of(self, work: str) -> Iterator[None]:
        """Add the time of the block to ``work``."""
        start = self.clock()
        yield
        self.spent[work] = self.spent.get(work, 0.0) + self.clock() - start

    def total(self) -> float:
        """All of it."""
        return sum(self.spent.values())


def draw_samples(count: int, objects: int, shape: tuple[int, int] = (768, 1024)) -> list[Sample]:
    """Grey images with ellipses on a jittered grid, and their labels."""
    samples = []
    rows = int(np.ceil(np.sqrt(objects * shape[0] / shape[1])))
    columns = -(-objects // rows)
    step = np.array([shape[0] / rows, shape[1] / columns])
    y, x = np.indices(shape)
    for number in range(count):
        rng = np.random.default_rng(number)
        labels = np.zeros(shape, np.int32)
        for index in range(objects):
            centre = (np.array(divmod(index, columns)) + rng.uniform(0.4, 0.6, 2)) * step
            radii = rng.uniform(0.15, 0.35, 2) * step.min()
            labels[((y - centre[0]) / radii[0]) ** 2 + ((x - centre[1]) / radii[1]) ** 2 < 1] = index + 1
        image = np.clip(rng.normal(150, 25, shape) - 60 * (labels > 0), 0, 255).astype(np.uint8)
        samples.append(Sample(id=str(number), image=image, labels=labels))
    return samples


def random_weights(sam: Sam, seed: int = 0) -> None:
    """Fill a model with weights of a plausible scale."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in sam.named_parameters():
        if value.ndim > 1:
            value.data.normal_(0, 0.02 if "pos" in name else value[0].numel() ** -0.5, generator=generator)
        else:
            value.data.fill_(1.0 if name.endswith("weight") else 0.0)
    for value in sam.buffers():
        if value.ndim == 2:
            value.normal_(generator=generator)


def write_weights(folder: Path, architecture: Architecture) -> tuple[Path, Path, Sam]:
    """A base, a decoder on it, and the same base as a model whose encoder runs the official code."""
    sam = build_sam(architecture)
    random_weights(sam)
    base, decoder = folder / "base.safetensors", folder / "decoder.safetensors"
    save_state(base, sam.state_dict(), Card(component="sam", architecture=architecture.plain()))
    tuned = {key: value for key, value in sam.state_dict().items() if key.startswith("mask_decoder.")}
    save_state(decoder, tuned, Card(component="sam-ft", base_sha256=sha256_file(base)))
    if isinstance(sam.image_encoder, ImageEncoderViT):
        sam.image_encoder.forward = lambda x: ImageEncoderViT.forward(sam.image_encoder, x)
    return base, decoder, sam


def build_segmenters(plugins: Plugins, base: Path, decoder: Path) -> dict[str, Segmenter]:
    """``sam`` and ``sam-ft`` on the same base."""
    given: Mapping[str, tuple[dict[str, Path], dict[str, Path]]] = {
        "sam": ({"checkpoint": base}, {"weights": base}),
        "sam-ft": ({"base": base, "checkpoint": decoder, "multimask": "best"}, {"base": base, "decoder": decoder}),
    }
    built = {}
    for name, (options, weights) in given.items():
        component = plugins.find("segmenter", name)
        parsed = parse_options(component.options_model(), options, owner=name)
        built[name] = component.target()(parsed, BuildContext(weights=weights))
    return built


def make_prompts(plugins: Plugins, samples: list[Sample], grid: int) -> dict[str, list[Prompts]]:
    """The prompts of each prompter for each sample; both ways get the same."""
    made = {}
    for text in ("gt-box", "gt-point", "gt-mask", f"grid:side={grid}"):
        spec = parse_spec(text)
        component = plugins.find("prompter", spec)
        options = parse_options(component.options_model(), dict(spec.options), owner=spec.name)
        prompter: Prompter = component.target()(options, BuildContext())
        made[text] = [prompter.prompt(None, sample, np.random.default_rng(0)) for sample in samples]
    return made


def notebook_way(sam: Sam, samples: list[Sample], prompts: dict[str, list[Prompts]], times: Times) -> list[float]:
    """Every cell encodes for itself and asks for one mask after the other."""
    covers = []
    for _ in ("sam", "sam-ft"):
        for given in prompts.values():
            for sample, some in zip(samples, given, strict=True):
                predictor = SamPredictor(sam)
                with times.of("encode"):
                    predictor.set_image(np.stack([sample.image] * 3, axis=-1))
                with times.of("prompt"):
                    covers += [predict_one(predictor, some, index) for index in range(len(some))]
    return covers


def predict_one(predictor: SamPredictor, prompts: Prompts, index: int) -> float:
    """The share of the image that the best mask of one prompt covers."""
    masks, scores, _ = predictor.predict(
        point_coords=None if prompts.points is None else prompts.points[index],
        point_labels=None if prompts.point_labels is None else prompts.point_labels[index],
        box=None if prompts.boxes is None else prompts.boxes[index],
        mask_input=None if prompts.masks is None else prompts.masks[index][None],
    )
    best: NDArray[np.bool_] = masks[int(np.argmax(scores))]
    return float(best.mean())


def our_way(
    segmenters: dict[str, Segmenter], samples: list[Sample], prompts: dict[str, list[Prompts]], times: Times
) -> list[float]:
    """One encoding per (encoder, image), one call per cell and image."""
    encodings: dict[str | None, list[object]] = {}
    covers = []
    for segmenter in segmenters.values():
        if segmenter.encoder_key not in encodings:
            with times.of("encode"):
                encodings[segmenter.encoder_key] = list(segmenter.encode([sample.image for sample in samples]))
        for given in prompts.values():
            for sample, encoding, some in zip(samples, encodings[segmenter.encoder_key], given, strict=True):
                with times.of("prompt"):
                    found = segmenter.segment(encoding, sample.without_reference(), some)
                assert found.masks is not None
                covers += (found.masks.areas() / sample.image.size).tolist()
    return covers


def one_encoding(segmenter: Segmenter, sam: Sam, sample: Sample, clock: Callable[[], float]) -> tuple[float, float]:
    """Seconds for one image: ours, official; the better of two each, taken in turn."""
    predictor, rgb = SamPredictor(sam), np.stack([sample.image] * 3, axis=-1)
    ways: list[Callable[[], object]] = [lambda: segmenter.encode([sample.image]), lambda: predictor.set_image(rgb)]
    best = [float("inf"), float("inf")]
    for _ in range(2):
        for way, run in enumerate(ways):
            start = clock()
            run()
            best[way] = min(best[way], clock() - start)
    return best[0], best[1]


def main() -> None:
    """Parse the arguments, run both ways, print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=["vit_b", "vit_l", "vit_h"], default="vit_b")
    parser.add_argument("--images", type=int, default=1)
    parser.add_argument("--objects", type=int, default=20)
    parser.add_argument("--grid", type=int, default=6, help="points along each side of the grid prompter")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument(
        "--clock", choices=["wall", "cpu"], default="wall", help="cpu: for a machine that others use too"
    )
    parser.add_argument("--quick", action="store_true", help="a two-block encoder instead of --model")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    architecture = QUICK if arguments.quick else ARCHITECTURES[arguments.model]
    plugins, samples = Plugins.discover(), draw_samples(arguments.images, arguments.objects)
    prompts = make_prompts(plugins, samples, arguments.grid)
    clock = time.perf_counter if arguments.clock == "wall" else time.process_time
    ours, theirs = Times(clock), Times(clock)
    with tempfile.TemporaryDirectory() as folder:
        base, decoder, official = write_weights(Path(folder), architecture)
        segmenters = build_segmenters(plugins, base, decoder)
        single = one_encoding(segmenters["sam"], official, samples[0], clock)
        found = our_way(segmenters, samples, prompts, ours)
        expected = notebook_way(official, samples, prompts, theirs)
    count = sum(len(some) for given in prompts.values() for some in given) * len(segmenters)
    print(f"{'two-block ViT' if arguments.quick else arguments.model}, {arguments.threads} threads: ", end="")
    print(f"{len(prompts)} prompters x {len(segmenters)} segmenters, {len(samples)} images, {count} masks")
    apart = np.abs(np.subtract(found, expected))
    print(f"difference in a mask's share of the image: median {np.median(apart):.1e}, ", end="")
    print(
        f"above 1e-4 in {np.mean(apart > 1e-4):.1%} of the masks (near-ties between the scores of a prompt's three masks)"
    )
    print(f"{arguments.clock + ' seconds':<42}{'ours':>10}{'notebook':>10}{'ratio':>8}")
    rows = [
        ("encode one image", *single),
        ("encode, whole matrix", ours.spent["encode"], theirs.spent["encode"]),
        ("prompt, whole matrix", ours.spent["prompt"], theirs.spent["prompt"]),
        ("whole matrix", ours.total(), theirs.total()),
    ]
    for what, mine, other in rows:
        print(f"{what:<42}{mine:>10.2f}{other:>10.2f}{other / mine:>8.1f}")
    if not arguments.quick:
        sys.exit(judge(theirs.total() / ours.total(), arguments.clock))


def judge(ratio: float, clock: str) -> int:
    """Say how the whole matrix compares with what is expected of it; the exit status."""
    print(f"target {TARGET:.0f}x: {'reached' if ratio >= TARGET else f'missed, {ratio:.1f}x'}")
    if clock == "wall" and ratio < FLOOR:
        print(f"below the floor: {ratio:.1f}x on the wall clock; expected at least {FLOOR:.0f}x")
        return 1
    return 0


if __name__ == "__main__":
    main()
