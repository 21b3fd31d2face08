"""The report and a class's index as a browser shows them: wide and narrow, light and dark, by keyboard, to axe-core."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import shoot

WIDTHS, SCHEMES, PAGES = (1280, 360), ("light", "dark"), ("report", "index", "class")
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def address(request, name):
    return request.getfixturevalue(f"{name}_page")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_wider_than_the_window(address, name, width, scheme, open_page):
    page = open_page(address, width, scheme)
    shoot(page, f"{name}-{width}-{scheme}")
    assert page.evaluate(OVERFLOW) == 0
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    light = sum(map(int, paper.removeprefix("rgb(").removesuffix(")").split(","))) > 3 * 128
    assert light == (scheme == "light"), paper


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_serious(address, name, width, scheme, open_page):
    page = open_page(address, width, scheme, strict=False)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    found = Axe().run(page).response["violations"]
    said = [
        f"{each['impact']}: {each['id']} ({len(each['nodes'])}): {each['nodes'][0]['html'][:200]} "
        f"{each['nodes'][0]['failureSummary']}"
        for each in found
    ]
    print("\n".join(said))
    assert [text for text in said if text.startswith(("serious", "critical"))] == []


def test_the_index_is_sorted_by_keyboard(index_page, open_page):
    page = open_page(index_page)
    heads = page.get_by_role("columnheader")
    first = page.locator("tbody tr > :first-child")
    before = first.all_inner_texts()

    def sorts() -> list[str]:
        return [head.get_attribute("aria-sort") for head in heads.all()]

    assert set(sorts()) == {"none"} and before != sorted(before)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert first.all_inner_texts() == sorted(before)
    assert sorts() == ["ascending", *["none"] * 7]
    page.keyboard.press("Enter")
    assert first.all_inner_texts() == sorted(before, reverse=True)
    assert sorts() == ["descending", *["none"] * 7]
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    minutes = [text for text in page.locator("tbody td:nth-child(4)").all_inner_texts() if text]
    assert minutes == ["9.0", "10.0", "11.0", "12.0"], "by number, not by letter"
    assert sorts() == ["none"] * 3 + ["ascending"] + ["none"] * 4
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert page.evaluate("document.activeElement.textContent") == "Minutes" and outline == "solid"


def test_print_keeps_the_lines_for_answers(report_page, open_page):
    page = open_page(report_page, scheme="dark")
    page.emulate_media(media="print")
    lines = page.locator(".lines").first
    assert lines.is_visible() and lines.bounding_box()["height"] > 80
    look = lines.evaluate("e => [getComputedStyle(e).backgroundImage, getComputedStyle(e).printColorAdjust]")
    assert look[0].startswith("repeating-linear-gradient(rgb(255, 255, 255)") and look[1] == "exact"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("nav").is_visible()


def test_every_figure_of_the_report_has_a_text_of_its_own(report_page, open_page):
    texts = open_page(report_page).locator("figure > img").evaluate_all("all => all.map(each => each.alt)")
    assert len(texts) > 20 and all(texts) and len(set(texts)) == len(texts)
