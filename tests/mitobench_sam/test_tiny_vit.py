"""MobileSAM: the released file's form loads, and its published implementation's values are met."""

import importlib.util

import numpy as np
import pytest
import torch

from mitobench.errors import MissingError
from mitobench.prompts import Prompts
from mitobench.samples import Sample
from mitobench_sam.architecture import ARCHITECTURES, build_sam
from mitobench_sam.loading import load_sam
from mitobench_sam.mask_decoder import ImageSide, decode

pytestmark = pytest.mark.real_data
TOLERANCE = 1e-4


def relative_error(found, expected):
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@pytest.fixture(scope="module")
def stand_in(reference):
    spec = importlib.util.spec_from_file_location("stand_in_weights", reference / "weights.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def path(stand_in, tmp_path_factory):
    place = tmp_path_factory.mktemp("mobile") / "mobile_sam.pt"
    torch.save({key: torch.from_numpy(value) for key, value in stand_in.stand_in_weights().items()}, place)
    return place


@pytest.fixture(scope="module")
def expected(reference):
    with np.load(reference / "expected.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def built(path):
    from mitobench.interfaces import BuildContext
    from mitobench_sam.options import SamOptions
    from mitobench_sam.segmenter import SamSegmenter

    return SamSegmenter(SamOptions(model="vit_t", checkpoint=path), BuildContext(weights={"weights": path}))


@pytest.fixture(scope="module")
def encoding(built, stand_in):
    return built.encode([stand_in.stand_in_image()])[0]


def test_the_image_embedding_is_the_published_implementations(encoding, expected):
    found = encoding.embedding.numpy()[::4, ::4, ::4]
    assert relative_error(found, expected["embedding"]) < TOLERANCE


def decoded(sam, encoding, *, points=None, boxes=None, choose):
    with torch.no_grad():
        sparse, dense = sam.prompt_encoder(points=points, boxes=boxes, masks=None)
        position = sam.prompt_encoder.get_dense_pe()[0]
        side = ImageSide.of(sam.mask_decoder, encoding.embedding, position, dense[:1])
        logits, scores = decode(sam.mask_decoder, side, sparse, torch.tensor([choose]))
    return logits[0, ::4, ::4].numpy(), float(scores[0])


def test_box_masks_are_the_published_implementations(path, encoding, expected):
    sam = load_sam(path, "vit_t").sam
    logits, score = decoded(sam, encoding, boxes=torch.tensor([[200.0, 150, 500, 420]]), choose=True)
    best = int(np.argmax(expected["box_scores"]))
    assert score == pytest.approx(expected["box_scores"][best], rel=TOLERANCE)
    assert relative_error(logits, expected["box_logits"][best]) < TOLERANCE


def test_point_masks_are_the_published_implementations(path, encoding, expected):
    sam = load_sam(path, "vit_t").sam
    points = torch.tensor([[[300.0, 300], [700, 500]]]), torch.tensor([[1, 0]])
    logits, score = decoded(sam, encoding, points=points, choose=False)
    assert score == pytest.approx(float(expected["point_scores"][0]), rel=TOLERANCE)
    assert relative_error(logits, expected["point_logits"][0]) < TOLERANCE


def test_the_segmenter_gives_the_published_mask(built, encoding, expected, stand_in):
    sample = Sample(id="waves", image=stand_in.stand_in_image())
    prompts = Prompts(boxes=np.array([[200, 150, 500, 420]], np.float32))
    found = built.segment(encoding, sample, prompts)
    best = int(np.argmax(expected["box_scores"]))
    assert found.mask_scores[0] == pytest.approx(expected["box_scores"][best], rel=TOLERANCE)
    coarse = expected["box_logits"][best][:48] > 0
    centres = found.masks.dense(0)[2::16, 2::16]
    assert np.mean(centres == coarse) > 0.9


def test_every_one_of_its_tensors_is_needed(stand_in, tmp_path):
    state = {key: torch.from_numpy(value) for key, value in stand_in.stand_in_weights().items()}
    del state["image_encoder.layers.2.blocks.5.attn.attention_biases"]
    torch.save(state, tmp_path / "lacking.pt")
    with pytest.raises(MissingError, match=r"missing image_encoder\.layers\.2\.blocks\.5\.attn\.attention_biases"):
        load_sam(tmp_path / "lacking.pt", "vit_t")


def test_images_of_a_batch_do_not_mix():
    sam = build_sam(ARCHITECTURES["vit_t"])
    generator = torch.Generator().manual_seed(0)
    for value in sam.image_encoder.state_dict().values():
        value.normal_(0, 0.1, generator=generator).abs_() if value.is_floating_point() else value.zero_()
    encoder = type(sam.image_encoder)(img_size=224)
    encoder.load_state_dict(sam.image_encoder.state_dict())
    images = torch.randn(2, 3, 224, 224, generator=generator)
    with torch.no_grad():
        both, alone = encoder.eval()(images), encoder(images[1:])
    torch.testing.assert_close(both[1:], alone, rtol=1e-3, atol=1e-4)
