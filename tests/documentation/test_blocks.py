"""Every code block of README and docs runs; what can't says why, and is counted."""

import asyncio
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped,unused-ignore]

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import testing
from ackflow.streams.running.commands.main import program
from tests.documentation import programs
from tests.documentation.blocks import ROOT, Block, blocks, commands, pages
from tests.documentation.cells import STATUS, Cells, matches
from tests.documentation.servers import Servers
from tests.servers.elasticsearch import Elasticsearch
from tests.servers.rabbitmq import RabbitMQ

EVERYWHERE = {"op": op, "sinks": sinks, "streams": streams, "testing": testing}
"""What the first block of the documentation imports, and no other block says again."""
NOT_RUN = 7
"""How many blocks are only shown. One more has to be worth it."""
KNOWN = {"", "python", "text", "yaml", "toml", "json", "elixir", "dockerfile", "ini"}

PAGES = {str(page.relative_to(ROOT)): blocks(page) for page in pages()}


def python(page: str) -> list[Block]:
    """Return the blocks of a page that are run, and the files beside them."""
    blocks = [each for each in PAGES[page] if each.language == "python" or each.title]
    return [each for each in blocks if each.not_run is None]


def with_blocks(*, servers: bool) -> list[str]:
    return [page for page in PAGES if any(each.needs_servers is servers for each in python(page))]


@pytest.fixture(scope="module")
def servers(rabbitmq: RabbitMQ, elasticsearch: Elasticsearch) -> Servers:
    rabbitmq.add_vhost("documentation")
    return Servers(rabbitmq, "documentation", elasticsearch)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to write files in, and to import them from."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("page", with_blocks(servers=False))
def test_the_blocks_of_a_page_run(page: str, home: Path) -> None:
    with asyncio.Runner(loop_factory=testing.VirtualLoop) as runner:
        cells = Cells(runner, dict(EVERYWHERE))
        for block in python(page):
            if not block.needs_servers:
                run(block, cells, home)


@pytest.mark.servers
@pytest.mark.parametrize("page", with_blocks(servers=True))
def test_the_blocks_of_a_page_run_on_servers(page: str, servers: Servers, home: Path) -> None:
    servers.forget()
    with asyncio.Runner() as runner:
        cells = Cells(runner, EVERYWHERE | servers.names())
        for block in python(page):
            run(block, cells, home, servers)


def run(block: Block, cells: Cells, home: Path, servers: Servers | None = None) -> None:
    cells.run(block.before, block.place)
    if block.title:
        (home / block.title).write_text(block.text, encoding="utf-8")
    if block.language != "python":
        return
    if block.script is None:
        printed = cells.run(servers.put_in(block.text) if servers else block.text, block.place)
        if block.title and STATUS in block.text:  # the part of the file that is run as a program
            assert " accepted" in programs.look(block, home), block.place
    elif servers is not None and block.needs_servers:
        printed = servers.run(block, home)
    else:
        printed = programs.run(block, home)
    cells.run(block.after, block.place)
    if block.output is not None:
        assert matches(printed, block.output), f"{block.place} printed:\n{printed}"


def every_block() -> Iterator[Block]:
    for page in PAGES:
        yield from PAGES[page]


def test_every_block_is_in_a_language_that_is_checked() -> None:
    for block in every_block():
        assert block.language in KNOWN, block.place
        if block.language in ("elixir", "dockerfile", "ini"):
            assert block.not_run, f"{block.place}: nothing runs it; say so"


def test_blocks_that_are_only_shown_are_few_and_say_why() -> None:
    shown = [each for each in every_block() if each.not_run is not None]
    assert len(shown) == NOT_RUN, "\n".join(f"{each.place}: {each.not_run}" for each in shown)


def test_blocks_of_data_can_be_read() -> None:
    for block in every_block():
        if block.language == "yaml":
            assert list(yaml.safe_load_all(block.text)), block.place
        elif block.language == "toml":
            assert tomllib.loads(block.text), block.place
        elif block.language == "json":
            assert json.loads(block.text), block.place


def problem(command: str) -> str | None:
    """Say what is wrong with a command; None where nothing is."""
    settings: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    words = [word for word in command.split() if not re.match(r"[A-Z_]+=", word)]
    name, first = Path(words[0]).name, words[1]
    if name == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
        return None if first in targets else f"no target {first}"
    if name == "pip":
        named = re.findall(r"ackflow\[([\w,]+)\]", command)
        extras = {extra for group in named for extra in group.split(",")}
        unknown = extras - set(settings["project"]["optional-dependencies"])
        return f"no extra {unknown}" if unknown else None
    if name == "python" and first == "-m":
        return None if find_spec(words[2]) else f"no module {words[2]}"
    if name == "python" and "/" in first:
        return None if (ROOT / first).exists() else f"no file {first}"
    if name == "ackflow":
        return _problem_of_ours(words[1:])
    return None


def _problem_of_ours(words: list[str]) -> str | None:
    """Say which command or option of the command line is not there."""
    command = program.commands.get(words[0])
    if command is None:
        return f"no command {words[0]}"
    known = {option for each in command.params for option in each.opts + each.secondary_opts}
    return next((f"no option {w}" for w in words if w.startswith("-") and w not in known), None)


def test_commands_name_what_is_there() -> None:
    for page in pages():
        for command in commands(page):
            assert problem(command) is None, f"{page.name}: {command}: {problem(command)}"


@pytest.mark.parametrize(
    "command",
    [
        "make nothing",
        'pip install "ackflow[nothing]"',
        "python -m nothing",
        "python examples/nothing.py",
        "ackflow nothing",
        "ackflow run words:pipeline --nothing",
    ],
)
def test_a_command_of_what_is_not_there_would_be_told(command: str) -> None:
    assert problem(command)
