"""Weights files to SAM models, checked key by key."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from segment_anything.modeling import Sam
from torch import Tensor

from mitobench.checkpoints import Card, read_card
from mitobench.errors import MissingError
from mitobench.hashing import sha256_file
from mitobench_sam.architecture import ARCHITECTURES, Architecture, build_sam
from mitobench_sam.lora import merge_low_rank
from mitobench_torch.weights import load_into, read_state

__all__ = ["LoadedSam", "load_decoder", "load_sam"]

_PARTS = {
    "decoder": ("mask_decoder", "prompt_encoder"),
    "lora": ("mask_decoder", "prompt_encoder", "lora"),
    "all": ("mask_decoder", "prompt_encoder", "image_encoder"),
}
"""The parts of a fine-tuned checkpoint, by what its card says was trained."""


@dataclass(frozen=True, eq=False)
class LoadedSam:
    """A SAM with its weights.

    Attributes:
        sam: the model, on the CPU, in evaluation mode, its parameters frozen.
        architecture: what it is made of.
        sha256: of the file that its encoder was loaded from, or of both files where fine-tuning changed the encoder.
    """

    sam: Sam
    architecture: Architecture
    sha256: str


def load_sam(path: Path, model: str) -> LoadedSam:
    """Load a whole SAM.

    Args:
        path: the official ``.pth``, MobileSAM's ``.pt``, or ``.safetensors`` with the same keys. If that has a card with
            an architecture, the model is built from it.
        model: ``vit_b``, ``vit_l``, ``vit_h`` or ``vit_t``, for files without such a card.

    Raises:
        MissingError: absent, unsafe, unreadable, a decoder only, or of another architecture.
    """
    state, card = _read(path)
    if card is not None and card.base_sha256:
        raise MissingError(
            f"{path}: a fine-tuned decoder for {card.component!r}, not a whole SAM. Use it as sam-ft:checkpoint=..."
        )
    architecture = ARCHITECTURES[model]
    if card is not None and card.architecture:
        architecture = Architecture.from_plain(card.architecture, source=str(path))
    sam = build_sam(architecture)
    try:
        load_into(sam, state, source=str(path))
    except MissingError as error:
        raise MissingError(f"{error} Expected a SAM with model={model}.{_hint(state, model)}") from None
    return LoadedSam(sam, architecture, sha256_file(path))


def load_decoder(path: Path, base: LoadedSam) -> LoadedSam:
    """Replace the parts of ``base`` that were fine-tuned: its mask decoder, and more if the training changed more.

    Returns:
        ``base``, changed in place; ``sha256`` also names the checkpoint where that changed the encoder.

    Raises:
        MissingError: absent, not a fine-tuned checkpoint, of another architecture, or trained on another base.
    """
    card = read_card(path)
    if card.component != "sam-ft":
        raise MissingError(f"{path}: a checkpoint of {card.component!r}; expected one that was trained for sam-ft.")
    if card.base_sha256 != base.sha256:
        trained_on = card.base_sha256 or "an unnamed base"
        raise MissingError(
            f"{path}: this decoder was trained on the weights {trained_on} but its base here is {base.sha256}. "
            "Give the weights it was trained on with model= or base=."
        )
    state = _safetensors(path)
    parts = _PARTS.get(str(card.trainer.get("trained")), _PARTS["decoder"])
    foreign = [key for key in state if key.partition(".")[0] not in parts]
    if foreign:
        expected = " and ".join(f"{part}.*" for part in parts)
        raise MissingError(
            f"{path}: holds {foreign[0]!r}; expected only {expected}, by what its card says was trained."
        )
    for part in parts:
        own = {key.removeprefix(f"{part}."): value for key, value in state.items() if key.startswith(f"{part}.")}
        if part == "lora":
            merge_low_rank(base.sam.image_encoder, own, source=str(path))
        elif own or part != "prompt_encoder":
            load_into(getattr(base.sam, part), own, source=f"{path} ({part})")
    if parts == _PARTS["decoder"]:
        return base
    return replace(base, sha256=f"{base.sha256}+{sha256_file(path)}")


def _read(path: Path) -> tuple[dict[str, Tensor], Card | None]:
    """The tensors of a file, and its card if it is a safetensors file with one."""
    if path.suffix != ".safetensors":
        return read_state(path), None
    state = _safetensors(path)
    try:
        return state, read_card(path)
    except MissingError:  # a sound file, as was just seen, but of another tool
        return state, None


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except FileNotFoundError:
        raise MissingError(f"{path}: no such weights file.") from None
    except (SafetensorError, OSError) as error:
        raise MissingError(f"{path}: not a readable safetensors file ({error}). Fetch it again.") from None


def _hint(state: Mapping[str, Tensor], model: str) -> str:
    """Which of the known models a file is of, judged by its embedding's width, or ""."""
    position = state.get("image_encoder.pos_embed")
    width = 0 if position is None else int(position.shape[-1])
    for name, architecture in ARCHITECTURES.items():
        tiny = architecture.encoder == "tiny_vit" and "image_encoder.norm_head.weight" in state
        if name != model and (tiny or (width == architecture.embed_dim and architecture.encoder == "vit")):
            return f" The file looks like model={name}."
    return ""
