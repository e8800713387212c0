"""`usage report`."""

from html.parser import HTMLParser
from pathlib import Path

import pytest
from sqlalchemy import URL, Engine

from tests.cli.support import Cli
from tests.store.test_closed_periods import Organizations, Writer


@pytest.fixture
def stored(cli: Cli) -> Cli:
    cli.has_file("acme", "data.bin", 1_000)
    cli.ok("org", "create", "<b>&\"'")
    return cli


def test_a_report_has_one_line_per_organization(stored: Cli) -> None:
    rows = stored.ok("usage", "report")
    assert [row["name"] for row in rows] == ["<b>&\"'", "acme"]
    acme = rows[1]
    assert (acme["kind"], acme["closed"], acme["peak_bytes"]) == ("usage", False, 1_000)
    assert isinstance(acme["byte_hours"], int)
    assert isinstance(acme["gb_month"], str)
    assert [row["name"] for row in stored.ok("usage", "report", "acme")] == ["acme"]
    table = stored("usage", "report", "-o", "csv", "--unit", "GiB-hours").lines
    assert table[0].split(",")[-2:] == ["gib_hours", "delta_bytes"]
    assert stored.ok("usage", "report", "--month", "2020-01") == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["--month", "2026-13"],
        ["--month", "9000-01"],
        ["--month", "2026-01", "--from", "-1d"],
        ["--to", "now"],
        ["--from", "now", "--to", "now"],
        ["--from", "now", "--to", "-1d"],
        ["--unit", "GB"],
    ],
)
def test_impossible_periods_are_refused(arguments: list[str], stored: Cli) -> None:
    stored.fails(2, "usage", "report", *arguments)


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href"}]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_page_refers_to_no_other_file(stored: Cli, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    stored.ok("usage", "report", "--html", path)
    page = _Page()
    page.feed(path.read_text(encoding="utf-8"))
    assert {"table", "svg"} <= page.tags
    assert not {"script", "link", "img", "b"} & page.tags
    assert page.links == []
    assert "<b>&\"'" in page.text
    assert [each.name for each in tmp_path.glob("*.html")] == ["report.html"]
    stored.fails(2, "usage", "report", "--html", tmp_path / "no" / "report.html")


@pytest.mark.parametrize("html", [False, True])
def test_a_report_is_closed_only_if_the_period_is_closed(
    cli: Cli, database_url: URL, engine: Engine, tmp_path: Path, html: bool
) -> None:
    place = Organizations(database_url, engine)
    place.begin()
    end = place.now(engine).isoformat()
    page = tmp_path / "page.html"
    command = ["usage", "report", "--from", "2026-01-01", "--to", end, "--lock-timeout", "0"]
    command += ["--html", str(page)] * html
    assert {row["closed"] for row in cli.ok(*command)} == {False}
    assert "still in progress" in cli(*command).stderr
    assert not html or "these figures may change" in page.read_text()
    place.end(Writer.commit)
    rows = cli.ok(*command)
    assert {row["closed"] for row in rows} == {True}
    assert sum(row["closing_bytes"] for row in rows) == 1
    assert not html or "these figures are final" in page.read_text()
    place.begin()
    place.end(Writer.commit)
    assert cli.ok(*command) == rows
