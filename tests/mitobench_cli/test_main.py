"""The command as a whole: it starts fast, imports what it needs, and ends with one line and the right exit code."""

import errno
import json
import os
import subprocess
import sys
import types
from pathlib import Path

import click
import pytest

from mitobench.errors import (
    ContractError,
    DataError,
    DeviceMemoryError,
    MissingError,
    MitobenchError,
    ResourceError,
    UsageError,
)
from mitobench_cli.main import VERBS, cli
from mitobench_cli.terminal import debug_option

HEAVY = ("numpy", "torch", "pydantic", "rich", "scipy", "pyarrow", "monai", "asyncio")


@pytest.fixture
def failing(monkeypatch, mitobench):
    """Call a verb that raises what it is given."""

    def call(error, *arguments):
        @click.command("boom")
        @debug_option
        def command():
            raise error

        monkeypatch.setitem(VERBS, "boom", "Fail.")
        monkeypatch.setitem(sys.modules, "mitobench_cli.boom", types.SimpleNamespace(command=command))
        return mitobench("boom", *arguments)

    return call


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["list", "segmenters"], ["plugins"]])
def test_help_and_listings_take_less_than_a_fifth_of_a_second_and_import_nothing_heavy(arguments):
    code = (
        "import atexit, json, sys\n"
        f"atexit.register(lambda: sys.stderr.write(json.dumps([m for m in {HEAVY!r} if m in sys.modules])))\n"
        f"sys.argv = ['mitobench', *{arguments!r}]\n"
        "from mitobench_cli.main import main\n"
        "main()\n"
    )
    spent, bare = [], []
    for _ in range(5):
        done, seconds = _processor_seconds([sys.executable, "-c", code])
        spent.append(seconds)
        bare.append(_processor_seconds([sys.executable, "-c", ""])[1])
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stderr.splitlines()[-1]) == []
    assert min(spent) < max(0.2, 12 * min(bare))


def _processor_seconds(command):
    """Processor time: on an idle machine that is the wall-clock time, on a busy one it is fair."""
    before = os.times()
    done = subprocess.run(command, capture_output=True, text=True)
    after = os.times()
    return done, after.children_user + after.children_system - before.children_user - before.children_system


def test_help_lists_every_verb_and_its_own_first_sentence(mitobench):
    text = " ".join(mitobench("--help").out.split())
    context = click.Context(cli)
    for verb, summary in VERBS.items():
        assert f"{verb} {summary}" in text
        assert cli.get_command(context, verb).help.splitlines()[0] == summary


def test_every_verb_explains_every_option(mitobench):
    context = click.Context(cli)
    for verb in VERBS:
        command = cli.get_command(context, verb)
        assert mitobench(verb, "--help").code == 0
        for each in [command, *getattr(command, "commands", {}).values()]:
            for parameter in each.params:
                assert isinstance(parameter, click.Argument) or parameter.help, f"{verb} {parameter.name} has no help"


def test_the_version_is_the_package_s(mitobench):
    import mitobench as package

    assert mitobench("--version").out == f"mitobench {package.__version__}\n"


def test_no_verb_shows_the_help_and_is_a_usage_error(mitobench):
    result = mitobench()
    assert (result.code, result.out) == (2, "")
    assert "Verbs:" in result.err


@pytest.mark.parametrize(("wrong", "meant"), [("lsit", "list"), ("leaderbord", "leaderboard"), ("tran", "train")])
def test_a_mistyped_verb_is_answered_with_the_one_that_was_meant(mitobench, wrong, meant):
    result = mitobench(wrong)
    assert result.code == 2
    assert f"Did you mean {meant!r}?" in result.err
    assert result.err.count("\n") == 1


def test_a_mistyped_option_is_answered_with_the_one_that_was_meant(mitobench):
    result = mitobench("run", "--sgementer", "unet")
    assert result.code == 2
    assert "--segmenter" in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MitobenchError("m"), 1),
        (ContractError("m"), 1),
        (UsageError("m"), 2),
        (DataError("m"), 3),
        (MissingError("m"), 4),
        (ResourceError("m"), 5),
        (DeviceMemoryError("m"), 5),
        (MemoryError(), 5),
        (OSError(errno.ENOSPC, "No space left on device", "part.parquet"), 5),
        (OSError(errno.EDQUOT, "Quota exceeded"), 5),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError("division by zero"), 1),
    ],
)
def test_each_error_is_one_line_on_stderr_and_one_exit_code(failing, error, code):
    result = failing(error)
    assert (result.code, result.out) == (code, "")
    assert len(result.err.strip().splitlines()) == 1
    assert "Traceback" not in result.err


def test_an_unexpected_error_names_its_type_and_the_way_to_more(failing):
    assert failing(KeyError("x")).err == "error: unexpected KeyError: 'x' (use --debug for the traceback)\n"


@pytest.mark.parametrize("error", [UsageError("bad"), KeyError("x")])
def test_debug_shows_the_traceback_before_the_line(failing, error):
    result = failing(error, "--debug")
    assert result.err.startswith("Traceback (most recent call last)")
    assert result.err.splitlines()[-1].startswith("error: ")


def test_what_an_error_quotes_cannot_move_the_cursor_or_forge_a_line(failing):
    result = failing(UsageError("no component '\x1b[2J\x1b[31mx\nerror: forged\u202etxt'"))
    assert result.err == "error: no component '\\x1b[2J\\x1b[31mx\\nerror: forged\\u202etxt'\n"


def test_a_reader_that_goes_away_is_no_crash():
    done = subprocess.run(
        f"'{sys.executable}' -c 'from mitobench_cli.main import main; main()' list --json | head -c 1",
        shell=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "["
    assert "Traceback" not in done.stderr
    assert "error" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_stdout_is_a_resource_error():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", "from mitobench_cli.main import main; main()", "list"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 5
    assert "no space left" in done.stderr


def test_a_crash_in_native_code_names_the_plugin_file(foreign, process):
    foreign("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    result = process("list")
    assert result.code == -11
    assert "foreign_plugin.py" in result.err


@pytest.mark.parametrize(
    ("words", "index", "expected"), [("mitobench r", 1, "run"), ("mitobench run --data toy", 3, "toy-discs")]
)
def test_the_shell_completes_verbs_and_component_names(process, words, index, expected):
    result = process(_MITOBENCH_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(index))
    assert expected in result.out


def test_the_documented_command_prints_the_completion_script(process):
    assert "_mitobench_completion" in process(_MITOBENCH_COMPLETE="bash_source").out


@pytest.mark.parametrize(
    ("argument", "code", "said"),
    [
        ("the licence has run out", 1, "the licence has run out\n"),
        ("first\nsecond \x1b[31m", 1, "first\nsecond \\x1b[31m\n"),
        (7, 7, ""),
        (None, 0, ""),
    ],
)
def test_what_exits_from_within_keeps_its_code_and_its_words(failing, argument, code, said):
    result = failing(SystemExit(argument))
    assert (result.code, result.err) == (code, said)


@pytest.mark.parametrize(("given", "expected"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")])
def test_openmp_threads_sleep_while_they_wait_unless_the_environment_says_otherwise(given, expected):
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    script = "import atexit, os; atexit.register(lambda: print(os.environ['OMP_WAIT_POLICY'])); from mitobench_cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "--version"], capture_output=True, text=True, check=True, env=environment | given
    )
    assert done.stdout.splitlines()[-1] == expected


@pytest.mark.parametrize("words", [["run", "--segmenter"], ["train"], ["show"], ["compare", "a"]])
def test_a_spec_longer_than_a_file_name_may_be_is_a_spec(mitobench, words):
    spec = "nosuch:" + ",".join(f"option{number}=1" for number in range(60))
    done = mitobench(*words, spec)
    assert "unexpected" not in done.err
    assert done.code == 2
