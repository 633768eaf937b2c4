"""The report's page in a real browser: clicks, keys, and what is on the screen."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from report_folders import TASKS, write_evaluation, write_run, write_search, write_tasks

from engine.cli import main
from report.picture import BROWSERS, GAP, SIZE
from report.writing import write_report

ROOT = Path(__file__).parents[2]
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium: apt-get install chromium")

# What a canvas shows in the middle of a cell: red, green, blue.
PIXEL = """([canvas, [i, j]]) => {
  const side = canvas.side, ratio = canvas.width / parseFloat(canvas.style.width);
  const [x, y] = [(j + 0.5) * side * ratio, (i + 0.5) * side * ratio].map(Math.round);
  return [...canvas.getContext("2d").getImageData(x, y, 1, 1).data].slice(0, 3);
}"""


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        chromium = driver.chromium.launch(executable_path=BROWSER, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    return write_tasks(tmp_path_factory.mktemp("tasks"))


@pytest.fixture(scope="module")
def search(tmp_path_factory, tasks):
    return write_report([write_search(tmp_path_factory.mktemp("reports") / "search", tasks)])


@pytest.fixture(scope="module")
def two(tmp_path_factory, tasks):
    folder = tmp_path_factory.mktemp("reports")
    second = {"near": ["O = identity(I)"], "mirror": ["O = hmirror(I)"]}
    folders = [write_run(folder / "run", tasks), write_search(folder / "other", tasks, second, method="recombine")]
    return write_report(folders)


@pytest.fixture
def opened(browser):
    """Opens a page, in a context of its own; errors of its code, and requests to anywhere, fail the test."""
    contexts, wrong = [], []

    def open_page(file, anchor="", **settings):
        context = browser.new_context(viewport={"width": 1200, "height": 900}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: message.type == "error" and wrong.append(message.text))
        page.on("request", lambda request: request.url.startswith("http") and wrong.append(request.url))
        page.goto(f"file://{file}{anchor}")
        page.wait_for_selector("html[data-ready]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def shown(page):
    return page.locator(".card .id").all_text_contents()


def card(page, name):
    return page.get_by_role("button", name=f"{name},")


def test_the_gallery_has_every_task_with_its_status(opened, search):
    page = opened(search)
    assert shown(page) == sorted(TASKS)
    statuses = dict(zip(shown(page), page.locator(".card .status").all_text_contents(), strict=True))
    assert statuses == {"mirror": "solved", "near": "near miss", "lost": "lost again", "empty": "nothing found"}


@pytest.mark.parametrize(
    ("status", "expected"),
    [("solved", ["mirror"]), ("lost", ["lost"]), ("near", ["near"]), ("nothing", ["empty"]), ("wrong", [])],
)
def test_tasks_are_filtered_by_status(opened, search, status, expected):
    page = opened(search)
    page.get_by_label("Show").select_option(status)
    assert shown(page) == expected
    assert page.locator("#count").inner_text().startswith(f"{len(expected)} of 4 tasks")
    assert page.locator("#nothing").is_visible() == (not expected)


def test_the_other_ranking_solves_what_the_first_has_lost(opened, search):
    page = opened(search)
    page.get_by_label("Solved by").select_option("distinct-3")
    page.get_by_label("Show").select_option("solved")
    assert shown(page) == ["lost", "mirror"]


def test_tasks_are_filtered_by_length_and_origin_and_put_in_order(opened, two):
    page = opened(two)
    page.locator("#b").select_option("")
    page.locator("#lines").fill("1")
    assert shown(page) == ["mirror", "near"]
    page.get_by_role("button", name="Reset").click()
    page.locator("#origin").select_option("policy")
    assert shown(page) == ["mirror", "near"]
    page.locator("#a").select_option("1")
    page.locator("#origin").select_option("search")
    assert shown(page) == ["mirror", "near"]
    page.locator("#order").select_option("performance")
    assert shown(page)[0] in ("mirror", "near")


def test_slash_finds_a_task_by_its_id_and_enter_on_a_card_opens_it(opened, search):
    page = opened(search)
    page.keyboard.press("/")
    page.keyboard.type("irr")
    assert shown(page) == ["mirror"]
    card(page, "mirror").focus()
    page.keyboard.press("Enter")
    assert page.locator("#task-title").inner_text() == "mirror"


def test_arrows_go_from_card_to_card_and_from_task_to_task(opened, search):
    page = opened(search)
    card(page, "empty").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    title = page.locator("#task-title")
    assert title.inner_text() == "lost"
    page.keyboard.press("ArrowRight")
    assert title.inner_text() == "mirror"
    page.keyboard.press("Escape")
    assert not page.locator("#task").is_visible()
    assert page.evaluate("document.activeElement.dataset.number") == "2"  # the card of the task that was open


def test_grids_are_drawn_in_the_colours_of_arc_or_of_the_other_palette(opened, search):
    page = opened(search)
    card(page, "mirror").click()
    grid = page.get_by_role("img", name="input of demonstration 1, 2 by 3: 102, 030")
    canvas = grid.element_handle()
    assert page.evaluate(PIXEL, [canvas, [0, 0]]) == [0, 116, 217]
    assert page.evaluate(PIXEL, [canvas, [1, 1]]) == [46, 204, 64]
    page.keyboard.press("p")
    assert page.evaluate(PIXEL, [canvas, [0, 0]]) == [0, 114, 178]
    assert page.locator("#palette").get_attribute("aria-pressed") == "true"


def test_wrong_cells_are_counted_and_marked(opened, search):
    page = opened(search)
    card(page, "near").click()
    pair = page.get_by_role("group", name="demonstration 2")
    assert "3 cells wrong" in pair.inner_text()
    test = page.get_by_role("group", name="test 1")
    given = test.get_by_role("img", name="what the program gives for test 1").element_handle()
    assert "wrong" in given.get_attribute("aria-label")
    assert page.evaluate(PIXEL, [given, [0, 0]]) == [255, 255, 255]  # a cross
    assert "✓ right" in page.get_by_role("group", name="demonstration 1").inner_text()


def test_every_line_of_a_program_shows_its_value(opened, search):
    page = opened(search)
    card(page, "mirror").click()
    page.get_by_role("button", name="attempt 2 by paper").click()
    lines = page.locator(".program li")
    assert lines.locator("code").all_inner_texts() == ["x1 = objects(I, T, F, T)", "x2 = size(x1)", "O = vmirror(I)"]
    assert lines.nth(0).get_by_role("img").count() == 3
    assert lines.nth(0).inner_text().endswith("set of 3")
    assert lines.nth(1).locator(".value").inner_text() == "3"
    assert lines.nth(2).get_by_role("img", name="grid, 2 by 3: 201, 030").count() == 1
    page.get_by_label("Input that the values are of").select_option(label="test 1")
    assert lines.nth(2).get_by_role("img", name="grid, 2 by 3: 007, 908").count() == 1


def test_the_history_of_a_task_says_when_it_was_solved(opened, search):
    page = opened(search)
    card(page, "lost").click()
    assert page.get_by_role("img", name="solved at program 1000").count() == 1
    page.locator(".history summary").first.click()
    assert "rot90" in page.locator(".history pre").first.inner_text()


def test_what_the_policy_forgot_is_found_and_shown(opened, tmp_path, tasks):
    page = opened(write_report([write_run(tmp_path / "run", tasks, solved={1: ["mirror"], 2: []})]))
    page.get_by_label("Show").select_option("forgotten")
    assert shown(page) == ["mirror"]
    card(page, "mirror").click()
    strips = page.locator("#task-body .strip")
    assert strips.nth(0).get_attribute("aria-label") == "solved at meta-iteration 1, 2"
    assert strips.nth(1).get_attribute("aria-label") == "by the policy's samples alone: solved at meta-iteration 1"


def test_two_sources_stand_beside_each_other(opened, two):
    page = opened(two)
    page.locator("#pair").select_option("second")
    assert shown(page) == ["near"]
    page.locator("#pair").select_option("first")
    assert shown(page) == ["mirror"]
    card(page, "mirror").click()
    assert page.locator("#task-body .column").count() == 2
    assert [text.split()[-1] for text in page.locator(".column h3").all_inner_texts()] == ["solved", "wrong"]


def test_figures_that_are_links_choose_the_tasks(opened, two):
    page = opened(two)
    page.locator("#overview a[href*='pair=first']").click()
    assert shown(page) == ["mirror"]


def test_the_address_keeps_what_was_chosen(opened, search):
    page = opened(search, "#tasks?status=solved&task=mirror")
    assert shown(page) == ["mirror"]
    assert page.locator("#task-title").inner_text() == "mirror"
    page.keyboard.press("Escape")
    page.get_by_label("Show").select_option("near")
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert shown(page) == ["near"]
    assert not page.locator("#task").is_visible()


def test_dark_and_light_follow_the_system_and_the_key(opened, search):
    back = "getComputedStyle(document.body).backgroundColor"
    light, dark = opened(search, color_scheme="light"), opened(search, color_scheme="dark")
    before = light.evaluate(back)
    assert before != dark.evaluate(back)
    light.keyboard.press("t")
    assert light.evaluate(back) == dark.evaluate(back)
    dark.keyboard.press("t")
    assert dark.evaluate(back) == before


def test_a_phone_needs_no_sideways_scrolling(browser, opened, two):
    page = opened(two)
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    card(page, "mirror").click()
    assert page.evaluate("document.querySelector('.sheet').scrollWidth") <= 360


def test_screen_readers_have_a_name_for_everything_that_can_be_used(opened, two):
    page = opened(two)
    card(page, "mirror").click()
    nameless = page.evaluate("""() => [...document.querySelectorAll("button, select, input, canvas, svg, dialog")]
      .filter((node) => !(node.getAttribute("aria-label") || node.getAttribute("aria-labelledby")
        || node.closest("label, [aria-hidden]") || node.textContent.trim()))
      .map((node) => node.outerHTML.slice(0, 120))""")
    assert nameless == []


def test_hostile_ids_are_shown_and_do_nothing(opened, tmp_path):
    ids = ["</script><script>window.hacked = 1</script>", "\"'><img src=x onerror='window.hacked=1'>", "x" * 200]
    file = write_report([write_evaluation(tmp_path / "eval", ids, concept="<b onclick=hack()>concept</b>")])
    page = opened(file)
    assert sorted(shown(page)) == sorted(ids)
    for number, name in enumerate(sorted(ids)):
        page.locator(".card").nth(number).click()
        assert page.locator("#task-title").inner_text().startswith(name[:40])
        assert page.locator("#task-body canvas").count() > 3
        page.keyboard.press("Escape")
    assert page.evaluate("window.hacked") is None
    assert page.locator("img, b[onclick]").count() == 0


def test_a_page_of_profiles_alone_has_plots_with_tables_and_no_gallery(opened, tmp_path):
    (tmp_path / "programs.jsonl").write_text('{"program": "O = vmirror(I)", "inputs": [[[1, 2]]]}\n')
    folders = [tmp_path / "before", tmp_path / "after"]
    for folder in folders:
        assert main(["profile", str(tmp_path / "programs.jsonl"), "--out", str(folder), "--repeats", "1"]) == 0
    page = opened(write_report(folders))
    assert not page.locator("#tasks").is_visible()
    assert page.get_by_role("link", name="Tasks").count() == 0
    figure = page.locator("figure").first
    assert "Time by primitive" in figure.inner_text()
    figure.locator("summary").click()
    assert figure.get_by_role("cell", name="vmirror").is_visible()
    page.keyboard.press("/")  # finds no task, and breaks nothing
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_picture_shows_a_gallery_and_a_task_side_by_side(tmp_path, tasks):
    folder = write_search(tmp_path / "search", tasks)
    command = [sys.executable, "-m", "report.picture", folder, "mirror", "--out", tmp_path / "picture.png"]
    subprocess.run(command, cwd=ROOT, check=True)
    with Image.open(tmp_path / "picture.png") as picture:
        assert picture.size == (2 * SIZE[0] + GAP, SIZE[1])
        colors = picture.convert("RGB").getcolors(1 << 20)
    assert {(0, 116, 217), (46, 204, 64)} <= {color for _, color in colors}


def test_nothing_else_than_our_code_runs(browser, search, tmp_path):
    """The content policy stops what would get into the page all the same."""
    intruder = "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script></main>"
    changed = tmp_path / "changed.html"
    changed.write_text(search.read_text().replace("</main>", intruder))
    page = browser.new_page()
    page.goto(f"file://{changed}")
    page.wait_for_selector("html[data-ready]")
    assert page.evaluate("window.hacked") is None
    page.close()
