"""TensorFlow before triton keeps triton out; any other order is left alone."""

import importlib
import sys
from types import ModuleType

import pytest

from mitobench.compilers import keep_compilers_apart


@pytest.fixture
def loaded(monkeypatch):
    """Pretend that of TensorFlow and triton exactly these have been imported."""

    def set_loaded(*names):
        for name in ("tensorflow", "triton"):
            monkeypatch.setitem(sys.modules, name, None)  # so that what was there, if anything, comes back
            monkeypatch.delitem(sys.modules, name)
        for name in names:
            monkeypatch.setitem(sys.modules, name, ModuleType(name))

    return set_loaded


def test_after_tensorflow_triton_is_absent(loaded):
    loaded("tensorflow")
    keep_compilers_apart()
    with pytest.raises(ImportError):
        importlib.import_module("triton")


@pytest.mark.parametrize("names", [(), ("triton",), ("triton", "tensorflow")], ids=str)
def test_in_any_other_order_nothing_changes(loaded, names):
    loaded(*names)
    before = sys.modules.get("triton")
    keep_compilers_apart()
    assert sys.modules.get("triton") is before
