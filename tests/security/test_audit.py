"""The audit: it tells a vulnerable package, a clean one, and one that nobody answers for."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from tests.security.audit import audit

REQUIREMENTS = ["Good.Package==1.0", "bad_package==2.0"]


class Osv(BaseHTTPRequestHandler):
    """Knows one vulnerability, as a service of OSV does."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = asked["package"]["name"]
        known = {"id": "TEST-1", "affected": [{"package": {"name": name, "ecosystem": "PyPI"}}]}
        answer = json.dumps({"vulns": [known]} if name == "bad-package" else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def osv() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Osv)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_vulnerable_package_is_named_with_what_is_known(osv: str) -> None:
    service = ("--vulnerability-service=osv", f"--osv-url={osv}")
    assert audit(REQUIREMENTS, [service]) == (["bad-package: TEST-1"], [])


def test_packages_that_nobody_answers_for_are_told(osv: str) -> None:
    nobody = ("--vulnerability-service=osv", "--osv-url=http://127.0.0.1:9/")
    assert audit(REQUIREMENTS, [nobody]) == ([], ["bad-package", "good-package"])
