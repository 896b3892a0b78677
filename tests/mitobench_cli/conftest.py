"""What the tests of the command share: calling it here or in a process of its own, and foreign plugins made on the spot."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mitobench_cli.main import cli


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


@pytest.fixture
def mitobench(capsys, tmp_path, monkeypatch) -> Callable[..., Result]:
    """Call the command in this process, in an empty working directory."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Result:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main([str(a) for a in arguments], prog_name="mitobench")
        captured = capsys.readouterr()
        return Result(ended.value.code or 0, captured.out, captured.err)

    return call


@pytest.fixture
def process(tmp_path) -> Callable[..., Result]:
    """Call the command as a user does, in a process of its own."""

    def call(*arguments: object, **environment: str) -> Result:
        done = subprocess.run(
            [sys.executable, "-c", "from mitobench_cli.main import main; main()", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, **environment},
            timeout=400,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def twice_interrupted(tmp_path) -> Callable[..., Result]:
    """Call the command in a process, and press Ctrl-C twice once the file ``begun`` holds something."""

    def call(*arguments: str, begun: Path) -> Result:
        command = [sys.executable, "-c", "from mitobench_cli.main import main; main()", *arguments]
        errors = tmp_path / "stderr"
        with errors.open("w") as stream:
            running = subprocess.Popen(command, cwd=tmp_path, stderr=stream, stdout=subprocess.DEVNULL)
        try:
            _wait_until(lambda: begun.exists() and begun.stat().st_size > 0)
            running.send_signal(signal.SIGINT)
            _wait_until(lambda: "once more stops at once" in errors.read_text())
            running.send_signal(signal.SIGINT)
            code = running.wait(timeout=120)
        finally:
            running.kill()
            running.wait()
        return Result(code, "", errors.read_text())

    return call


def _wait_until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 240
    while not reached():
        assert time.monotonic() < deadline, "the command did not get that far in four minutes"
        time.sleep(0.02)


@pytest.fixture
def foreign(tmp_path, monkeypatch) -> Callable[..., Path]:
    """Install a distribution with one plugin module, for this process and those that it starts."""

    def install(source: str, *, name: str = "foreign", module: str = "") -> Path:
        module = module or f"{name}_plugin"
        folder = tmp_path / "site" / name
        metadata = folder / f"{name}-2.5.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.5\n")
        (metadata / "entry_points.txt").write_text(f"[mitobench]\n{name} = {module}\n")
        (folder / f"{module}.py").write_text(textwrap.dedent(source))
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
        monkeypatch.delitem(sys.modules, module, raising=False)
        return folder

    yield install
    for name in [n for n, m in sys.modules.items() if str(tmp_path) in str(getattr(m, "__file__", ""))]:
        del sys.modules[name]
