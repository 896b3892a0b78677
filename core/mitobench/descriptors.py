"""Descriptors: what a plugin says about its components, as plain data.

Listing and planning read nothing else, so they import no component, no numpy and no torch.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

__all__ = [
    "DataSourceDescriptor",
    "Descriptor",
    "Kind",
    "MetricDescriptor",
    "PromptKind",
    "PrompterDescriptor",
    "ReporterDescriptor",
    "SegmenterDescriptor",
    "TrainerDescriptor",
    "WeightsFile",
]

Kind = Literal["data", "prompter", "segmenter", "metric", "trainer", "reporter"]
PromptKind = Literal["point", "box", "mask"]


@dataclass(frozen=True, kw_only=True)
class WeightsFile:
    """A published (or bundled) weights file that a component can use.

    Exactly one of ``url`` and ``bundled`` is set; ``bundled`` is ``"package:path/inside/it"``.
    """

    name: str
    sha256: str
    size: int
    licence: str
    citation: str
    url: str = ""
    bundled: str = ""
    summary: str = ""


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """What is common to the descriptors of all kinds.

    Attributes:
        name: the name users type.
        target: ``"package.module:Class"``, imported when the component is built.
        summary: one line for ``mitobench list``.
        version: bumped whenever the component's numbers may change; part of every result's identity.
        options: ``"package.module:Model"``, a :class:`mitobench.options.ComponentOptions`, importable without any
            heavy library.
        requires: distributions the component needs at run time, as PEP 508 requirements; checked from metadata.
        install: what to type when one of them is missing.
        weights: the weights files that it may ask for by name.
        licence: SPDX identifier of the component's own code with what it must import.
        citation: what to cite, as one line (authors, title, venue, year, DOI or URL).
    """

    kind: ClassVar[Kind]
    name: str
    target: str
    summary: str
    version: int = 1
    options: str = "mitobench.options:NoOptions"
    requires: tuple[str, ...] = ()
    install: str = ""
    weights: tuple[WeightsFile, ...] = ()
    licence: str = "Apache-2.0"
    citation: str = ""


@dataclass(frozen=True, kw_only=True)
class DataSourceDescriptor(Descriptor):
    """A data source. Its target implements :class:`mitobench.interfaces.DataSource`."""

    kind: ClassVar[Kind] = "data"


@dataclass(frozen=True, kw_only=True)
class PrompterDescriptor(Descriptor):
    """A prompter. ``emits`` is empty only for ``none``; ``uses_reference`` marks an oracle."""

    kind: ClassVar[Kind] = "prompter"
    emits: frozenset[PromptKind] = field(default_factory=frozenset)
    uses_reference: bool = False


@dataclass(frozen=True, kw_only=True)
class SegmenterDescriptor(Descriptor):
    """A segmenter. ``accepts`` is empty for one that takes no prompts (it runs once, with no prompter)."""

    kind: ClassVar[Kind] = "segmenter"
    accepts: frozenset[PromptKind] = field(default_factory=frozenset)


@dataclass(frozen=True, kw_only=True)
class MetricDescriptor(Descriptor):
    """A metric. ``default`` metrics run when the user names none."""

    kind: ClassVar[Kind] = "metric"
    default: bool = False


@dataclass(frozen=True, kw_only=True)
class TrainerDescriptor(Descriptor):
    """A trainer. ``trains`` names the components that read its checkpoints."""

    kind: ClassVar[Kind] = "trainer"
    trains: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ReporterDescriptor(Descriptor):
    """A reporter writes a leaderboard in one format; ``suffix`` is its file's suffix, such as ``".md"``."""

    kind: ClassVar[Kind] = "reporter"
    suffix: str
