"""`usage explain`."""

import json

import pytest
from sqlalchemy import URL, select, update

from catactl.store.tables import events, storage_usage
from tests.cli.support import Cli, record
from tests.support import BYTES_2, tampering


def _filled(cli: Cli) -> Cli:
    """Usage events at positions 3, 5 … 11: created, 2,000, 1,500 instead, deleted, restored."""
    cli.has_file("acme", "data.bin", 2_000)
    cli.ok(*record(1, 1_500, sha256=BYTES_2), "--reason", "smaller")
    cli.ok("file", "delete", "acme", "data.bin")
    cli.ok("file", "restore", "acme", "data.bin")
    return cli


@pytest.fixture
def stored(cli: Cli) -> Cli:
    return _filled(cli)


@pytest.fixture
def sqlite_stored(sqlite_cli: Cli) -> Cli:
    return _filled(sqlite_cli)


def test_each_usage_event_has_a_row_with_its_cause(stored: Cli) -> None:
    whole = stored.ok("usage", "explain", "acme")
    opening, *rows, closing = whole
    assert [row["kind"] for row in (opening, *rows, closing)] == [
        "opening",
        *["event"] * 5,
        "closing",
    ]
    figures = [
        (row["position"], row["delta_bytes"], row["used_bytes"], row["cause"]) for row in rows
    ]
    assert figures == [
        (3, 0, 0, "created"),
        (5, 2_000, 2_000, "part_uploaded"),
        (7, -500, 1_500, "part_uploaded"),
        (9, -1_500, 0, "deleted"),
        (11, 1_500, 1_500, "restored"),
    ]
    assert (rows[2]["file_name"], rows[2]["part_number"]) == ("data.bin", 1)
    assert (rows[2]["actor"], rows[2]["reason"]) == ("tester", "smaller")
    event = stored.ok("event", "show", "acme", rows[2]["cause_position"])
    assert (event["type"], event["stream_id"]) == ("file.part_uploaded", rows[2]["file_id"])
    assert rows[2]["recorded_at"] == event["recorded_at"]
    usage = stored.ok("usage", "show", "acme")
    assert (closing["used_bytes"], closing["position"]) == (usage["used_bytes"], usage["position"])
    assert {tuple(row) for row in whole} == {tuple(opening)}
    for count in (1, 3):
        opening, *rows, closing = stored.ok("usage", "explain", "acme", "--last", count)
        assert [*rows, closing] == whole[-count - 1 :]
        assert opening["used_bytes"] == whole[-count - 2]["used_bytes"]
    assert stored.ok("usage", "explain", "acme", "--last", 2**63 - 1) == whole


def test_intervals_are_half_open(stored: Cli) -> None:
    whole = stored.ok("usage", "explain", "acme")
    first, second = whole[2]["recorded_at"], whole[4]["recorded_at"]
    opening, *rows, closing = stored.ok("usage", "explain", "acme", "--from", first, "--to", second)
    assert rows == whole[2:4]
    assert (opening["used_bytes"], closing["used_bytes"]) == (0, 1_500)
    assert (opening["position"], closing["position"]) == (3, 7)
    assert stored.ok("usage", "explain", "acme", "--from", first) == [opening, *whole[2:]]
    assert stored.ok("usage", "explain", "acme", "--to", "9000-01-01") == whole
    nothing = stored.ok("usage", "explain", "acme", "--to", "2020-01-01")
    assert [(row["kind"], row["used_bytes"]) for row in nothing] == [
        ("opening", 0),
        ("closing", 0),
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--last", "1", "--from", "-1d"],
        ["--last", "1", "--to", "now"],
        ["--last", "0"],
        ["--from", "now", "--to", "-1d"],
        ["--from", "9000-01-01"],
        ["--to", "soon"],
    ],
)
def test_invalid_ranges_are_refused(arguments: list[str], sqlite_acme: Cli) -> None:
    sqlite_acme.fails(2, "usage", "explain", "acme", *arguments)


def test_sizes_for_people_have_a_sign(sqlite_stored: Cli) -> None:
    table = sqlite_stored("usage", "explain", "acme", "-o", "table").lines
    assert [word in table[3] for word in ("+2.0 KiB", "part_uploaded", "data.bin")] == [True] * 3
    assert "-500 B" in table[4]
    assert table[0].index("DELTA") + len("DELTA") == table[4].index("-500 B") + len("-500 B")
    assert "FILE ID" not in table[0]
    assert ",file_id," in sqlite_stored("usage", "explain", "acme", "-o", "csv").lines[0]
    ids = sqlite_stored("usage", "explain", "acme", "-o", "id").lines
    assert ids == [row["event_id"] for row in sqlite_stored.ok("usage", "explain", "acme")[1:-1]]


def test_a_deleted_organization_is_found_by_its_id(sqlite_stored: Cli) -> None:
    org_id = sqlite_stored.ok("org", "show", "acme")["org_id"]
    sqlite_stored.ok("file", "delete", "acme", "data.bin")
    sqlite_stored.ok("org", "delete", "acme", "--confirm", "acme")
    sqlite_stored.fails(3, "usage", "explain", "acme")
    closing = sqlite_stored.ok("usage", "explain", org_id)[-1]
    assert (closing["used_bytes"], closing["position"]) == (0, 14)


def test_a_wrong_sum_exits_6_with_its_position(stored: Cli, database_url: URL) -> None:
    with tampering(database_url) as conn:
        here = events.c.position == 7
        payload = conn.execute(select(events.c.payload).where(here)).scalar_one()
        if isinstance(payload, str):  # SQLite
            changed = json.dumps(json.loads(payload) | {"used_bytes": 9})
        else:
            changed = payload | {"used_bytes": 9}
        conn.execute(update(events).where(here).values(payload=changed))
    for quiet in ((), ("--last", "3")):
        result = stored("usage", "explain", "acme", *quiet, "--json")
        assert result.code == 6
        assert "at position 7: it has 9 bytes" in result.error["message"]
        assert "catactl event verify acme" in result.error["hint"]
        broken = [row["position"] for row in result.json if row["problem"]]
        assert broken == [7, 9]
    assert stored("usage", "explain", "acme", "--last", "1").code == 0
    assert stored("usage", "explain", "acme", "-q").code == 6


def test_a_stored_figure_that_drifted_exits_6_and_is_corrected(
    stored: Cli, database_url: URL
) -> None:
    with tampering(database_url) as conn:
        conn.execute(update(storage_usage).values(used_bytes=9))
    result = stored("usage", "explain", "acme", "--last", "1", "--json")
    assert (result.code, result.json[-1]["used_bytes"]) == (6, 9)
    assert "at position 11: usage show reports 9 bytes" in result.error["message"]
    assert result.error["hint"] == "catactl usage recompute acme"
    assert stored("usage", "explain", "acme", "--to", "-1h").code == 0
    stored.ok("usage", "recompute", "acme")
    assert stored.ok("usage", "explain", "acme")[-1]["used_bytes"] == 1_500
