"""Write a report as one self-contained page of HTML, with a table, and charts as inline SVG.

The page has no script and loads nothing from the network. It fits phones and paper.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from catactl.usage.history import Span
from catactl.usage.units import Unit
from catactl.values.sizes import format_size
from catactl.values.times import Interval

_LARGEST = 20
_WIDTH, _HEIGHT = 720, 220
_LEFT, _BOTTOM, _TOP = 80, 28, 12
_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --faint: #6b7280;
  --rule: #d8dce2; --bar: #2f6fb2; --wash: #e8f0f9 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --paper: #14171b;
  --faint: #9aa3ad; --rule: #333a42; --bar: #6ea8e0; --wash: #1d2a38 } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1.25rem; max-width: 62rem; color: var(--ink);
  background: var(--paper); font: 1rem/1.45 system-ui, sans-serif }
h1 { font-size: 1.4rem; margin: 0 } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem }
p { margin: .3rem 0; color: var(--faint) }
.wide { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--rule); text-align: right;
  white-space: nowrap }
th:first-child, td:first-child { text-align: left; white-space: normal; min-width: 9rem;
  overflow-wrap: anywhere }
thead th { font-weight: 600; border-bottom: 2px solid var(--rule) }
tfoot td { font-weight: 600; border-top: 2px solid var(--rule) }
svg { width: 100%; min-width: 34rem; height: auto; display: block }
svg text { fill: var(--faint); font-size: 12px }
.bar { fill: var(--bar) } .area { fill: var(--wash); stroke: var(--bar); stroke-width: 1.5 }
.rule { stroke: var(--rule) }
@media print { :root { --ink: #000; --paper: #fff; --faint: #444; --rule: #bbb; --bar: #444;
  --wash: #eee } body { padding: 0; max-width: none; font-size: 10pt } .wide { overflow: visible }
  tr { break-inside: avoid } thead { display: table-header-group } h2 { break-after: avoid } }
"""


class Page(NamedTuple):
    """The contents of a report. `rows` and `adjustments` are the lines of its JSON output."""

    interval: Interval
    is_over: bool
    is_closed: bool
    unit: Unit
    rows: Sequence[Mapping[str, Any]]
    adjustments: Sequence[Mapping[str, Any]]
    total: str
    days: Sequence[Span]


def render(page: Page) -> str:
    """Return the HTML document."""
    start, end = (f"{moment:%Y-%m-%d %H:%M}" for moment in page.interval)
    if page.is_closed:
        state = "closed: these figures are final"
    elif page.is_over:
        state = "over, but transactions were still in progress: these figures may change"
    else:
        state = "still open: these are the figures until now"
    title = f"Storage usage, {start} to {end} UTC"
    return "".join(
        [
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
            f"<h1>{escape(title)}</h1>",
            f"<p>{len(page.rows):,} organizations, {escape(page.total)} {escape(page.unit)} in "
            f"total. The period is {state}.</p>",
            "<h2>Total storage</h2>",
            _area(page),
            f"<h2>Largest organizations by {escape(page.unit)}</h2>",
            _bars(page),
            "<h2>All organizations</h2>",
            _organizations(page),
            _adjustments(page),
            "<p>GB is 10<sup>9</sup> bytes, GiB 2<sup>30</sup>. A GB-month is a GB kept for all "
            "hours of that month.</p></body></html>\n",
        ]
    )


def _area(page: Page) -> str:
    """Draw the total storage over the period, with a point for each day."""
    most = max((span.peak_bytes for span in page.days), default=0)
    whole = (page.interval.end - page.interval.start).total_seconds()
    height = _HEIGHT - _BOTTOM - _TOP

    def x(moment: Any) -> float:
        share: float = (moment - page.interval.start).total_seconds() / whole
        return _LEFT + share * (_WIDTH - _LEFT)

    def y(size_bytes: int) -> float:
        return _TOP + height - (size_bytes * height / most if most else 0)

    base = _TOP + height
    points = [f"{_LEFT},{base}"]
    for span in page.days:
        points.append(f"{x(span.start):.1f},{y(span.opening_bytes):.1f}")
        points.append(f"{x(span.end):.1f},{y(span.closing_bytes):.1f}")
    points.append(f"{_WIDTH},{base}")
    start, end = (f"{moment:%Y-%m-%d}" for moment in page.interval)
    return (
        f'<div class="wide"><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="stored bytes over time, at most {escape(format_size(most))}">'
        f'<polygon class="area" points="{" ".join(points)}"/>'
        f'<line class="rule" x1="{_LEFT}" x2="{_WIDTH}" y1="{base}" y2="{base}"/>'
        f'<text x="{_LEFT - 6}" y="{_TOP + 10}" text-anchor="end">{format_size(most)}</text>'
        f'<text x="{_LEFT - 6}" y="{base}" text-anchor="end">0 B</text>'
        f'<text x="{_LEFT}" y="{_HEIGHT - 8}">{start}</text>'
        f'<text x="{_WIDTH}" y="{_HEIGHT - 8}" text-anchor="end">{end}</text></svg></div>'
    )


def _bars(page: Page) -> str:
    largest = sorted(page.rows, key=lambda row: -row["byte_microseconds"])[:_LARGEST]
    most = max((row["byte_microseconds"] for row in largest), default=0)
    pitch, left, right = 24, 200, 140
    bars = []
    for index, row in enumerate(largest):
        top = index * pitch
        share = row["byte_microseconds"] / most if most else 0
        width = share * (_WIDTH - left - right)
        name = row["name"] if len(row["name"]) <= 26 else f"{row['name'][:25]}…"
        bars.append(
            f'<text x="{left - 8}" y="{top + 16}" text-anchor="end">{escape(name)}</text>'
            f'<rect class="bar" x="{left}" y="{top + 4}" width="{width:.1f}" height="16"/>'
            f'<text x="{left + width + 6:.1f}" y="{top + 16}">'
            f"{escape(str(row[page.unit.field]))}</text>"
        )
    height = max(1, len(largest)) * pitch
    return (
        f'<div class="wide"><svg viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="the largest organizations">{"".join(bars)}</svg></div>'
    )


def _organizations(page: Page) -> str:
    rows = (
        (
            row["name"],
            *(format_size(row[f"{field}_bytes"]) for field in ("average", "peak", "closing")),
            row[page.unit.field],
        )
        for row in page.rows
    )
    foot = f"<tfoot>{_row('All', '', '', '', page.total)}</tfoot>"
    return _table(("Organization", "average", "peak", "at the end", page.unit), rows, foot)


def _adjustments(page: Page) -> str:
    if not page.adjustments:
        return ""
    rows = (
        (row["name"], row["start"][:19], row["actor"], row["delta_bytes"], row["reason"] or "")
        for row in page.adjustments
    )
    return (
        "<h2>Corrections made in this period</h2>"
        "<p>They do not change the figures of earlier periods.</p>"
        + _table(("Organization", "when", "by", "bytes", "why"), rows)
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[object]], foot: str = "") -> str:
    body = "".join(_row(*row) for row in rows)
    return (
        f'<div class="wide"><table><thead>{_row(*head, cell="th")}</thead><tbody>{body}</tbody>'
        f"{foot}</table></div>"
    )


def _row(*values: object, cell: str = "td") -> str:
    cells = "".join(f"<{cell}>{escape(str(value))}</{cell}>" for value in values)
    return f"<tr>{cells}</tr>"
