"""The page in a real Chromium: charts are drawn, controls work by mouse and keyboard, nothing leaves the page."""

import io
import re
import shutil

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.enable_socket
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WAIT = 60_000


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed (pip install 'mitobench[test]')"
    )
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    with api.sync_playwright() as play:
        try:
            browser = play.chromium.launch(executable_path=found, args=["--no-sandbox"])
        except api.Error as error:
            pytest.skip(f"no Chromium that starts ({str(error).splitlines()[0]})")
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def file_of(tmp_path_factory):
    def write(text):
        path = tmp_path_factory.mktemp("page") / "leaderboard.html"
        path.write_text(text, encoding="utf-8")
        return path.as_uri()

    return write


@pytest.fixture(scope="module")
def address(file_of, toy_page):
    return file_of(toy_page)


@pytest.fixture
def open_page(browser):
    """Opens a page and, at the end, says whether it complained or asked for anything but itself."""
    contexts, complaints, requests = [], [], []

    def visit(address, **settings):
        context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **settings})
        context.set_default_timeout(WAIT)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.route("**/*", lambda route: (requests.append(route.request.url), route.continue_()))
        page.goto(address)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []
    assert {url for url in requests if not url.startswith("data:")} <= {u for u in requests if u.startswith("file:")}
    assert len([url for url in requests if url.startswith("file:")]) == len(contexts)


def picture(target):
    return np.asarray(Image.open(io.BytesIO(target.screenshot())).convert("RGB")).astype(int)


def first_column(page):
    return page.locator("#board-1-table tbody tr td:nth-child(3) a").all_inner_texts()


def test_all_charts_are_drawn_and_follow_the_chosen_score(open_page, address):
    page = open_page(address)
    plots = page.locator(".plot[data-chart]")
    for number in range(plots.count()):
        plots.nth(number).scroll_into_view_if_needed()
        page.wait_for_function(
            "n => document.querySelectorAll('.plot')[n].querySelector('svg .mark-group')", arg=number
        )
    chart = page.locator("#board-1 .plot[data-chart=intervals]")
    before = chart.inner_html()
    page.locator('select[data-score="board-1"]').select_option("Dice")
    page.wait_for_function(
        "before => document.querySelector('#board-1 .plot[data-chart=intervals]').innerHTML !== before", arg=before
    )


def test_a_table_sorts_by_keyboard_and_says_so(open_page, address):
    page = open_page(address)
    before = first_column(page)
    assert len(before) > 1
    header = page.locator("#board-1-table th", has_text="F1@0.5").first
    header.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "descending"
    page.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "ascending"
    values = page.locator("#board-1-table tbody td.primary").evaluate_all("cells => cells.map(c => c.dataset.sort)")
    known = [float(v) for v in values if v]
    assert known == sorted(known)
    assert values[: len(known)] == [v for v in values if v], "what is undefined stays last"
    assert page.locator("#board-1-table th[aria-sort]").count() == 1


def test_a_filter_leaves_the_rows_that_match(open_page, address):
    page = open_page(address)
    page.get_by_label("Filter").first.fill("threshold")
    shown = page.locator("#board-1-table tbody tr:visible")
    assert shown.count() == 1
    assert "toy-threshold" in shown.inner_text()
    assert page.locator("output").first.inner_text().startswith("1 of ")


def test_all_scores_and_costs_can_be_shown(open_page, address):
    page = open_page(address)
    hidden = page.locator("#board-1-table th.minor").first
    assert not hidden.is_visible()
    page.locator("#board-1 .all-scores").check()
    assert hidden.is_visible()


def test_a_number_leads_to_its_rows(open_page, address):
    page = open_page(address)
    link = page.locator("#board-1-table td.primary a").first
    target = page.locator(link.get_attribute("href"))
    assert not target.is_visible()
    link.click()
    target.wait_for(state="visible")
    assert target.locator("table.images tbody tr").count() == 4


def test_layers_over_the_images_can_be_switched(open_page, address):
    page = open_page(address)
    tile = page.locator(".tiles .tile:has(.contours)").first
    tile.scroll_into_view_if_needed()
    with_contours = picture(tile)
    assert with_contours.std() > 10, "an image is there"
    page.locator("#show-contours").uncheck()
    page.locator("#show-prompts").uncheck()
    without = picture(tile)
    assert (with_contours != without).any()
    page.locator("#show-reference").check()
    assert (picture(tile) != without).any()


def test_the_divider_moves_by_keyboard_and_shows_more_of_one_side(open_page, address):
    page = open_page(address)
    stage, divider = page.locator(".stage"), page.get_by_label("Divider")
    page.get_by_label("Left", exact=True).select_option("reference")
    page.get_by_label("Right", exact=True).select_option("image")
    divider.focus()
    page.keyboard.press("Home")
    right = picture(stage)
    page.keyboard.press("End")
    left = picture(stage)
    assert (left != right).any()
    page.keyboard.press("Home")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert divider.input_value() == "3"
    assert "3 % the reference alone" in divider.get_attribute("aria-valuetext")


def test_a_tile_opens_in_the_comparison(open_page, address):
    page = open_page(address)
    button = page.get_by_role("button", name="compare").last
    image = button.get_attribute("data-image")
    button.click()
    assert page.get_by_label("Image", exact=True).locator("option:checked").inner_text() == image
    assert page.get_by_label("Left", exact=True).input_value() == button.get_attribute("data-look")


def test_the_numbers_of_the_heat_map_have_three_decimals_and_its_labels_touch_nothing(open_page, address):
    page = open_page(address)
    plot = page.locator("#board-1 .plot[data-chart=matrix]")
    plot.scroll_into_view_if_needed()
    plot.locator("svg").wait_for()
    numbers = plot.locator(".mark-text.layer_1_marks text").all_text_contents()
    assert numbers
    assert all(re.fullmatch(r"-?\d+\.\d{3}", number) for number in numbers), numbers
    tiles = [tile.bounding_box() for tile in plot.locator(".mark-rect path").all()]
    labels = [label.bounding_box() for label in plot.locator(".role-axis-label text").all()]
    beside = [label for label in labels if label["y"] < max(tile["y"] + tile["height"] for tile in tiles)]
    assert beside
    assert all(label["x"] + label["width"] <= min(tile["x"] for tile in tiles) - 4 for label in beside)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_system_and_the_button(open_page, address, scheme):
    page = open_page(address, color_scheme=scheme)
    page.locator("#board-1 .plot svg").first.wait_for()
    bright = picture(page).mean()
    assert (bright > 180) == (scheme == "light")
    for _ in range(1 if scheme == "dark" else 2):
        page.get_by_role("button", name="Theme").click()
    page.wait_for_function("() => document.documentElement.dataset.theme")
    assert (picture(page).mean() > 180) == (scheme == "dark"), "the button says otherwise"


def test_on_paper_it_is_black_on_white_whatever_the_theme(open_page, address):
    page = open_page(address, color_scheme="dark", viewport={"width": 800, "height": 1100})
    page.get_by_role("button", name="Theme").click(click_count=2)
    page.emulate_media(media="print", color_scheme="dark")
    assert picture(page).mean() > 200
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 800
    assert not page.get_by_label("Filter").first.is_visible()


def test_at_phone_width_nothing_is_wider_than_the_page(open_page, address):
    page = open_page(address, viewport={"width": 390, "height": 844}, device_scale_factor=1)
    page.locator("#board-1 .plot").first.scroll_into_view_if_needed()
    page.locator("#board-1 .plot svg").first.wait_for()
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert picture(page).std() > 10


def test_the_essential_numbers_are_there_without_scripts(open_page, address):
    page = open_page(address, java_script_enabled=False)
    assert page.locator("#board-1-table td.primary a").first.is_visible()
    assert page.locator(".tile").first.is_visible()
    assert not page.get_by_label("Filter").first.is_visible()


def test_hostile_names_stay_inert(open_page, file_of, pages, hostile_run):
    page = open_page(file_of(pages.render(hostile_run)))
    page.locator("#board-1 .plot[data-chart=distributions]").scroll_into_view_if_needed()
    page.locator("#board-1 .plot[data-chart=distributions] svg").wait_for()
    page.locator("#gallery").scroll_into_view_if_needed()
    options = page.get_by_label("Image", exact=True).locator("option").all_inner_texts()
    assert "a<img src=x onerror=alert(1)>" in options
    assert page.evaluate("document.querySelectorAll('img, svg[onload], [onerror], [onclick]').length") == 0
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
