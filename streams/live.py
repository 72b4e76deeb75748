"""Live: a run that shows itself in a notebook, in place, until it is over."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any
from uuid import uuid4
from weakref import WeakKeyDictionary

from ackflow.streams.core import Handle
from ackflow.streams.graphs.watching import Watch

OFTEN = 0.5
"""Seconds between two pictures at least."""
SELDOM = 5.0
"""Seconds between two pictures of a run that is old, or in which nothing happens."""
AGE = 120.0
"""The part of a run's age that lies between two pictures: a server keeps those that no browser takes."""

logger = logging.getLogger("ackflow.live")

Show = Callable[[dict[str, Any], str, bool], None]
"""Shows a picture under an id: for the first time, or in the place of the last one."""


class Live:
    """Shows a run in place for as long as it goes on, and leaves its last picture."""

    def __init__(self, handle: Handle[Any], show: Show) -> None:
        self.id = uuid4().hex
        self._handle = handle
        self._watch = Watch(handle)
        self._show = show
        self._timer: asyncio.TimerHandle | None = None
        self._key: object = None
        self._shown_at = 0.0
        self._follows = False

    def show(self) -> None:
        """Show it here, and go on from now on; where it is shown already, it goes on there as well."""
        self._show(self._watch.panel().bundle(), self.id, False)
        if not self._follows and not self._handle.done:
            self._follows = True
            self._handle.when_done(self._end)
            self._again()

    def _again(self) -> None:
        age = self._handle.stats().seconds
        pause = min(SELDOM, max(OFTEN, age / AGE))
        self._timer = self._handle.loop.call_later(pause, self._tick)

    def _tick(self) -> None:
        if not self._handle.done and self._update():
            self._again()

    def _update(self) -> bool:
        """Show it anew where something changed; say whether that can be done."""
        try:
            panel = self._watch.panel()
            key = (
                panel.state,
                panel.counts,
                panel.notes,
                [line.stage.held for line in panel.lines],
            )
            if key != self._key or panel.seconds - self._shown_at >= SELDOM or self._handle.done:
                self._show(panel.bundle(), self.id, True)
                self._key, self._shown_at = key, panel.seconds
        except Exception as error:  # whoever looks is no reason to end a run
            kind = type(error).__name__  # its text may quote anything
            logger.warning(
                "a run can't be shown any more: %s",
                kind,
                extra={"event": "not_shown", "error": kind},
            )
            return False
        return True

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._update()


_shown: "WeakKeyDictionary[Handle[Any], Live]" = WeakKeyDictionary()
"""What shows each run: one, however often a cell runs."""


def show(handle: Handle[Any]) -> None:
    """Show a run where the cell stands: live in a notebook, once in a terminal."""
    from IPython.core.getipython import get_ipython
    from IPython.display import display

    def put(bundle: dict[str, Any], name: str, again: bool) -> None:
        place: Any = display  # has no types
        place(bundle, raw=True, display_id=name, update=again)

    if getattr(get_ipython(), "kernel", None) is None:  # a terminal: what is printed stays
        print(Watch(handle).panel().text())
        return
    if handle not in _shown:
        _shown[handle] = Live(handle, put)
    _shown[handle].show()
