"""Settings are checked where they are written, and the same for bodies and deliveries."""

import inspect
import subprocess
import sys
from typing import Any

import pytest

from ackflow.streams import amqp
from ackflow.streams.amqp.settings import Settings


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"name": []}, "empty list"),
        ({"name": ""}, "1 to 255 bytes"),
        ({"name": "ã" * 128}, "1 to 255 bytes"),
        ({"name": ["a", "a"]}, "each queue once"),
        ({"prefetch": 0}, "1 to 65,535"),
        ({"prefetch": 65_536}, "1 to 65,535"),
        ({"attempts": 0}, "attempts"),
        ({"deliveries": 0}, "deliveries"),
        ({"until_idle": 0}, "until_idle must be seconds above 0"),
        ({"start_timeout": -1}, "start_timeout must be seconds above 0"),
        ({"consumer_timeout": 0}, "consumer_timeout must be seconds above 0"),
        ({"max_body_bytes": 0}, "max_body_bytes"),
        ({"consumer_arguments": {"x-stream-offset": "first"}}, "type stream are refused"),
    ],
)
def test_what_can_not_be_meant_is_a_value_error(settings: dict[str, Any], text: str) -> None:
    for source in (amqp.queue, amqp.deliveries):
        with pytest.raises(ValueError, match=text):
            source(**{"name": "words", **settings})


def test_what_is_of_another_type_or_unknown_is_a_type_error() -> None:
    for settings in ({"prefech": 10}, {"dead_letter": 5}, {"priority": "high"}, {"url": 5}):
        with pytest.raises(TypeError):
            amqp.queue("words", **settings)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a queue's name"):
        amqp.queue([1])  # type: ignore[list-item]


def test_bodies_and_deliveries_have_the_same_settings() -> None:
    bodies, deliveries = (inspect.signature(f) for f in (amqp.queue, amqp.deliveries))
    assert bodies.parameters == deliveries.parameters


def test_a_stream_shows_what_it_consumes() -> None:
    assert (
        repr(amqp.queue("words", prefetch=5))
        == "amqp.queue(name='words', url='amqp://guest@localhost:5672/', prefetch=5)"
    )
    assert repr(amqp.deliveries(["a", "b"])).startswith("amqp.deliveries(name=['a', 'b']")


def test_defaults_of_the_function_are_those_of_the_settings() -> None:
    parameters = inspect.signature(amqp.queue).parameters
    for name in ("max_body_bytes", "consumer_timeout", "priority", "start_timeout"):
        assert parameters[name].default == getattr(Settings(("words",)), name)


def test_importing_it_imports_no_driver() -> None:
    code = (
        "import sys, ackflow.streams.amqp, ackflow.sinks.amqp; "
        "print([m for m in sys.modules if m.split('.')[0] in ('aiormq', 'pamqp', 'aio_pika', 'yarl')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
