"""The status page in a real browser: it renders, follows the run, and is of no use to another page."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

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
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text))
    queue = streams.memory.queue(["a"])
    async with running(queue | sinks.to_list()) as handle:
        async with showing(Status("127.0.0.1:0", name="words <b>")) as shown:
            shown.board.show(handle)
            port = shown.board.port
            from playwright.async_api import expect

            await page.goto(shown.url)
            assert await page.locator("h1").inner_text() == "words <b>"
            assert await page.locator("[role=status]").inner_text() == "ready"
            assert await row(page, "ackflow_deliveries_total") == "1"
            border = "getComputedStyle(document.querySelector('.ready')).borderLeftColor"
            assert await page.evaluate(border) == "rgb(42, 125, 42)"
            queue.put("b", "c")
            deliveries = page.locator("tr:has(small:text-is('ackflow_deliveries_total')) td").last
            await expect(deliveries).to_have_text("3", timeout=20_000)
            assert errors == []
        async with showing(Status(f"127.0.0.1:{port}", name="again")) as shown:
            shown.board.show(handle)
            await page.goto(shown.url)
            assert await page.locator("h1").inner_text() == "again"


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
