"""``mitobench weights``: the weights files that mitobench knows, and how they come here."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mitobench.errors import MissingError
from mitobench_cli.matrix import offline_option
from mitobench_cli.progress import ProgressLine
from mitobench_cli.terminal import columns, debug_option, discover, json_option, say, show, show_json

if TYPE_CHECKING:
    from mitobench.weights import WeightsEntry, WeightsStore

__all__ = ["command", "entry_data"]


@click.group("weights")
def command() -> None:
    """List, fetch, verify and add weights files.

    They lie in the folder that MITOBENCH_CACHE names, else in the user's cache folder.
    """


@command.command("list")
@json_option
@debug_option
def list_weights(as_json: bool) -> None:
    """List the weights files: where they are, how large, under which licence, and what uses them."""
    entries = _store().entries()
    if as_json:
        show_json([entry_data(entry) for entry in entries])
        return
    rows = [
        (e.file.name, e.state, f"{e.file.size / 1e6:.1f} MB", e.file.licence, ", ".join(e.components) or "-")
        for e in entries
    ]
    show(columns(rows, ("NAME", "STATE", "SIZE", "LICENCE", "USED BY")))


@command.command("fetch")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@offline_option
@debug_option
def fetch(names: tuple[str, ...], offline: bool) -> None:
    """Download published weights into the cache and check their SHA-256."""
    store = _store(offline=offline)
    for name in names:
        with ProgressLine("MB") as line:
            path = store.fetch(name, progress=line.update_bytes)
        show(columns([(name, str(path))]))


@command.command("verify")
@click.argument("name", required=False)
@json_option
@debug_option
def verify(name: str | None, as_json: bool) -> int:
    """Hash the weights files again, all that are here or the one with this NAME."""
    found = _store().verify(name)
    damaged = [verification for verification in found if not verification.ok]
    if as_json:
        show_json([{**entry_data(v.entry), "found": v.sha256, "ok": v.ok} for v in found])
    elif found:
        show(columns([(v.entry.file.name, "ok" if v.ok else "damaged", str(v.entry.path)) for v in found]))
    else:
        say("no weights are here")
    for verification in damaged:
        say(
            f"error: {verification.entry.path}: sha256 {verification.sha256}, expected {verification.entry.file.sha256}. "
            "Delete the file and fetch it again."
        )
    return MissingError.exit_code if damaged else 0


@command.command("add")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", help="The name to use it by; the file's name without its suffix by default.")
@click.option("--licence", default="unknown", show_default=True, help="The licence of the weights.")
@click.option("--citation", default="", help="What to cite for them.")
@debug_option
def add(file: Path, name: str | None, licence: str, citation: str) -> None:
    """Copy a weights FILE of your own into the cache, under a name of its own or a published one."""
    entry = _store().add(file, name or file.stem, licence=licence, citation=citation)
    show(columns([(entry.file.name, str(entry.path), f"sha256 {entry.file.sha256}")]))


def entry_data(entry: "WeightsEntry") -> dict[str, Any]:
    """One weights file as plain data."""
    file = entry.file
    return {
        "name": file.name,
        "state": entry.state,
        "size": file.size,
        "sha256": file.sha256,
        "licence": file.licence,
        "citation": file.citation,
        "url": file.url,
        "path": str(entry.path),
        "components": list(entry.components),
    }


def _store(*, offline: bool = False) -> "WeightsStore":
    from mitobench.weights import WeightsStore

    return WeightsStore(discover(), offline=offline)
