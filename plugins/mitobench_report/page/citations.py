"""What to cite for a page, as BibTeX, and the licences of what was used."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from mitobench.components import reference_spec
from mitobench.descriptors import Kind, WeightsFile
from mitobench.errors import MitobenchError
from mitobench.ranking.evidence import Evidence

__all__ = ["Credit", "as_bibtex", "bibliography", "credits_of", "links"]

_DOI = re.compile(r"\b(?:https?://)?(?:doi(?:\.org/|:\s*))?(10\.\d{4,9}/[^\s,;()]+)", re.IGNORECASE)
_ARXIV = re.compile(r"\b(?:arXiv:|arxiv\.org/abs/)(\d{4}\.\d{4,5})", re.IGNORECASE)
_URL = re.compile(r"https://[^\s,;()<>\"']+")
_YEAR = re.compile(r"\b((?:19|20)\d\d)\b")
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    **{c: f"\\{c}" for c in "&%$#_"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}
_PAGE = "Satyanarayan, Moritz, Wongsuphasawat, Heer, Vega-Lite: A Grammar of Interactive Graphics, IEEE Transactions on Visualization and Computer Graphics 23, 2017, doi:10.1109/TVCG.2016.2599030"


@dataclass(frozen=True)
class Credit:
    """Something that was used: what it is, under which licence, and what to cite for it ("" where nothing is recorded)."""

    kind: str
    name: str
    licence: str
    citation: str


def credits_of(evidence: Evidence) -> list[Credit]:
    """The components, weights and metrics of a page, and what draws its charts, each once."""
    found = [*_components(evidence), *_metrics(evidence)]
    found.append(Credit("charts", "Vega, Vega-Lite and Vega-Embed, in this page", "BSD-3-Clause", _PAGE))
    return list(dict.fromkeys(found))


def bibliography(credited: Iterable[Credit]) -> list[str]:
    """The lines of a BibTeX file of everything to be cited, each work once, with a blank line between entries."""
    works = (work for credit in credited for work in re.split(r";\s+", credit.citation) if work)
    return "\n\n".join(map(as_bibtex, dict.fromkeys(works))).split("\n")


def as_bibtex(citation: str) -> str:
    """One citation in a line of plain text as a BibTeX entry: what can be told apart becomes a field, the whole stays.

    >>> print(as_bibtex("Kirillov et al., Segment Anything, ICCV 2023, arXiv:2304.02643"))
    @misc{kirillov2023_ba5c4d,
      author = {Kirillov and others},
      title = {{Segment Anything}},
      year = {2023},
      eprint = {2304.02643},
      archiveprefix = {arXiv},
      note = {Kirillov et al., Segment Anything, ICCV 2023, arXiv:2304.02643},
    }
    """
    doi, arxiv, year = (pattern.search(citation) for pattern in (_DOI, _ARXIV, _YEAR))
    author, title = _author_and_title(citation)
    fields = {
        "author": _escape(author),
        "title": f"{{{_escape(title)}}}" if title else "",
        "year": year[1] if year else "",
        "doi": _escape(doi[1].rstrip(".")) if doi else "",
        "eprint": arxiv[1] if arxiv else "",
        "archiveprefix": "arXiv" if arxiv else "",
        "note": _escape(citation),
    }
    first = re.sub(r"[^a-z]", "", (author or citation).split(" ")[0].lower()) or "source"
    digest = hashlib.sha256(citation.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@misc{{{first}{year[1] if year else ''}_{digest},", *lines, "}"])


def links(citation: str) -> list[tuple[str, str]]:
    """(text, address) of what a citation names: DOI and arXiv pages, and other https addresses."""
    found = [(f"doi:{d.rstrip('.')}", f"https://doi.org/{d.rstrip('.')}") for d in _DOI.findall(citation)]
    found += [(f"arXiv:{a}", f"https://arxiv.org/abs/{a}") for a in _ARXIV.findall(citation)]
    known = ("https://doi.org/", "https://arxiv.org/")
    return found + [(u.rstrip("."), u.rstrip(".")) for u in _URL.findall(citation) if not u.startswith(known)]


def _components(evidence: Evidence) -> Iterator[Credit]:
    for found in evidence.cells.values():
        for kind in ("data", "prompter", "segmenter"):
            record = found.record[kind]
            name = str(record["identity"]["component"])
            label = "data source" if kind == "data" else kind
            yield Credit(label, name.removeprefix("mitobench/"), str(record["licence"]), str(record["citation"]))
            known = {w.sha256: w for w in _published(evidence, kind, name)}
            for weights in record["weights"]:
                file = known.get(weights["sha256"])
                licence, citation = (file.licence, file.citation) if file else ("not recorded", "")
                yield Credit("weights", str(weights["name"]), licence, citation)


def _published(evidence: Evidence, kind: Kind, reference: str) -> tuple[WeightsFile, ...]:
    try:
        return evidence.plugins.find(kind, reference_spec(reference)).descriptor.weights
    except MitobenchError:
        return ()


def _metrics(evidence: Evidence) -> Iterator[Credit]:
    for folder in evidence.folders:
        for record in folder.record()["metrics"].values():
            name = str(record["identity"]["component"])
            try:
                described: Any = evidence.plugins.find("metric", reference_spec(name)).descriptor
            except MitobenchError:
                yield Credit("metric", name, "not recorded", "")
                continue
            yield Credit("metric", name.removeprefix("mitobench/"), described.licence, described.citation)


def _author_and_title(citation: str) -> tuple[str, str]:
    """Authors and title of "A, B, C: Title. Venue", "A, B, Title of several words, Venue" or "A et al., Title, Venue"."""
    if found := re.match(r"(.{1,80}?) et al\.?[,:]\s+([^,.;]+(?:: [^,.;]+)?)", citation):
        return f"{found[1]} and others", found[2].strip()
    if found := re.match(r"((?:[^\s,:]+, )*[^\s,:]+): ([^.;]+)", citation):
        return found[1].replace(", ", " and "), found[2].strip()
    parts = citation.split(", ")
    names = next((n for n, part in enumerate(parts) if len(part.split()) > 1), len(parts))
    if names and names < len(parts) and "doi:" not in parts[names]:
        return " and ".join(parts[:names]), parts[names]
    return "", ""


def _escape(text: str) -> str:
    return "".join(_SPECIAL.get(character, character) for character in " ".join(text.split()))
