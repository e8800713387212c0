"""A list as a table for people. On a terminal that is too narrow for it, ids go first, as names do
wherever an id does; where that is not enough, each row is a few lines.
"""

from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from catactl.cli.output.text import Row, bar, field_lines, for_people, is_time, title
from catactl.results.result import Columns

_BAR_WIDTH = 20
_BETWEEN = 2
_LEAST_OF_TEXT = 16  # a column of longer texts is folded down to this
_WIDE = 10_000  # a table that is no terminal's is never folded


def print_table(rows: Sequence[Row], shape: Columns, stream: TextIO, *, color: bool) -> None:
    console = Console(
        file=stream,
        width=None if stream.isatty() else _WIDE,
        no_color=not color,
        highlight=False,
        markup=False,
        emoji=False,
    )
    for columns, with_bar in _layouts(shape):
        if _least_width(rows, columns, with_bar=with_bar) <= console.width:
            console.print(_table(rows, columns, shape.bar if with_bar else None))
            return
    names_first = sorted(_columns(shape), key=_is_id)
    paragraphs = (
        "\n".join(field_lines({name: row.get(name) for name in names_first})) for row in rows
    )
    stream.write("\n\n".join(paragraphs) + "\n")


def _layouts(shape: Columns) -> Iterator[tuple[Sequence[str], bool]]:
    """The columns of a table and whether it has bars, from the widest to the narrowest."""
    columns = _columns(shape)
    without_ids = [column for column in columns if not _is_id(column)]
    for with_bar in (True, False) if shape.bar else (False,):
        yield columns, with_bar
        if without_ids:
            yield without_ids, with_bar


def _columns(shape: Columns) -> list[str]:
    return [column for column in shape.names if column not in shape.for_programs]


def _least_width(rows: Sequence[Row], columns: Sequence[str], *, with_bar: bool) -> int:
    widths = [_BAR_WIDTH] if with_bar else []
    for column in columns:
        width = max(cell_len(for_people(column, row.get(column))) for row in rows)
        if _folds(column, _first(rows, column)):
            width = min(width, _LEAST_OF_TEXT)
        widths.append(max(width, cell_len(title(column))))
    return sum(widths) + _BETWEEN * (len(widths) - 1)


def _first(rows: Sequence[Row], column: str) -> Any:
    """The first value of a column, as an example of them all."""
    return next((row[column] for row in rows if row.get(column) is not None), None)


def _is_id(column: str) -> bool:
    return column.endswith("_id")


def _folds(column: str, value: Any) -> bool:
    """Whether a column may be narrower than what stands in it; figures stay whole."""
    return not (_is_figure(column, value) or _is_id(column) or is_time(column))


def _is_figure(column: str, value: Any) -> bool:
    return isinstance(value, int) or column.endswith("_bytes")


def _table(rows: Sequence[Row], columns: Sequence[str], bar_of: str | None) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        value = _first(rows, column)
        table.add_column(
            Text(title(column)),
            justify="right" if _is_figure(column, value) else "left",
            overflow="fold",
            no_wrap=not _folds(column, value),
        )
    if bar_of is not None:
        table.add_column(width=_BAR_WIDTH, no_wrap=True)
    most = max((row[bar_of] or 0 for row in rows), default=0) if bar_of is not None else 0
    for row in rows:
        cells = [for_people(name, row.get(name)) for name in columns]
        if bar_of is not None:
            cells.append(bar(row[bar_of] or 0, most, _BAR_WIDTH))
        table.add_row(*map(Text, cells))
    return table
