"""What the verbs write: results to stdout, everything else to stderr, and nothing that a terminal would obey."""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mitobench.text import inert

if TYPE_CHECKING:
    from mitobench.plugins import Plugins

__all__ = ["Debug", "columns", "debug_option", "discover", "json_option", "only_json", "say", "show", "show_json"]

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass
class Debug:
    """Whether ``--debug`` was given; click carries it in the context."""

    on: bool = False


def _set_debug(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    state = context.find_object(Debug)
    if value and state is not None:
        state.on = True


debug_option = click.option(
    "--debug", is_flag=True, expose_value=False, callback=_set_debug, help="Show the traceback of an error."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout, and nothing else there.")


def say(line: str) -> None:
    """Write one line to stderr."""
    click.echo(inert(line), err=True)


def show(text: str) -> None:
    """Write lines to stdout. The text may hold line breaks; what it quotes must be inert already."""
    click.echo(text)


def show_json(data: Any) -> None:
    """Write JSON to stdout; everything that is not ASCII is escaped."""
    click.echo(json.dumps(data, indent=2))


def columns(rows: Sequence[Sequence[str]], header: Sequence[str] = ()) -> str:
    """Plain aligned columns, two blanks apart; every cell is made inert, and the last one is not padded."""
    table = [[inert(cell) for cell in row] for row in ([header, *rows] if header else rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))] if table else []
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table)
    return "\n".join(lines)


def discover() -> "Plugins":
    """Load the plugins; each problem with one is a line on stderr."""
    from mitobench.plugins import Plugins

    plugins = Plugins.discover()
    for warning in plugins.warnings:
        say(f"warning: {warning}")
    return plugins


@contextlib.contextmanager
def only_json(wanted: bool) -> Iterator[None]:
    """While a verb with ``--json`` works, send to stderr whatever components or their processes print to stdout."""
    if not wanted:
        yield
        return
    sys.stdout.flush()
    try:
        real = os.dup(1) if sys.stdout.fileno() == 1 else -1
    except (OSError, ValueError):
        real = -1
    if real >= 0:
        os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        if real >= 0:
            sys.stdout.flush()
            os.dup2(real, 1)
            os.close(real)
