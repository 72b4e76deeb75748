"""`ackflow doctor`: what is installed, what answers, what is missing and how to get it."""

import asyncio
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import version

import click

from ackflow.streams.running.commands.checks import Finding, amqp, elasticsearch, installed
from ackflow.streams.running.commands.problems import Code, hidden, quiet

MARKS = {"ok": ("ok     ", "green"), "absent": ("absent ", "yellow"), "missing": ("MISSING", "red")}


@click.command(short_help="Say what is installed, what answers, and how to get what is missing.")
@click.option("--amqp", "brokers", multiple=True, metavar="URL", help="Ask a broker: amqp://…")
@click.option(
    "--elasticsearch", "clusters", multiple=True, metavar="URL", help="Ask Elasticsearch: http://…"
)
@click.pass_context
def doctor(context: click.Context, /, brokers: tuple[str, ...], clusters: tuple[str, ...]) -> None:
    """Say what is installed, which servers answer, what is missing and how to get it.

    Ends with 1 where something is missing that is needed; what an extra would add is none of that.
    """
    quiet()
    findings = [*_here(), *installed(), *asyncio.run(_servers(brokers, clusters))]
    for finding in findings:
        mark, colour = MARKS[finding.state]
        click.echo(f"{click.style(mark, fg=colour)}  {hidden(finding.text)}")
        if finding.way_out:
            click.echo(f"         {finding.way_out}")
    if not (brokers or clusters):
        click.echo("         --amqp URL and --elasticsearch URL ask servers, too")
    if any(finding.state == "missing" for finding in findings):
        context.exit(Code.FAILED)


def _here() -> Iterator[Finding]:
    yield Finding("ok", f"ackflow {version('ackflow')}")
    yield Finding(
        "ok", f"Python {platform.python_version()} on {platform.system()}, {sys.executable}"
    )


async def _servers(brokers: tuple[str, ...], clusters: tuple[str, ...]) -> list[Finding]:
    return [*[await amqp(url) for url in brokers], *[await elasticsearch(url) for url in clusters]]
