"""The status page in a real browser: it follows the run in place, and is of no use to another page."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams.running import Status
from tests.running.watched import running, showing

pytestmark = pytest.mark.browser


@asynccontextmanager
async def foreign(html: str) -> AsyncIterator[str]:
    """Serve a page of another origin; return its address."""

    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(text=html, content_type="text/html")

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://localhost:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def row(page: Any, name: str) -> str:
    """Return the figure of a metric as the page shows it."""
    text: str = await page.locator(f"tr:has(small:text-is('{name}')) td").last.inner_text()
    return text


async def test_the_page_renders_follows_the_run_and_comes_back_with_its_server(page: Any) -> None:
    from playwright.async_api import expect

    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text))
    queue = streams.memory.queue(["a"])
    async with running(queue | sinks.to_list()) as handle:
        async with showing(Status("127.0.0.1:0", name="words <b>")) as shown:
            shown.board.show(handle)
            port = shown.board.port
            await page.goto(shown.url)
            assert await page.locator("h1").inner_text() == "words <b>"
            assert await page.locator("[role=status]").inner_text() == "ready"
            assert await row(page, "ackflow_deliveries_total") == "1"
            border = "getComputedStyle(document.querySelector('.ready')).borderLeftColor"
            assert await page.evaluate(border) == "rgb(42, 125, 42)"
            queue.put("b", "c")
            deliveries = page.locator("tr:has(small:text-is('ackflow_deliveries_total')) td").last
            await expect(deliveries).to_have_text("3")
            assert errors == []
        await page.evaluate("scrollTo(0, 0)")
        await expect(page.locator("#away")).to_be_in_viewport()
        async with showing(Status(f"127.0.0.1:{port}", name="again")) as shown:
            shown.board.show(handle)
            await expect(page.locator("h1")).to_have_text("again")
            await expect(page.locator("#away")).to_be_hidden()
            assert await page.title() == "again: ready"


async def test_the_graph_follows_the_run_in_place(page: Any) -> None:
    from playwright.async_api import expect

    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text))
    queue = streams.memory.queue(["1"], dead_letter="discard")
    pipeline = queue | op.map(lambda value: int(value)) | sinks.to_list()
    async with running(pipeline) as handle, showing() as shown:
        shown.board.show(handle)
        await page.goto(shown.url)
        boxes, run = page.locator("#graph svg g[class]"), page.locator("#run svg")
        await expect(boxes).to_contain_text(["memory.queue", "map<lambda>", "to_list"])
        wide = await boxes.evaluate_all(WIDTHS)
        assert all(100 < each < 300 for each in wide)
        marked = f"for (const each of document.querySelectorAll({KEPT!r})) each.mark = 1"
        await page.evaluate(f"{{ {marked}; scrollTo(0, 50) }}")
        await (
            boxes.nth(1)
            .locator("text")
            .first.evaluate("text => getSelection().selectAllChildren(text)")
        )
        queue.put(*map(str, range(40)), "no number")
        await expect(boxes.nth(0)).to_contain_text(re.compile(r"out42"))
        await expect(boxes.nth(1)).to_contain_text(re.compile(r"in42out41.*errors1$"))
        await expect(boxes.nth(2)).to_contain_text(re.compile(r"in41out41.*errors0$"))
        await expect(run).to_contain_text("1 × ValueError in map(<lambda>)")
        await expect(run).to_contain_text("41 accepted, 1 rejected")
        kept = f"[...document.querySelectorAll({KEPT!r})].map(each => each.mark)"
        assert await page.evaluate(kept) == [1] * 7
        assert await page.evaluate("getSelection().toString()") == "map"
        assert await boxes.evaluate_all(WIDTHS) == wide
        assert await page.evaluate("document.querySelectorAll('tr').length") > 10
        assert await page.evaluate("scrollY") == 50
    assert errors == []


KEPT = "h1, #graph, #graph svg, #graph g"
WIDTHS = "boxes => boxes.map(box => box.getBoundingClientRect().width)"


async def test_a_narrow_page_has_a_graph_to_scroll_that_stays_where_it_is(page: Any) -> None:
    from playwright.async_api import expect

    queue = streams.memory.queue(["1"])
    steps = op.map(int) | op.filter(bool) | op.chunk(1)
    async with running(queue | steps | sinks.count()) as handle, showing() as shown:
        shown.board.show(handle)
        await page.set_viewport_size({"width": 390, "height": 700})
        await page.goto(shown.url)
        assert await page.evaluate("document.documentElement.scrollWidth") == 390
        graph = page.locator("#graph")
        await graph.evaluate("graph => { graph.scrollLeft = 120 }")
        queue.put("2")
        await expect(page.locator("#graph .source")).to_contain_text("out2")
        assert await graph.evaluate("graph => graph.scrollLeft") == 120


async def test_nothing_of_the_pictures_is_refused_by_the_policy_on_dark_pages_too(
    page: Any,
) -> None:
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text))
    await page.emulate_media(color_scheme="dark")
    async with running(streams.memory.queue() | sinks.to_list()) as handle, showing() as shown:
        shown.board.show(handle)
        await page.goto(shown.url)
        fill = "rect => getComputedStyle(rect).fill"
        assert await page.locator("#graph .sink .c").evaluate(fill) == "rgb(18, 41, 26)"
        assert await page.locator("#run .b").evaluate(fill) == "rgb(13, 17, 23)"
    assert errors == []


async def test_without_scripts_it_is_loaded_again(browser: Any) -> None:
    from playwright.async_api import expect

    queue = streams.memory.queue(["a"])
    async with running(queue | sinks.to_list()) as handle, showing() as shown:
        shown.board.show(handle)
        page = await browser.new_page(java_script_enabled=False)
        await page.goto(shown.url)
        queue.put("b", "c")
        await expect(page.locator("#run")).to_contain_text("3 accepted")


STEAL = """<!doctype html><title>foreign</title>
<script src="{url}/metrics"></script>
<link rel="stylesheet" href="{url}/metrics">
<img src="{url}/"><iframe src="{url}/"></iframe>
<script>
const told = []
for (const path of ["/", "/metrics", "/readyz", "/healthz"])
  for (const mode of ["cors", "no-cors"])
    told.push(fetch("{url}" + path, {{mode}}).then(
      answer => answer.type === "opaque" ? "" : answer.text(), () => ""))
Promise.all(told).then(texts => window.told = texts)
</script>"""


async def test_a_page_of_another_origin_gets_nothing(page: Any) -> None:
    answers: list[tuple[str, int]] = []
    page.on("response", lambda answer: answers.append((answer.url, answer.status)))
    async with running(streams.memory.queue(["a"]) | sinks.to_list()) as handle, showing() as shown:
        shown.board.show(handle)
        async with foreign(STEAL.format(url=shown.url)) as url:
            await page.goto(url)
            await page.wait_for_function("window.told")
            assert set(await page.evaluate("window.told")) == {""}
            assert [frame.name for frame in page.frames if "ackflow" in await frame.content()] == []
        asked = [status for where, status in answers if where.startswith(shown.url)]
        assert asked
        assert set(asked) == {403}


async def test_a_link_to_the_page_may_be_followed(page: Any) -> None:
    async with running(streams.memory.queue(["a"]) | sinks.to_list()) as handle, showing() as shown:
        shown.board.show(handle)
        async with foreign(f"<a href='{shown.url}/'>status</a>") as url:
            await page.goto(url)
            await page.click("a")
            await page.wait_for_selector("[role=status]")
            assert page.url == f"{shown.url}/"


async def test_a_run_goes_on_when_whoever_looks_goes_away(page: Any) -> None:
    queue = streams.memory.queue(["a"])
    async with running(queue | sinks.to_list()) as handle, showing() as shown:
        shown.board.show(handle)
        await page.goto(shown.url)
        await page.close()
        queue.put("b")
        queue.close()
        assert await handle == ["a", "b"]
