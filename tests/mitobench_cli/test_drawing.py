"""Boards and their layout, scale bars, line breaks, terminals and files: what a picture shows and that nothing collides."""

import io
import itertools
import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console

from mitobench.overlays import BOX, FALSE_NEGATIVE, FALSE_POSITIVE, NEGATIVE_POINT, POSITIVE_POINT, TRUE_POSITIVE
from mitobench.prompts import Prompts
from mitobench.samples import Sample
from mitobench.training.augmentation import Augmentation
from mitobench.training.broad_augmentation import BroadAugmentation
from mitobench_cli.drawing.board_figure import board_figure, scale_bar
from mitobench_cli.drawing.boards import COMPARISON, Board, Panel, View, prompt_legend
from mitobench_cli.drawing.sample_boards import augmentation_board, augmentations, samples_board
from mitobench_cli.drawing.style import FORMATS, encode, text_width, wrap
from mitobench_cli.drawing.terminal_board import print_board

HOSTILE = "$\\frac{a}{b}$ <img onerror=x> \x1b[31m x[/red] ../../x " + "very-long-name_" * 8


def sample(side=40, *, pixel_size_nm=(4.0, 4.0), name="one") -> Sample:
    rng = np.random.default_rng(0)
    labels = np.zeros((side, side), np.int32)
    labels[5:15, 5:15], labels[20:35, 10:30] = 1, 2
    image = np.where(labels > 0, 150, 60).astype(np.uint8) + rng.integers(0, 20, labels.shape, np.uint8)
    return Sample(id=name, image=image, labels=labels, pixel_size_nm=pixel_size_nm)


def shown(panel, colour) -> int:
    return int((panel.picture == np.array(colour, np.uint8)).all(axis=2).sum())


def texts(figure) -> list:
    """Every text of a figure that is not empty."""
    from matplotlib.text import Text

    return [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]


def overlapping(figure) -> list[tuple[str, str]]:
    """Pairs of texts whose boxes share more than a hair."""
    figure.canvas.draw()
    boxes = [(text.get_text(), text.get_window_extent().padded(-0.5)) for text in texts(figure)]
    return [(a, b) for (a, first), (b, second) in itertools.combinations(boxes, 2) if first.overlaps(second)]


def off_the_page(figure) -> list[str]:
    figure.canvas.draw()
    page = figure.bbox.padded(1)
    return [
        text.get_text()
        for text in texts(figure)
        if not (page.x0 <= text.get_window_extent().x0 and text.get_window_extent().x1 <= page.x1)
        or not (page.y0 <= text.get_window_extent().y0 and text.get_window_extent().y1 <= page.y1)
    ]


def test_small_images_are_enlarged_and_large_ones_reduced_with_their_pixel_size():
    small = View(np.zeros((40, 40), np.uint8), (4.0, 4.0), side=80).plain()
    assert small.picture.shape == (80, 80, 3)
    assert small.pixel_size_nm == 2.0
    large = View(np.zeros((400, 400), np.uint8), (4.0, 4.0), side=100).plain()
    assert large.picture.shape == (200, 200, 3)
    assert large.pixel_size_nm == 8.0


def test_contrast_is_stretched_unless_not_wanted():
    image = np.linspace(40, 80, 4096).astype(np.uint8).reshape(64, 64)
    assert [View(image).plain().picture.min(), View(image).plain().picture.max()] == [0, 255]
    assert View(image, stretch=False).plain().picture.max() == 80
    assert View(np.full((9, 9), 7, np.uint8)).plain().picture.max() == 7


def test_a_comparison_shows_each_kind_of_object_and_its_legend_names_it():
    one = sample()
    predicted = np.zeros_like(one.labels)
    predicted[5:15, 5:15], predicted[36:40, 36:40] = 1, 2
    panel = View.of(one).compared(one.labels, predicted)
    assert all(shown(panel, colour) for colour, _ in COMPARISON)
    assert {colour for colour, _ in COMPARISON} == {TRUE_POSITIVE, FALSE_POSITIVE, FALSE_NEGATIVE}


def test_points_leave_small_reference_objects_to_be_seen_and_are_no_smaller_on_large_ones():
    small, large = np.zeros((256, 256), np.int32), np.zeros((256, 256), np.int32)
    small[100:110, 100:110], large[50:150, 50:150] = 1, 1
    point = Prompts(points=np.array([[[104.5, 104.5]]], np.float32), point_labels=np.ones((1, 1), np.int8))
    image = np.full((256, 256), 90, np.uint8)
    marks = [
        shown(View.of(Sample(id="one", image=image, labels=labels)).prompted(point), POSITIVE_POINT)
        for labels in (small, large, None)
    ]
    assert 0 < marks[0] < 0.1 * (10 * 3) ** 2
    assert 4 * marks[0] < marks[1] == marks[2]


def test_the_legend_names_the_prompts_that_occur():
    boxes = Prompts(boxes=np.zeros((1, 4), np.float32))
    points = Prompts(points=np.zeros((1, 2, 2), np.float32), point_labels=np.array([[1, 0]], np.int8))
    padding = Prompts(points=np.zeros((1, 1, 2), np.float32), point_labels=np.array([[-1]], np.int8))
    assert [colour for colour, _ in prompt_legend([boxes, points])] == [BOX, POSITIVE_POINT, NEGATIVE_POINT]
    assert prompt_legend([padding, Prompts()]) == ()


@given(st.floats(0.01, 1e6), st.integers(8, 5000))
def test_scale_bars_are_round_and_fit(pixel_size, pixels):
    length, label = scale_bar(pixel_size, pixels)
    assert 0.1 * pixels < length <= 0.3 * pixels * (1 + 1e-9)
    number, unit = label.split()
    assert number.rstrip("0").lstrip("0.") in ("1", "2", "5")
    nanometres = float(number) * {"nm": 1, "µm": 1e3, "mm": 1e6}[unit]
    assert nanometres == pytest.approx(length * pixel_size)


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(codec="latin-1"), max_size=60), st.floats(0.3, 3))
def test_wrapped_lines_fit_and_lose_nothing(text, inches):
    wrapped = wrap(text, inches, lines=10**6)
    assert all(text_width(line) <= inches or len(line) == 1 for line in wrapped.split("\n"))
    if text.replace("\n", "").isprintable():
        assert re.sub(r"\s", "", wrapped) == re.sub(r"\s", "", text)


def test_what_does_not_fit_ends_in_an_ellipsis():
    assert wrap("one two three four", 0.3, lines=2) == "one\ntw…"


def test_no_break_spaces_hold_words_together_and_are_not_spelled_out():
    assert wrap("Dice\u00a00.50, IoU\u00a00.25", 0.7) == "Dice\u00a00.50,\nIoU\u00a00.25"


def test_a_cross_stays_with_the_segmenter():
    assert wrap("gt-box-of-some-length × sam", 1.4).split("\n")[1].startswith("×")


@pytest.mark.parametrize("columns", [1, 2, 4])
def test_no_text_collides_or_leaves_the_page_whatever_the_titles(columns):
    one = sample()
    panels = tuple(View.of(one).outlined(one.labels, BOX, f"{HOSTILE}\nF1@0.5 0.50") for _ in range(columns))
    tall = Panel(picture=np.zeros((90, 30, 3), np.uint8), title="tall", pixel_size_nm=1e3)
    board = Board(
        rows=(panels, (tall,) * columns),
        row_titles=(HOSTILE, "second"),
        column_titles=(HOSTILE,) * columns,
        legend=COMPARISON * 3,
    )
    figure = board_figure(board)
    assert overlapping(figure) == []
    assert off_the_page(figure) == []


def test_hostile_names_are_drawn_as_they_are_not_obeyed():
    one = sample(name=HOSTILE)
    drawn = [text.get_text() for text in texts(board_figure(samples_board([one])))]
    assert any("$\\frac{a}{b}$" in text for text in drawn)
    assert not any("\x1b" in text for text in drawn)


def test_equal_scales_share_a_bar_and_others_have_their_own():
    def bars(*sizes):
        board = samples_board([sample(pixel_size_nm=size and (size, size)) for size in sizes])
        return [t.get_text() for t in texts(board_figure(board)) if re.fullmatch(r"\d+ (nm|µm)", t.get_text())]

    assert bars(4.0, 4.0) == ["20 nm"]
    assert bars(4.0, 8.0) == ["20 nm", "50 nm"]
    assert bars(None, None) == []


@pytest.mark.parametrize("name", FORMATS)
def test_equal_figures_are_equal_files_of_their_format(name):
    board = samples_board([sample(name="日本語")])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = (encode(board_figure(board), name, dpi=50) for _ in range(2))
    assert first == second
    assert first.startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[name])


def test_files_have_the_resolution_asked_for():
    figure = board_figure(samples_board([sample()]))
    with Image.open(io.BytesIO(encode(figure, "png", dpi=100))) as image:
        assert image.mode == "RGB"
        assert image.size == tuple(int(inches * 100) for inches in figure.get_size_inches())


def test_every_augmentation_is_shown_alone_and_does_only_its_own_part():
    how, one = Augmentation.model_validate({}), sample()
    board = augmentation_board(one, how, 0, together=1)
    titles = [panel.title for panel in board.panels]
    assert titles[0] == "unchanged"
    assert titles[-1].startswith("all together")
    assert len(titles) == 2 + len(augmentations(how)) == 11
    assert "within ±45°" in titles[1]
    pictures = [panel.picture for panel in board.panels]
    assert all(not np.array_equal(pictures[0], picture) for picture in pictures[1:])


@pytest.mark.parametrize(
    ("off", "gone"), [({"rotation": 0}, "rotation"), ({"elastic_alpha": (0, 0)}, "elastic"), ({"equalise": 0}, "local")]
)
def test_an_augmentation_that_is_off_is_not_shown(off, gone):
    assert not any(title.startswith(gone) for title in augmentations(Augmentation.model_validate(off)))


def test_an_augmentation_alone_changes_what_its_title_says():
    for title, alone in augmentations(Augmentation.model_validate({})).items():
        changed = {name for name, value in alone if value != getattr(Augmentation.none(), name)}
        word = title.split()[0].lower()
        expected = {
            "elastic": "elastic",
            "contrast": "gain",
            "brightness": "offset",
            "local": "equalise",
            "flips": "flips",
        }
        assert all(name.startswith(expected.get(word, word)) or name == "photons" for name in changed), title


def test_every_part_of_the_broad_augmentation_is_shown_alone():
    how, one = BroadAugmentation(), sample()
    board = augmentation_board(one, how, 0, together=1)
    titles, pictures = [panel.title for panel in board.panels], [panel.picture for panel in board.panels]
    assert len(titles) == 2 + len(augmentations(how)) == 10
    assert "sides × 0.5–1" in titles[1]
    assert "× 0.6–1.3" in titles[4]
    assert all(not np.array_equal(pictures[0], picture) for picture in pictures[1:])
    shown_fields = set()
    for alone in augmentations(how).values():
        shown_fields |= {name for name, value in alone if value != getattr(BroadAugmentation.none(), name)}
    assert shown_fields == {"whole", "turns", "gamma", "gain", "offset", "inverted", "blurred", "noise"}
    assert augmentations(BroadAugmentation.none()) == {}


def test_a_colour_image_without_a_reference_is_shown_under_the_broad_augmentation():
    colours = replace(sample(), image=np.stack([sample().image] * 3, axis=-1), labels=None)
    board = augmentation_board(colours, BroadAugmentation(), 0, together=1)
    assert board.legend == ()
    assert len({panel.picture.shape for panel in board.panels}) > 1


def test_a_terminal_shows_the_picture_two_pixels_to_a_character():
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[:4], picture[4:, :4], picture[4:, 4:] = (200, 10, 20), (0, 158, 115), (1, 2, 3)
    buffer = io.StringIO()
    console = Console(file=buffer, width=40, force_terminal=True, color_system="truecolor")
    print_board(Board(rows=((Panel(picture=picture, title="a [red]title[/red]"),),), legend=COMPARISON), console)
    lines = buffer.getvalue().split("\n")
    assert "a [red]title[/red]" in lines[0]
    assert "missed" in buffer.getvalue()
    cells = [re.findall(r"38;2;(\d+);(\d+);(\d+);48;2;(\d+);(\d+);(\d+)m▀", line) for line in lines]
    rows = [np.array(line, int).reshape(-1, 2, 3) for line in cells if line]
    seen = np.concatenate([np.stack([row[:, 0], row[:, 1]]) for row in rows])
    assert seen.shape == (40, 40, 3)
    np.testing.assert_array_equal(seen, picture.repeat(5, axis=0).repeat(5, axis=1))


def test_narrow_terminals_show_panels_below_each_other():
    board = samples_board([sample(name="one"), sample(name="two")])
    for width, together in ((80, True), (50, False)):
        buffer = io.StringIO()
        print_board(board, Console(file=buffer, width=width, force_terminal=True, color_system="truecolor"))
        assert any("one" in line and "two" in line for line in buffer.getvalue().split("\n")) == together
