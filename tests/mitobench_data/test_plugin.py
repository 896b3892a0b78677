"""The plugin lists its data sources without importing anything heavy, and every option is described."""

import subprocess
import sys

import pytest

from mitobench_data import mitobench_data_sources

NAMES = ["tiff-stack", "epfl", "hdf5", "folder", "ctc", "synthetic"]


def test_six_data_sources_are_offered():
    assert [descriptor.name for descriptor in mitobench_data_sources()] == NAMES


def test_listing_imports_neither_numpy_nor_pydantic():
    code = "import sys, mitobench_data as m; list(m.mitobench_data_sources()); print([n for n in ('numpy', 'pydantic', 'tifffile', 'h5py', 'PIL') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_options_import_no_file_format_library():
    code = "import sys, mitobench_data.options; print([n for n in ('tifffile', 'h5py', 'PIL', 'scipy', 'torch') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", NAMES)
def test_every_option_is_described_and_every_target_exists(plugins, name):
    component = plugins.find("data", name)
    assert component.missing() == ""
    fields = component.options_model().model_fields
    assert fields
    assert [key for key, field in fields.items() if not field.description] == []
    assert callable(component.target())


@pytest.mark.parametrize("name", ["epfl", "ctc"])
def test_published_layouts_are_cited(plugins, name):
    assert "doi:10." in plugins.find("data", name).descriptor.citation


def test_paths_are_no_part_of_a_source_s_identity(plugins):
    from mitobench.options import parse_options

    model = plugins.find("data", "tiff-stack").options_model()
    options = parse_options(model, {"images": "/secret/place/em.tif", "max_pixels": 7}, owner="tiff-stack")
    assert "secret" not in str(options.identity())
    assert not {"images", "labels", "max_pixels"} & options.identity().keys()
