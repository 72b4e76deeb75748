"""Page: the figures of a run as HTML: no script, nothing from outside, nothing out of a message."""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from html import escape

from ackflow.streams.core import Figure

EVERY = 5
"""Seconds after which it loads itself again."""

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 50rem; padding: 0 1rem;
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
"""
HASH = b64encode(sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{HASH}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page(name: str, figures: Iterable[Figure], reasons: Sequence[str]) -> str:
    """Return the page of a run; `reasons`: why it is not ready, if it is not."""
    state = "not ready" if reasons else "ready"
    said = "".join(f"<li>{escape(reason)}</li>" for reason in reasons)
    rows = "".join(_rows(figure) for figure in figures)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="refresh" content="{EVERY}">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(name)}: {state}</title><style>{STYLE}</style></head>\n"
        f'<body><h1>{escape(name)}</h1>\n<div class="{state.replace(" ", "-")}" role="status">'
        f"<p>{state}</p>{f'<ul>{said}</ul>' if said else ''}</div>\n"
        f"<table><tbody>\n{rows}</tbody></table>\n"
        f'<p><small>Every {EVERY} s anew. <a href="/metrics">metrics</a> '
        '<a href="/readyz">readyz</a> <a href="/healthz">healthz</a></small></p></body></html>\n'
    )


def _rows(figure: Figure) -> str:
    rows = []
    for labels, value in figure.samples:
        told = ", ".join(label for name, label in labels.items() if name != "pipeline")
        rows.append(
            f"<tr><th scope='row'>{escape(figure.help)}<br><small>{escape(figure.name)}</small></th>"
            f"<td>{escape(told)}</td><td>{_number(value)}</td></tr>\n"
        )
    return "".join(rows)


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.3f}"
