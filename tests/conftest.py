"""Shared by all tests: where the real data are, and a foreign plugin that is installed for every test."""

import contextlib
import os
import sys
from pathlib import Path

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command does; before torch is imported
with contextlib.suppress(ImportError):
    import triton  # noqa: F401  (before TensorFlow, which stardist imports too; see mitobench_keras.runtime)

TOY = Path(__file__).parent / "toy_distribution"
if str(TOY) not in sys.path:
    sys.path.insert(0, str(TOY))


@pytest.fixture(autouse=True)
def _private_environment(monkeypatch, tmp_path_factory):
    """Subprocesses see the toy plugin too; nothing reads or writes the user's cache."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TOY), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep))
    if "MITOBENCH_CACHE" not in os.environ:
        monkeypatch.setenv("MITOBENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.delenv("MITOBENCH_DISABLE_PLUGINS", raising=False)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets for development; skips where it is absent."""
    folder = Path(os.environ.get("MITOBENCH_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (folder / "em-vnc").is_dir():
        pytest.skip(f"the real data sets are not at {folder} (set MITOBENCH_TEST_DATA)")
    return folder
