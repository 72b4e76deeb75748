"""An Elasticsearch node of one's own: the server with its core modules, run by a Java of its own.

This build has no ingest-common, painless, analysis-common, data-streams or reindex module and
answers `GET /` with 405; bulk, mappings, search, templates, aliases, settings, blocks and
security are there.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import shutil
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.servers import downloads
from tests.servers.certificates import write_certificates
from tests.servers.errors import RequestError, ServerError, ServerMissing
from tests.servers.processes import free_port, wait_until
from tests.servers.server import Server

ELASTICSEARCH_9 = "9.0.1"
ELASTICSEARCH_8 = "8.19.4"
JAVA_OPTIONS = "-Xms512m -Xmx512m"
# Starts in three quarters of the time and indexes more slowly: for nodes that one test breaks.
QUICK_START = f"{JAVA_OPTIONS} -XX:TieredStopAtLevel=1"
# Not in the Java we run, or would write into the shared home.
DROPPED_OPTIONS = ("jdk.incubator.vector", "gc.log")

Json = Any


def missing(version: str = ELASTICSEARCH_9) -> str | None:
    """Return None where *version* can be started, else a sentence that says what to install."""
    return downloads.missing(version)


class Elasticsearch(Server):
    """An Elasticsearch node; with *security*, `user` and `password` are those of a superuser.

    With *tls*, which brings *security*, it speaks HTTPS and lets in only who shows a certificate of its
    authority's: `ca_file` is that authority, `client_file` a client's certificate and key.
    *settings* are further lines of elasticsearch.yml, such as
    `{"thread_pool.write.queue_size": 1}`.
    """

    def __init__(
        self,
        version: str = ELASTICSEARCH_9,
        *,
        port: int | None = None,
        security: bool = False,
        tls: bool = False,
        settings: Mapping[str, object] | None = None,
        java_options: str = JAVA_OPTIONS,
    ) -> None:
        if (reason := missing(version)) is not None:
            raise ServerMissing(reason)
        super().__init__(f"elasticsearch-{version}")
        self.version = version
        self.port = port or free_port()
        self.user = "elastic"
        self.password = "password"
        self.security = security or tls
        self.tls = tls
        self._transport_port = free_port()
        self._settings = dict(settings or {})
        self._java_options = java_options
        self._config = self.folder / "config"

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def ca_file(self) -> Path:
        """The certificate of the authority that signed the node's own."""
        return self._config / "ca.pem"

    @property
    def client_file(self) -> Path:
        """The certificate and key of a client."""
        return self._config / "client.pem"

    # Starting

    def prepare(self) -> None:
        """Copy the settings folder that came with the server and adapt it."""
        shutil.copytree(downloads.elasticsearch(self.version) / "config", self._config)
        (self.folder / "logs").mkdir()
        (self.folder / "tmp").mkdir()
        options = self._config / "jvm.options"
        lines = options.read_text().splitlines()
        kept = [line for line in lines if not any(each in line for each in DROPPED_OPTIONS)]
        options.write_text("\n".join(kept) + "\n")
        if self.tls:
            write_certificates(self._config, "Elasticsearch")
        settings = self._configuration() | self._settings
        lines = [f"{key}: {json.dumps(value)}" for key, value in settings.items()]
        (self._config / "elasticsearch.yml").write_text("\n".join(lines) + "\n")
        if self.security:
            self._write_user(self.user, self.password, ["superuser"])

    def _configuration(self) -> dict[str, object]:
        lines: dict[str, object] = {
            "cluster.name": "ackflow",
            "discovery.type": "single-node",
            "network.host": "127.0.0.1",
            "http.port": self.port,
            "transport.port": self._transport_port,
            "path.data": str(self.folder / "data"),
            "path.logs": str(self.folder / "logs"),
            "cluster.routing.allocation.disk.threshold_enabled": False,
            "xpack.security.enabled": self.security,
        }
        if self.security:
            lines |= {
                "xpack.security.http.ssl.enabled": self.tls,
                "xpack.security.enrollment.enabled": False,
                # So that `elastic` is a user of the file realm too, and needs no keystore.
                "xpack.security.authc.reserved_realm.enabled": False,
                "resource.reload.interval.high": "500ms",
            }
        if self.tls:
            lines |= {
                "xpack.security.http.ssl.certificate": "server.pem",
                "xpack.security.http.ssl.key": "server.key",
                "xpack.security.http.ssl.certificate_authorities": ["ca.pem"],
                "xpack.security.http.ssl.client_authentication": "required",
            }
        return lines

    def command(self) -> list[str]:
        return [str(downloads.elasticsearch(self.version) / "bin" / "elasticsearch")]

    def environment(self) -> dict[str, str]:
        kept = ("PATH", "LANG", "TMPDIR")
        return {key: os.environ[key] for key in kept if key in os.environ} | {
            "HOME": str(self.folder),
            "ES_JAVA_HOME": str(downloads.java()),
            "ES_JAVA_OPTS": self._java_options,
            "ES_PATH_CONF": str(self._config),
            "ES_TMPDIR": str(self.folder / "tmp"),
        }

    def is_ready(self) -> bool:
        """Every primary shard is allocated, so that what was indexed can be read."""
        try:
            self.request("GET", "/_cluster/health?wait_for_status=yellow&timeout=1s")
        except (OSError, ServerError):
            return False
        return True

    # Helpers for tests

    def request(
        self,
        method: str,
        path: str,
        body: Json = None,
        *,
        credentials: tuple[str, str] | None = None,
        within: float = 30,
    ) -> Json:
        """Send a request and return the answer's JSON; an error status raises RequestError.

        *body* is sent as JSON, bytes as they are; *credentials* default to the superuser's.
        """
        request = urllib.request.Request(self.url + path, method=method, data=_encode(body))
        request.add_header("Content-Type", "application/json")
        if self.security:
            pair = ":".join(credentials or (self.user, self.password)).encode()
            request.add_header("Authorization", "Basic " + base64.b64encode(pair).decode())
        try:
            context = self._context() if self.tls else None
            with urllib.request.urlopen(request, timeout=within, context=context) as answer:
                return _decode(answer.read())
        except urllib.error.HTTPError as error:
            raise _refusal(f"{self.name}: {method} {path}", error) from None

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ca_file)
        context.load_cert_chain(self.client_file)
        return context

    def count(self, index: str) -> int:
        """Return how many documents *index* holds, refreshed first."""
        self.request("POST", f"/{index}/_refresh")
        return int(self.request("GET", f"/{index}/_count")["count"])

    def add_role(
        self,
        name: str,
        *,
        cluster: Sequence[str] = (),
        indices: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Define a role: *cluster* privileges, and privileges for each pattern of *indices*."""
        self._check_security("add_role")
        self.ensure_prepared()
        grants = [
            {"names": [pattern], "privileges": list(privileges)}
            for pattern, privileges in (indices or {}).items()
        ]
        role = json.dumps({"cluster": list(cluster), "indices": grants})
        self._append("roles.yml", f"{name}: {role}")

    def add_user(self, name: str, password: str, roles: Sequence[str]) -> None:
        """Add a user with *roles*, built-in or of `add_role`; return when the node knows it."""
        self._check_security("add_user")
        self.ensure_prepared()
        self._write_user(name, password, roles)
        if self.process.running and not wait_until(lambda: self._knows(name, password), within=30):
            raise ServerError(f"{self.name}.add_user({name!r}): not known after 30 s")

    def _check_security(self, call: str) -> None:
        if not self.security:
            raise ServerError(f"Elasticsearch.{call}(): make the node with security=True")

    def _write_user(self, name: str, password: str, roles: Sequence[str]) -> None:
        self._append("users", f"{name}:{_hashed(password)}")
        for role in roles:
            self._append("users_roles", f"{role}:{name}")

    def _append(self, file: str, line: str) -> None:
        with (self._config / file).open("a") as lines:
            lines.write(line + "\n")

    def _knows(self, name: str, password: str) -> bool:
        try:
            answer = self.request("GET", "/_security/_authenticate", credentials=(name, password))
        except (OSError, ServerError):
            return False
        return bool(answer["roles"])


def _refusal(call: str, error: urllib.error.HTTPError) -> RequestError:
    with error:
        said = error.read().decode(errors="replace")
    return RequestError(f"{call} was answered with {error.code}: {said}", error.code)


def _encode(body: Json) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    return json.dumps(body).encode()


def _decode(body: bytes) -> Json:
    return json.loads(body) if body else None


def _hashed(password: str) -> str:
    """Hash as Elasticsearch does with PBKDF2; its own program takes a Java start for each user."""
    salt, rounds = secrets.token_bytes(32), 10_000
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds, dklen=32)
    return f"{{PBKDF2}}{rounds}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"
