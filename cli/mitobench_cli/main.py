"""The entry point: a group that imports a verb when it is called, and turns every error into one line and an exit code."""

import difflib
import errno
import importlib
import os
import sys
import traceback
from typing import Any, NoReturn

import click

from mitobench import __version__
from mitobench.errors import INTERRUPTED, MitobenchError, ResourceError, UsageError
from mitobench_cli.terminal import Debug, say

__all__ = ["VERBS", "cli", "main"]

VERBS = {
    "run": "Run a matrix of data sources, prompters and segmenters.",
    "plan": "Show what a run would do, without running it.",
    "train": "Train a component and write its checkpoint.",
    "sweep": "Train on ever more annotated images and draw the score.",
    "score": "Score the stored predictions of a run with other metrics.",
    "leaderboard": "Show the leaderboard of one or several runs.",
    "compare": "Compare two cells, or the same cells of two runs, image by image.",
    "figures": "Draw the figures of a publication from a run.",
    "show": "Show samples of a data source, or the predictions of a run.",
    "export": "Write a run as one file that can be shared, or check such files.",
    "predict": "Segment images without a reference, and measure the objects.",
    "list": "List the components there are.",
    "info": "Show a component's options, licence and citation.",
    "plugins": "Show the plugins that were found and what is wrong with them.",
    "weights": "List, fetch, verify and add weights files.",
    "doctor": "Check the installation, the device, the plugins and the cache.",
}


class VerbGroup(click.Group):
    """The verbs, imported when called. Help and completion list them without importing any."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in the order in which a newcomer needs them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one verb."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"mitobench_cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb, or say which one was probably meant."""
        if args[0] not in VERBS and not args[0].startswith("-"):
            close = difflib.get_close_matches(args[0], VERBS, n=1, cutoff=0.5)
            meant = f" Did you mean {close[0]!r}?" if close else ""
            raise click.UsageError(f"unknown verb {args[0]!r}.{meant} Verbs: {', '.join(VERBS)}.", ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs from their one-line summaries."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run and exit; the exit code is that of the error, if there was one."""
        debug = extra.setdefault("obj", Debug())
        try:
            code = super().main(*args, **{**extra, "standalone_mode": False})
            sys.stdout.flush()
        except BaseException as error:
            code = _report(error, debug)
        sys.exit(code if isinstance(code, int) else 0)


@click.group(cls=VerbGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="mitobench", message="%(prog)s %(version)s")
def cli() -> None:
    """Compare every way of segmenting mitochondria or nuclei, and know whether to trust the answer.

    A component is given as a spec: NAME or NAME:OPTION=VALUE,... as in unet:threshold=0.4. `mitobench list` names the
    components, `mitobench info NAME` their options.
    """


def main() -> None:
    """What the console script calls."""
    import faulthandler

    faulthandler.enable()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read once, when torch is imported: see torch-and-monai.md
    cli.main(prog_name="mitobench")


def _report(error: BaseException, debug: Debug) -> int:
    """Say what went wrong in one line on stderr (with ``--debug``, after the traceback) and return the exit code."""
    if isinstance(error, SystemExit):
        return _exit_code(error.code)
    if isinstance(error, OSError) and error.errno == errno.EPIPE:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return error.exit_code
    if debug.on and not isinstance(error, click.ClickException | click.Abort):
        traceback.print_exception(error)
    line, code = _explain(error)
    say(line)
    return code


def _exit_code(code: object) -> int:
    """What Python makes of the argument of ``sys.exit``: a number, success, or text for stderr and failure."""
    if code is None or isinstance(code, int):
        return code or 0
    for line in str(code).splitlines():
        say(line)
    return 1


def _explain(error: BaseException) -> tuple[str, int]:
    if isinstance(error, MitobenchError):
        return f"error: {error}", error.exit_code
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        where = f" See `{context.command_path} --help`." if context is not None else ""
        return f"error: {error.format_message()}{where}", UsageError.exit_code
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return "interrupted", INTERRUPTED
    if isinstance(error, MemoryError):
        return (
            f"error: out of memory. Use a smaller --batch or fewer --workers. {error}".rstrip(),
            ResourceError.exit_code,
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f" ({error.filename})" if error.filename else ""
        return f"error: no space left on the disk{where}. Free some and run again.", ResourceError.exit_code
    return f"error: unexpected {type(error).__name__}: {error} (use --debug for the traceback)", 1
