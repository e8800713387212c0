"""Print a list as a table for people.

On a terminal that is too narrow for the table, leave out the ids, because commands accept names in
their place. If it is still too narrow, print each row as lines of fields.
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
_COLUMN_GAP = 2
_MIN_TEXT_WIDTH = 16  # columns of longer texts are folded to this width
_UNLIMITED = 10_000  # only a terminal limits the width of a table


def print_table(rows: Sequence[Row], shape: Columns, stream: TextIO, *, color: bool) -> None:
    console = Console(
        file=stream,
        width=None if stream.isatty() else _UNLIMITED,
        no_color=not color,
        highlight=False,
        markup=False,
        emoji=False,
    )
    for columns, with_bar in _layouts(shape):
        if _min_width(rows, columns, with_bar=with_bar) <= console.width:
            console.print(_table(rows, columns, shape.bar if with_bar else None))
            return
    names_first = sorted(_columns(shape), key=_is_id)
    paragraphs = (
        "\n".join(field_lines({name: row.get(name) for name in names_first})) for row in rows
    )
    stream.write("\n\n".join(paragraphs) + "\n")


def _layouts(shape: Columns) -> Iterator[tuple[Sequence[str], bool]]:
    """Yield the columns of a table and whether it has bars, from the widest to the narrowest."""
    columns = _columns(shape)
    without_ids = [column for column in columns if not _is_id(column)]
    for with_bar in (True, False) if shape.bar else (False,):
        yield columns, with_bar
        if without_ids:
            yield without_ids, with_bar


def _columns(shape: Columns) -> list[str]:
    return [column for column in shape.names if column not in shape.for_programs]


def _min_width(rows: Sequence[Row], columns: Sequence[str], *, with_bar: bool) -> int:
    widths = [_BAR_WIDTH] if with_bar else []
    for column in columns:
        width = max(cell_len(for_people(column, row.get(column))) for row in rows)
        if _folds(column, _first(rows, column)):
            width = min(width, _MIN_TEXT_WIDTH)
        widths.append(max(width, cell_len(title(column))))
    return sum(widths) + _COLUMN_GAP * (len(widths) - 1)


def _first(rows: Sequence[Row], column: str) -> Any:
    """Return the first value of a column, which has the type of all its values."""
    return next((row[column] for row in rows if row.get(column) is not None), None)


def _is_id(column: str) -> bool:
    return column.endswith("_id")


def _folds(column: str, value: Any) -> bool:
    """Return whether a column may be narrower than its values. Numbers, ids and times are not."""
    return not (_is_number(column, value) or _is_id(column) or is_time(column))


def _is_number(column: str, value: Any) -> bool:
    return isinstance(value, int) or column.endswith("_bytes")


def _table(rows: Sequence[Row], columns: Sequence[str], bar_of: str | None) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        value = _first(rows, column)
        table.add_column(
            Text(title(column)),
            justify="right" if _is_number(column, value) else "left",
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
