import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from mitobench.errors import DeviceMemoryError, MissingError, UsageError

pytest.importorskip(
    "tensorflow" if find_spec("tensorflow") is None else "mitobench_keras.runtime", reason="needs tensorflow"
)

from mitobench_keras import runtime
from mitobench_keras.runtime import device_memory, keras, resolve_device, tf

BESIDE_TORCH = """
import os, sys
import torch
class Loud:
    def find_spec(self, name, path=None, target=None):
        if name == "tensorflow":
            sys.meta_path.remove(self)
            os.write(2, b"a line of somebody else\\nI0000 00:00:1.2 3 port.cc:1] a line of TensorFlow's\\n")
sys.meta_path.insert(0, Loud())
from mitobench_keras.runtime import keras, tf
from mitobench_keras.architecture import Architecture, build_model
from mitobench_keras.inference import Network
import numpy as np
maps = Network(build_model(Architecture(channels=(4, 8), size=16)), "/CPU:0")(np.zeros((1, 16, 16), np.uint8))
total = torch.nn.Conv2d(1, 1, 3)(torch.from_numpy(maps)[:, None]).sum()
assert keras.backend.backend() == "tensorflow" and bool(torch.isfinite(total))
assert os.environ["KERAS_BACKEND"] == "jax"
"""


def test_beside_torch_it_runs_silently_whatever_keras_backend_the_user_prefers():
    """Only TensorFlow's own log lines are held back; what others write meanwhile comes through."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TF_CPP")}
    done = subprocess.run(
        [sys.executable, "-c", BESIDE_TORCH],
        capture_output=True,
        text=True,
        check=False,
        env={**clean, "KERAS_BACKEND": "jax"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "a line of somebody else\n")


def test_keras_that_runs_on_another_backend_already_is_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(MissingError, match="backend 'torch'; unet-keras needs 'tensorflow'"):
        runtime._import()


def test_a_log_level_that_the_user_set_is_left_alone(monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    runtime._import()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"


def test_device_names_are_tensorflows():
    assert resolve_device("cpu") == "/CPU:0"
    expected = "/GPU:0" if tf.config.get_visible_devices("GPU") else "/CPU:0"
    assert resolve_device("auto") == expected


@pytest.mark.parametrize("name", ["cuda:99", "mps"])
def test_a_named_device_that_is_missing_is_an_error_never_the_cpu(name):
    with pytest.raises(MissingError, match=f"device '{name}' was asked for"):
        resolve_device(name)


@pytest.mark.skipif(bool(tf.config.get_visible_devices("GPU")), reason="there is a GPU")
def test_cuda_without_a_gpu_is_an_error():
    with pytest.raises(MissingError, match=r"TensorFlow sees 0 GPU\(s\)"):
        resolve_device("cuda")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:-1", "CPU", ""])
def test_an_unknown_device_name_is_a_usage_error(name):
    with pytest.raises(UsageError, match="expected auto, cpu, cuda or cuda:N"):
        resolve_device(name)


def test_running_out_of_memory_has_mitobenchs_name():
    with pytest.raises(DeviceMemoryError, match=r"ran out of memory \(OOM when allocating tensor\)"), device_memory():
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor\nand more")


def test_other_errors_keep_theirs():
    with pytest.raises(tf.errors.InvalidArgumentError), device_memory():
        tf.constant([1.0, 2.0]) + tf.constant([1.0, 2.0, 3.0])


@pytest.mark.gpu
@pytest.mark.skipif(not tf.config.get_visible_devices("GPU"), reason="needs a CUDA device")
def test_gpu_memory_grows_with_need():
    (gpu, *_) = tf.config.get_visible_devices("GPU")
    assert tf.config.experimental.get_memory_growth(gpu)


def test_torchs_compiler_can_be_imported_after_this_plugin():
    """TensorFlow and triton bring an LLVM each; in the wrong order the second one aborts the process."""
    pytest.importorskip("triton")
    code = "import mitobench_keras.runtime, torchvision, torch._dynamo; print('both')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip() == "both", done.stderr[-500:]


def test_torch_components_can_be_built_after_tensorflow_that_somebody_else_imported():
    code = """
import tensorflow
from mitobench.plugins import Plugins
print(Plugins.discover().find("segmenter", "sam").target().__name__)
from mitobench_keras.runtime import tf
assert tf is tensorflow
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip() == "SamSegmenter", done.stderr[-500:]
    assert done.returncode == 0
