"""Checks: what `ackflow doctor` looks at, each of which tells what it found."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from typing import Literal

from ackflow.streams.core import SourceError, Unavailable, describe, printable

DEVELOPMENT = ("browser", "dev", "docs", "fuzz", "mutation", "notebooks")
"""Extras for those who work on ackflow itself, which are not advertised; README.md names them, too."""
WITHIN = 5.0
"""Seconds that a server has to answer."""
START_BROKER = "docker run --rm -p 5672:5672 rabbitmq:4 starts one here"
START_CLUSTER = (
    "docker run --rm -p 9200:9200 -e discovery.type=single-node -e xpack.security.enabled=false "
    "elasticsearch:9.1.0 starts one here"
)


@dataclass(frozen=True)
class Finding:
    """What a check found; "absent" is no fault."""

    state: Literal["ok", "absent", "missing"]
    text: str
    way_out: str = ""


@dataclass(frozen=True)
class Requirement:
    """A package that ackflow needs, or one of its extras does."""

    name: str
    least: str
    extra: str

    @classmethod
    def of(cls, text: str) -> "Requirement":
        """Read a requirement as the metadata of a package holds it.

        Example:
            >>> Requirement.of('isal>=1.7; extra == "gzip"')
            Requirement(name='isal', least='1.7', extra='gzip')

        """
        name = re.match(r"[\w.-]+", text)
        least = re.search(r">=\s*([\w.]+)", text)
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", text)
        return cls(name[0] if name else text, least[1] if least else "", extra[1] if extra else "")

    @property
    def lack(self) -> str:
        """What is wrong with what is installed, or nothing."""
        try:
            found = version(self.name)
        except PackageNotFoundError:
            return f"{self.name} is not installed"
        if _parts(found) < _parts(self.least):
            return f"{self.name} {found} is older than {self.least}"
        return ""


def _parts(number: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", number)[:3])


def installed() -> Iterator[Finding]:
    """Check the packages that ackflow needs, and those of its extras."""
    found = distribution("ackflow")
    needed = [Requirement.of(text) for text in found.requires or ()]
    lacks = [lack for each in needed if not each.extra and (lack := each.lack)]
    if lacks:
        way_out = "pip install --force-reinstall ackflow"
        yield Finding("missing", f"required packages: {', '.join(lacks)}", way_out)
    else:
        yield Finding("ok", f"required packages: all {sum(not each.extra for each in needed)}")
    for extra in sorted(found.metadata.get_all("Provides-Extra") or ()):
        if extra not in DEVELOPMENT:
            yield _extra(extra, [each for each in needed if each.extra == extra])


def _extra(extra: str, needed: list[Requirement]) -> Finding:
    lacks = [lack for each in needed if (lack := each.lack)]
    if not lacks:
        return Finding("ok", f"extra {extra}")
    way_out = f'pip install "ackflow[{extra}]"'
    return Finding("absent", f"extra {extra}: {', '.join(lacks)}", way_out)


async def amqp(url: str) -> Finding:
    """Ask a broker who it is."""
    from ackflow.streams.amqp import connections
    from ackflow.streams.amqp.server import Server

    try:
        link = await connections.join(Server.of(url), "consuming", within=WITHIN)
    except (ValueError, SourceError) as error:
        return Finding("missing", f"broker: {error}", START_BROKER)
    try:
        said = {str(key): value for key, value in link.connection.server_properties.items()}
        product, number = (printable(str(said.get(key, "")), 60) for key in ("product", "version"))
        return Finding("ok", f"broker: {product or 'AMQP'} {number} at {link.address}")
    finally:
        await link.leave()


async def elasticsearch(url: str) -> Finding:
    """Ask Elasticsearch whether it is there, and which version it is."""
    from ackflow.sinks.elasticsearch.connection import connection
    from ackflow.sinks.elasticsearch.server import Server

    try:
        server = Server(connection(url, request_timeout=WITHIN), parameters={})
    except (ValueError, TypeError) as error:
        return Finding("missing", str(error), START_CLUSTER)
    try:
        await server.probe()
        return Finding("ok", f"{server.name} {'.'.join(map(str, server.version))}".rstrip())
    except Unavailable as error:
        return Finding("missing", str(error), START_CLUSTER)
    except Exception as error:
        return Finding("missing", f"{server.name}: {describe(error)}", START_CLUSTER)
    finally:
        await server.close()
