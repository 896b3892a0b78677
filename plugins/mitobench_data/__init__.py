"""Data sources: TIFF stacks, the EPFL layout, folders of pairs, HDF5, the Cell Tracking Challenge layout, synthetic images."""

from collections.abc import Iterable

from mitobench import hookimpl
from mitobench.descriptors import DataSourceDescriptor

_TIFF = ("tifffile>=2024.1.30", "imagecodecs>=2024.1.1")
_PAIRS = (*_TIFF, "pillow>=10")


@hookimpl
def mitobench_data_sources() -> Iterable[DataSourceDescriptor]:
    """The data sources of this plugin."""
    return (
        DataSourceDescriptor(
            name="tiff-stack",
            target="mitobench_data.stacks:TiffStackSource",
            summary="a multi-page TIFF of sections with a multi-page TIFF of labels (mask or instances)",
            options="mitobench_data.options:TiffStackOptions",
            requires=_TIFF,
        ),
        DataSourceDescriptor(
            name="epfl",
            target="mitobench_data.stacks:EpflSource",
            summary="the EPFL electron microscopy layout: training.tif, training_groundtruth.tif, testing.tif, testing_groundtruth.tif",
            options="mitobench_data.options:EpflOptions",
            requires=_TIFF,
            citation="Lucchi, Smith, Achanta, Knott, Fua: Supervoxel-based segmentation of mitochondria in EM image stacks with "
            "learned shape features. IEEE Trans. Med. Imaging 31(2), 2012, doi:10.1109/TMI.2011.2171705",
        ),
        DataSourceDescriptor(
            name="hdf5",
            target="mitobench_data.stacks:Hdf5Source",
            summary="two data sets of one HDF5 file: sections and labels",
            options="mitobench_data.options:Hdf5Options",
            requires=("h5py>=3.10",),
        ),
        DataSourceDescriptor(
            name="folder",
            target="mitobench_data.folder:FolderSource",
            summary="a folder of images and a folder of labels, TIFF or PNG, paired by file name without suffix",
            options="mitobench_data.options:FolderOptions",
            requires=_PAIRS,
        ),
        DataSourceDescriptor(
            name="ctc",
            target="mitobench_data.ctc:CtcSource",
            summary="the Cell Tracking Challenge layout: 01/t000.tif with 01_GT/SEG (gold) or 01_ST/SEG (silver) labels",
            options="mitobench_data.options:CtcOptions",
            requires=_TIFF,
            citation="Maška et al.: The Cell Tracking Challenge: 10 years of objective benchmarking. Nature Methods 20, 2023, "
            "doi:10.1038/s41592-023-01879-y",
        ),
        DataSourceDescriptor(
            name="synthetic",
            target="mitobench_data.synthetic:SyntheticSource",
            summary="generated electron microscopy or fluorescence images with exact instance labels, from a seed",
            options="mitobench_data.synthetic_options:SyntheticOptions",
        ),
    )
