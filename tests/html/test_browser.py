"""The page in headless Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nchw2nhwc import Converted, convert
from nchw2nhwc.quantize.accuracy import Accuracy, LayerAccuracy, OutputAccuracy
from tests.html.conftest import HOSTILE
from tests.parse.onnx.models import model, node, tensor

if TYPE_CHECKING:
    from measure.browser import Browser

SIZES = [(1440, 900, False), (1440, 900, True), (390, 844, False), (390, 844, True)]


@pytest.fixture
def opened(window: Browser, page: Path) -> Iterator[Browser]:
    """The browser with the page; afterwards it has reported nothing and asked for nothing."""
    window.show(1440, 900)
    window.open(page)
    yield window
    assert window.said() == []
    assert window.requests() == []


def text(browser: Browser, selector: str) -> str:
    return str(browser.run(f"return document.querySelector({selector!r}).textContent"))


def type_into_search(browser: Browser, words: str) -> None:
    browser.run(f"const s = document.getElementById('search'); s.focus(); s.value = {words!r}; s.dispatchEvent(new Event('input'));")


def press(browser: Browser, key: str) -> None:
    browser.run(f"document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {{key: {key!r}, bubbles: true, cancelable: true}}))")


@pytest.mark.parametrize(("width", "height", "dark"), SIZES)
def test_nothing_is_wider_than_the_window(window: Browser, page: Path, width: int, height: int, dark: bool) -> None:
    window.show(width, height, dark=dark)
    window.open(page)
    assert window.run("return document.documentElement.scrollWidth <= innerWidth")
    assert window.run("return document.querySelectorAll('.node').length > 4")
    assert window.said() == []
    assert window.requests() == []


def test_the_policy_is_in_force(window: Browser, page: Path) -> None:
    window.show(1440, 900)
    window.open(page)
    window.run("const image = new Image(); image.src = 'http://127.0.0.1:9/x.png'; document.body.append(image)")
    window.run("const script = document.createElement('script'); script.textContent = 'window.ran = 1'; document.body.append(script)")
    assert window.run("return window.ran === undefined")
    assert window.requests() == ["http://127.0.0.1:9/x.png"], "an attempt is seen, also one that the policy stops"
    assert ["Content Security Policy" in message for message in window.said()] == [True, True]


def test_the_summary_says_what_the_report_says(opened: Browser) -> None:
    tiles = text(opened, ".tiles")
    assert "proven minimal" in tiles
    assert "1 in the source" in tiles
    assert "float32 passed" in tiles
    assert "NHWC" in text(opened, "#interface")


def test_search_finds_an_op_and_enter_goes_to_it(opened: Browser) -> None:
    type_into_search(opened, "body tanh")
    assert text(opened, ".search [role=status]") == "2 ops found"
    assert opened.run("return document.querySelectorAll('.node.hit').length") == 2
    press(opened, "Enter")
    assert text(opened, ".details .name") == "/body/Tanh"
    assert opened.run("return document.querySelector('.pane[data-side=source] .node.selected').dataset.key.startsWith('op:')")
    assert opened.run("return document.querySelectorAll('.pane[data-side=result] .node.twin').length") == 1
    assert opened.run("return document.activeElement.classList.contains('selected')")


def test_slash_goes_to_the_search(opened: Browser) -> None:
    press(opened, "/")
    assert opened.run("return document.activeElement.id") == "search"


def test_a_click_on_a_transpose_shows_why_it_is_there(opened: Browser) -> None:
    opened.run("document.querySelector('.pane[data-side=result] .buttons button:nth-child(4)').click()")
    opened.run("document.querySelector('.pane[data-side=result] .node.left').dispatchEvent(new MouseEvent('click', {bubbles: true}))")
    why = text(opened, ".details .why")
    assert "Why this transpose is left" in why
    assert "makes it as (" in why
    assert why.split("left", 1)[1].split("It moves")[0] in text(opened, "#transposes")


def test_the_list_of_transposes_leads_to_the_graph(opened: Browser) -> None:
    opened.run("document.querySelector('#transposes button').click()")
    assert opened.run("return document.querySelector('.node.selected').classList.contains('left')")


def test_modules_open_and_close_by_keyboard(opened: Browser) -> None:
    count = "return document.querySelectorAll('.pane[data-side=source] .node').length"
    before = opened.run(count)
    opened.run("document.querySelector('.pane[data-side=source] .node.module').focus()")
    press(opened, "Enter")
    changed = opened.run(count)
    assert changed != before
    assert opened.run("return document.activeElement.getAttribute('role')") == "button"
    press(opened, "Enter")
    assert opened.run(count) == before


def test_arrow_keys_walk_and_plus_zooms(opened: Browser) -> None:
    opened.run("document.querySelector('.pane[data-side=source] .buttons button:nth-child(4)').click()")
    opened.run("document.querySelector('.pane[data-side=source] .node.end').focus()")
    visited = []
    for _ in range(3):
        press(opened, "ArrowDown")
        visited.append(opened.run("return document.activeElement.dataset.key"))
    assert len(set(visited)) == 3
    world = "document.querySelector('.pane[data-side=source] .canvas > g')"
    scale = f"return Number(/scale\\(([^)]*)/.exec({world}.getAttribute('transform'))[1])"
    before = opened.run(scale)
    press(opened, "+")
    after = opened.run(scale)
    assert isinstance(before, (int, float))
    assert isinstance(after, (int, float))
    assert after > before


def test_the_chart_marks_the_culprit_and_reads_out_by_keyboard(opened: Browser) -> None:
    assert opened.run("return document.querySelectorAll('.chart circle.culprit').length") == 1
    assert opened.run("return document.querySelectorAll('.chart .point.bad').length") == 1
    opened.run("document.querySelector('.chart').focus()")
    press(opened, "End")
    assert "not a number" in text(opened, ".reading")
    press(opened, "Home")
    assert "/stem/conv/Conv" in text(opened, ".reading")
    assert opened.run("return document.querySelector('.chart').getAttribute('aria-valuenow')") == "1"


def test_the_culprit_is_shown_in_both_graphs(opened: Browser) -> None:
    assert "The first op whose result is off" in text(opened, ".details")
    assert opened.run("return [...document.querySelectorAll('.pane')].every((pane) => pane.querySelector('.node.culprit'))")


def test_pictures_of_input_and_output(opened: Browser) -> None:
    sizes = opened.run("""return [...document.querySelectorAll('#pictures img')]
        .map((image) => [image.complete, image.naturalWidth, image.naturalHeight])""")
    assert sizes == [[True, 16, 12], [True, 12, 16], [True, 12, 16]]


def test_names_stay_text(opened: Browser) -> None:
    type_into_search(opened, "alert(1)")
    press(opened, "Enter")
    assert text(opened, ".details .name") == HOSTILE
    assert opened.run("return document.querySelectorAll('body script').length") == 2


@pytest.mark.parametrize(("width", "dark"), [(1440, False), (390, True)])
def test_quantized_files_and_layers_that_lose_most(window: Browser, checked: Converted, tmp_path: Path, width: int, dark: bool) -> None:
    layers = tuple(LayerAccuracy(tensor, layer, type, 30.0 + k, 40.0 - k) for k, (tensor, layer, type) in enumerate(LAYERS))
    checked.accuracy["int8"] = Accuracy({"z": OutputAccuracy(31.5, 0.9996)}, {"z": 31.0}, layers, 4, "held out of s.npz", 10.0)
    try:
        checked.save_html(tmp_path / "net.html")
    finally:
        del checked.accuracy["int8"]
    window.show(width, 900, dark=dark)
    window.open(tmp_path / "net.html")
    assert window.said() == []
    window.run("document.querySelector('#quantized details').open = true")
    rows = window.run("return document.querySelector('#quantized').innerText")
    assert isinstance(rows, str)
    assert "int8: passed, 31.0 dB (10 needed), 4 samples" in rows
    assert rows.index("/body/Tanh") < rows.index("/stem/conv/Conv"), "names as they are, the largest loss first"
    assert "equal" not in rows, "integer outputs alone are counted where they are equal"
    assert window.run("return document.documentElement.scrollWidth <= innerWidth")


LAYERS = [("c1", "/stem/conv/Conv", "Conv"), ("z", "/body/Tanh", "Tanh")]


def test_everything_that_can_be_used_has_a_name(opened: Browser) -> None:
    unnamed = opened.run("""return [...document.querySelectorAll('button, input, a, img, [role=button], [role=slider], svg.canvas')]
        .filter((each) => !(each.getAttribute('aria-label') || each.getAttribute('alt') || each.textContent.trim()))
        .map((each) => each.outerHTML)""")
    assert unnamed == []


@pytest.mark.parametrize("dark", [False, True])
def test_text_has_enough_contrast(opened: Browser, dark: bool) -> None:
    opened.show(1440, 900, dark=dark)
    assert opened.run(CONTRAST) == []


CONTRAST = """
const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
function rgba(colour) {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = colour;
  canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
}
function luminance([r, g, b]) {
  const [x, y, z] = [r, g, b].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
}
function behind(each) {
  for (let at = each; at; at = at.parentElement) {
    const colour = rgba(getComputedStyle(at).backgroundColor);
    if (colour[3] > 0) return colour;
  }
  return [255, 255, 255];
}
const poor = [];
for (const each of document.querySelectorAll('.page *')) {
  if (each.ownerSVGElement || ![...each.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim())) continue;
  const [a, b] = [luminance(rgba(getComputedStyle(each).color)), luminance(behind(each))].sort((x, y) => y - x);
  if ((a + 0.05) / (b + 0.05) < 4.5) poor.push([each.className, each.textContent.slice(0, 40), (a + 0.05) / (b + 0.05)]);
}
return poor;
"""


def test_without_errors_inside_and_without_a_check_there_is_no_chart_and_no_picture(window: Browser, tmp_path: Path) -> None:
    from measure.deep import deep_network

    convert(deep_network(40).SerializeToString()).save_html(tmp_path / "deep.html")
    window.show(1440, 900)
    window.open(tmp_path / "deep.html")
    assert window.run("return document.querySelector('#layers, #pictures, #transposes')") is None
    assert "skipped" in text(window, ".tiles")
    assert window.said() == []


def test_what_a_device_does_not_run_is_listed(window: Browser, tmp_path: Path) -> None:
    source = model([node("Ceil", "x", "a", name="up"), node("Round", "a", name="near")], [tensor("x", [1, 2])])
    page = tmp_path / "device.html"
    convert(source, target="gpu").save_html(page)
    window.show(390, 844)
    window.open(page)
    assert text(window, "#fallbacks h2") == "Not run by gpu: 1 of 4 operators"
    assert "ROUND" in text(window, "#fallbacks table")
    assert "the GPU delegate has no ROUND" in text(window, "#fallbacks table")
    assert window.run("return document.documentElement.scrollWidth <= innerWidth")
    assert window.said() == []


def test_no_two_nodes_overlap_when_everything_is_open(window: Browser, tmp_path: Path) -> None:
    from measure.deep import deep_network

    convert(deep_network(300).SerializeToString()).save_html(tmp_path / "deep.html")
    window.show(1440, 900)
    window.open(tmp_path / "deep.html")
    window.run("[...document.querySelectorAll('.buttons button')].filter((b) => b.textContent === 'Open').forEach((b) => b.click())")
    overlaps = window.run("""
    const boxes = [...document.querySelectorAll('.pane[data-side=source] .node.op')].map((node) => {
      const [x, y] = node.getAttribute('transform').slice(10, -1).split(' ').map(Number);
      const rect = node.firstChild;
      return [x, y, x + Number(rect.getAttribute('width')), y + Number(rect.getAttribute('height'))];
    });
    let count = 0;
    boxes.forEach((a, k) => boxes.slice(k + 1).forEach((b) => { count += a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]; }));
    return [boxes.length, count];
    """)
    assert overlaps == [306, 0]


def test_the_benchmark_measures_what_the_page_shows(window: Browser) -> None:
    from html_report import measured

    window.show(1440, 900)
    row = measured(window, 40, modules=True)
    assert (row["source_ops"], row["opened_ops"]) == (40, 40 + row["result_ops"] + 4), "with an input and an output each"
    assert row["drawn_ms"] > 0
    assert row["page_bytes"] > 10_000


def test_a_pane_that_was_hidden_shows_the_twin_when_it_comes_to_the_front(window: Browser, page: Path) -> None:
    window.show(390, 844)
    window.open(page)
    type_into_search(window, "tanh")
    press(window, "Enter")
    assert window.run("return document.querySelector('.panes').dataset.front") == "source"
    window.run("document.querySelectorAll('.tabs button')[1].click()")
    inside = """
    const pane = document.querySelector('.pane[data-side=result] .canvas').getBoundingClientRect();
    const twin = document.querySelector('.pane[data-side=result] .twin').getBoundingClientRect();
    return twin.width > 0 && twin.left >= pane.left && twin.right <= pane.right && twin.top >= pane.top && twin.bottom <= pane.bottom;
    """
    window.run("return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert window.run(inside)
