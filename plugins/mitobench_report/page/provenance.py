"""Where the numbers of a page come from: runs, data, weights, and the command that makes a cell again."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mitobench.components import reference_spec
from mitobench.ranking.evidence import CellEvidence, Evidence
from mitobench.results.runfolder import RunFolder
from mitobench.specs import Spec

__all__ = ["Request", "command_of", "data_facts", "describe_runs", "weights_facts"]

_IS_DEFAULT = {"device": "auto", "workers": 0, "batch": 8}


@dataclass(frozen=True)
class Request:
    """One time that somebody asked for results of a run: facts as (name, text), and the versions then installed."""

    run: str
    facts: Sequence[tuple[str, str]]
    versions: Sequence[tuple[str, str]]


def describe_runs(folders: Iterable[RunFolder]) -> list[Request]:
    """Every request that is recorded in some runs, in order."""
    return [_request(folder, request) for folder in folders for request in folder.record()["requests"]]


def command_of(found: CellEvidence) -> str:
    """The command that computes one cell, quoted for a POSIX shell; paths as recorded.

    Relative paths in it start from the folder that they were given in, so the command goes there first.
    """
    record, whole = found.record, found.folder.record()
    request: Mapping[str, Any] = next((r for r in reversed(whole["requests"]) if found.key in r.get("cells", ())), {})
    words = ["mitobench", "run"]
    for kind in ("data", "prompter", "segmenter"):
        words += [f"--{kind}", _spec(record[kind])]
    for metric in sorted(whole["metrics"].values(), key=lambda m: m.get("order", 0)):
        words += ["--metric", _spec(metric)]
    words += ["--seed", str(record["seed"])]
    if request.get("limit") is not None:
        words += ["--limit", str(request["limit"])]
    for name, value in request.get("settings", {}).items():
        if name in _IS_DEFAULT and value != _IS_DEFAULT[name]:
            words += [f"--{name}", str(value)]
    words += ["--out", str(_run_folder(found.folder))]
    return f"cd {shlex.quote(str(record['data']['base']))} && {shlex.join(words)}"


def data_facts(evidence: Evidence) -> list[tuple[str, list[tuple[str, str]]]]:
    """What identifies each data source: (label, facts)."""
    records = {found.record["data"]["key"]: found.record["data"] for found in evidence.cells.values()}
    return [
        (
            str(record["label"]),
            [
                ("fingerprint", str(record["identity"].get("fingerprint", "not recorded"))),
                ("component", f"{record['identity']['component']}, version {record['identity']['version']}"),
                ("options", _options(record["identity"].get("options", {}))),
            ],
        )
        for record in records.values()
    ]


def weights_facts(evidence: Evidence) -> list[tuple[str, str, str]]:
    """The weights that were used: (name, SHA-256, the components that used them)."""
    users: dict[tuple[str, str], set[str]] = {}
    for found in evidence.cells.values():
        for part in ("prompter", "segmenter"):
            for weights in found.record[part]["weights"]:
                label = f"{found.record[part]['label']} ({part})"
                users.setdefault((str(weights["name"]), str(weights["sha256"])), set()).add(label)
    return [(name, sha256, ", ".join(sorted(labels))) for (name, sha256), labels in sorted(users.items())]


def _request(folder: RunFolder, request: Mapping[str, Any]) -> Request:
    machine = request.get("machine", {})
    facts = {
        "asked at": request.get("time"),
        "cells": len(request["cells"]) if "cells" in request else None,
        "scored again with": ", ".join(map(str, request.get("rescore", ()))) or None,
        "seed": request.get("seed"),
        "limit": request.get("limit"),
        **request.get("settings", {}),
        "system": machine.get("system"),
        "processor": machine.get("processor") or None,
        "cores": machine.get("cores"),
        "git revision": request.get("git") or None,
    }
    shown = [(name, str(value)) for name, value in facts.items() if value is not None]
    return Request(str(folder.source), shown, [(str(k), str(v)) for k, v in request.get("versions", {}).items()])


def _run_folder(folder: RunFolder) -> Path:
    """The run's folder; for an export, which is none, one of its name."""
    return folder.path.absolute() if folder.source == folder.path else Path("runs", folder.source.stem)


def _spec(record: Mapping[str, Any]) -> str:
    plain = reference_spec(str(record["identity"]["component"]))
    return str(Spec(plain.name, record["given"], "" if plain.distribution == "mitobench" else plain.distribution))


def _options(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in options.items()) or "none"
