"""`ackflow run --tracing`: spans go where the module, or else the environment, says."""

import os
import subprocess
import sys

import pytest

from ackflow.streams.running.commands.problems import Code
from tests.running.commands.conftest import Shell

COMMAND = [sys.executable, "-m", "ackflow.streams.running.commands"]
PIPELINE = """
    from ackflow import sinks, streams

    queue = streams.memory.queue([1, 2], history=False)
    queue.close()
    pipeline = queue | sinks.count()
"""
OWN = """
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

    provider = TracerProvider()
    out = ConsoleSpanExporter(formatter=lambda span: f"OWN {span.name}\\n")
    provider.add_span_processor(SimpleSpanProcessor(out))
    trace.set_tracer_provider(provider)
"""
EXPORTERS = """
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter

    def http():
        return ConsoleSpanExporter(formatter=lambda span: f"HTTP {span.name}\\n")

    def grpc_away():
        raise OSError("GRPC is away")

    def http_away():
        raise OSError("HTTP is away")
"""
GRPC, HTTP = "otlp_proto_grpc = exporters:grpc_away", "otlp_proto_http = exporters:http_away"


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)


def install(shell: Shell, *points: str) -> None:
    """Install exporters as packages do, in the folder that the command runs in."""
    (shell.folder / "exporters-1.0.dist-info").mkdir()
    shell.write("exporters-1.0.dist-info/METADATA", "Name: exporters\nVersion: 1.0\n")
    entries = "\n".join(["[opentelemetry_traces_exporter]", *points])
    shell.write("exporters-1.0.dist-info/entry_points.txt", entries)
    shell.write("exporters.py", EXPORTERS)


def run(shell: Shell, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run the pipeline in a process of its own, whose provider it is to be."""
    return subprocess.run(
        [*COMMAND, "run", "traced:pipeline", "--tracing", *options],
        env={**os.environ, "PYTHONPATH": str(shell.folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_spans_go_to_the_provider_that_the_module_sets_up(shell: Shell) -> None:
    shell.write("traced.py", OWN + PIPELINE)
    install(shell, GRPC, HTTP)
    result = run(shell)
    assert result.returncode == Code.WELL, result.stderr
    lines = result.stdout.splitlines()
    assert sorted(lines[:3]) == [
        "OWN count",
        "OWN process memory.queue",
        "OWN process memory.queue",
    ]
    assert lines[3].startswith("2 delivered, 2 accepted")


def test_otherwise_they_go_over_otlp_out_of_each_of_several_processes(shell: Shell) -> None:
    shell.write("traced.py", PIPELINE)
    install(shell, "otlp_proto_http = exporters:http")
    result = run(shell, "--processes", "2")
    assert result.returncode == Code.WELL, result.stderr
    assert result.stdout.count("HTTP process memory.queue\n") == 4
    assert result.stdout.count("HTTP count\n") == 2


def test_what_no_process_could_export_is_said_once_and_not_tried_again(shell: Shell) -> None:
    shell.write("traced.py", PIPELINE)
    result = run(shell, "--processes", "2", "--restarts", "0")
    assert result.returncode == Code.WRONG
    assert result.stderr.startswith("ackflow: --tracing: no exporter 'otlp' is installed")
    assert result.stderr.count("\n") == 1


PROTOCOL, OF_TRACES = "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"


@pytest.mark.parametrize(
    ("points", "variables", "text"),
    [
        ([GRPC, HTTP], {}, "can't be set up: OSError: GRPC is away"),
        ([HTTP], {}, "HTTP is away"),
        ([HTTP], {"OTEL_TRACES_EXPORTER": " "}, "HTTP is away"),
        ([GRPC, HTTP], {PROTOCOL: "http/protobuf"}, "HTTP is away"),
        ([GRPC, HTTP], {PROTOCOL: "grpc", OF_TRACES: "http/protobuf"}, "HTTP is away"),
        ([HTTP], {PROTOCOL: "grpc"}, "no exporter 'otlp' is installed (there is console, otlp_pr"),
        ([GRPC], {PROTOCOL: "udp"}, f"{PROTOCOL} must be one of grpc, http/protobuf, got 'udp'"),
        ([GRPC, HTTP], {"OTEL_TRACES_EXPORTER": "none, otlp_proto_http"}, "HTTP is away"),
        ([], {}, "(there is console); pip install opentelemetry-exporter-otlp-proto-http"),
        ([GRPC], {"OTEL_TRACES_EXPORTER": "console,zipkin"}, "no exporter 'zipkin' is installed"),
    ],
)
def test_the_environment_says_which_exporter_and_what_is_amiss_is_one_line(
    shell: Shell,
    monkeypatch: pytest.MonkeyPatch,
    points: list[str],
    variables: dict[str, str],
    text: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    shell.write("traced.py", PIPELINE)
    install(shell, *points)
    result = shell.run("run", "traced:pipeline", "--tracing")
    assert result.exit_code == Code.WRONG
    assert result.stderr.startswith("ackflow: --tracing: ")
    assert text in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("opentelemetry", "needs the package opentelemetry-api: pip install 'ackflow[tracing]'"),
        ("opentelemetry.sdk.trace", "opentelemetry-sdk is not installed; pip install opentelem"),
    ],
)
def test_what_is_not_installed_is_named_with_the_way_to_get_it_and_needed_for_nothing_else(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, module: str, text: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    shell.write("traced.py", PIPELINE)
    result = shell.run("run", "traced:pipeline", "--tracing")
    assert result.exit_code == Code.WRONG
    assert result.stderr.startswith("ackflow: --tracing: ")
    assert text in result.stderr
    assert shell.run("run", "traced:pipeline").exit_code == Code.WELL
