import pickle
import zipfile
from importlib.util import find_spec

import h5py
import numpy as np
import pytest

from mitobench.checkpoints import Card, read_card, read_checkpoint, write_checkpoint
from mitobench.errors import MissingError

pytest.importorskip(
    "tensorflow" if find_spec("tensorflow") is None else "mitobench_keras.runtime", reason="needs tensorflow"
)

from mitobench_keras.architecture import COMPONENT, Architecture, build_model
from mitobench_keras.hdf5 import read_channels
from mitobench_keras.runtime import keras
from mitobench_keras.weights import load_model, read_weights

CPU = "/CPU:0"
# TensorFlow's arrays meet numpy 2's __array__ protocol inside Keras's own HDF5 writer.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


@pytest.fixture
def notebook_file(tmp_path, notebook_unet):
    """A weights-only file of a network with channels 4, 8, 12 that no code of ours made."""
    model = notebook_unet((4, 8, 12), 16)
    path = tmp_path / "notebook.weights.h5"
    model.save_weights(path)
    return path, model


def _refused(path, match):
    with pytest.raises(MissingError, match=match) as caught:
        load_model(path, CPU)
    assert str(path) in str(caught.value)


def test_weights_come_back_as_they_were_written(write_network, tmp_path):
    path = write_network(tmp_path / "a.safetensors", seed=7)
    model, architecture = load_model(path, CPU)
    expected = read_weights(build_model(Architecture(channels=(4, 8), size=16), seed=7))
    found = read_weights(model)
    assert architecture == Architecture(channels=(4, 8), size=16)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_half_precision_weights_are_read_as_float32(write_network, tmp_path):
    path = write_network(tmp_path / "a.safetensors")
    tensors, card = read_checkpoint(path)
    write_checkpoint(tmp_path / "half.safetensors", {n: t.astype(np.float16) for n, t in tensors.items()}, card)
    found = read_weights(load_model(tmp_path / "half.safetensors", CPU)[0])
    assert {w.dtype for w in found.values()} == {np.dtype(np.float32)}
    np.testing.assert_allclose(found["down0_conv0/kernel"], tensors["down0_conv0/kernel"], atol=1e-3)


def test_a_missing_file_is_named(tmp_path):
    _refused(tmp_path / "no.safetensors", "no such checkpoint")
    _refused(tmp_path / "no.weights.h5", "no such weights file")


@pytest.mark.parametrize("name", ["page.safetensors", "page.weights.h5"])
def test_an_html_page_saved_as_weights_is_refused(tmp_path, name):
    path = tmp_path / name
    path.write_text("<!DOCTYPE html><html>Not found</html>" * 50)
    _refused(path, "not a (safetensors checkpoint|readable HDF5 file)")


def test_truncated_files_are_refused(untrained, notebook_file, tmp_path):
    for source, name in ((untrained, "cut.safetensors"), (notebook_file[0], "cut.weights.h5")):
        path = tmp_path / name
        path.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
        _refused(path, "not a (safetensors checkpoint|readable)")


def test_another_components_checkpoint_is_refused(write_network, tmp_path):
    _refused(write_network(tmp_path / "a.safetensors", card={"component": "unet"}), "a checkpoint of 'unet'")


def test_weights_of_another_architecture_are_refused_with_names(write_network, tmp_path):
    described = Architecture(channels=(4, 16), size=16).plain()
    path = write_network(tmp_path / "a.safetensors", card={"architecture": described})
    _refused(path, r"bottleneck_conv0/kernel is \(3, 3, 4, 8\), expected \(3, 3, 4, 16\)")


def test_missing_and_unexpected_weights_are_named(untrained, tmp_path):
    tensors, card = read_checkpoint(untrained)
    tensors["extra"] = tensors.pop("foreground/bias")
    write_checkpoint(tmp_path / "b.safetensors", tensors, card)
    _refused(tmp_path / "b.safetensors", "missing foreground/bias; unexpected extra; 2 differences")


def test_weights_that_are_not_finite_are_refused(untrained, tmp_path):
    tensors, card = read_checkpoint(untrained)
    tensors["foreground/bias"] = np.array([np.nan], np.float32)
    write_checkpoint(tmp_path / "c.safetensors", tensors, card)
    _refused(tmp_path / "c.safetensors", "foreground/bias holds NaN")


def test_full_models_and_pickles_are_refused_and_nothing_of_them_runs(tmp_path, notebook_unet):
    marker = tmp_path / "marker"

    class Evil:
        def __reduce__(self):
            return (marker.write_text, ("ran",))

    model = notebook_unet((4, 8), 16)
    full = tmp_path / "full.keras"
    model.save(full)
    assert zipfile.is_zipfile(full)
    for name in ("evil.pkl", "evil.pt", "evil.h5", "evil.keras", "evil.weights.h5", "evil.safetensors"):
        (tmp_path / name).write_bytes(pickle.dumps(Evil()))
        with pytest.raises(MissingError):
            load_model(tmp_path / name, CPU)
    _refused(full, r"refused unread.*model.save_weights")
    full.rename(tmp_path / "renamed.weights.h5")
    _refused(tmp_path / "renamed.weights.h5", "not a readable HDF5 file")
    assert not marker.exists()


def test_a_full_model_in_hdf5_is_refused_under_any_name(tmp_path, notebook_file):
    path = tmp_path / "model.weights.h5"
    path.write_bytes(notebook_file[0].read_bytes())
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = '{"class_name": "Functional"}'
    _refused(path, "a full model, which can hold code")
    path.rename(tmp_path / "model.h5")
    _refused(tmp_path / "model.h5", "refused unread")


def test_a_folder_is_refused(tmp_path):
    (tmp_path / "saved_model").mkdir()
    _refused(tmp_path / "saved_model", "refused unread")
    (tmp_path / "a.weights.h5").mkdir()
    _refused(tmp_path / "a.weights.h5", "no such weights file")


def test_a_notebooks_weights_file_computes_what_the_notebook_computed(notebook_file):
    path, theirs = notebook_file
    ours, architecture = load_model(path, CPU)
    assert architecture == Architecture(channels=(4, 8, 12))
    tile = np.random.default_rng(0).random((1, 16, 16, 1), np.float32)
    small = build_model(Architecture(channels=(4, 8, 12), size=16))
    small.set_weights(ours.get_weights())
    np.testing.assert_allclose(small(tile).numpy(), theirs(tile).numpy(), atol=1e-6)


def test_the_optimisers_state_in_a_weights_file_does_no_harm(tmp_path, notebook_unet):
    model = notebook_unet((4, 8), 16)
    model.optimizer.build(model.trainable_variables)
    model.save_weights(tmp_path / "fitted.weights.h5")
    assert read_channels(tmp_path / "fitted.weights.h5") == (4, 8)


def test_weights_of_another_network_are_refused(tmp_path):
    model = keras.Sequential([keras.layers.Input((16, 16, 1)), keras.layers.Conv2D(4, 3), keras.layers.Conv2D(1, 1)])
    model.save_weights(tmp_path / "plain.weights.h5")
    _refused(tmp_path / "plain.weights.h5", "weights of another network .0 transposed convolutions and 2 others")
    model = keras.Sequential([keras.layers.Input((16,)), keras.layers.Dense(3)])
    model.save_weights(tmp_path / "dense.weights.h5")
    _refused(tmp_path / "dense.weights.h5", "layers/dense/vars/[01] is unexpected")


def _changed(notebook_file, change):
    path = notebook_file[0]
    with h5py.File(path, "a") as file:
        change(file)
    return path


def test_a_layer_of_another_shape_is_refused(notebook_file):
    def widen(file):
        del file["layers/conv2d_1/vars/0"]
        file["layers/conv2d_1/vars/0"] = np.zeros((5, 5, 4, 4), np.float32)

    _refused(
        _changed(notebook_file, widen), r"conv2d 1 has kernel and bias .*\(5, 5, 4, 4\).* expected .*\(3, 3, 4, 4\)"
    )


def test_a_bias_of_another_shape_is_refused(notebook_file):
    def widen(file):
        del file["layers/conv2d_1/vars/1"]
        file["layers/conv2d_1/vars/1"] = np.zeros(9, np.float32)

    _refused(_changed(notebook_file, widen), r"expected .*\(4,\)")


def test_a_link_out_of_the_file_is_refused(notebook_file, tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["kernel"] = np.zeros((3, 3, 1, 4), np.float32)

    def link(file):
        del file["layers/conv2d/vars/0"]
        file["layers/conv2d/vars/0"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "kernel")

    _refused(_changed(notebook_file, link), "layers/conv2d/vars/0 is a link")


def test_external_storage_is_refused(notebook_file, tmp_path):
    (tmp_path / "secret.bin").write_bytes(bytes(144))

    def store_outside(file):
        del file["layers/conv2d/vars/0"]
        outside = [(str(tmp_path / "secret.bin"), 0, 144)]
        file["layers/conv2d/vars"].create_dataset("0", (3, 3, 1, 4), np.float32, external=outside)

    _refused(_changed(notebook_file, store_outside), "layers/conv2d/vars/0 is not a plain dataset")


def test_a_file_that_claims_more_than_it_stores_is_refused(notebook_file):
    def inflate(file):
        file.create_dataset("huge", (1 << 40,), np.float32, chunks=(1024,))

    _refused(_changed(notebook_file, inflate), r"it claims 4398\d+ bytes of weights but has")


def test_a_group_that_holds_itself_does_not_hang(notebook_file):
    def loop(file):
        file["layers/conv2d/again"] = file["layers/conv2d"]

    _refused(_changed(notebook_file, loop), "nested too deeply")


def test_weights_in_hdf5_that_are_not_finite_are_refused(notebook_file):
    def spoil(file):
        file["layers/conv2d/vars/1"][0] = np.inf

    _refused(_changed(notebook_file, spoil), "holds NaN or infinity")


def test_the_card_names_the_component_and_its_network(untrained):
    card = read_card(untrained)
    assert card == Card(component=COMPONENT, architecture=Architecture(channels=(4, 8), size=16).plain())
