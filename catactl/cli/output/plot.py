"""Draw usage over time as a chart of characters, as wide as the terminal."""

import shutil
from collections.abc import Iterable

from catactl.usage.history import Span
from catactl.values.sizes import format_size
from catactl.values.times import Interval, microseconds

_HEIGHT = 12
_MIN_WIDTH = 20
_EIGHTHS = " ▁▂▃▄▅▆▇█"


def plot(spans: Iterable[Span], interval: Interval) -> str:
    """Return a chart: each column is the mean of usage over its share of the interval."""
    spans = list(spans)
    if not spans:
        return "the interval is empty"
    most = max(span.peak_bytes for span in spans)
    margin = max(len(format_size(most)), len(format_size(0))) + 1
    width = max(_MIN_WIDTH, shutil.get_terminal_size().columns - margin - 2)
    means = _means(spans, interval, width)
    lines = []
    for row in range(_HEIGHT, 0, -1):
        label = {_HEIGHT: format_size(most), 1: format_size(0)}.get(row, "")
        cells = "".join(_cell(mean, most, row) for mean in means)
        lines.append(f"{label:>{margin}} │{cells.rstrip()}")
    lines.append(f"{'':>{margin}} └{'─' * width}")
    start, end = (f"{moment:%Y-%m-%d %H:%M}" for moment in interval)
    lines.append(f"{'':>{margin}}  {start}{end:>{max(width - len(start), len(end) + 1)}}")
    return "\n".join(lines)


def _means(spans: list[Span], interval: Interval, width: int) -> list[int]:
    """Return the mean of usage in each of `width` equal parts of the interval."""
    whole = microseconds(interval.end - interval.start)
    means = []
    index = 0
    for column in range(width):
        left, right = whole * column // width, whole * (column + 1) // width
        total = 0
        while left < right:
            span = spans[index]
            begin = microseconds(span.start - interval.start)
            end = microseconds(span.end - interval.start)
            shared = min(right, end) - left
            total += span.byte_microseconds * shared // (end - begin)
            left += shared
            if left >= end and index + 1 < len(spans):
                index += 1
        share = whole * (column + 1) // width - whole * column // width
        means.append(total // share if share else 0)
    return means


def _cell(mean: int, most: int, row: int) -> str:
    filled = mean * _HEIGHT * 8 // most if most else 0
    return _EIGHTHS[max(0, min(8, filled - (row - 1) * 8))]
