"""graph: what a stream, operator, sink or pipeline is made of, to be seen; and runs in notebooks."""

from typing import TYPE_CHECKING, Any

from ackflow.streams.core import Handle, Pictured, Pipeline
from ackflow.streams.running.interrupts import in_kernel, noted

if TYPE_CHECKING:
    from ackflow.streams.graphs import Graph


def graph(part: Any) -> "Graph":
    """Return the graph of the stages of a stream, operator, sink or pipeline.

    Example:
        print(streams.graph(pipeline))                               # text, as wide as the terminal
        Path("pipeline.svg").write_text(streams.graph(pipeline).svg())

    `.text()`, `.svg()` and `.mermaid()` draw it. Of more than 40 stages the ends are drawn, with the
    number of those left out. Jupyter shows each of the four as that by itself.
    Acks: nothing runs.
    Raises TypeError for anything else.
    """
    from ackflow.streams.graphs import build  # drawing is for those who look

    return build(part)


def picture(part: Any) -> dict[str, str]:
    """Return what Jupyter shows of a part, by MIME type."""
    return graph(part)._repr_mimebundle_()


def live(handle: Handle[Any]) -> None:
    """Show a run where the cell stands, and follow it."""
    from ackflow.streams.live import show

    show(handle)


Pictured.picture = staticmethod(picture)
Handle.shows = staticmethod(live)
if in_kernel():  # in a notebook runs are looked at, and cells are interrupted
    Handle.interrupts = staticmethod(noted)
    Pipeline.measure = True
