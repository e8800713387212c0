"""`usage export`: readers of the two formats can read its output."""

import json
import time
from collections.abc import Iterable
from datetime import UTC
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import URL, Engine, update

from catactl.domain.organization import CorrectStorageUsage
from catactl.handling.handler import Handler
from catactl.store.tables import organizations, storage_usage
from tests.cli.support import Cli, record
from tests.support import BYTES_2, run, tampering

PROMETHEUS = ("usage", "export", "--format", "prometheus")
CLOUDEVENTS = ("usage", "export", "--format", "cloudevents")
HOSTILE = 'a"b{c="d"} # 1,\'👩‍👩‍👧'
FIGURES = ("used_bytes", "file_count", "part_count")


@pytest.fixture
def stored(cli: Cli) -> Cli:
    """Three organizations: acme, with a replaced part, one with a quota, and a deleted one."""
    cli.has_file("acme", "data.bin", 2_000, 70)
    cli.ok(*record(1, 1_500, sha256=BYTES_2))
    cli.ok("org", "create", HOSTILE, "--quota", "1KB")
    cli.has_file("gone", "old.bin", 10)
    cli.ok("file", "delete", "gone", "old.bin")
    cli.ok("org", "delete", "gone", "--confirm", "gone")
    return cli


def _samples(text: str) -> dict[tuple[str, str], float]:
    """Return values by metric and organization, and check that each metric is a gauge with help."""
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.type == "gauge"
        assert family.documentation.endswith(".")
        for sample in family.samples:
            assert set(sample.labels) in ({"org_id", "name"}, set())
            key = (sample.name, sample.labels.get("name", ""))
            assert key not in found
            found[key] = sample.value
    return found


# --- prometheus -----------------------------------------------------------------------------------


def test_gauges_show_the_state_of_each_organization(stored: Cli) -> None:
    stored.ok("org", "suspend", HOSTILE)
    before = int(time.time())
    samples = _samples(stored(*PROMETHEUS).stdout)
    assert before <= samples.pop(("catactl_export_timestamp_seconds", "")) <= time.time()
    assert samples == {
        ("catactl_storage_used_bytes", "acme"): 1_570,
        ("catactl_storage_files", "acme"): 1,
        ("catactl_storage_parts", "acme"): 2,
        ("catactl_organization_suspended", "acme"): 0,
        ("catactl_storage_used_bytes", HOSTILE): 0,
        ("catactl_storage_quota_bytes", HOSTILE): 1_000,
        ("catactl_storage_files", HOSTILE): 0,
        ("catactl_storage_parts", HOSTILE): 0,
        ("catactl_organization_suspended", HOSTILE): 1,
    }
    assert {name for _, name in _samples(stored(*PROMETHEUS, "acme").stdout)} == {"acme", ""}


def test_characters_that_names_cannot_have_do_not_break_lines(
    stored: Cli, database_url: URL
) -> None:
    name = 'a\\b\\n"\nc 1'
    with tampering(database_url) as conn:
        acme = organizations.c.name == "acme"
        conn.execute(update(organizations).where(acme).values(name=name))
        conn.execute(update(storage_usage).values(used_bytes=2**63 - 1))
    text = stored(*PROMETHEUS).stdout
    assert ("catactl_storage_files", name) in _samples(text)
    assert " 9223372036854775807\n" in text
    with tampering(database_url) as conn:
        changed = organizations.c.name == name
        conn.execute(update(organizations).where(changed).values(name="\x1b[2J\x9b\r\\"))
    text = stored(*PROMETHEUS).stdout
    assert ("catactl_storage_files", r"\x1b[2J\x9b\x0d" + "\\") in _samples(text)
    assert not any(character in text for character in "\x1b\x9b\r")


def test_a_file_is_complete_or_unchanged(sqlite_acme: Cli, tmp_path: Path) -> None:
    path = tmp_path / "metrics" / "catactl.prom"
    sqlite_acme.fails(2, *PROMETHEUS, "--write", path)
    path.parent.mkdir()
    result = sqlite_acme(*PROMETHEUS, "--write", path)
    assert (result.code, result.stdout) == (0, "")
    assert result.stderr == f"catactl: wrote {path}\n"
    written = path.read_text(encoding="utf-8")
    assert _samples(written).keys() == _samples(sqlite_acme(*PROMETHEUS).stdout).keys()
    assert path.stat().st_mode & 0o777 == 0o644
    sqlite_acme.fails(3, *PROMETHEUS, "acme", "nothing", "--write", path)
    assert [(each, each.read_text("utf-8")) for each in path.parent.iterdir()] == [(path, written)]
    quiet = sqlite_acme(*PROMETHEUS, "--write", path, "-q")
    assert (quiet.stdout, quiet.stderr) == ("", "")
    assert _samples(path.read_text("utf-8")).keys() == _samples(written).keys()


# --- cloudevents ----------------------------------------------------------------------------------


def _read(lines: Iterable[str]) -> list[BaseCloudEvent]:
    return [JSONFormat().read(CloudEvent, line) for line in lines]


def _data(event: BaseCloudEvent) -> dict[str, Any]:
    data = event.get_data()
    assert isinstance(data, dict)
    return data


def test_each_usage_event_is_a_cloudevent_and_each_correction(
    stored: Cli, engine: Engine, tmp_path: Path
) -> None:
    acme = UUID(stored.ok("org", "show", "acme")["org_id"])
    run(Handler(engine), acme, acme, CorrectStorageUsage(1_600, 1, 2, "test", 0))
    lines = stored(*CLOUDEVENTS).lines
    events = _read(lines)
    assert len({(event.get_source(), event.get_id()) for event in events}) == len(events) == 8
    assert {(event.get_specversion(), event.get_datacontenttype()) for event in events} == {
        ("1.0", "application/json")
    }
    assert {event.get_type() for event in events} == {
        "com.catacloud.organization.storage_usage_changed"
    }
    corrections = [_data(event) for event in events if _data(event)["correction"]]
    assert [(each["delta_bytes"], each["used_bytes"]) for each in corrections] == [(30, 1_600)]
    for org_id in {event.get_subject() for event in events}:
        mine = [event for event in events if event.get_subject() == org_id]
        assert {event.get_source() for event in mine} == {f"urn:uuid:{org_id}"}
        total = sum(_data(event)["delta_bytes"] for event in mine)
        assert total == _data(mine[-1])["used_bytes"]
        usage = stored.ok("usage", "show", org_id)
        assert {name: _data(mine[-1])[name] for name in FIGURES} == {
            name: usage[name] for name in FIGURES
        }
        for event in mine:
            logged = stored.ok("event", "show", org_id, _data(event)["position"])
            assert event.get_id() == logged["event_id"]
            assert all(_data(event)[name] == logged["payload"][name] for name in FIGURES)
            moment = event.get_time()
            assert moment is not None
            assert moment.tzinfo is not None
            stamp = moment.astimezone(UTC).isoformat(timespec="microseconds")
            assert stamp.replace("+00:00", "Z") == logged["recorded_at"]
    path = tmp_path / "events.jsonl"
    stored(*CLOUDEVENTS, "--write", path)
    assert path.read_text().splitlines() == lines
    assert stored.ok(*CLOUDEVENTS) == list(map(json.loads, lines))


def test_incremental_exports_add_up_to_the_whole(stored: Cli) -> None:
    whole = stored(*CLOUDEVENTS).lines
    acme = stored(*CLOUDEVENTS, "acme").lines
    times = [event.get_time() for event in _read(acme)]
    middle = times[2]
    assert middle is not None
    early = stored(*CLOUDEVENTS, "--to", middle.isoformat()).lines
    late = stored(*CLOUDEVENTS, "--from", middle.isoformat()).lines
    assert set(early) | set(late) == set(whole)
    assert len(early) + len(late) == len(whole)
    assert acme[2] in late
    assert stored(*CLOUDEVENTS, "--to", "2020-01-01").lines == []
    position = _data(_read(acme)[1])["position"]
    assert stored(*CLOUDEVENTS, "acme", "--after", position).lines == acme[2:]
    last = _data(_read(acme)[-1])["position"]
    assert stored(*CLOUDEVENTS, "acme", "--after", last).lines == []


@pytest.mark.parametrize(
    "arguments",
    [
        [*PROMETHEUS, "--from", "-1d"],
        [*PROMETHEUS, "acme", "--after", "1"],
        [*CLOUDEVENTS, "--after", "1"],
        [*CLOUDEVENTS, "acme", "acme", "--after", "1"],
        [*CLOUDEVENTS, "acme", "--after", "1", "--from", "-1d"],
        [*CLOUDEVENTS, "acme", "--after", "-1"],
        [*CLOUDEVENTS, "--from", "now", "--to", "-1d"],
        ["usage", "export", "--format", "xml"],
        ["usage", "export"],
    ],
)
def test_impossible_exports_are_refused(arguments: list[str], sqlite_acme: Cli) -> None:
    sqlite_acme.fails(2, *arguments)
