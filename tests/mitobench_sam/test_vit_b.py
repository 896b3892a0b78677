"""The published size: ViT-B weights in the official format, against the official predictor."""

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor, sam_model_registry

from mitobench.interfaces import BuildContext
from mitobench.plugins import Plugins
from mitobench.prompts import Prompts, mask_logits
from mitobench.specs import parse_spec

pytestmark = pytest.mark.slow


def lively(sam, seed):
    """Random weights whose masks are neither empty nor full."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in sam.named_parameters():
            if value.ndim > 1 and "pos_embed" not in name:
                value.normal_(0, value[0].numel() ** -0.5, generator=generator)
            else:
                value.add_(torch.randn(value.shape, generator=generator), alpha=0.1)
        sam.mask_decoder.iou_prediction_head.layers[2].bias.add_(0.5)
    return sam


def test_sam_vit_b_is_the_official_predictor(tmp_path, sample):
    with torch.random.fork_rng():
        sam = lively(sam_model_registry["vit_b"](), 0)
    path = tmp_path / "sam_vit_b_01ec64.pth"
    torch.save(sam.state_dict(), path)
    component = Plugins.discover().find("segmenter", parse_spec("sam"))
    options = component.options_model()(model="vit_b", checkpoint=path)
    ours = component.target()(options, BuildContext(weights={"weights": path}))
    picture = sample((180, 260, 3))
    predictor = SamPredictor(sam)
    predictor.set_image(picture.image)
    encoding = ours.encode([picture.image])[0]
    error = (encoding.embedding - predictor.features[0]).norm() / predictor.features.norm()
    assert float(error) < 1e-5
    box, points = np.array([40, 30, 190, 140], np.float32), np.array([[100, 90], [20, 20]], np.float32)
    mask = mask_logits(np.hypot(*(np.indices((180, 260)) - 100)) < 40)
    labels = np.array([1, 0], np.int8)
    for prompts, given in (
        (Prompts(boxes=box[None]), {"box": box}),
        (Prompts(points=points[None], point_labels=labels[None]), {"point_coords": points, "point_labels": labels}),
        (Prompts(boxes=box[None], masks=mask[None]), {"box": box, "mask_input": mask[None]}),
    ):
        found = ours.segment(encoding, picture, prompts)
        masks, scores, _ = predictor.predict(**given, multimask_output=True)
        best = int(np.argmax(scores))
        assert found.mask_scores[0] == pytest.approx(np.clip(scores[best], 0, 1), abs=1e-4)
        assert np.mean(found.masks.dense(0) != masks[best]) < 2e-4
        assert 0.02 < masks[best].mean() < 0.98
