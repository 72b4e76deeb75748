"""Status: where a run shows itself over HTTP, and when it counts as ready."""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from ackflow.streams.core import Handle, check_duration, check_flag, describe, printable, shown
from ackflow.streams.graphs.flow import Flow
from ackflow.streams.graphs.watching import Watch
from ackflow.streams.running.figures import TEXT, figures_of, text
from ackflow.streams.running.guard import Guard, host_and_port, is_loopback
from ackflow.streams.running.naming import place
from ackflow.streams.running.page import POLICY, drawn, page

if TYPE_CHECKING:
    from aiohttp import web

CALL = "pipeline.run(status)"
CLOSE_WITHIN = 1.0
"""Seconds that an answer under way may take when the run is over."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "ackflow",
}
PLAIN = "text/plain; charset=utf-8"

logger = logging.getLogger("ackflow.status")


class Status:
    """Where a run shows itself over HTTP, and when it counts as ready.

    Example:
        pipeline.run(status="127.0.0.1:9600")
        pipeline.run(status=running.Status("0.0.0.0:9600", public=True, hosts=["words.internal"]))

    / is a page for people, with a live graph; /metrics Prometheus' text format; /healthz says that the
    loop turns, /readyz whether work gets done: 503 with the reasons before everything is open, in a
    drain, while a sink or a function is halted, and beyond the two bounds below. Nothing of it tells
    anything out of a message.

    `address`: host and port; port 0 takes a free one, which the log names. `public`: whether it may be
    an address that others reach; there is no password, so that a network of your own has to be around
    it. `hosts`: names by which it is asked, beside localhost and addresses. `name`: the pipeline's, as
    the label `pipeline` and on the page. `oldest_unacked`: seconds after which a delivery that is not
    settled makes it not ready (900, half of RabbitMQ's consumer_timeout; None for no bound). `grace`:
    seconds without its connection after which a source makes it not ready. `measure`: whether `run`
    measures what each stage does and counts writes, for the graph and the metrics of these; it costs
    about 3 % of the processor's time, and 3 µs for each write.
    Raises ValueError or TypeError for settings that can't be meant.
    """

    def __init__(
        self,
        address: str,
        *,
        public: bool = False,
        hosts: Sequence[str] = (),
        name: str = "",
        oldest_unacked: float | None = 900.0,
        grace: float = 30.0,
        measure: bool = True,
    ) -> None:
        self.host, self.port = _checked(address)
        check_flag("Status(public)", public)
        check_flag("Status(measure)", measure)
        if not public and not is_loopback(self.host):
            raise ValueError(
                f"{CALL}: must be an address of this machine alone, got {shown(address)}; "
                "127.0.0.1:9600 is one, and Status(address, public=True) takes any other"
            )
        if isinstance(hosts, str) or not all(isinstance(host, str) for host in hosts):
            raise TypeError(f"Status(hosts): must be a list of names, got {shown(hosts)}")
        if not isinstance(name, str):
            raise TypeError(f"Status(name): must be a text, got {shown(name)}; str(…)")
        if oldest_unacked is not None:
            check_duration("Status(oldest_unacked)", oldest_unacked, "None sets no bound")
        check_duration("Status(grace)", grace, "leave it out for 30")
        self.name = name
        self.oldest_unacked = oldest_unacked
        self.grace = grace
        self.measure = measure
        self.guard = Guard(hosts)

    @asynccontextmanager
    async def serve(self) -> "AsyncIterator[Board]":
        """Listen until the block ends, and hand out what shows a run.

        Example:
            async with running.Status("127.0.0.1:9600").serve() as board:
                board.show(handle := pipeline.start(measure=True))
                await handle

        Raises OSError, before anything is consumed, where the address can't be had.
        """
        from aiohttp import web

        board = Board(self)
        server = web.Server(board.answer, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=CLOSE_WITHIN)
        await runner.setup()
        try:
            await self._listen(web.TCPSite(runner, self.host, self.port))
            board.port = runner.addresses[0][1]
            place = {"host": self.host, "port": board.port}
            logger.debug(
                "status at http://%s:%s/",
                self._shown_host,
                board.port,
                extra={"event": "listening", **place},
            )
            if not is_loopback(self.host):
                logger.warning(
                    "the status page at %s:%s can be reached by others, and has no password",
                    self._shown_host,
                    board.port,
                    extra={"event": "unprotected", **place},
                )
            yield board
        finally:
            await runner.cleanup()

    async def _listen(self, site: "web.TCPSite") -> None:
        try:
            await site.start()
        except OSError as error:
            why = error.strerror or describe(error)
            raise OSError(
                error.errno,
                f"{CALL}: can't listen at {self._shown_host}:{self.port}: {why}; "
                "take another port, or 0 for one that is free",
            ) from None

    @property
    def _shown_host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


class Board:
    """What answers for a run."""

    def __init__(self, status: Status) -> None:
        self.port = 0
        """The port it listens at."""
        self._status = status
        self._handle: Handle[Any] | None = None
        self._seen: tuple[Watch, Flow] | None = None
        self._answers: dict[str, Callable[[], tuple[int, str, str]]] = {
            "/": self._page,
            "/healthz": lambda: (200, "ok\n", PLAIN),
            "/readyz": self._readyz,
            "/metrics": lambda: (200, text(self._figures()), TEXT),
        }

    def show(self, handle: Handle[Any]) -> None:
        """Answer for this run from now on."""
        self._handle = handle
        self._seen = Watch(handle, place), Flow(handle.pipeline, place)

    async def answer(self, request: "web.BaseRequest") -> "web.Response":
        """Answer one request."""
        from aiohttp import web

        headers = dict(HEADERS)
        if refused := self._status.guard.refuses(
            request.headers.getall("Host", ()), request.headers
        ):
            code, body, kind = 403, f"{refused}\n", PLAIN
        elif request.method not in ("GET", "HEAD"):
            code, body, kind = 405, "GET and HEAD only\n", PLAIN
            headers["Allow"] = "GET, HEAD"
        else:
            code, body, kind = self._answers.get(request.path, _unknown)()
        headers["Content-Type"] = kind
        return web.Response(status=code, body=body.encode(), headers=headers)

    def reasons(self) -> list[str]:
        """Say why it is not ready; an empty list where it is."""
        handle = self._handle
        if handle is None or not handle.opened:
            return ["starting", *self._halts()]
        if handle.done:
            return ["done"]
        reasons = ["draining"] if handle.draining else []
        bound = self._status.oldest_unacked
        if bound is not None and handle.oldest_unacked > bound:
            reasons.append(f"a delivery is unsettled for more than {bound:g} s")
        return [*reasons, *self._halts()]

    def _halts(self) -> list[str]:
        """Name what is halted; why is in the log, for that may hold something out of a message."""
        return [
            f"{'no connection' if halt.source else 'halted'}: {printable(place(halt.part), 200)}"
            for halt in (() if self._handle is None else self._handle.halts)
            if not halt.source or halt.seconds > self._status.grace
        ]

    def _figures(self) -> Any:
        return figures_of({} if self._handle is None else {self._status.name: self._handle})

    def _page(self) -> tuple[int, str, str]:
        name = printable(self._status.name, 200) or "pipeline"
        pictures = ""
        if self._seen is not None:
            watch, flow = self._seen
            panel = watch.panel()
            pictures = drawn(flow.graph(panel.lines), panel)
        said = page(name, self._figures(), self.reasons(), pictures)
        return 200, said, "text/html; charset=utf-8"

    def _readyz(self) -> tuple[int, str, str]:
        reasons = self.reasons()
        return (
            (503 if reasons else 200),
            "".join(f"{each}\n" for each in reasons or ["ready"]),
            PLAIN,
        )


def _unknown() -> tuple[int, str, str]:
    return 404, "there are /, /healthz, /readyz and /metrics\n", PLAIN


def _checked(address: object) -> tuple[str, int]:
    """Return host and port of a text that is both."""
    try:
        host, port = host_and_port(address if isinstance(address, str) else "")
    except ValueError:
        port = None
    if port is None:
        raise ValueError(
            f'{CALL}: must be host:port, got {shown(address)}; "127.0.0.1:9600" is one, "[::1]:9600" too'
        )
    return host, port
