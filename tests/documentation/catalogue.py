"""docs/marbles.md and its pictures, made from real runs: `python -m tests.documentation.catalogue`."""

import ast
from pathlib import Path
from typing import Any

from ackflow.streams.graphs.marbles import Marbles
from tests.operator_table import acks, operators, summary

DOCS = Path(__file__).parents[2] / "docs"
PAGE, PICTURES = DOCS / "marbles.md", DOCS / "pictures" / "marbles"

HEAD = """# Operators in pictures

<!-- Made by `python -m tests.documentation.catalogue`; don't edit. -->

Every picture is drawn from a run in virtual time of the code above it: what came in, what went out, and
when each message was acked (✓), rejected (✗) or given back (↺). In the inputs a character is a second
and | is the end. `testing.marbles` [draws your own](testing.md#marbles). Which one to take is in
[Operators](operators.md), all settings are in [the reference](reference/operators.md).

What they use:

```python
{prelude}```

"""
PRELUDE = """\
import asyncio
from concurrent.futures import ThreadPoolExecutor

import aiostream

from ackflow import operators as op
from ackflow.streams import testing


async def work(digit):
    await asyncio.sleep(int(digit))
    return digit


async def fails_at_first(text, seen=set()):
    if text == "x" and text not in seen:
        seen.add(text)
        raise OSError("once")
    return text


async def echoes(text):
    for _ in range(3):
        yield text
        await asyncio.sleep(1)


@op.operator(holds=0)
async def twice(messages):
    async for message in messages:
        yield message.with_value(2 * message.value)
"""
EXAMPLES = {
    "broadcast": 'op.broadcast(op.filter(str.isupper), op.map(str.lower)), "a-B-c|"',
    "buffer": 'op.buffer(1, drop="oldest") | op.rate_limit(1, per=3.0), "123456---|"',
    "catch": 'op.map(int) | op.catch(lambda error: 0), "1-x-3|"',
    "chunk": 'op.chunk(2, timeout=3.0), "1-23---|"',
    "concat": 'lambda first, second: first | op.concat(second), "1-2-|", "-a-b--c|"',
    "debounce": 'op.debounce(2.0), "1-2----3----|"',
    "delay": 'op.delay(2.0), "1-2-|"',
    "distinct": 'op.distinct(), "1-1-2-1|"',
    "enumerate": 'op.enumerate(), "a-b-|"',
    "filter": 'op.filter(str.islower), "a-B-c|"',
    "flat_map": 'op.flat_map(lambda text: text.split("+")), [(0, "a+b"), (3, "c")]',
    "flatten": 'op.flatten(), [(0, ["a", "b"]), (3, ["c"])]',
    "lift": 'op.lift(aiostream.stream.spaceout, 2.0), "12--3|"',
    "map": 'op.map(str.upper), "a-b-|"',
    "map_async": 'op.map_async(work, concurrency=2, ordered=False), "3-1--|"',
    "map_chunk": 'op.chunk(2) | op.map_chunk(lambda chunk: [x * 2 for x in chunk]), "a-b-|"',
    "map_in": 'op.map_in(ThreadPoolExecutor, str.upper), "a-b-|"',
    "merge": 'lambda first, second: first | op.merge(second), "1-2-|", "-a-b|"',
    "operator": 'twice(), "a-b-|"',
    "pairwise": 'op.pairwise(), "a-b-c|"',
    "partition": 'op.partition(str.isupper, op.rate_limit(1, per=3.0)), "abAB-----|"',
    "pipe": 'op.pipe(op.filter(str.islower), op.chunk(2)), "a-B-c|"',
    "rate_limit": 'op.rate_limit(1, per=2.0), "123---|"',
    "retry": 'op.map_async(op.retry(fails_at_first, wait=lambda state: 2.0)), "a-x-b---|"',
    "scan": 'op.map(int) | op.scan(lambda total, n: total + n, 0), "1-2-3|"',
    "skip": 'op.skip(1), "1-2-3|"',
    "switch_map": 'op.switch_map(echoes), "a---b-c---|"',
    "take": 'op.take(2), "1-2-3|"',
    "take_until": 'op.take_until(str.isupper), "a-B-c|"',
    "take_while": 'op.take_while(str.islower), "a-b-C|"',
    "tap": 'op.tap(len), "a-b-|"',
    "throttle": 'op.throttle(3.0), "12345|"',
    "unchunk": 'op.chunk(2) | op.unchunk(), "1-2-|"',
    "window": 'op.window(every=4.0, max_items=10), "1-2--3--|"',
    "zip": 'lambda first, second: first | op.zip(second), "1-2-3|", "-a--b|"',
    "zip_latest": 'lambda first, second: first | op.zip_latest(second), "1--2-|", "-a--b|"',
}
"""What each operator is shown with: the arguments of `testing.marbles`."""


def drawn(name: str) -> Marbles:
    """Run an example."""
    names: dict[str, Any] = {}
    exec(compile(ast.parse(PRELUDE), "prelude", "exec"), names)
    diagram: Marbles = eval(f"testing.marbles({EXAMPLES[name]}, name={_title(name)!r})", names)
    return diagram


def _title(name: str) -> str:
    """Return what stands in the box: the example without its inputs."""
    call = ast.parse(f"f({EXAMPLES[name]})", mode="eval").body
    assert isinstance(call, ast.Call)
    first = call.args[0]
    return ast.unparse(first.body if isinstance(first, ast.Lambda) else first).replace("'", '"')


def page() -> str:
    """Return the page."""
    parts = [HEAD.format(prelude=PRELUDE)]
    for name, function in operators():
        parts.append(
            f"## {name}\n\n{summary(function)}. Acks: {acks(function)}.\n"
            f"[Settings](reference/operators.md#ackflow.operators.{name})\n\n"
            f"```python\ntesting.marbles({EXAMPLES[name]})\n```\n\n"
            f"![{name}: what goes in, what comes out, and the acks](pictures/marbles/{name}.svg)\n\n"
        )
    return "".join(parts).rstrip() + "\n"


def written() -> dict[Path, str]:
    """Return the page and the pictures by their files."""
    pictures = {PICTURES / f"{name}.svg": drawn(name).svg() + "\n" for name in EXAMPLES}
    return {PAGE: page(), **pictures}


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True, parents=True)
    for path, text in written().items():
        path.write_text(text, encoding="utf-8")
    print(*(f"{name}\n{drawn(name)}\n" for name in EXAMPLES), sep="\n")
