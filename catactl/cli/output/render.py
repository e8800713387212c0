"""Results to stdout: rows to table, json, jsonl, csv, tsv or id. Commands never branch on the
format.

On a terminal a table, with sizes and times for people; anywhere else plain values, untruncated.
Control characters in data are shown, never sent, and nothing in data is ever markup.
"""

import csv
import json
import os
import sys
from collections.abc import Iterable
from typing import Any, TextIO

from catactl.cli.output.text import Row, field_lines, plain
from catactl.errors import InvalidValue
from catactl.results.shapes import Shape


class ReaderGone(Exception):
    """Whoever read our output has seen enough. No `OSError`: Typer would exit 1 at that."""


def complain(line: str) -> None:
    """Say something on stderr; if nobody can be told, go on."""
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        discard(sys.stderr.fileno())  # or it would be tried again at the end


class Lasting:
    """A stream for a command that has work to finish: when its reader goes away, nobody reads."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            discard(self._stream.fileno())
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            discard(self._stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def discard(file: int) -> None:
    """Let all that is written to a descriptor from here on go nowhere."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, file)
    os.close(null)


class Output:
    def __init__(self, format_: str, *, quiet: bool, color: bool, stream: TextIO) -> None:
        self.format = format_
        self._quiet = quiet
        self._color = color
        self._stream = stream

    def show(self, row: Row, shape: Shape) -> None:
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
                self._id(row, shape)
            case "tsv":
                for name, value in row.items():
                    self._line(f"{name}\t{plain(value)}")
            case _:
                self._fields(row)

    def rows(self, rows: Iterable[Row], shape: Shape) -> None:
        """Print a list; all formats but the table stream it."""
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
                self._csv(rows, shape.columns)
            case "id":
                for row in rows:
                    self._id(row, shape)
            case "tsv":
                for row in rows:
                    self._line("\t".join(plain(row.get(column)) for column in shape.columns))
            case _:
                self._table(list(rows), shape)

    def report(
        self, summary: Row, rows_field: str, shape: Shape, rows: Iterable[Row] | None = None
    ) -> None:
        """Print a summary as JSON. Other formats print only its rows: those of the field, or the
        given rows.
        """
        if self.format in {"json", "jsonl"}:
            self.show(summary, shape)
        else:
            self.rows(summary[rows_field] if rows is None else rows, shape)

    @property
    def is_for_programs(self) -> bool:
        """Whether a result that people get as text is to be fields instead."""
        return self.format in {"json", "jsonl", "csv"}

    @property
    def is_json(self) -> bool:
        return self.format in {"json", "jsonl"}

    def as_json(self, otherwise: str = "json") -> "Output":
        """The same output in JSON, for a command with a format option of its own: as it was asked
        for, or else as `otherwise` says.
        """
        format_ = self.format if self.is_json else otherwise
        return Output(format_, quiet=self._quiet, color=self._color, stream=self._stream)

    def as_json_lines(self) -> "Output":
        """The same output in JSON, one object a line."""
        return Output("jsonl", quiet=self._quiet, color=self._color, stream=self._stream)

    def to(self, stream: TextIO) -> "Output":
        """The same output to a file, where it is never quiet."""
        return Output(self.format, quiet=False, color=False, stream=stream)

    def text(self, text: str) -> None:
        """Print a result that is text already, in whatever format."""
        if not self._quiet:
            self._line(text)

    def markdown(self, text: str) -> None:
        """Print Markdown: rendered in a table's format on a terminal, otherwise as it is."""
        if self.format == "table" and self._stream.isatty() and not self._quiet:
            from catactl.cli.output.markdown import print_markdown

            print_markdown(text, self._stream, color=self._color)
        else:
            self.text(text)

    def _line(self, line: str) -> None:
        self._stream.write(line + "\n")

    def _id(self, row: Row, shape: Shape) -> None:
        if shape.id_field not in row:
            raise InvalidValue("this result has no id", "use another output format")
        if row[shape.id_field] is not None:  # what failed has none
            self._line(plain(row[shape.id_field]))

    def _json_array(self, rows: Iterable[Row]) -> None:
        separator = "["
        try:
            for row in rows:
                self._stream.write(f"{separator}\n  {as_json(row)}")
                separator = ","
        finally:  # what broke off is JSON still, of what there was
            self._line("[]" if separator == "[" else "\n]")

    def _csv(self, rows: Iterable[Row], columns: tuple[str, ...]) -> None:
        writer = csv.writer(self._stream, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow([plain(row.get(column)) for column in columns])

    def _fields(self, row: Row) -> None:
        for line in field_lines(row):
            self._line(line)

    def _table(self, rows: list[Row], shape: Shape) -> None:
        if rows:
            from catactl.cli.output.table import print_table

            print_table(rows, shape, self._stream, color=self._color)


_compact = json.JSONEncoder(ensure_ascii=False).encode
_indented = json.JSONEncoder(ensure_ascii=False, indent=2).encode


def as_json(value: Any, *, is_indented: bool = False) -> str:
    """Return JSON in which what is not printable stands escaped."""
    text = _indented(value) if is_indented else _compact(value)
    if text.replace("\n", "").isprintable():
        return text
    return "".join(
        character if character.isprintable() or character == "\n" else json.dumps(character)[1:-1]
        for character in text
    )
