"""Print results in the chosen format: table, json, jsonl, csv, tsv or id.

Commands do not depend on the format. A table has sizes and times for people, the other formats have
plain values. Control characters in values are escaped, and values are never read as markup.
"""

import csv
import json
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from catactl.cli.output.text import Row, field_lines, plain
from catactl.errors import InvalidValue
from catactl.results.result import Columns, Json, Listed, Report, Text, WithError, columns_of


class Output:
    """Prints results in one format to one stream."""

    def __init__(self, format_: str, *, quiet: bool, color: bool, stream: TextIO) -> None:
        self.format = format_
        self._quiet = quiet
        self._color = color
        self._stream = stream

    def print(self, result: Any, result_type: type) -> None:
        """Print the result of a command, then raise the error of a `WithError` result.

        A list may be an iterator that raises an error at its end. Its rows are printed first.
        """
        columns = columns_of(result_type)
        match result:
            case WithError():
                self.print(result.result, result_type)
                if result.error is not None:
                    raise result.error
            case Report():
                if self.is_json:
                    self.object(result.summary, columns)
                elif result.if_empty is not None and not result.rows:
                    self.text([result.if_empty])
                else:
                    self.rows(result.rows, columns)
            case Listed():
                self.rows(result.rows, result.columns)
            case Text():
                if self.is_for_programs and not result.is_always_text:
                    self.print(result.data, result_type)
                elif result.is_markdown:
                    self._markdown("\n".join(result.lines))
                else:
                    self.text(result.lines)
            case Json():
                self._in_json(result.otherwise).print(result.data, result_type)
            case Mapping():
                self.object(result, columns)
            case _:
                self.rows(result, columns)

    def object(self, row: Row, columns: Columns) -> None:
        """Print one resource."""
        if self._quiet:
            return
        match self.format:
            case "json":
                self._line(as_json(row, is_indented=True))
            case "jsonl":
                self._line(as_json(row))
            case "csv":
                self._csv([row], tuple(row))
            case "id":
                self._id(row, columns)
            case "tsv":
                self._line("\n".join(f"{name}\t{plain(value)}" for name, value in row.items()))
            case _:
                self._line("\n".join(field_lines(row)))

    def rows(self, rows: Iterable[Row], columns: Columns) -> None:
        """Print a list. All formats except the table stream it."""
        match self.format:
            case _ if self._quiet:
                for _ in rows:
                    pass
            case "json":
                self._json_array(rows)
            case "jsonl":
                for row in rows:
                    self._line(as_json(row))
            case "csv":
                self._csv(rows, columns.names)
            case "id":
                for row in rows:
                    self._id(row, columns)
            case "tsv":
                for row in rows:
                    self._line("\t".join(plain(row.get(name)) for name in columns.names))
            case _:
                self._table(rows, columns)

    @property
    def is_for_programs(self) -> bool:
        """Return whether the format prints fields where a terminal shows text."""
        return self.format in {"json", "jsonl", "csv"}

    @property
    def is_json(self) -> bool:
        return self.format in {"json", "jsonl"}

    def to(self, stream: TextIO) -> "Output":
        """Return an output in the same format to a file, which ignores --quiet."""
        return Output(self.format, quiet=False, color=False, stream=stream)

    def _in_json(self, otherwise: str) -> "Output":
        """Return the same output in JSON: in its own JSON format, else in the given one."""
        format_ = self.format if self.is_json else otherwise
        return Output(format_, quiet=self._quiet, color=self._color, stream=self._stream)

    def text(self, lines: Iterable[str]) -> None:
        if not self._quiet:
            for line in lines:
                self._line(line)

    def _markdown(self, text: str) -> None:
        """Print Markdown, rendered on a terminal, otherwise unchanged."""
        if self.format == "table" and self._stream.isatty() and not self._quiet:
            from catactl.cli.output.markdown import print_markdown

            print_markdown(text, self._stream, color=self._color)
        else:
            self.text([text])

    def _line(self, line: str) -> None:
        self._stream.write(line + "\n")

    def _id(self, row: Row, columns: Columns) -> None:
        if columns.id_field not in row:
            raise InvalidValue("this result has no id", "use another output format")
        if row[columns.id_field] is not None:  # a failed item has no id
            self._line(plain(row[columns.id_field]))

    def _json_array(self, rows: Iterable[Row]) -> None:
        separator = "["
        try:
            for row in rows:
                self._stream.write(f"{separator}\n  {as_json(row)}")
                separator = ","
        finally:  # so that the array is valid JSON even after an error
            self._line("[]" if separator == "[" else "\n]")

    def _csv(self, rows: Iterable[Row], names: tuple[str, ...]) -> None:
        writer = csv.writer(self._stream, lineterminator="\n")
        writer.writerow(names)
        for row in rows:
            writer.writerow([plain(row.get(name)) for name in names])

    def _table(self, rows: Iterable[Row], columns: Columns) -> None:
        collected: list[Row] = []
        try:
            for row in rows:
                collected.append(row)
        finally:
            if collected:
                from catactl.cli.output.table import print_table

                print_table(collected, columns, self._stream, color=self._color)


_compact = json.JSONEncoder(ensure_ascii=False).encode
_indented = json.JSONEncoder(ensure_ascii=False, indent=2).encode


def as_json(value: Any, *, is_indented: bool = False) -> str:
    """Return JSON in which unprintable characters are escaped."""
    text = _indented(value) if is_indented else _compact(value)
    if text.replace("\n", "").isprintable():
        return text
    return "".join(
        character if character.isprintable() or character == "\n" else json.dumps(character)[1:-1]
        for character in text
    )
