"""Imports plugins in processes of their own, so that one that crashes the interpreter can be named.

Run as ``python -m mitobench_cli.probing DISTRIBUTION NAME SKIP``: imports the entry point, then every target that it names
but the first SKIP, and writes a line before and after each, so that the last ``begin`` without an end is the culprit.
"""

import importlib
import importlib.metadata
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

__all__ = ["Finding", "probe_all"]

_GROUP = "mitobench"
_TIMEOUT = 120.0


@dataclass(frozen=True)
class Finding:
    """What importing one thing came to; ``problem`` is "" where it went well."""

    plugin: str
    target: str
    problem: str


def probe_all(disabled: frozenset[str] = frozenset()) -> list[Finding]:
    """Import every plugin and every component's class, each plugin in a process of its own.

    Args:
        disabled: names of plugins, distributions or ``distribution/name`` to leave out.
    """
    points = {
        (point.dist.name if point.dist else "?", point.name) for point in importlib.metadata.entry_points(group=_GROUP)
    }
    wanted = sorted(p for p in points if not {p[0], p[1], f"{p[0]}/{p[1]}"} & disabled)
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        return [finding for findings in pool.map(_probe, wanted) for finding in findings]


def _probe(point: tuple[str, str]) -> list[Finding]:
    """All findings on one plugin. A crash is one, and the rest is imported in a new process."""
    findings: list[Finding] = []
    while True:
        arguments = [sys.executable, "-m", "mitobench_cli.probing", *point, str(len(findings))]
        environment = {name: value for name, value in os.environ.items() if name != "MITOBENCH_DISABLE_PLUGINS"}
        try:
            done = subprocess.run(  # noqa: S603  (our own interpreter and module)
                arguments,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT,
                check=False,
                env=environment,
                errors="backslashreplace",
            )
            output, code = done.stdout, done.returncode
        except subprocess.TimeoutExpired as late:
            output = (
                late.stdout.decode(errors="backslashreplace") if isinstance(late.stdout, bytes) else late.stdout or ""
            )
            code = None
        new, open_target = _read(f"{point[0]}/{point[1]}", output)
        findings += new
        if open_target is None:
            return findings
        findings.append(Finding(f"{point[0]}/{point[1]}", open_target, _death(code)))
        if len(findings) == 1:
            return findings


def _read(plugin: str, output: str) -> tuple[list[Finding], str | None]:
    """The findings in a probe's output, and the target whose import did not end, if any."""
    findings: list[Finding] = []
    open_target: str | None = "the entry point"
    for line in output.splitlines():
        word, _, rest = line.partition("\t")
        if word == "mitobench-begin":
            open_target = rest
        elif word == "mitobench-end":
            target, _, problem = rest.partition("\t")
            findings.append(Finding(plugin, target, problem))
            open_target = ""
        elif word == "mitobench-finished":
            open_target = None
    return findings, open_target


def _death(code: int | None) -> str:
    if code is None:
        return f"did not end within {_TIMEOUT:.0f} s"
    if code < 0:
        return f"crashed the interpreter ({signal.Signals(-code).name})"
    return f"ended the interpreter (exit code {code})"


def _main(distribution: str, name: str, skip: int) -> None:
    out = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    os.dup2(2, 1)
    targets = ["the entry point"]
    position = 0
    while position < len(targets):
        target = targets[position]
        if position >= skip:
            out.write(f"mitobench-begin\t{target}\n")
        problem = ""
        try:
            if position == 0:
                targets += _targets(distribution, name)
            elif position >= skip:
                module, _, attribute = target.partition(":")
                getattr(importlib.import_module(module), attribute)
        except (Exception, SystemExit) as error:
            problem = f"{type(error).__name__}: {' '.join(str(error).split())}"
        if position >= skip:
            out.write(f"mitobench-end\t{target}\t{problem}\n")
        position += 1
    out.write("mitobench-finished\n")


def _targets(distribution: str, name: str) -> list[str]:
    """The targets and options models of the components of one plugin, whose distributions are there."""
    from mitobench.plugins import KINDS, Plugins

    points = [
        point
        for point in importlib.metadata.entry_points(group=_GROUP)
        if point.name == name and (point.dist.name if point.dist else "?") == distribution
    ]
    plugins = Plugins(points)
    if plugins.warnings:
        raise RuntimeError("; ".join(plugins.warnings))
    offered = [c for kind in KINDS for c in plugins.components(kind)]
    paths = [p for c in offered if not c.missing() for p in (c.descriptor.options, c.descriptor.target)]
    return list(dict.fromkeys(paths))


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
