"""``compare`` shows two cells side by side, and fails where the second has become worse than is allowed."""

import importlib.resources
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

GOOD, BAD = "toy-threshold:threshold=70", "toy-threshold:threshold=180"
SHARED = ("--data", "toy-discs:groups=6", "--metric", "toy-overlap")


@pytest.fixture
def run(mitobench):
    """A finished run ``r`` of two segmenters."""
    assert mitobench("run", *SHARED, "--segmenter", GOOD, "--segmenter", BAD, "--out", "r").code == 0
    return mitobench


def test_two_cells_of_one_run_are_shown_with_intervals_wins_and_the_test(run):
    result = run("compare", f"r:{GOOD}", BAD)
    assert result.code == 0, result.err
    assert f"A: none x {GOOD}" in result.out
    assert f"B: none x {BAD}" in result.out
    assert "toy-discs:groups=6: 6 of 6 images in both" in result.out
    line = next(line for line in result.out.splitlines() if line.startswith("Dice"))
    assert "0/0/6" in line
    assert "[-" in line
    assert "Dice: p = 0.031 (sign-flip permutation over 6 groups)" in result.out
    assert "IoU" not in result.out
    assert "IoU" in run("compare", f"r:{GOOD}", BAD, "--scores", "all").out


def test_either_side_may_name_its_run(run):
    one, two = (run("compare", f"r:{GOOD}", cell, "--json").out for cell in (BAD, f"r:{BAD}"))
    assert json.loads(one) == json.loads(two)


def test_a_cell_may_be_called_as_it_was_typed_for_the_run_with_whole_paths(mitobench, tmp_path):
    pytest.importorskip("torch")
    bundled = importlib.resources.files("mitobench_unet") / "weights" / "unet-em.safetensors"
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "x.safetensors").write_bytes(bundled.read_bytes())
    typed, label = "unet:checkpoint=models/x.safetensors", "unet:checkpoint=x.safetensors"
    assert mitobench("run", *SHARED, "--segmenter", GOOD, "--segmenter", typed, "--out", "r").code == 0
    whole, short = (mitobench("compare", f"r:{GOOD}", cell, "--json") for cell in (f"none x {typed}", label))
    assert whole.code == 0, whole.err
    assert json.loads(whole.out) == json.loads(short.out)
    assert mitobench("compare", f"r:{typed}", GOOD).code == 0
    other = mitobench("compare", f"r:{GOOD}", "unet:checkpoint=others/x.safetensors")
    assert other.code == 2
    assert "no cell is called" in other.err


def test_json_is_everything_and_nothing_else_on_stdout(run):
    (found,) = json.loads(run("compare", f"r:{BAD}", GOOD, "--json", "--primary", "iou").out)["comparisons"]
    assert found["primary"] == "IoU"
    assert {c["column"]["name"] for c in found["columns"]} == {"Dice", "Dice (per image)", "IoU"}
    assert found["columns"][0]["better"] == 6


def test_a_regression_has_an_exit_code_of_its_own(run):
    result = run("compare", f"r:{GOOD}", BAD, "--fail-on-regression", "0.02")
    assert result.code == 6
    assert "B - A" in result.out
    assert "regression: none x toy-threshold:threshold=180 on toy-discs:groups=6: Dice was 0." in result.err
    assert run("compare", f"r:{GOOD}", BAD, "--fail-on-regression", "1").code == 0
    assert run("compare", f"r:{BAD}", GOOD, "--fail-on-regression", "0").code == 0
    assert json.loads(run("compare", f"r:{GOOD}", BAD, "--fail-on-regression", "0", "--json").out)["comparisons"]


@pytest.mark.parametrize(
    ("lost", "count"), [(("disc1", "disc2", "disc3"), 3), (tuple(f"disc{i}" for i in range(6)), 6)]
)
def test_a_metric_that_fails_is_a_regression_and_no_pass(run, tmp_path, lost, count):
    both = (*SHARED, "--metric", "semantic", "--segmenter", GOOD)
    for name in ("before", "after"):
        assert run("run", *both, "--out", name).code == 0
    for part in (tmp_path / "after" / "parts").glob("*.images.parquet"):
        table = pq.ParquetFile(part).read()
        rows = table.to_pylist()
        for row in rows:
            if row["image"] in lost:
                row["mitobench-toy/toy-overlap@1.measured"] = None
        pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), part)
    result = run("compare", "before", "after", "--fail-on-regression", "1")
    assert result.code == 6
    assert f"Dice could be measured on {count} images in the first and not in the second" in result.err
    assert f"6 of 6 images in both, Dice could be measured on {count} of them only in A" in result.out


def test_what_is_left_out_of_a_difference_is_said(run):
    shared = ("--data", "toy-discs:groups=6", "--metric", "boundary")
    empty = "toy-threshold:threshold=175"
    assert run("run", *shared, "--segmenter", GOOD, "--segmenter", empty, "--out", "s").code == 0
    result = run("compare", f"s:{GOOD}", empty, "--primary", "HD95 (px)")
    assert result.code == 0, result.err
    line = next(line for line in result.out.splitlines() if line.startswith("left out"))
    assert line.startswith("left out, as only one of A and B is defined there: ")
    assert "HD95 (px) 1 group" in line


def test_two_runs_are_compared_cell_by_cell(run):
    assert run("run", *SHARED, "--segmenter", GOOD, "--segmenter", "toy-threshold", "--out", "s").code == 0
    result = run("compare", "r", "s", "--fail-on-regression", "0")
    assert result.code == 0, result.err
    assert result.out.count("B - A") == 1
    assert "0/6/0" in result.out
    assert f"without a partner: none x {BAD}; none x toy-threshold" in result.err


def test_one_cell_of_another_run_takes_the_place_of_a_baseline(run):
    assert run("run", *SHARED, "--segmenter", "toy-threshold", "--out", "s").code == 0
    result = run("compare", "s", f"r:{BAD}", "--fail-on-regression", "0.02")
    assert result.code == 6
    assert "A: none x toy-threshold  (s, cell " in result.out


def test_what_a_reader_must_know_of_either_cell_is_said(run, tmp_path):
    from mitobench.results.runfolder import RunFolder

    shared = ("--data", "toy-discs:groups=6", "--metric", "toy-overlap")
    prompters = ("--prompter", "toy-centres", "--prompter", "toy-oracle")
    assert run("run", *shared, *prompters, "--segmenter", "toy-flood", "--out", "p").code == 0
    record = json.loads((tmp_path / "p" / "run.json").read_text())
    key = next(key for key, cell in record["cells"].items() if not cell["oracle"])
    origins = RunFolder.open(tmp_path / "p").results().cell(key).origins
    record["cells"][key]["segmenter"]["trained_on"] = [str(origins[0])]
    (tmp_path / "p" / "run.json").write_text(json.dumps(record))
    sides = ("p:toy-centres x toy-flood", "toy-oracle* x toy-flood")
    result = run("compare", *sides)
    assert result.code == 0, result.err
    seen = "the segmenter's weights were trained on these very images: 1 of the 6 evaluated source images"
    assert f"badges of A: in-domain ({seen})\n" in result.out
    assert "badges of B: oracle (the prompts were made from the reference" in result.out
    (found,) = json.loads(run("compare", *sides, "--json").out)["comparisons"]
    assert found["first"]["badges"] == [{"name": "in-domain", "explanation": seen}]
    assert [badge["name"] for badge in found["second"]["badges"]] == ["oracle"]
    assert "badges of" not in run("compare", f"r:{GOOD}", BAD).out


def test_a_name_that_several_cells_have_is_ambiguous(run):
    prompters = ("--prompter", "toy-centres", "--prompter", "toy-oracle")
    assert run("run", *SHARED, *prompters, "--segmenter", "toy-flood", "--segmenter", GOOD, "--out", "p").code == 0
    result = run("compare", f"p:{GOOD}", "toy-flood")
    assert result.code == 2
    assert "the second (B) is ambiguous: it matches 2 cells on toy-discs:groups=6: toy-" in result.err
    assert result.err.count("x toy-flood (cell ") == 2
    assert "the first (A) is ambiguous" in run("compare", "p:toy-flood", GOOD).err


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        (("nowhere", "r"), "'nowhere': no run here"),
        (("r:sam", BAD), "no cell is called 'sam'. There are: none x toy-threshold:threshold=180; none x"),
        ((f"r:{GOOD}", "nowhere"), "no cell is called 'nowhere'"),
        ((f"r:{GOOD}", GOOD), "nothing to compare: name two different cells"),
        (("r", "r"), "nothing to compare"),
        ((f"r:{GOOD}", BAD, "--primary", "AP"), "no column 'AP' in the first. There are: Dice"),
        ((f"r:{GOOD}", BAD, "--fail-on-regression", "-1"), "-1"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error_that_says_what_to_do(run, sides, message):
    result = run("compare", *sides)
    assert result.code == 2
    assert message in result.err
    assert result.out == ""


def test_other_data_are_not_compared(run):
    assert (
        run(
            "run", "--data", "toy-discs:groups=6,seed=1", "--metric", "toy-overlap", "--segmenter", GOOD, "--out", "s"
        ).code
        == 0
    )
    result = run("compare", "r", "s")
    assert result.code == 2
    assert "seen no data in common" in result.err


def test_a_run_whose_path_holds_a_colon_is_found(run, tmp_path):
    (tmp_path / "r").rename(tmp_path / "runs:today")
    result = run("compare", f"runs:today:{GOOD}", f"runs:today:{BAD}")
    assert result.code == 0, result.err


def test_names_from_outside_are_inert(run, tmp_path):
    path = tmp_path / "r" / "run.json"
    path.write_text(path.read_text().replace('"label": "toy-threshold:threshold=70"', '"label": "x\\u001b[31m"'))
    result = run("compare", "r:x*", f"r:{BAD}")
    assert result.code == 0, result.err
    assert "\x1b" not in result.out
    assert "x\\x1b[31m" in result.out
