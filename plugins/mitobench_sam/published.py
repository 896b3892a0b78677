"""The published weights that SAM's components know by name."""

from mitobench.descriptors import WeightsFile

__all__ = ["BUNDLED", "CITATION_MICRO_SAM", "CITATION_MOBILE_SAM", "CITATION_SAM", "PUBLISHED"]

CITATION_SAM = (
    "Kirillov et al., Segment Anything, Proceedings of the IEEE/CVF International Conference on Computer Vision (ICCV), "
    "2023, https://arxiv.org/abs/2304.02643"
)
CITATION_MOBILE_SAM = (
    "Zhang et al., Faster Segment Anything: Towards Lightweight SAM for Mobile Applications, 2023, "
    "https://arxiv.org/abs/2306.14289"
)
CITATION_MICRO_SAM = (
    "Archit et al., Segment Anything for Microscopy, Nature Methods 22, 2025, doi:10.1038/s41592-024-02580-4"
)
_SAM_URL = "https://dl.fbaipublicfiles.com/segment_anything"
_MOBILE_SAM_URL = (
    "https://raw.githubusercontent.com/ChaoningZhang/MobileSAM/f706ad9c4eb7f219c00d9050e46328518ffb65d2/weights"
)

PUBLISHED: tuple[WeightsFile, ...] = (
    WeightsFile(
        name="vit_b",
        url=f"{_SAM_URL}/sam_vit_b_01ec64.pth",
        sha256="ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        size=375042383,
        licence="Apache-2.0",
        citation=CITATION_SAM,
        summary="SAM with the ViT-B image encoder",
    ),
    WeightsFile(
        name="vit_l",
        url=f"{_SAM_URL}/sam_vit_l_0b3195.pth",
        sha256="3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
        size=1249524607,
        licence="Apache-2.0",
        citation=CITATION_SAM,
        summary="SAM with the ViT-L image encoder",
    ),
    WeightsFile(
        name="vit_h",
        url=f"{_SAM_URL}/sam_vit_h_4b8939.pth",
        sha256="a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
        size=2564550879,
        licence="Apache-2.0",
        citation=CITATION_SAM,
        summary="SAM with the ViT-H image encoder",
    ),
    WeightsFile(
        name="vit_t",
        url=f"{_MOBILE_SAM_URL}/mobile_sam.pt",
        sha256="6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
        size=40728226,
        licence="Apache-2.0",
        citation=CITATION_MOBILE_SAM,
        summary="MobileSAM: SAM's decoder on a TinyViT image encoder",
    ),
)

BUNDLED: tuple[WeightsFile, ...] = (
    WeightsFile(
        name="sam-tiny",
        bundled="mitobench_sam:weights/sam-tiny.safetensors",
        sha256="9416a03502e12462c1c97de7323046b95bd688bf576e2beb25347c6d40ccf811",
        size=7331544,
        licence="Apache-2.0",
        citation=CITATION_MICRO_SAM,
        summary="SAM's decoder on a small image encoder, trained by mitobench on generated images and BBBC038 nuclei (CC0)",
    ),
    WeightsFile(
        name="sam-ft-em",
        bundled="mitobench_sam:weights/sam-ft-em.safetensors",
        sha256="8fb861d7c80f786f0df0e15ecd8398f6af3b60d76a85e0d267e108930583cbd2",
        size=1704216,
        licence="Apache-2.0",
        citation=CITATION_MICRO_SAM,
        summary="the mask decoder of sam-tiny, fine-tuned by mitobench on generated electron microscopy",
    ),
)
