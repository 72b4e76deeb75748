"""A RabbitMQ node of one's own, beside whatever broker the machine may run.

Needs the scripts of any RabbitMQ installation; nothing of that installation's own node, settings,
cookie or Erlang port mapper is used.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from tests.servers import processes
from tests.servers.certificates import write_certificates
from tests.servers.errors import ServerError, ServerMissing
from tests.servers.processes import Process, accepts, free_port, wait_until
from tests.servers.server import Server

# Debian's scripts in /usr/sbin switch users and drop the environment; these are the real ones.
SCRIPTS = ("/usr/lib/rabbitmq/bin", "/opt/homebrew/sbin", "/usr/local/sbin")
GREETING = b"AMQP\x00\x00\x09\x01"
HOW_TO_GET_IT = (
    "install RabbitMQ 3.10 or newer, for example with: "
    "apt-get update && apt-get install -y rabbitmq-server"
)


def missing() -> str | None:
    """Return None where a node can be started, else a sentence that says what to install."""
    if _scripts() is None:
        return f"RabbitMQ: no rabbitmq-server script on this machine; {HOW_TO_GET_IT}"
    if shutil.which("epmd") is None:
        return f"RabbitMQ: Erlang's epmd is not on PATH; {HOW_TO_GET_IT}"
    return None


def _scripts() -> Path | None:
    on_path = shutil.which("rabbitmq-server")
    folders = [*SCRIPTS, *([str(Path(on_path).parent)] if on_path else [])]
    return next((Path(each) for each in folders if Path(each, "rabbitmq-server").exists()), None)


class RabbitMQ(Server):
    """A RabbitMQ node; `url` is for guest/guest, and `amqps_url` and `ca_file` go with *tls*.

    *consumer_timeout* (for an unacked delivery) and *channel_tick_interval* (how often that is
    looked at) are in seconds; *settings* are further lines of rabbitmq.conf, *plugins* the names of
    plugins to enable, of those that come with RabbitMQ, *flags* further ones of Erlang's emulator.
    """

    def __init__(
        self,
        *,
        port: int | None = None,
        tls: bool = False,
        consumer_timeout: float | None = None,
        channel_tick_interval: float | None = None,
        settings: Mapping[str, str] | None = None,
        plugins: Sequence[str] = (),
        flags: str = "",
    ) -> None:
        if (reason := missing()) is not None:
            raise ServerMissing(reason)
        super().__init__("rabbitmq")
        self.port = port or free_port()
        self.tls_port = free_port() if tls else None
        self.node = f"ackflow-{secrets.token_hex(4)}@localhost"
        self._distribution_port = free_port()
        self._epmd_port = free_port()
        self._epmd = Process("epmd", self.folder)
        self._settings = dict(settings or {})
        self._plugins = plugins
        self._flags = flags
        self._timings = {
            "consumer_timeout": consumer_timeout,
            "channel_tick_interval": channel_tick_interval,
        }

    @property
    def url(self) -> str:
        return self.url_for("/")

    def url_for(self, vhost: str, user: str = "guest", password: str = "guest") -> str:
        """Return the URL of *vhost* for *user*."""
        path = "" if vhost == "/" else quote(vhost, safe="")
        return f"amqp://{quote(user)}:{quote(password, safe='')}@127.0.0.1:{self.port}/{path}"

    @property
    def amqps_url(self) -> str:
        """The URL of the TLS listener; trust it with `ca_file`."""
        if self.tls_port is None:
            raise ServerError("RabbitMQ.amqps_url: no TLS listener; make the node with tls=True")
        return f"amqps://guest:guest@localhost:{self.tls_port}/"

    @property
    def ca_file(self) -> Path:
        """The certificate of the authority that signed the node's own."""
        return self.folder / "ca.pem"

    # Starting and ending

    def start(self) -> None:
        """Start the node and return when it greets AMQP clients."""
        self._start_epmd()
        super().start()

    def _start_epmd(self) -> None:
        if self._epmd.running or not self.folder.exists():
            return
        processes.hand_over(self.folder)
        command = ["epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"]
        self._epmd.start(command, {"PATH": os.environ["PATH"]})
        if not wait_until(lambda: accepts(self._epmd_port), within=20):
            raise ServerError(f"RabbitMQ.start(): epmd does not answer{self._epmd.log_tail()}")

    def close(self) -> None:
        """End the node at once and delete its folder; may be called again."""
        self.process.kill()
        self._epmd.kill()
        super().close()

    def prepare(self) -> None:
        """Write the node's settings and, for TLS, its certificates."""
        if self.tls_port is not None:
            write_certificates(self.folder, "RabbitMQ")
        lines = [f"{key} = {value}" for key, value in self._configuration().items()]
        (self.folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
        timings = [f"{{{key}, {round(1000 * seconds)}}}" for key, seconds in self._given_timings()]
        (self.folder / "advanced.config").write_text(f"[{{rabbit, [{', '.join(timings)}]}}].\n")
        (self.folder / "enabled_plugins").write_text(f"[{', '.join(self._plugins)}].\n")
        (self.folder / "rabbitmq-env.conf").write_text("")
        cookie = self.folder / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(16))
        cookie.chmod(0o400)

    def _given_timings(self) -> list[tuple[str, float]]:
        return [(key, seconds) for key, seconds in self._timings.items() if seconds is not None]

    def _configuration(self) -> dict[str, str]:
        lines = {
            "listeners.tcp.default": f"127.0.0.1:{self.port}",
            "disk_free_limit.absolute": "50MB",
            "log.console": "true",
            "log.console.level": "info",
            "log.console.use_colors": "off",
            "log.file": "false",
        }
        if self.tls_port is not None:
            lines |= {
                "listeners.ssl.default": f"127.0.0.1:{self.tls_port}",
                "ssl_options.cacertfile": str(self.ca_file),
                "ssl_options.certfile": str(self.folder / "server.pem"),
                "ssl_options.keyfile": str(self.folder / "server.key"),
                "ssl_options.verify": "verify_none",
                "ssl_options.fail_if_no_peer_cert": "false",
            }
        return lines | self._settings

    def command(self) -> list[str]:
        return [str(self._script("rabbitmq-server"))]

    def environment(self) -> dict[str, str]:
        ours = ("RABBITMQ_", "ERL_")
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        arguments = os.environ.get("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "")
        return {
            **inherited,
            **self._paths(),
            "ERL_CRASH_DUMP_SECONDS": "0",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_CTL_DIST_PORT_MIN": str(processes.PORTS.start),
            "RABBITMQ_CTL_DIST_PORT_MAX": str(processes.PORTS.stop),
            # Without these two the script stays around as a parent that traps signals.
            "RABBITMQ_ALLOW_INPUT": "true",
            "RABBITMQ_SERVER_START_ARGS": "-noinput",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                f"-kernel inet_dist_use_interface {{127,0,0,1}} {self._flags} {arguments}"
            ),
        }

    def _paths(self) -> dict[str, str]:
        names = {
            "RABBITMQ_CONF_ENV_FILE": "rabbitmq-env.conf",
            "RABBITMQ_CONFIG_FILE": "rabbitmq.conf",
            "RABBITMQ_ADVANCED_CONFIG_FILE": "advanced.config",
            "RABBITMQ_ENABLED_PLUGINS_FILE": "enabled_plugins",
            "RABBITMQ_MNESIA_BASE": "data",
            "RABBITMQ_LOG_BASE": "log",
            "RABBITMQ_PID_FILE": "pid",
        }
        paths = {variable: str(self.folder / name) for variable, name in names.items()}
        return paths | {"HOME": str(self.folder), "LANG": "C.UTF-8"}

    def is_ready(self) -> bool:
        """Listeners open last, when users exist and queues are recovered: a greeting is enough."""
        return _greets(self.port)

    # Helpers for tests

    def ctl(self, *arguments: str, within: float = 60) -> str:
        """Run `rabbitmqctl` on the node and return what it prints."""
        command = [str(self._script("rabbitmqctl")), "-q", "-n", self.node, *arguments]
        return processes.run(command, self.environment(), self.folder, within)

    def _script(self, name: str) -> Path:
        scripts = _scripts()
        if scripts is None:
            raise ServerMissing(f"RabbitMQ: its scripts went away; {HOW_TO_GET_IT}")
        return scripts / name

    def remember(self) -> None:
        """Have what was declared outlast a `kill`.

        RabbitMQ 3.10.8 writes the names of queues with delay. Killed within seconds of a declaration
        it may come back without a classic queue, or with a quorum queue that is empty and never has a
        leader (https://github.com/rabbitmq/rabbitmq-server/issues/10070), whatever it had confirmed.
        """
        self.ctl("eval", "mnesia:sync_log(), [dets:sync(Table) || Table <- dets:all()].")

    def close_connections(self, reason: str = "closed by the test") -> None:
        """Close every client's connection from the broker's side (CONNECTION_FORCED)."""
        self.ctl("close_all_connections", reason)

    def list_queues(self, vhost: str = "/") -> dict[str, tuple[int, int]]:
        """Return the messages in each queue of *vhost*: (ready, unacked)."""
        columns = ("name", "messages_ready", "messages_unacknowledged")
        answer = self.ctl("-p", vhost, "list_queues", "--formatter", "json", *columns)
        rows = [[row[column] for column in columns] for row in json.loads(answer)]
        # A queue that is just being made or recovered has no figures yet.
        return {name: (int(ready or 0), int(unacked or 0)) for name, ready, unacked in rows}

    def add_vhost(self, name: str) -> str:
        """Make a vhost that guest may use; return its URL."""
        self.ctl("add_vhost", name)
        self.ctl("set_permissions", "-p", name, "guest", ".*", ".*", ".*")
        return self.url_for(name)

    def add_user(
        self,
        name: str,
        password: str,
        vhost: str = "/",
        permissions: tuple[str, str, str] = (".*", ".*", ".*"),
    ) -> str:
        """Make a user with *permissions* to configure, write and read; return the user's URL."""
        self.ctl("add_user", name, password)
        self.ctl("set_permissions", "-p", vhost, name, *permissions)
        return self.url_for(vhost, name, password)

    def set_memory_watermark(self, fraction: float) -> None:
        """Block publishers above *fraction* of memory: 0 blocks all, 0.4 is the default."""
        self.ctl("set_vm_memory_high_watermark", str(fraction))


def _greets(port: int) -> bool:
    """Say whether a broker answers an AMQP client's greeting with its first frame."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(GREETING)
            return connection.recv(1) == b"\x01"
    except OSError:
        return False
