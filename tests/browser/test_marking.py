"""The marking page in a real browser: by keyboard alone, hostile answers as text, nothing lost when it is killed."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import press, served, shoot
from playwright.sync_api import expect
from test_marks import HOSTILE, ITEMS, NAMES, class_of

from lab_utils.course.collected import read_collected, write_collected
from lab_utils.course.marks import open_marks

SLOW = """() => {
    const plain = window.fetch;
    window.fetch = (...given) => new Promise(done => setTimeout(() => done(plain(...given)), 100));
}"""
"""A machine so slow that what was typed is still being saved when the next key is pressed."""
SAVED = "() => new Promise(done => { const look = () => sending ? setTimeout(look, 20) : done(); look(); })"
"""Resolved when nothing waits to be saved."""
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def folder(tmp_path) -> Path:
    write_collected(class_of(NAMES), tmp_path)
    return tmp_path


def test_marks_by_keyboard_survive_a_kill_and_a_reload(folder, open_page):
    with served(folder) as address:
        page = open_page(address)
        page.evaluate(SLOW)
        expect(page.locator("#answer")).to_have_text(f"{HOSTILE} {ITEMS[0]}")
        press(page, "2", ".", "j", "f", "j", "1", "c")
        page.keyboard.type("Say why: 3 words.")
        press(page, "Escape", "s", "k", "Alt+1", "r")
        page.keyboard.type("<b>Clear</b>")
        press(page, "Escape", "J", "9")  # 9 is more than the question has
        page.evaluate(SAVED)  # what was typed before, and the refusal stays to be read
        expect(page.locator("#saved")).to_contain_text("9 is no mark")
        press(page, "n", "n")  # the last student of this question who has handed in, then the next question
        expect(page.locator("#where")).to_contain_text(ITEMS[2])
        press(page, "0")
        expect(page.locator("#saved")).to_have_text("saved")
        page.reload()
        expect(page.locator("#count")).to_have_text("4 of 51")
        expect(page.locator("#mark")).to_have_value("2.5")
    one, two, three = NAMES
    marks = open_marks(folder, read_collected(folder))
    assert marks.cells(one)["pre-lab-1"] == "2.5" and marks.phrases == ["Say why: 3 words."]
    assert marks.of(one).marks == {"pre-lab-1": 2.5, "pre-lab-3": 0} and marks.of(two).marks == {"pre-lab-1": 3}
    assert marks.of(two).comments == {"pre-lab-1": "Say why: 3 words."} and marks.of(two).remark == "<b>Clear</b>"
    assert marks.cells(three)["comment: pre-lab-1"] == "Say why: 3 words." and marks.of(three).marks["pre-lab-1"] == 1
    with served(folder) as address:
        page = open_page(address)
        expect(page.locator("#count")).to_have_text("4 of 51")
        page.get_by_label("Order").select_option("by student")
        press(page, "Escape", "j")
        expect(page.locator("#where")).to_contain_text(ITEMS[1])
        page.get_by_label("Marks", exact=True).fill("1.5")
        press(page, "Tab")
        expect(page.locator("#count")).to_have_text("5 of 51")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_it_fits_and_axe_finds_nothing(folder, width, scheme, open_page):
    with served(folder) as address:
        page = open_page(address, width, scheme, strict=False)
        expect(page.locator("#count")).to_have_text("0 of 51")
        page.evaluate("keep(['Say why.'])")
        page.evaluate("document.querySelector('details').open = true")
        expect(page.locator("#saved")).to_have_text("saved")
        shoot(page, f"mark-{width}-{scheme}")
        assert page.evaluate(OVERFLOW) == 0
        found = Axe().run(page).response["violations"]
        assert [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found] == []
