"""Badges say of a row what a reader must know: oracle, seen in training, bundled, licences that bind."""

import json

import pytest

from mitobench.ranking.badges import licence_badge
from mitobench.results.runfolder import RunFolder


@pytest.fixture
def badges(bench, tmp_path):
    """Run the threshold segmenter on images of two volumes, with weights recorded as asked; its badges by name."""

    def of(trained_on=(), data=None, groups=2, **weights):
        path = tmp_path / f"run{len(list(tmp_path.iterdir()))}"
        bench.run(path, data=data or f"toy-discs:groups={groups}", limit=4)
        record = json.loads((path / "run.json").read_text())
        (cell,) = record["cells"].values()
        known = {"role": "weights", "name": "w", "sha256": "0" * 64, "licence": "MIT", **weights}
        origins = RunFolder.open(path).results().cell(next(iter(record["cells"]))).origins
        cell["segmenter"] |= {"weights": [known], "trained_on": [origins[i] for i in trained_on]}
        (path / "run.json").write_text(json.dumps(record))
        row = bench.leaderboard(path).tables[0].rows[0]
        return {badge.name: badge.explanation for badge in row.badges}

    return of


def test_weights_without_a_past_have_no_badge(badges):
    assert badges() == {}


def test_weights_that_saw_the_evaluated_images_are_in_domain(badges):
    assert badges(trained_on=[0, 1]) == {
        "in-domain": "the segmenter's weights were trained on these very images: 2 of the 4 evaluated source images"
    }


def test_weights_that_saw_another_part_of_a_volume_are_leaky(badges):
    """volume0 holds the first three of six images; the last of the four evaluated ones is of volume1."""
    found = badges(
        training_groups=["volume0"], training_data="toy-discs:groups=2,broken=x", data="toy-discs:groups=2,broken=x"
    )
    assert list(found) == ["leaky split"]
    assert "another part of the volume of 3 of the 4 images (volume0)" in found["leaky split"]


def test_what_was_itself_trained_on_is_in_domain_and_only_its_neighbours_are_leaky(badges):
    data = "toy-discs:groups=2,broken=x"
    found = badges(trained_on=[0, 1], training_groups=["volume0"], training_data=data, data=data)
    assert "2 of the 4" in found["in-domain"]
    assert "1 of the 4 images" in found["leaky split"]


@pytest.mark.parametrize("training", ["elsewhere:root=a", "toy-discs:broken=y", "toy-discs", ""])
def test_a_volume_of_the_same_name_in_other_data_is_another_volume(badges, training):
    data = "toy-discs:groups=2,broken=x"
    assert badges(training_groups=["volume0"], training_data=training, data=data) == {}


def test_a_name_made_from_the_content_means_the_volume_wherever_it_is():
    from mitobench.ranking.badges import _is_same_volume

    assert _is_same_volume("volume-688b3fe5", "tiff-stack:images=a.tif", "folder:root=b")
    assert not _is_same_volume("folder", "folder:root=a", "folder:root=b")
    assert _is_same_volume("01", "ctc:root=hela,split=train + folder:root=c", "ctc:root=hela,split=test")


def test_bundled_weights_and_their_size_are_recorded_and_shown(bench, tmp_path):
    from mitobench.records import remember_run

    folder = RunFolder.create_or_open(tmp_path / "run")
    remember_run(bench.plan(segmenters="unet"), folder)
    (cell,) = folder.record()["cells"].values()
    (weights,) = cell["segmenter"]["weights"]
    assert weights["bundled"] is True
    assert weights["licence"] == "Apache-2.0"
    assert weights["parameters"] == 1_630_016
    assert weights["training_data"].startswith("synthetic:kind=em")
    assert weights["training_groups"]


def test_weights_that_come_with_a_plugin_are_marked(badges):
    assert list(badges(bundled=True)) == ["bundled weights"]


@pytest.mark.parametrize(
    ("licence", "name"),
    [
        ("AGPL-3.0", "AGPL"),
        ("GNU Affero GPL 3", "AGPL"),
        ("CC-BY-NC-4.0", "non-commercial"),
        ("CC BY-NC-SA", "non-commercial"),
        ("academic, non-commercial use only", "non-commercial"),
        ("", "licence unknown"),
        ("unknown", "licence unknown"),
        ("Apache-2.0", None),
        ("CC0-1.0", None),
        ("MIT License", None),
        ("Apache License, Version 2.0", None),
        ("Apache-2.0 WITH LLVM-exception", None),
        ("BSD 3-Clause", None),
        ("CC BY 4.0", None),
        ("MIT AND CC-BY-4.0", None),
        ("GPL-3.0-only OR MIT", None),
        ("(MIT OR Apache-2.0) AND CC0-1.0", None),
        ("(MIT OR Apache-2.0) AND AGPL-3.0", "AGPL"),
        ("MIT AND GPL-2.0-or-later", "copyleft"),
        ("GPL-3.0", "copyleft"),
        ("LGPL-3.0-only", "copyleft"),
        ("GNU General Public License", "copyleft"),
        ("MPL-2.0", "copyleft"),
        ("CC-BY-SA-4.0", "copyleft"),
        ("Creative Commons Attribution ShareAlike", "copyleft"),
        ("proprietary", "other licence"),
        ("CC-BY-ND-4.0", "other licence"),
        ("LicenseRef-ncsa", "other licence"),
        ("MIT, but ask first", "other licence"),
    ],
)
def test_licences_that_bind_or_that_nobody_knows_are_marked(licence, name):
    badge = licence_badge(licence, "the weights w")
    assert (badge.name if badge else None) == name
    assert badge is None or "the weights w" in badge.explanation
    assert badge is None or name == "licence unknown" or licence in badge.explanation


def test_the_licence_of_weights_is_the_row_s(badges):
    assert list(badges(licence="CC-BY-NC-4.0")) == ["non-commercial"]


def test_oracle_rows_are_marked(bench, tmp_path):
    bench.run(tmp_path / "run", prompters="toy-oracle", segmenters="toy-flood", limit=1)
    assert [b.name for b in bench.leaderboard(tmp_path / "run").tables[0].rows[0].badges] == ["oracle"]
