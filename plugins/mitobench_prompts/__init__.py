"""Built-in plugin: prompts made from the reference (oracles), by hand, or from no knowledge at all."""

from mitobench import hookimpl
from mitobench.descriptors import PrompterDescriptor

_SAM = (
    "Kirillov, Mintun, Ravi, Mao, Rolland, Gustafson, Xiao, Whitehead, Berg, Lo, Dollar, Girshick, "
    "Segment Anything, ICCV 2023, arXiv:2304.02643"
)
_MICRO_SAM = (
    "Archit, Freckmann, Nair, Khalid, Hilt, Rajashekar, Freitag, Teuber, Spitzner, Tapia Contreras, Buckley, von Haaren, "
    "Gupta, Grade, Wirth, Schneider, Dengel, Ahmed, Pape, Segment Anything for Microscopy, Nature Methods 2025, "
    "10.1038/s41592-024-02580-4"
)


@hookimpl
def mitobench_prompters() -> list[PrompterDescriptor]:
    """The prompters of this plugin."""
    return [
        PrompterDescriptor(
            name="gt-box",
            target="mitobench_prompts.boxes:ObjectBoxes",
            options="mitobench_prompts.options:BoxOptions",
            summary="the tight box of each reference object, exact or jittered",
            emits=frozenset({"box"}),
            uses_reference=True,
            citation=_SAM,
        ),
        PrompterDescriptor(
            name="gt-union-box",
            target="mitobench_prompts.boxes:UnionBox",
            options="mitobench_prompts.options:UnionBoxOptions",
            summary="one box around all reference objects of the image, each side pushed outward at random",
            emits=frozenset({"box"}),
            uses_reference=True,
        ),
        PrompterDescriptor(
            name="gt-point",
            target="mitobench_prompts.points:ObjectPoints",
            options="mitobench_prompts.options:PointOptions",
            summary="points on each reference object (centroid, random or farthest from its border), and points off it",
            emits=frozenset({"point"}),
            uses_reference=True,
            citation=_MICRO_SAM,
        ),
        PrompterDescriptor(
            name="gt-mask",
            target="mitobench_prompts.masks:ObjectMasks",
            options="mitobench_prompts.options:MaskOptions",
            summary="the 256 x 256 mask of each reference object, as logits",
            emits=frozenset({"mask"}),
            uses_reference=True,
            citation=_SAM,
        ),
        PrompterDescriptor(
            name="manual",
            target="mitobench_prompts.manual:ManualPrompts",
            options="mitobench_prompts.options:ManualOptions",
            summary="points or boxes that a person gave, from CSV, JSON or napari's CSV",
            emits=frozenset({"point", "box"}),
        ),
        PrompterDescriptor(
            name="grid",
            target="mitobench_prompts.grid:GridPoints",
            options="mitobench_prompts.options:GridOptions",
            summary="a regular grid of points, one prompt each; filter what they give, e.g. sam:min_score=0.88,min_stability=0.95,nms=0.7",
            emits=frozenset({"point"}),
            citation=_SAM,
        ),
        PrompterDescriptor(
            name="none",
            target="mitobench_prompts.grid:NoPrompts",
            summary="no prompts, for segmenters that take none",
        ),
    ]
