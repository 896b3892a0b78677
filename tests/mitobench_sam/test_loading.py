"""Weights files that are not what they should be, and those that are."""

import os

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mitobench.checkpoints import Card, write_checkpoint
from mitobench.errors import MissingError
from mitobench.hashing import sha256_file
from mitobench_sam.loading import load_decoder, load_sam


class Malicious:
    """Runs a command when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_malicious_pickle_is_refused_and_never_runs(tmp_path, legacy):
    marker, path = tmp_path / "marker", tmp_path / "sam_vit_b_01ec64.pth"
    torch.save({"image_encoder.pos_embed": Malicious(marker)}, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(MissingError, match="nothing of it was run"):
        load_sam(path, "vit_b")
    assert not marker.exists()


def test_a_web_page_in_place_of_weights_is_refused(tmp_path):
    path = tmp_path / "sam_vit_b_01ec64.pth"
    path.write_text("<!DOCTYPE html><html><body>404 Not Found</body></html>")
    with pytest.raises(MissingError, match=r"sam_vit_b_01ec64\.pth"):
        load_sam(path, "vit_b")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kept", [0, 100, 0.5, 0.999])
def test_a_truncated_checkpoint_is_refused(official, tmp_path, suffix, kept):
    path = tmp_path / f"whole{suffix}"
    state = dict(official.state_dict())
    torch.save(state, path) if suffix == ".pth" else save_file(state, path)
    data = path.read_bytes()
    short = tmp_path / f"short{suffix}"
    short.write_bytes(data[: kept if isinstance(kept, int) else int(kept * len(data))])
    with pytest.raises(MissingError, match="short"):
        load_sam(short, "vit_b")


def test_an_absent_file_is_named(tmp_path):
    for name in ("absent.pth", "absent.safetensors"):
        with pytest.raises(MissingError, match=f"{name}.*no such"):
            load_sam(tmp_path / name, "vit_b")


def test_weights_of_another_architecture_are_refused_with_the_differences(official, tmp_path):
    path = tmp_path / "tiny.pth"
    torch.save(official.state_dict(), path)
    with pytest.raises(MissingError, match=r"missing image_encoder\.blocks\.2.*differences.*model=vit_b"):
        load_sam(path, "vit_b")


def test_a_file_of_another_known_model_is_recognised(tmp_path):
    path = tmp_path / "large.pth"
    torch.save({"image_encoder.pos_embed": torch.zeros(1, 64, 64, 1024)}, path)
    with pytest.raises(MissingError, match="looks like model=vit_l"):
        load_sam(path, "vit_b")


def test_tensors_that_do_not_belong_are_refused(official, tiny, tmp_path):
    tensors = {key: value.numpy() for key, value in official.state_dict().items()}
    path = tmp_path / "more.safetensors"
    write_checkpoint(path, {**tensors, "extra": np.zeros(3)}, Card(component="sam", architecture=tiny.plain()))
    with pytest.raises(MissingError, match="unexpected extra"):
        load_sam(path, "vit_b")


def test_a_card_says_what_to_build(tiny_path, tiny, official):
    loaded = load_sam(tiny_path, "vit_h")
    assert loaded.architecture == tiny
    assert loaded.sha256 == sha256_file(tiny_path)
    assert all(torch.equal(loaded.sam.state_dict()[key], value) for key, value in official.state_dict().items())


def test_half_precision_files_are_loaded_as_single(official, tiny, tmp_path):
    path = tmp_path / "half.safetensors"
    tensors = {key: value.half().numpy() for key, value in official.state_dict().items()}
    write_checkpoint(path, tensors, Card(component="sam", architecture=tiny.plain()))
    state = load_sam(path, "vit_b").sam.state_dict()
    assert {value.dtype for value in state.values()} == {torch.float32}


def test_a_safetensors_file_without_a_card_is_of_the_model_that_is_asked_for(tmp_path):
    path = tmp_path / "converted.safetensors"
    save_file({"image_encoder.pos_embed": torch.zeros(1, 64, 64, 1280)}, path, metadata={"format": "pt"})
    with pytest.raises(MissingError, match="looks like model=vit_h"):
        load_sam(path, "vit_b")


@pytest.fixture
def decoder(official, tiny_path, tmp_path):
    """Write a fine-tuned decoder; arguments change what is written."""

    def write(base_sha256=None, component="sam-ft", parts=("mask_decoder",), extra=None):
        state = {key: value.numpy() for key, value in official.state_dict().items() if key.startswith(parts)}
        card = Card(component=component, base_sha256=sha256_file(tiny_path) if base_sha256 is None else base_sha256)
        path = tmp_path / "decoder.safetensors"
        write_checkpoint(path, {**state, **(extra or {})}, card)
        return path

    return write


def test_a_decoder_for_another_base_is_refused_naming_both(decoder, tiny_path):
    other = "0" * 64
    with pytest.raises(MissingError, match=f"{other}.*{sha256_file(tiny_path)}"):
        load_decoder(decoder(base_sha256=other), load_sam(tiny_path, "vit_b"))


def test_a_decoder_that_does_not_say_its_base_is_refused(decoder, tiny_path):
    with pytest.raises(MissingError, match="unnamed base"):
        load_decoder(decoder(base_sha256=""), load_sam(tiny_path, "vit_b"))


def test_a_checkpoint_of_another_component_is_refused(decoder, tiny_path):
    with pytest.raises(MissingError, match="'unet'"):
        load_decoder(decoder(component="unet"), load_sam(tiny_path, "vit_b"))


def test_a_decoder_with_encoder_weights_is_refused(decoder, tiny_path):
    path = decoder(extra={"image_encoder.pos_embed": np.zeros((1, 16, 16, 48), np.float32)})
    with pytest.raises(MissingError, match=r"image_encoder\.pos_embed"):
        load_decoder(path, load_sam(tiny_path, "vit_b"))


def test_a_checkpoint_without_a_decoder_is_refused(decoder, tiny_path):
    with pytest.raises(MissingError, match="missing"):
        load_decoder(decoder(parts=("prompt_encoder",)), load_sam(tiny_path, "vit_b"))


@pytest.mark.parametrize("parts", [("mask_decoder",), ("mask_decoder", "prompt_encoder")], ids="+".join)
def test_a_decoder_may_bring_its_prompt_encoder(decoder, tiny_path, parts):
    base = load_sam(tiny_path, "vit_b")
    before = {key: value.clone() for key, value in base.sam.state_dict().items()}
    for parameter in base.sam.parameters():
        parameter.add_(1)
    load_decoder(decoder(parts=parts), base)
    restored = {
        key.partition(".")[0] for key, value in base.sam.state_dict().items() if torch.equal(value, before[key])
    }
    assert set(parts) <= restored
    assert "image_encoder" not in restored


def test_a_decoder_given_as_a_whole_sam_is_refused_with_advice(decoder):
    with pytest.raises(MissingError, match="sam-ft:checkpoint="):
        load_sam(decoder(), "vit_b")
