"""The page of ``vsj4r compare`` in a real browser: headless Chromium, moved by mouse and by keyboard."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.cli import vsj4r
from vsj4r.media.images import write_png
from vsj4r.media.reading import Image, read_image

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")

RED, BLUE, GREEN = (220, 20, 20), (20, 20, 220), (20, 180, 20)
HOSTILE = "<img src=x onerror=alert(1)>'\"\n</title><script>alert(2)</script> %d {{ 7 * 7 }} é雨"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=root)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Red before, blue after, green the truth, in folders of hostile names."""
    folder = tmp_path_factory.mktemp("page")
    names = [f"{n}{HOSTILE}".replace("/", "∕") for n in range(3)]
    for name, colour in zip(names, (RED, BLUE, GREEN), strict=True):
        (folder / name).mkdir()
        for n in range(8):
            write_png(np.full((90, 160, 3), colour, np.uint8), folder / name / f"{n}.png")
    done = vsj4r("compare", "--gt", names[2], "-o", "page.html", "--", *names[:2], cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "page.html"


@pytest.fixture
def page(browser: Browser, html: Path) -> Iterator[Page]:
    """The page, which neither asks the network for anything nor complains."""
    page = browser.new_page(viewport={"width": 1000, "height": 800})
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.goto(html.as_uri())
    yield page
    assert not complaints
    assert [url for url in requests if not url.startswith("data:")] == [html.as_uri()]
    page.close()


def colours(page: Page, tmp_path: Path, *shares: float) -> list[str]:
    """What is seen in the first picture at these shares of its width, low enough to miss labels and grip."""
    page.locator(".stage").first.screenshot(path=tmp_path / "stage.png")
    picture: Image = read_image(tmp_path / "stage.png")
    height, width, _ = picture.shape
    return [nearest(picture[height * 9 // 10, int(width * share)]) for share in shares]


def nearest(pixel: Any) -> str:
    known = {"red": RED, "blue": BLUE, "green": GREEN, "white": (255, 255, 255), "black": (20, 23, 26)}
    return min(known, key=lambda name: float(np.abs(np.array(known[name]) - pixel).sum()))


def test_mouse_moves_the_border(page: Page, tmp_path: Path) -> None:
    assert colours(page, tmp_path, 0.05, 0.48, 0.52, 0.95) == ["red", "red", "blue", "blue"]
    stage = page.locator(".stage").first
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    assert box is not None

    def at(share: float) -> tuple[float, float]:
        return box["x"] + share * box["width"], box["y"] + box["height"] / 2

    page.mouse.click(*at(0.25))
    assert colours(page, tmp_path, 0.05, 0.23, 0.27, 0.95) == ["red", "red", "blue", "blue"]
    page.mouse.move(*at(0.25))
    page.mouse.down()
    page.mouse.move(*at(0.6), steps=5)
    page.mouse.move(*at(0.8), steps=5)
    page.mouse.up()
    assert colours(page, tmp_path, 0.05, 0.78, 0.82, 0.95) == ["red", "red", "blue", "blue"]
    page.mouse.move(*at(0.1))
    assert colours(page, tmp_path, 0.78) == ["red"], "the button is up"


def test_keyboard_moves_the_border(page: Page, tmp_path: Path) -> None:
    def press(key: str, times: int = 1) -> None:
        for _ in range(times):
            page.keyboard.press(key)

    for _ in range(10):
        press("Tab")
        if page.evaluate("document.activeElement.className") == "slider":
            break
    assert page.evaluate(
        "getComputedStyle(document.activeElement.nextElementSibling, '::after').outlineStyle"
    ) == ("solid"), "the focus is seen"
    press("ArrowLeft", 20)
    assert colours(page, tmp_path, 0.28, 0.32) == ["red", "blue"]
    assert page.evaluate("document.activeElement.getAttribute('aria-valuetext')") == "30 %"
    press("ArrowRight", 5)
    assert colours(page, tmp_path, 0.33, 0.37) == ["red", "blue"]
    press("End")
    assert colours(page, tmp_path, 0.02, 0.98) == ["red", "red"]
    press("Home")
    assert colours(page, tmp_path, 0.02, 0.98) == ["blue", "blue"]
    assert page.locator(".slider").nth(1).input_value() == "50", "each picture has its own"


def test_the_truth_can_be_shown(page: Page, tmp_path: Path) -> None:
    page.get_by_label("after | ground truth").check()
    assert colours(page, tmp_path, 0.4, 0.6) == ["blue", "green"]
    page.get_by_label("before | ground truth").check()
    assert colours(page, tmp_path, 0.4, 0.6) == ["red", "green"]
    page.get_by_label("before | after").check()
    assert colours(page, tmp_path, 0.4, 0.6) == ["red", "blue"]


def test_actual_pixels(page: Page) -> None:
    stage = page.locator(".stage").first
    page.get_by_label("actual pixels").check()
    box = stage.bounding_box()
    assert box is not None
    assert (box["width"], box["height"]) == (160, 90)


def test_hostile_names_are_only_text(page: Page, html: Path) -> None:
    shown = page.locator(".sides dd").all_text_contents()
    names = sorted(entry.name for entry in html.parent.iterdir() if entry.is_dir())
    assert shown[:3] == names
    assert page.title().split() == " | ".join(names[:2]).split()
    assert page.locator("script").count() == 1


def test_a_mark_on_a_graph_leads_to_its_frame(page: Page) -> None:
    page.locator(".graph").last.scroll_into_view_if_needed()
    mark = page.locator(".graph").last.locator("a").nth(3)
    mark.locator("text").click()
    target = page.url.partition("#")[2]
    assert target == f"frame-{mark.locator('text').text_content()}"
    assert page.locator(f"#{target}").bounding_box()["y"] < 700  # type: ignore[index]


def test_light_dark_narrow_and_printed(page: Page, tmp_path: Path) -> None:
    def background() -> str:
        page.screenshot(path=tmp_path / "page.png")
        return nearest(read_image(tmp_path / "page.png")[5, 5])

    assert background() == "white"
    page.emulate_media(color_scheme="dark")
    assert background() == "black"
    page.set_viewport_size({"width": 360, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.emulate_media(media="print")
    assert background() == "white"
    assert colours(page, tmp_path, 0.1, 0.4, 0.6, 0.9) == ["red", "red", "blue", "blue"]
    assert not page.locator(".slider").first.is_visible()
    boxes = [page.locator(".layer").nth(n).locator("img").bounding_box() for n in range(2)]
    assert all(
        box is not None and box["width"] / box["height"] == pytest.approx(16 / 9, 0.02) for box in boxes
    )


def test_without_scripts_both_halves_are_seen(browser: Browser, html: Path, tmp_path: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(html.as_uri())
    assert colours(page, tmp_path, 0.4, 0.6) == ["red", "blue"]
    context.close()
