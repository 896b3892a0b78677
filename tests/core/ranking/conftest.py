"""What the tests of rankings share: altering what a run has stored, as damage, a failing metric or a forger would."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest


@pytest.fixture
def alter_images():
    """Let a function write into each stored image row of a run, a dict by column name."""

    def alter(run, change):
        for part in (run / "parts").glob("*.images.parquet"):
            rows = pq.ParquetFile(part).read().to_pylist()
            for row in rows:
                change(row)
            pq.write_table(pa.Table.from_pylist(rows), part)

    return alter


@pytest.fixture
def lose_metric(alter_images):
    """Make a run look as if a metric had failed on some of its images."""

    def lose(run, metric, images):
        def change(row):
            failed = row["image"] in images
            row[f"{metric}.error"] = "it cannot measure this one" if failed else None
            if failed:
                row[f"{metric}.measured"] = None

        alter_images(run, change)

    return lose
