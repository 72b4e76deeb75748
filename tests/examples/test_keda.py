"""examples/keda: what its manifests say of each other, and the worker as they run it."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import orjson
import yaml

from ackflow.streams import amqp, testing
from ackflow.streams.core.handle import DRAIN_DEADLINE
from tests.servers.rabbitmq import RabbitMQ
from tests.streams.amqp.tools import eventually, fill, ready

FOLDER = Path(__file__).parents[2] / "examples" / "keda"


def manifest(name: str, kind: str) -> Any:
    """Return the one document of a kind in a file."""
    documents = yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8"))
    (found,) = [document for document in documents if document["kind"] == kind]
    return found


DEPLOYMENT = manifest("workers.yaml", "Deployment")
SCALED = manifest("scaling.yaml", "ScaledObject")
AUTHENTICATION = manifest("scaling.yaml", "TriggerAuthentication")
POD = DEPLOYMENT["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
(TRIGGER,) = SCALED["spec"]["triggers"]
QUEUE = TRIGGER["metadata"]["queueName"]


def test_the_manifests_mean_each_other() -> None:
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    assert DEPLOYMENT["spec"]["selector"]["matchLabels"] == labels
    assert "replicas" not in DEPLOYMENT["spec"], "KEDA would be overruled at every apply"
    assert SCALED["spec"]["scaleTargetRef"]["name"] == DEPLOYMENT["metadata"]["name"]
    assert TRIGGER["authenticationRef"]["name"] == AUTHENTICATION["metadata"]["name"]
    (host,) = AUTHENTICATION["spec"]["secretTargetRef"]
    urls = [each["valueFrom"]["secretKeyRef"] for each in CONTAINER["env"] if "valueFrom" in each]
    assert {host["name"]} == {url["name"] for url in urls}
    usage = (FOLDER / "scaling.yaml").read_text(encoding="utf-8").splitlines()
    told = " ".join(line.strip("# \\") for line in usage if line.startswith("#"))
    for key in [host["key"], *(url["key"] for url in urls)]:
        assert f"--from-literal={key}=" in told
    assert f"secret generic {host['name']} " in told


def test_the_trigger_says_what_keda_asks_for() -> None:
    assert (SCALED["apiVersion"], AUTHENTICATION["apiVersion"]) == 2 * ("keda.sh/v1alpha1",)
    assert TRIGGER["type"] == "rabbitmq"
    assert TRIGGER["metadata"]["mode"] == "QueueLength"
    assert all(isinstance(value, str) for value in TRIGGER["metadata"].values())
    assert 0 <= SCALED["spec"]["minReplicaCount"] < SCALED["spec"]["maxReplicaCount"]


def test_a_pod_has_time_to_drain() -> None:
    assert POD["terminationGracePeriodSeconds"] > DRAIN_DEADLINE + 10
    assert SCALED["spec"]["cooldownPeriod"] > POD["terminationGracePeriodSeconds"]


async def test_the_worker_runs_as_the_manifest_says_and_drains(rabbitmq: RabbitMQ) -> None:
    program, path = CONTAINER["command"]
    assert program == "python"
    assert f"cp /source/examples/keda{path} /" in (FOLDER / "Dockerfile").read_text()
    await amqp.declare(QUEUE, url=rabbitmq.url)
    words = [f"word {number}" for number in range(300)]
    await fill(rabbitmq.url, QUEUE, (orjson.dumps({"word": word}) for word in words))
    async with testing.FakeElasticsearch() as server:
        values = {"AMQP_URL": rabbitmq.url, "ELASTICSEARCH_URL": server.url}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(FOLDER / path.lstrip("/")),
            env={each["name"]: values[each["name"]] for each in CONTAINER["env"]},
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            await eventually(lambda: len(server.documents) == len(words))
            process.send_signal(signal.SIGTERM)
            out, _ = await asyncio.wait_for(process.communicate(), DRAIN_DEADLINE)
        finally:
            if process.returncode is None:
                process.kill()
    assert process.returncode == 0
    assert b"300 accepted" in out
    assert await ready(rabbitmq.url, QUEUE) == 0
