"""What is written to the terminal: aligned, inert, and JSON alone where JSON is asked for."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mitobench_cli.interrupts import orderly_stop
from mitobench_cli.progress import ProgressLine
from mitobench_cli.terminal import columns


def test_columns_are_aligned_and_do_not_end_in_blanks():
    assert columns([("a", "long name", "x"), ("bcd", "e", "")], ("K", "NAME", "S")) == (
        "K    NAME       S\na    long name  x\nbcd  e"
    )


def test_no_rows_is_no_text():
    assert columns([]) == ""


def test_a_hostile_cell_stays_in_its_cell():
    text = columns([("\x1b]0;title\x07", "a\nb"), ("x[/red]", "c")])
    assert text.splitlines() == ["\\x1b]0;title\\x07  a\\nb", "x[/red]           c"]


def test_with_json_even_native_code_and_children_print_to_stderr():
    code = (
        "import os, subprocess, sys\n"
        "from mitobench_cli.terminal import only_json, show_json\n"
        "with only_json(True):\n"
        "    print('python')\n"
        "    os.write(1, b'native')\n"
        "    subprocess.run([sys.executable, '-c', 'print(\"child\")'])\n"
        "show_json({'a': 1})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert json.loads(done.stdout) == {"a": 1}
    assert all(word in done.stderr for word in ("python", "native", "child"))


def test_the_first_signal_asks_and_the_handlers_before_it_come_back(capsys):
    before = signal.getsignal(signal.SIGINT)
    with orderly_stop("stopping") as asked:
        assert not asked()
        signal.raise_signal(signal.SIGINT)
        assert asked()
        assert capsys.readouterr().err == "stopping\n"
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_the_second_signal_ends_the_process_with_its_workers_and_loses_no_output(tmp_path):
    """Whatever the threads do; what was written before is flushed, and ``finally`` blocks do not run."""
    script = tmp_path / "script.py"
    script.write_text(
        "import multiprocessing, signal, threading, time\n"
        "from mitobench_cli.interrupts import orderly_stop\n"
        "if __name__ == '__main__':\n"
        "    child = multiprocessing.get_context('spawn').Process(target=time.sleep, args=(600,))\n"
        "    child.start()\n"
        "    threading.Thread(target=time.sleep, args=(600,)).start()\n"
        "    with orderly_stop('stopping'):\n"
        "        print(child.pid)\n"
        "        try:\n"
        "            signal.raise_signal(signal.SIGINT)\n"
        "            signal.raise_signal(signal.SIGTERM)\n"
        "        finally:\n"
        "            print('too late')\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=240)
    assert done.returncode == 130, done.stderr
    assert done.stderr.splitlines()[:2] == ["stopping", "stopped at once; the same command resumes"]
    assert "too late" not in done.stdout
    with pytest.raises(ProcessLookupError):
        _wait_for_end(int(done.stdout))


def _wait_for_end(pid: int) -> None:
    """Raises ProcessLookupError once the process is gone, or a zombie that nobody has waited for yet."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat")
        if state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z":
            raise ProcessLookupError
        time.sleep(0.05)


def test_without_a_terminal_progress_is_a_line_now_and_then_and_one_at_the_end(capsys):
    with ProgressLine("images", every=1000) as line:
        for done in range(1, 6):
            line.update(done, 5, "cell")
    assert capsys.readouterr().err == "5/5 images cell\n"


def test_where_the_total_is_unknown_none_is_shown(capsys, monkeypatch):
    with ProgressLine("steps", every=0) as line:
        line.update(12, 0, "epoch 3")
    assert set(capsys.readouterr().err.splitlines()) - {"no steps done yet, 0 s so far"} >= {"12 steps epoch 3"}
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with ProgressLine("steps") as line:
        line.update(12, 0)
        assert line._live.tasks[0].total is None


def test_without_a_terminal_what_takes_long_shows_its_state_again_and_again(capsys):
    assert ProgressLine("images").every == 10
    with ProgressLine("images", every=0.05) as line:
        time.sleep(0.12)
        line.update(1, 100, "cell")
        time.sleep(0.3)
    shown = capsys.readouterr().err.splitlines()
    assert shown[0] == "no images done yet, 0 s so far"
    assert shown.count("1/100 images cell, 0 s so far") >= 2
    time.sleep(0.12)
    assert not capsys.readouterr().err, "nothing comes after the end"


def test_in_a_terminal_progress_is_a_live_line_that_takes_hostile_names_literally(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with ProgressLine("images") as line:
        line.update(1, 2, "x[/red] \x1b[31m")
        assert line._live.tasks[0].description == "x[/red] \\x1b[31m"
    assert "\x1b[31mx" not in capsys.readouterr().err


def test_bytes_are_counted_in_megabytes(capsys):
    with ProgressLine("MB") as line:
        line.update_bytes(375_000_000, 375_000_000)
    assert capsys.readouterr().err == "375/375 MB\n"
