"""Exporting: where a command's spans go: the way a module has set up, or the one the environment names.

The variables are those of https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/,
read as Python's `opentelemetry-instrument` does; what they say of samplers, resources, limits and
batches the SDK reads by itself.
"""

import os
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from ackflow.streams.core import describe, shown
from ackflow.streams.running.commands.problems import Problem

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from ackflow.streams.running.tracing import Tracing

GROUP = "opentelemetry_traces_exporter"
"""Under which packages say which exporters they bring."""
OTLP = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}
"""The exporter of each protocol; where none is named, the first that is installed."""
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
WAYS_OUT = (
    "pip install opentelemetry-exporter-otlp-proto-http brings one for OTLP, "
    "OTEL_TRACES_EXPORTER=console prints spans, "
    "and a module that calls trace.set_tracer_provider() decides by itself"
)


def tracing() -> "Tracing":
    """Return what traces a run; to be called when the module of the pipeline is loaded."""
    try:
        from opentelemetry import trace
    except ImportError:
        raise Problem(
            "--tracing: needs the package opentelemetry-api: pip install 'ackflow[tracing]'; "
            "or leave --tracing out"
        ) from None
    try:
        from ackflow.streams.running.tracing import Tracing

        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            trace.set_tracer_provider(_provider())
        return Tracing()
    except Problem:
        raise
    except Exception as error:
        raise Problem(f"--tracing: OpenTelemetry can't be set up: {describe(error)}") from None


def _provider() -> "TracerProvider":
    exporters = [_exporter(name) for name in _names()]
    try:
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise Problem(f"--tracing: opentelemetry-sdk is not installed; {WAYS_OUT}") from None

    provider = TracerProvider()
    for exporter in exporters:
        provider.add_span_processor(BatchSpanProcessor(exporter.load()()))
    return provider


def _names() -> list[str]:
    """Return the names of the exporters that the environment wants: `otlp` where it says nothing."""
    wanted = os.environ.get("OTEL_TRACES_EXPORTER", "").strip() or "otlp"
    return [name for each in wanted.split(",") if (name := each.strip()) != "none"]


def _exporter(name: str) -> EntryPoint:
    installed: dict[str, Any] = {each.name: each for each in entry_points(group=GROUP)}
    for each in _meant(name):
        if each in installed:
            return installed[each]  # type: ignore[no-any-return]
    there = ", ".join(sorted(installed)) or "none"
    raise Problem(
        f"--tracing: no exporter {shown(name, 100)} is installed (there is {there}); {WAYS_OUT}"
    )


def _meant(name: str) -> list[str]:
    if name != "otlp":
        return [name]
    for variable in PROTOCOLS:
        if protocol := os.environ.get(variable, "").strip():
            if protocol not in OTLP:
                raise Problem(
                    f"--tracing: {variable} must be one of {', '.join(OTLP)}, got {shown(protocol, 100)}"
                )
            return [OTLP[protocol]]
    return [*OTLP.values()]
