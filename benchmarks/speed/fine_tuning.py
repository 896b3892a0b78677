"""What fine-tuning a mask decoder costs: embeddings made once, or the notebook way (official encoder in every step), in one run.

    python benchmarks/speed/fine_tuning.py [--model vit_b] [--patches 24] [--epochs 5] [--threads 2]

Random weights, generated 256 x 256 patches, one union box per patch, batch 2: the published protocol. Both ways take the
same steps in the same order, so their losses must agree. Compare ratios, not seconds of different runs.
"""

import argparse
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from segment_anything.modeling import ImageEncoderViT, Sam

from mitobench.components import open_source
from mitobench.plugins import Plugins
from mitobench.specs import parse_spec
from mitobench_sam.architecture import ARCHITECTURES, Architecture, random_sam
from mitobench_sam.trainer_options import FineTuneOptions
from mitobench_sam.training_images import TrainingImages
from mitobench_sam.training_task import PromptedTask


def official_encoder(a: Architecture) -> ImageEncoderViT:
    """The encoder as ``segment_anything.sam_model_registry`` builds it."""
    return ImageEncoderViT(
        img_size=a.image_size,
        embed_dim=a.embed_dim,
        depth=a.depth,
        num_heads=a.heads,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=a.window,
        global_attn_indexes=a.global_blocks,
    )


def patches(count: int) -> TrainingImages:
    """Generated electron microscopy with mitochondria in every patch."""
    spec = parse_spec(f"synthetic:kind=em,n={4 * count}")
    _, source = open_source(spec, Plugins.discover(), base=Path.cwd())
    useful = (ref for ref in source.refs() if np.asarray(ref.load().labels).any())
    return TrainingImages([next(useful) for _ in range(count)], 1, seed=0)


def train(sam: Sam, images: TrainingImages, epochs: int, cache: str) -> tuple[float, list[float]]:
    """Seconds and the loss of every step."""
    options = FineTuneOptions(prompt="union-box", box_margin=20, batch=2, cache=cache)
    start = time.perf_counter()
    task = PromptedTask(sam, "random", options, 0, torch.device("cpu"), images, images)
    losses = [task.step(step, 0.0)["loss"] for step in range(epochs * task.steps_per_epoch)]
    return time.perf_counter() - start, losses


def main() -> None:
    """Run both ways and print their times and the largest difference of their losses."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="vit_b", choices=[m for m in ARCHITECTURES if m.startswith("vit_")][:3])
    parser.add_argument("--patches", default=24, type=int)
    parser.add_argument("--epochs", default=5, type=int)
    parser.add_argument("--threads", default=torch.get_num_threads(), type=int)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    architecture = ARCHITECTURES[arguments.model]
    images = patches(arguments.patches)
    ours, theirs = random_sam(architecture, 0), random_sam(architecture, 0)
    encoder = official_encoder(architecture)
    encoder.load_state_dict(theirs.image_encoder.state_dict())
    theirs.image_encoder = encoder
    mine, losses = train(ours, images, arguments.epochs, "memory")
    other, expected = train(theirs, images, arguments.epochs, "off")
    difference = np.abs(np.subtract(losses, expected)).max()
    print(f"{arguments.model}, {len(images)} patches, {arguments.epochs} epochs, {arguments.threads} threads")
    print(f"losses {expected[0]:.4f} to {expected[-1]:.4f}; largest difference of a step's loss: {difference:.1e}")
    print(f"seconds: ours {mine:.1f}, encoder in every step {other:.1f}, ratio {other / mine:.1f}")


if __name__ == "__main__":
    main()
