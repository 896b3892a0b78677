"""Prompts that a person gave."""

import json
import pickle

import numpy as np
import pytest

from mitobench.errors import DataError, UsageError
from mitobench.options import parse_options
from mitobench_prompts.manual import ManualPrompts
from mitobench_prompts.options import ManualOptions


@pytest.fixture
def prompts_of(tmp_path, prompt_with, sample_of):
    """Write a file (text, or JSON of anything else) and prompt the 20 x 30 sample of an id with it."""

    def call(content, *, sample="a", name="prompts.csv", **options):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        options = parse_options(ManualOptions, {"path": str(path), **options}, owner="manual")
        return prompt_with(ManualPrompts, options, sample_of(np.zeros((20, 30)), id=sample).without_reference())

    return call


def test_each_row_of_points_is_a_prompt(prompts_of):
    found = prompts_of("image,x,y\na,1.5,2\na,29,19\nb,0,0\n")
    assert found.points.tolist() == [[[1.5, 2]], [[29, 19]]]
    assert found.point_labels.tolist() == [[1], [1]]
    assert found.targets is None
    assert found.kinds == {"point"}


def test_rows_of_one_prompt_go_together_and_are_padded(prompts_of):
    found = prompts_of("image,prompt,x,y,label\na,p,1,1,1\na,q,5,5,1\na,p,2,2,0\n")
    assert found.points.tolist() == [[[1, 1], [2, 2]], [[5, 5], [0, 0]]]
    assert found.point_labels.tolist() == [[1, 0], [1, -1]]


def test_boxes_from_csv(prompts_of):
    found = prompts_of("image,x0,y0,x1,y1\na,1,2,3,4\na,0,0,29.5,19.5\n")
    assert found.boxes.tolist() == [[1, 2, 3, 4], [0, 0, 29.5, 19.5]]
    assert found.kinds == {"box"}


def test_column_order_spaces_and_a_byte_order_mark_do_not_matter(prompts_of):
    found = prompts_of("\ufeffy, x, note, image\n2, 1, hello, a\n")
    assert found.points.tolist() == [[[1, 2]]]


def test_json_lists_and_mappings(prompts_of):
    listed = prompts_of(
        [{"image": "a", "points": [[1, 2], [3, 4]], "labels": [1, 0]}, {"image": "b", "box": [0, 0, 1, 1]}],
        name="p.json",
    )
    assert listed.points.tolist() == [[[1, 2], [3, 4]]]
    assert listed.point_labels.tolist() == [[1, 0]]
    mapped = prompts_of({"a": [{"box": [1, 2, 3, 4], "point": [2, 3]}], "b": {"point": [0, 0]}}, name="p.json")
    assert mapped.boxes.tolist() == [[1, 2, 3, 4]]
    assert mapped.points.tolist() == [[[2, 3]]]


def test_napari_points_layer_of_one_image(prompts_of):
    text = "index,axis-0,axis-1\n0,2.25,11.0\n1,19.0,0.0\n"
    found = prompts_of(text, name="cells.csv", sample="cells")
    assert found.points.tolist() == [[[11, 2.25]], [[0, 19]]]


def test_napari_points_layer_of_a_stack(prompts_of):
    text = "index,axis-0,axis-1,axis-2\n0.0,3.0,2.0,11.0\n1.0,4.0,5.0,6.0\n2.0,3.0,1.0,1.0\n"
    found = prompts_of(text, sample="testing/0003")
    assert found.points.tolist() == [[[11, 2]], [[1, 1]]]


def test_napari_shapes_layer_gives_bounding_boxes(prompts_of):
    rows = ["index,shape-type,vertex-index,axis-0,axis-1"]
    rows += [f"0,rectangle,{i},{y},{x}" for i, (y, x) in enumerate([(2, 3), (2, 13), (8, 13), (8, 3)])]
    rows += [f"1,polygon,{i},{y},{x}" for i, (y, x) in enumerate([(5, 5), (15, 9), (10, 2)])]
    found = prompts_of("\n".join(rows), name="cells.csv", sample="cells.tif")
    assert found.boxes.tolist() == [[3, 2, 13, 8], [2, 5, 9, 15]]


def test_napari_shapes_of_a_stack(prompts_of):
    rows = ["index,shape-type,vertex-index,axis-0,axis-1,axis-2"]
    rows += [f"0,ellipse,{i},7,{y},{x}" for i, (y, x) in enumerate([(2, 3), (2, 13), (8, 13), (8, 3)])]
    assert prompts_of("\n".join(rows), sample="t007").boxes.tolist() == [[3, 2, 13, 8]]


def test_a_line_is_no_box(prompts_of):
    with pytest.raises(DataError, match=r"line 2: a shape of type 'line'"):
        prompts_of("index,shape-type,vertex-index,axis-0,axis-1\n0,line,0,1,1\n0,line,1,2,2\n")


@pytest.mark.parametrize(
    ("written", "sample"),
    [
        ("a", "a"),
        ("a.tif", "a"),
        ("a", "a.tif"),
        ("a", "train/a.tif"),
        ("train/a", "train/a"),
        ("3", "testing/0003"),
        ("3", "t003"),
        ("0003", "testing/0003"),
        ("12", "stack#12"),
        ("frame.v2", "frame.v2"),
    ],
)
def test_a_row_names_its_image_by_id_stem_or_index(prompts_of, written, sample):
    assert len(prompts_of(f"image,x,y\n{written},1,1\n", sample=sample)) == 1


@pytest.mark.parametrize(
    ("written", "sample"), [("a", "b"), ("test/a", "train/a"), ("3", "y3_x3"), ("3", "13"), ("frame.v1", "frame.v2")]
)
def test_a_row_of_another_image_is_not_taken(prompts_of, written, sample):
    with pytest.raises(DataError, match=f"no row for image {sample!r}; it names {written!r}"):
        prompts_of(f"image,x,y\n{written},1,1\n", sample=sample)


def test_the_id_wins_over_the_stem_and_the_stem_over_the_index(prompts_of):
    text = "image,x,y\n3,1,1\n0003.tif,2,2\ntest/0003.tif,3,3\n"
    assert prompts_of(text, sample="test/0003.tif").points.tolist() == [[[3, 3]]]
    assert prompts_of(text, sample="other/0003.tif").points.tolist() == [[[2, 2]]]
    assert prompts_of(text, sample="0003 b").points.tolist() == [[[1, 1]]]


def test_images_without_a_row_are_an_error_unless_skipped(prompts_of):
    with pytest.raises(DataError, match="missing=skip"):
        prompts_of("image,x,y\nb,1,1\n")
    assert len(prompts_of("image,x,y\nb,1,1\n", missing="skip")) == 0


def test_unknown_and_ambiguous_images_are_named_with_their_row(tmp_path, prompts_of):
    path = tmp_path / "p.csv"
    path.write_text("image,x,y\na,1,1\nzebra,2,2\n")
    prompter = ManualPrompts(ManualOptions(path=path), None)
    with pytest.raises(DataError, match=r"p\.csv, line 3: 'zebra' names no image"):
        prompter.check_images(["a", "b"])
    prompter.check_images(["a", "b", "zebra.png"])
    with pytest.raises(DataError, match=r"line 2: 'a' names several images \(x/a, y/a"):
        prompter.check_images(["x/a", "y/a", "zebra"])


@pytest.mark.parametrize("place", ["30,1", "-0.6,1", "1,19.51", "1,-3"])
def test_a_point_off_the_image_names_its_row_and_the_image(prompts_of, place):
    with pytest.raises(DataError, match=r"prompts\.csv, line 3: .*off image 'a', which is 30 wide and 20 high"):
        prompts_of(f"image,x,y\na,1,1\na,{place}\n")


def test_a_box_off_the_image_names_its_row(prompts_of):
    with pytest.raises(DataError, match=r"line 2: \(x=40, y=4\) is off image"):
        prompts_of("image,x0,y0,x1,y1\na,1,2,40,4\n")


def test_the_row_of_a_later_point_of_a_prompt_is_named(prompts_of):
    with pytest.raises(DataError, match="line 4"):
        prompts_of("image,prompt,x,y\na,p,1,1\na,q,1,1\na,p,99,1\n")


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        ("", "p.csv", "columns are missing"),
        ("image,row,col\na,1,1\n", "p.csv", "columns are image,row,col; expected image,x,y"),
        ("image,x,y\na,1\n", "p.csv", "line 2: expected 3 values"),
        ("image,x,y\na,1,2,3\n", "p.csv", "line 2: expected 3 values"),
        ("image,x,y\na,one,2\n", "p.csv", "line 2: 'one' is not a number"),
        ("image,x,y\na,nan,2\n", "p.csv", "line 2: 'nan' is not a number"),
        ("image,x,y,label\na,1,2,7\n", "p.csv", "line 2: label '7'"),
        ("image,x0,y0,x1,y1\na,5,5,1,9\n", "p.csv", "line 2: box .*expected x0 <= x1"),
        ("index,axis-0,axis-1,axis-2,axis-3\n0,1,1,1,1\n", "p.csv", "4 axes"),
        ("{", "p.json", "not JSON"),
        ("[3]", "p.json", "entry 1: 3; expected an object"),
        ('[{"image": "a"}]', "p.json", "entry 1: holds image; expected a box or points"),
        ('[{"image": "a", "box": [1, 2, 3]}]', "p.json", "entry 1: box"),
        ('[{"image": "a", "box": "1234"}]', "p.json", "entry 1: box"),
        ('[{"image": "a", "points": [[1, 2]], "labels": [1, 1]}]', "p.json", "one label"),
        ('[{"image": "a", "points": [1, 2]}]', "p.json", "point 1"),
        ('[{"image": "a", "point": [true, 2]}]', "p.json", "True is not a number"),
    ],
)
def test_what_cannot_be_read_is_named(prompts_of, content, name, said):
    with pytest.raises(DataError, match=said):
        prompts_of(content, name=name)


def test_kinds_cannot_be_mixed_within_an_image(prompts_of):
    with pytest.raises(DataError, match=r"entry 2: has no box, but p\.json, entry 1 has"):
        prompts_of([{"image": "a", "box": [0, 0, 1, 1]}, {"image": "a", "point": [1, 1]}], name="p.json")


def test_a_kind_that_was_asked_for_is_checked(prompts_of):
    assert len(prompts_of("image,x,y\na,1,1\n", kind="point")) == 1
    with pytest.raises(DataError, match="kind=box"):
        prompts_of("image,x,y\na,1,1\n", kind="box")
    with pytest.raises(DataError, match="holds a box and point, but kind=box"):
        prompts_of([{"image": "a", "box": [0, 0, 1, 1], "point": [1, 1]}], name="p.json", kind="box")


def test_a_folder_holds_one_file_per_image(tmp_path, prompt_with, sample_of):
    (tmp_path / "one.csv").write_text("index,axis-0,axis-1\n0,1,2\n")
    (tmp_path / "two.csv").write_text("x,y\n5,6\n")
    (tmp_path / "notes.txt").write_text("not read")
    options = ManualOptions(path=tmp_path)
    for name, place in (("one", [2, 1]), ("two.tif", [5, 6])):
        found = prompt_with(ManualPrompts, options, sample_of(np.zeros((20, 30)), id=name))
        assert found.points.tolist() == [[place]]


def test_an_empty_folder_and_no_file_are_errors(tmp_path, prompt_with, sample_of):
    for path, said in ((tmp_path, "holds no"), (tmp_path / "absent.csv", "no such file")):
        with pytest.raises(DataError, match=said):
            prompt_with(ManualPrompts, ManualOptions(path=path), sample_of(np.zeros((4, 4))))


def test_options_say_what_is_emitted_and_need_a_path(tmp_path):
    assert ManualOptions(path=tmp_path, kind="box").emits() == {"box"}
    (tmp_path / "points.csv").write_text("image,x,y\na,1,1\n")
    assert ManualOptions(path=tmp_path).emits() == {"point"}
    (tmp_path / "boxes.json").write_text('[{"image": "b", "box": [0, 0, 1, 1]}]')
    assert ManualOptions(path=tmp_path).emits() == {"point", "box"}
    with pytest.raises(UsageError, match="'path' is required"):
        parse_options(ManualOptions, {}, owner="manual")
    options = ManualOptions(path=tmp_path)
    assert pickle.loads(pickle.dumps(options)) == options
