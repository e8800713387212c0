"""Tables on a terminal of any width. Other output does not depend on the width."""

import io
import re
from typing import Any

import pytest
from rich.cells import cell_len

from catactl.cli.output.render import Output
from catactl.results.result import Columns

_ID = "01a208f3-9132-752c-8816-5f61886086e0"
_BOLD = re.compile("\x1b\\[[01]m")
_COLUMNS = Columns(("org_id", "name", "used_bytes", "created_at"), id_field="org_id")
_ROW = {
    "org_id": _ID,
    "name": "acme",
    "used_bytes": 2048,
    "created_at": "2026-01-31T12:00:00.000000Z",
}


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _printed(
    rows: list[dict[str, Any]], format_: str = "table", stream: io.StringIO | None = None
) -> list[str]:
    stream = stream if stream is not None else _Terminal()
    Output(format_, quiet=False, color=False, stream=stream).rows(rows, _COLUMNS)
    return [_BOLD.sub("", line).rstrip() for line in stream.getvalue().splitlines()]


@pytest.fixture
def columns(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("COLUMNS", str(request.param))
    monkeypatch.setenv("LINES", "50")
    return int(request.param)


@pytest.mark.parametrize("columns", [100], indirect=True)
def test_a_table_that_fits_has_every_column(columns: int) -> None:
    _, line = _printed([_ROW])
    assert line.split() == [_ID, "acme", "2.0", "KiB", "2026-01-31", "12:00:00Z"]


@pytest.mark.parametrize("columns", [40, 60], indirect=True)
def test_ids_go_first_where_a_table_does_not_fit(columns: int) -> None:
    title, line = _printed([_ROW])
    assert "ORG ID" not in title
    assert line.split() == ["acme", "2.0", "KiB", "2026-01-31", "12:00:00Z"]


@pytest.mark.parametrize("columns", [60, 120], indirect=True)
def test_only_a_long_name_is_folded(columns: int) -> None:
    lines = _printed([_ROW | {"name": "n" * 200}, _ROW])
    assert sum(line.count("n") for line in lines) == 200
    assert all(cell_len(line) <= columns for line in lines)
    assert sum("2.0 KiB  2026-01-31 12:00:00Z" in line for line in lines) == 2


@pytest.mark.parametrize("columns", [30], indirect=True)
def test_without_room_for_a_table_each_row_is_printed_as_lines_of_fields(columns: int) -> None:
    assert _printed([_ROW, _ROW | {"name": "other\x1b[31m"}]) == [
        "NAME        acme",
        "USED        2.0 KiB",
        "CREATED AT  2026-01-31 12:00:00Z",
        f"ORG ID      {_ID}",
        "",
        "NAME        other\\x1b[31m",
        "USED        2.0 KiB",
        "CREATED AT  2026-01-31 12:00:00Z",
        f"ORG ID      {_ID}",
    ]


@pytest.mark.parametrize("columns", [30], indirect=True)
def test_programs_get_the_same_whatever_the_width(columns: int) -> None:
    assert _printed([_ROW], "id") == [_ID]
    assert _printed([_ROW], "tsv") == [f"{_ID}\tacme\t2048\t{_ROW['created_at']}"]
    assert _printed([_ROW], "json")[1].startswith(f'  {{"org_id": "{_ID}", "name": "acme", ')
    assert _ID in _printed([_ROW], "table", io.StringIO())[1]
