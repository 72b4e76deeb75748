"""`ackflow dashboard`: the metrics of pipelines as a dashboard for Grafana."""

from importlib.resources import files

import click


@click.command(short_help="Write a dashboard for Grafana.")
def dashboard() -> None:
    """Write a dashboard for Grafana that shows every metric, to be imported there as JSON.

    It takes what a Prometheus has scraped of /metrics, which a run with --status answers.
    """
    board = files("ackflow.streams.running.commands").joinpath("dashboard.json")
    click.echo(board.read_text(encoding="utf-8").rstrip("\n"))
