"""The smallest real SAM: two transformer blocks, the real prompt encoder and mask decoder, seeded weights."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

from mitobench.checkpoints import Card, write_checkpoint
from mitobench.interfaces import BuildContext
from mitobench.samples import Sample
from mitobench_sam.architecture import Architecture
from mitobench_sam.options import FineTunedSamOptions, SamOptions
from mitobench_sam.segmenter import FineTunedSamSegmenter, SamSegmenter

TINY = Architecture(embed_dim=48, depth=2, heads=3, global_blocks=(1,), window=5, image_size=256)
TINY_1024 = Architecture(embed_dim=32, depth=2, heads=2, global_blocks=(1,), window=14, image_size=1024)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def seeded(state: dict[str, torch.Tensor], seed: int) -> dict[str, torch.Tensor]:
    """Weights of the same names and shapes that make lively masks."""
    values = {}
    for index, key in enumerate(sorted(state)):
        shape = tuple(state[key].shape)
        value = np.random.default_rng([seed, index]).standard_normal(shape, dtype=np.float32)
        if len(shape) >= 2 and "pos_embed" not in key and "gaussian" not in key:
            value /= np.sqrt(np.prod(shape[1:], dtype=np.float32))
        elif key.endswith("weight"):
            value = 1 + np.float32(0.1) * value
        else:
            value = np.float32(0.3) * value
        if key.startswith("mask_decoder.iou_prediction_head.layers.2"):  # most scores within 0..1
            value = np.float32(0.1) * value if len(shape) == 2 else np.full(shape, 0.5, np.float32)
        values[key] = torch.from_numpy(value)
    return values


def official_sam(a: Architecture) -> Sam:
    """The same architecture, spelled out with the official classes alone."""
    grid = a.image_size // 16
    encoder = ImageEncoderViT(
        img_size=a.image_size,
        embed_dim=a.embed_dim,
        depth=a.depth,
        num_heads=a.heads,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=a.window,
        global_attn_indexes=a.global_blocks,
    )
    prompts = PromptEncoder(256, (grid, grid), (a.image_size, a.image_size), 16)
    decoder = MaskDecoder(transformer_dim=256, transformer=TwoWayTransformer(2, 256, 8, 2048))
    return Sam(encoder, prompts, decoder).eval()


@pytest.fixture(scope="session")
def tiny() -> Architecture:
    return TINY


@pytest.fixture(scope="session")
def official() -> Sam:
    """A two-block SAM of the official classes, 256 pixels a side."""
    sam = official_sam(TINY)
    sam.load_state_dict(seeded(sam.state_dict(), 3))
    return sam


@pytest.fixture(scope="session")
def official_1024() -> Sam:
    """A two-block SAM of the official classes with the published input size."""
    sam = official_sam(TINY_1024)
    sam.load_state_dict(seeded(sam.state_dict(), 4))
    return sam


def _written(sam: Sam, architecture: Architecture, path: Path) -> Path:
    tensors = {key: value.numpy() for key, value in sam.state_dict().items()}
    write_checkpoint(path, tensors, Card(component="sam", architecture=architecture.plain()))
    return path


@pytest.fixture(scope="session")
def tiny_path(official, tmp_path_factory) -> Path:
    return _written(official, TINY, tmp_path_factory.mktemp("sam") / "tiny.safetensors")


@pytest.fixture(scope="session")
def tiny_1024_path(official_1024, tmp_path_factory) -> Path:
    return _written(official_1024, TINY_1024, tmp_path_factory.mktemp("sam") / "tiny1024.safetensors")


@pytest.fixture
def sam() -> Callable[..., SamSegmenter]:
    """Build ``sam`` on a weights file, with options."""

    def build(path: Path, **options: object) -> SamSegmenter:
        return SamSegmenter(SamOptions(checkpoint=path, **options), BuildContext(weights={"weights": path}))

    return build


@pytest.fixture
def sam_ft() -> Callable[..., FineTunedSamSegmenter]:
    """Build ``sam-ft`` on a base and a decoder, with options."""

    def build(base: Path, decoder: Path, **options: object) -> FineTunedSamSegmenter:
        given = FineTunedSamOptions(base=base, checkpoint=decoder, **options)
        return FineTunedSamSegmenter(given, BuildContext(weights={"base": base, "decoder": decoder}))

    return build


@pytest.fixture
def sample() -> Callable[..., Sample]:
    """A sample of smooth random texture of any shape."""

    def make(shape: tuple[int, ...], seed: int = 0) -> Sample:
        from scipy.ndimage import gaussian_filter

        noise = np.random.default_rng(seed).standard_normal(shape)
        smooth = gaussian_filter(noise, (4, 4) + (0,) * (len(shape) - 2))
        image = np.clip(128 + 60 * smooth / (smooth.std() + 1e-9), 0, 255).astype(np.uint8)
        return Sample(id=f"texture {shape} {seed}", image=image)

    return make


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of values computed by the published MobileSAM."""
    data = os.environ.get("MITOBENCH_TEST_DATA")
    root = Path(__file__).resolve().parents[2]
    places = [Path(data).parent / "reference"] if data else []
    for place in [*places, root.parent / "shared" / "reference"]:
        if (place / "mobile_sam" / "state.json").is_file():
            return place / "mobile_sam"
    pytest.skip("the MobileSAM reference values are not here (../shared/reference)")
