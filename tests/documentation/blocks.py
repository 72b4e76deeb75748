"""The code blocks of the documentation, and what comments beside them say of how they run.

A comment directly before a block says what a reader need not see:

    <!-- before: fill("words", "um") -->     is done first; `after:` behind a block, in the end
    <!-- script -->                          a program of its own, ended by SIGTERM when queues are empty
    <!-- script: faststream -->              the same with the packages of benchmarks/pins/faststream.txt
    <!-- script: pytest -->                  a file of tests
    <!-- not run: why -->                    is only shown

A block with a title is a file, which later blocks of its page can import.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMENTS = re.compile(
    r"<!-- ?(?P<kind>before|after|script|not run)(?:[:\n]\s*(?P<text>.*?))?\s*-->", re.DOTALL
)
BLOCK = re.compile(
    r"(?P<before>(?:^<!-- ?(?:before|script|not run)(?:(?!-->).)*-->\n+)*)"
    r'^(?P<indent> *)```(?P<language>\w*)(?: title="(?P<title>[\w./]+)")?\n'
    r"(?P<text>.*?)^(?P=indent)```\n"
    r"(?P<after>(?:\n*<!-- ?after(?:(?!-->).)*-->\n)?)",
    re.DOTALL | re.MULTILINE,
)
COMMAND = re.compile(
    r"^ {4}((?:make|pip|python|pytest|ackflow|\.venv/bin/\w+) .+|[A-Z_]+=\S+ .+)$", re.M
)

BROKER = "amqp://guest:guest@localhost/"
ELASTICSEARCH = "http://localhost:9200"


@dataclass
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str
    title: str = ""
    """The file it is."""
    before: str = ""
    after: str = ""
    script: str | None = None
    """The environment of a program of its own; "" is the project's."""
    not_run: str | None = None
    """Why it is only shown."""
    output: str | None = None
    """What it prints, where a block of text follows."""

    @property
    def place(self) -> str:
        """File and line."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def needs_servers(self) -> bool:
        """Whether it names a broker or Elasticsearch, or is given messages."""
        named = BROKER in self.text or ELASTICSEARCH in self.text
        return named or "fill(" in self.before


def pages() -> list[Path]:
    """Return every page that users read."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page; a block of text that follows one of Python is its output."""
    text = page.read_text(encoding="utf-8")
    found: list[Block] = []
    end = 0
    for match in BLOCK.finditer(text):
        follows = found and not text[end : match.start()].strip()
        if match["language"] == "text" and follows and found[-1].language == "python":
            found[-1].output = match["text"]
        else:
            found.append(_block(page, text, match))
        end = match.end()
    return found


def _block(page: Path, text: str, match: re.Match[str]) -> Block:
    lines = [line.removeprefix(match["indent"]) for line in match["text"].splitlines()]
    block = Block(page, _line(text, match), match["language"], "\n".join(lines) + "\n")
    block.title = match["title"] or ""
    for comment in COMMENTS.finditer(match["before"] + match["after"]):
        said = comment["text"] or ""
        if comment["kind"] == "not run" and not said:
            raise ValueError(f"{block.place}: 'not run' has to say why")
        setattr(block, comment["kind"].replace(" ", "_"), said)
    return block


def _line(text: str, match: re.Match[str]) -> int:
    return text.count("\n", 0, match.start("indent")) + 1


def commands(page: Path) -> Iterator[str]:
    """Yield the commands of a page: indented lines that begin with a program's name."""
    for match in COMMAND.finditer(page.read_text(encoding="utf-8")):
        yield re.split(r" {3,}", match[1])[0].strip()
