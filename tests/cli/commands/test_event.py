"""`event list`, `event show`, `event trace` and `event verify`."""

import pytest
from sqlalchemy import URL, update

from catactl.store.tables import (
    events,
)
from tests.cli.support import Cli
from tests.support import tampering

EVENT = {
    "org_id",
    "position",
    "stream_id",
    "version",
    "type",
    "schema_version",
    "payload",
    "event_id",
    "actor",
    "reason",
    "command_id",
    "correlation_id",
    "causation_id",
    "recorded_at",
    "hash",
}


@pytest.fixture
def acme(cli: Cli) -> Cli:
    cli.has_file("acme", "data.bin", 100, 50)
    cli.ok("org", "create", "beta", "--quota", "1KB")
    return cli


def test_events_are_listed_and_shown_with_every_documented_field(acme: Cli) -> None:
    listed = acme.ok("event", "list", "acme")
    assert [event["position"] for event in listed] == list(range(1, 8))
    for event in listed:
        assert set(event) == EVENT
        assert isinstance(event["payload"], dict)
    assert acme.ok("event", "show", "acme", 5) == listed[4]
    assert acme.ok("event", "list", "acme", "--after", 2, "--limit", 3) == listed[2:5]
    stream = [event for event in listed if event["stream_id"] == listed[1]["stream_id"]]
    assert acme.ok("event", "list", "acme", "--stream", listed[1]["stream_id"]) == stream
    answers = {event["event_id"]: event for event in listed}
    assert answers[listed[2]["causation_id"]] == listed[1]
    acme.fails(3, "event", "show", "acme", 8)
    acme.fails(3, "event", "show", "acme", 0)
    acme.fails(2, "event", "show", "acme", "first")
    acme.fails(2, "event", "list", "acme", "--stream", "data.bin")


def test_a_trace_shows_all_events_of_one_command(acme: Cli) -> None:
    traced = acme.ok("event", "trace", "acme", 4)
    assert [event["position"] for event in traced] == [4, 5]
    assert acme.ok("event", "trace", "acme", 5) == traced
    text = acme("event", "trace", "acme", 5).stdout
    assert text.startswith("command ")
    assert "saga storage_usage" in text
    assert "view storage_usage" in text


def test_an_event_that_was_changed_is_found_where_it_is(acme: Cli, database_url: URL) -> None:
    assert [each["ok"] for each in acme.ok("event", "verify")] == [True, True]
    org_id = acme.ok("org", "show", "acme")["org_id"]
    with tampering(database_url) as conn:
        conn.execute(
            update(events)
            .where(events.c.position == 4, events.c.org_id == org_id)
            .values(actor="x")
        )
    result = acme("event", "verify", "--json")
    assert (result.code, result.error["code"]) == (6, "findings")
    assert {each["name"]: each["position"] for each in result.json} == {"acme": 4, "beta": None}
    assert acme("event", "verify", "beta").code == 0
