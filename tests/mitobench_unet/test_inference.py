"""A pixel's probability depends on its surroundings, not on the batch or the window it was seen in."""

import numpy as np
import pytest
import torch

from mitobench.errors import DeviceMemoryError
from mitobench_unet.architecture import Architecture, build_network
from mitobench_unet.inference import Viewing, probability_maps

CPU = torch.device("cpu")
TINY = Architecture(channels=(4, 8, 8), residual_units=1)


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(3)
    net = build_network(TINY)
    net(torch.randn(4, 1, 64, 64) * 2)
    return net.eval()


def picture(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("shape", [(1, 1), (1, 37), (5, 3), (16, 16), (33, 50), (33, 50, 3)])
def test_every_size_gives_probabilities_of_that_size(network, shape) -> None:
    (maps,) = probability_maps(network, TINY, [picture(0, shape)], Viewing(), CPU)
    assert maps.shape == (2, *shape[:2])
    assert maps.dtype == np.float32
    assert ((maps >= 0) & (maps <= 1)).all()


def test_no_images_give_no_maps(network) -> None:
    assert probability_maps(network, TINY, [], Viewing(), CPU) == []


def test_the_batch_does_not_change_an_image(network) -> None:
    images = [picture(seed, shape) for seed, shape in enumerate([(40, 40), (33, 50), (40, 40), (38, 39), (33, 50, 3)])]
    together = probability_maps(network, TINY, images, Viewing(batch=3), CPU)
    for image, maps in zip(images, together, strict=True):
        (alone,) = probability_maps(network, TINY, [image], Viewing(batch=1), CPU)
        np.testing.assert_allclose(maps, alone, atol=1e-5)


def test_windows_agree_with_the_whole_image_away_from_seams(network) -> None:
    image = picture(1, (96, 160))
    (whole,) = probability_maps(network, TINY, [image], Viewing(), CPU)
    (pieces,) = probability_maps(network, TINY, [image], Viewing(window=64, overlap=0.5, batch=2), CPU)
    assert pieces.shape == whole.shape
    difference = np.abs(pieces - whole)
    assert difference[:, :8, :8].max() < 1e-5
    assert np.median(difference) < 1e-4
    assert difference.max() < 0.1


def test_windows_of_a_constant_image_leave_no_seam(network) -> None:
    (pieces,) = probability_maps(network, TINY, [np.full((200, 200), 90, np.uint8)], Viewing(window=64, overlap=0), CPU)
    (whole,) = probability_maps(network, TINY, [np.full((200, 200), 90, np.uint8)], Viewing(), CPU)
    assert np.abs(pieces - whole)[:, 80:120, 80:120].mean() < 0.05


@pytest.mark.parametrize("shape", [(65, 1), (1, 130), (70, 200), (129, 129, 3)])
@pytest.mark.parametrize("overlap", [0.0, 0.5])
def test_windows_cover_odd_sizes(network, shape, overlap) -> None:
    (maps,) = probability_maps(network, TINY, [picture(2, shape)], Viewing(window=32, overlap=overlap), CPU)
    assert maps.shape == (2, *shape[:2])
    assert np.isfinite(maps).all()


def test_windows_share_the_whole_images_intensities(network) -> None:
    """A dark corner must not be stretched to full contrast because its window is dark."""
    image = np.full((128, 128), 200, np.uint8)
    image[:64, :64] = picture(4, (64, 64)) // 32
    (whole,) = probability_maps(network, TINY, [image], Viewing(), CPU)
    (pieces,) = probability_maps(network, TINY, [image], Viewing(window=64, overlap=0), CPU)
    np.testing.assert_allclose(pieces[:, 8:40, 8:40], whole[:, 8:40, 8:40], atol=1e-2)


def test_mirrored_views_are_averaged(network) -> None:
    image = picture(5, (32, 48))
    (averaged,) = probability_maps(network, TINY, [image], Viewing(flips=True), CPU)
    views = []
    for step_y, step_x in ((1, 1), (-1, 1), (1, -1), (-1, -1)):
        (maps,) = probability_maps(network, TINY, [np.ascontiguousarray(image[::step_y, ::step_x])], Viewing(), CPU)
        views.append(maps[:, ::step_y, ::step_x])
    np.testing.assert_allclose(averaged, np.mean(views, axis=0), atol=1e-5)


@pytest.mark.parametrize(("shape", "window", "count"), [((32, 32), 1024, 6), ((128, 128), 32, 1)])
def test_where_memory_runs_out_fewer_go_through_at_a_time(network, shape, window, count) -> None:
    sizes = []

    def small_device(batch: torch.Tensor) -> torch.Tensor:
        sizes.append(len(batch))
        if len(batch) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return network(batch)

    images = [picture(seed, shape) for seed in range(count)]
    viewing = Viewing(window=window, batch=5)
    found = probability_maps(small_device, TINY, images, viewing, CPU)  # type: ignore[arg-type]
    assert sizes[:3] == [5, 2, 1]
    assert set(sizes[2:]) == {1}
    for maps, expected in zip(found, probability_maps(network, TINY, images, viewing, CPU), strict=True):
        np.testing.assert_allclose(maps, expected, atol=1e-5)


def test_running_out_of_device_memory_has_one_name() -> None:
    def exhausted(_batch: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(DeviceMemoryError):
        probability_maps(exhausted, TINY, [picture(0, (8, 8))], Viewing(), CPU)  # type: ignore[arg-type]
