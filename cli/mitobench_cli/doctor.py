"""``mitobench doctor``: what this installation can do, and what is wrong with it."""

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from mitobench import __version__
from mitobench.errors import MissingError, ResourceError
from mitobench.plugins import DISABLE_VARIABLE, Plugins
from mitobench_cli.probing import Finding, probe_all
from mitobench_cli.terminal import columns, debug_option, json_option, only_json, say, show, show_json

if TYPE_CHECKING:
    from mitobench.plugins import Component

__all__ = ["Check", "command"]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: ``ok``, a ``note`` that may matter, or ``wrong`` with the exit code it means."""

    status: Literal["ok", "note", "wrong"]
    what: str
    found: str
    exit_code: int = 0


@click.command("doctor")
@json_option
@debug_option
def command(as_json: bool) -> int:
    """Check the installation, the device, the plugins and the cache.

    Every component's class is imported, each plugin in a process of its own, so that one that crashes is named. The exit
    code is 0 if nothing is wrong, 4 where a plugin or weights are, 5 where the cache cannot be written.
    """
    with only_json(as_json):
        checks = [*_machine(), *_plugins(), *_cache(), *_weights()]
    if as_json:
        show_json([vars(check) for check in checks])
    else:
        show(columns([(check.status, check.what, check.found) for check in checks]))
    wrong = [check for check in checks if check.status == "wrong"]
    if wrong:
        say(f"error: {len(wrong)} of {len(checks)} checks went wrong")
    return max((check.exit_code for check in wrong), default=0)


def _machine() -> Iterator[Check]:
    yield Check("ok", "mitobench", __version__)
    yield Check("ok", "Python", f"{platform.python_version()} on {platform.platform()}")
    yield Check(
        "ok", "cores", str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
    )
    yield _memory()
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    yield Check("ok" if free > 1 else "note", "disk", f"{free:.1f} GB free in the working directory")
    yield _torch()


def _memory() -> Check:
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    except (AttributeError, ValueError, OSError):
        return Check("note", "memory", "unknown on this system")
    return Check("ok", "memory", f"{total:.1f} GB")


def _torch() -> Check:
    """The device, asked of torch in a process of its own: a broken driver must not end the doctor."""
    import subprocess
    import sys

    code = (
        "import torch; c = torch.cuda; "
        "print('torch', torch.__version__ + ',', "
        "', '.join(c.get_device_name(i) for i in range(c.device_count())) if c.is_available() "
        "else 'Metal' if torch.backends.mps.is_available() else 'no accelerator, the CPU is used')"
    )
    done = subprocess.run(  # noqa: S603  (our own interpreter)
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, errors="backslashreplace"
    )
    if done.returncode == 0 and done.stdout.strip():
        return Check("ok", "device", done.stdout.strip().splitlines()[-1])
    reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return Check("wrong", "device", f"torch cannot be imported ({reason})", MissingError.exit_code)


def _plugins() -> Iterator[Check]:
    disabled = frozenset(name.strip() for name in os.environ.get(DISABLE_VARIABLE, "").split(",") if name.strip())
    found: dict[str, list[Finding]] = {}
    for finding in probe_all(disabled):
        found.setdefault(finding.plugin, []).append(finding)
    for plugin, findings in found.items():
        problems = [finding for finding in findings if finding.problem]
        for finding in problems:
            yield Check("wrong", f"plugin {plugin}", f"{finding.target}: {finding.problem}", MissingError.exit_code)
        if not problems:
            yield Check("ok", f"plugin {plugin}", f"{len(findings) - 1} imports work")
    for name in sorted(disabled):
        yield Check("note", f"plugin {name}", f"disabled by {DISABLE_VARIABLE}")
    crashing = [p for p, findings in found.items() if findings[0].problem]
    if crashing:
        os.environ[DISABLE_VARIABLE] = ",".join([*disabled, *crashing])
    for component in _lacking(Plugins.discover()):
        kind, name = component.descriptor.kind, component.descriptor.name
        yield Check("note", f"{kind} {name}", component.missing())


def _lacking(plugins: Plugins) -> "list[Component]":
    from mitobench.plugins import KINDS

    return [component for kind in KINDS for component in plugins.components(kind) if component.missing()]


def _cache() -> Iterator[Check]:
    from mitobench.weights import cache_root

    root = cache_root()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root) as file:
            file.write(b"mitobench")
    except OSError as error:
        reason = f"{root} cannot be written ({error.strerror}); set MITOBENCH_CACHE to a folder of yours"
        yield Check("wrong", "cache", reason, ResourceError.exit_code)
        return
    yield Check("ok", "cache", f"{root}, {shutil.disk_usage(root).free / 1e9:.1f} GB free")


def _weights() -> Iterator[Check]:
    from mitobench.weights import WeightsStore

    for entry in WeightsStore(Plugins.discover()).entries():
        absent = f"absent; `mitobench weights fetch {entry.file.name}` brings {entry.file.size / 1e6:.0f} MB"
        here = entry.state != "absent"
        yield Check("ok" if here else "note", f"weights {entry.file.name}", entry.state if here else absent)
