"""Page: the live graph and the figures of a run as HTML: nothing from outside or out of a message."""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import sha256
from html import escape

from ackflow.streams.core import Figure
from ackflow.streams.graphs import Graph
from ackflow.streams.graphs.panel import STYLE as PANEL
from ackflow.streams.graphs.panel import Panel
from ackflow.streams.graphs.svg import STYLE as GRAPH
from ackflow.streams.graphs.svg import svg

EVERY = 1
"""Seconds after which it asks for what is new."""
SELDOM = 5
"""Seconds after which a browser without scripts loads it again."""

STYLE = (
    """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; padding: 0 1rem;
       background: #fff; color: #222 }
h1 { font-size: 1.4rem; margin: 0; overflow-wrap: anywhere }
.ready, .not-ready { border-left: .4rem solid #2a7d2a; padding-left: .6rem }
.not-ready { border-color: #b3261e }
table { border-collapse: collapse; width: 100% }
th, td { border-bottom: 1px solid #ddd; padding: .2rem .4rem; text-align: left; vertical-align: top;
         overflow-wrap: anywhere }
td:last-child { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
th { font-weight: normal }
small { color: #666 }
#graph { margin: 1rem 0; text-align: center; overflow-x: auto }
#graph svg { max-width: max(100%, 50rem); height: auto }
#run svg { width: 100% }
.away main { opacity: .4 }
#away { display: none; color: #b3261e }
.away #away { display: block }
@media (prefers-color-scheme: dark) {
  body { background: #0d1117; color: #e6edf3 }
  th, td { border-color: #30363d }
  small { color: #9198a1 }
  a { color: #58a6ff }
  #away { color: #ff7b72 }
}
"""
    + GRAPH
    + PANEL
)
SCRIPT = f"""
const put = (old, fresh) => {{
  if (old.isEqualNode(fresh)) return
  const parts = [...old.childNodes], others = [...fresh.childNodes]
  if (!parts.length || parts.length !== others.length || old.nodeName !== fresh.nodeName)
    return old.replaceWith(fresh)
  for (const {{name, value}} of fresh.attributes) old.setAttribute(name, value)
  parts.forEach((part, at) => put(part, others[at]))
}}
const again = async () => {{
  try {{
    if (!document.hidden) {{
      const answer = await fetch("/", {{signal: AbortSignal.timeout(10000)}})
      if (!answer.ok) throw answer.status
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html")
      document.title = fresh.title
      put(document.querySelector("main"), fresh.querySelector("main"))
      document.body.className = ""
    }}
  }} catch {{
    document.body.className = "away"
  }}
  setTimeout(again, {EVERY * 1000})
}}
setTimeout(again, {EVERY * 1000})
"""
"""Puts what changed in the place of what was there, so that what is selected or scrolled to stays."""


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


POLICY = (
    f"default-src 'none'; style-src {_hash(STYLE)}; script-src {_hash(SCRIPT)}; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def drawn(graph: Graph, panel: Panel) -> str:
    """Return the pictures of a run: its graph, which has the stages' figures, and all else of it."""
    rest = replace(panel, lines=())
    return (
        f'<div id="graph">{svg(graph.chain, None, alone=False)}</div>\n'
        f'<div id="run">{rest.svg(alone=False)}</div>\n'
    )


def page(name: str, figures: Iterable[Figure], reasons: Sequence[str], pictures: str = "") -> str:
    """Return the page of a run; `reasons`: why it is not ready; `pictures`: what `drawn` makes."""
    state = "not ready" if reasons else "ready"
    said = "".join(f"<li>{escape(reason)}</li>" for reason in reasons)
    rows = "".join(_rows(figure) for figure in figures)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<noscript><meta http-equiv="refresh" content="{SELDOM}"></noscript>'
        '<meta name="viewport" content="width=device-width">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(name)}: {state}</title><style>{STYLE}</style></head>\n"
        '<body><p id="away" role="alert">No answer: the run is over, or can not be reached.</p>\n'
        f"<main><h1>{escape(name)}</h1>\n"
        f'<div class="{state.replace(" ", "-")}" role="status">'
        f"<p>{state}</p>{f'<ul>{said}</ul>' if said else ''}</div>\n"
        f"{pictures}<table><tbody>\n{rows}</tbody></table></main>\n"
        '<p><small><a href="/metrics">metrics</a> <a href="/readyz">readyz</a> '
        f'<a href="/healthz">healthz</a></small></p><script>{SCRIPT}</script></body></html>\n'
    )


def _rows(figure: Figure) -> str:
    rows = []
    for series, labels, value in figure.series():
        if "le" in labels:  # buckets are for those who compute with them
            continue
        told = ", ".join(label for name, label in labels.items() if name != "pipeline")
        rows.append(
            f"<tr><th scope='row'>{escape(figure.help)}<br><small>{escape(series)}</small></th>"
            f"<td>{escape(told)}</td><td>{_number(value)}</td></tr>\n"
        )
    return "".join(rows)


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.3f}"
