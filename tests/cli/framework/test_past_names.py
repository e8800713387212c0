"""A name means the organization, file or job that had it at the given time."""

from typing import Any, NamedTuple

import pytest

from tests.cli.support import Cli


class Namesakes(NamedTuple):
    """Two organizations that had the name acme one after the other, and the times."""

    first: str
    second: str
    born: str
    filled: str
    died: str
    born_again: str


def _moment(cli: Cli, org_id: str, type_: str) -> str:
    events = cli.ok("event", "list", org_id)
    moment: str = next(each["recorded_at"] for each in events if each["type"] == type_)
    return moment


@pytest.fixture
def namesakes(cli: Cli) -> Namesakes:
    cli.has_file("acme", "data.bin", 1_000)
    first = cli.ok("org", "show", "acme")["org_id"]
    cli.ok("file", "delete", "acme", "data.bin")
    cli.ok("org", "delete", "acme", "--confirm", "acme")
    second = cli.ok("org", "create", "acme", "--quota", "5KB")["org_id"]
    return Namesakes(
        first,
        second,
        _moment(cli, first, "organization.created"),
        _moment(cli, first, "file.part_uploaded"),
        _moment(cli, first, "organization.deleted"),
        _moment(cli, second, "organization.created"),
    )


def _ids(rows: list[dict[str, Any]]) -> list[str]:
    return sorted({row["org_id"] for row in rows})


def test_a_report_has_a_line_for_each_organization_that_had_the_name(
    cli: Cli, namesakes: Namesakes
) -> None:
    report = ["usage", "report", "acme"]
    its_time = ["--from", namesakes.born, "--to", namesakes.died]
    (line,) = cli.ok(*report, *its_time)
    assert (line["org_id"], line["peak_bytes"]) == (namesakes.first, 1_000)
    assert _ids(cli.ok(*report, "--from", namesakes.born)) == [namesakes.first, namesakes.second]
    assert _ids(cli.ok(*report, "--from", namesakes.born_again)) == [namesakes.second]
    noted = cli(*report, *its_time)
    assert f"'acme' was the name of organization {namesakes.first} from" in noted.stderr
    error = cli.fails(3, *report, "--from", "2020-01-01", "--to", "2020-02-01")
    assert error["message"] == "'acme' did not exist yet in that period"


def test_an_organization_that_used_nothing_is_reported_if_it_is_given(
    cli: Cli, namesakes: Namesakes
) -> None:
    after = ["--from", namesakes.born_again]
    (line,) = cli.ok("usage", "report", namesakes.first, *after)
    assert (line["org_id"], line["byte_microseconds"]) == (namesakes.first, 0)
    assert _ids(cli.ok("usage", "report", *after)) == [namesakes.second]


@pytest.mark.parametrize("command", ["org show", "usage show"])
def test_at_a_moment_a_name_means_the_organization_that_had_it_then(
    cli: Cli, namesakes: Namesakes, command: str
) -> None:
    at = [*command.split(), "acme", "--as-of"]
    shown = cli.ok(*at, namesakes.filled)
    assert (shown["org_id"], shown["used_bytes"]) == (namesakes.first, 1_000)
    assert f"organization {namesakes.first} from" in cli(*at, namesakes.filled).stderr
    assert cli.ok(*at, namesakes.born_again)["org_id"] == namesakes.second
    now = cli(*at, "now")
    assert (now.code, now.stderr) == (0, "")
    cli.fails(3, *at, "2020-01-01")


@pytest.mark.parametrize("command", ["usage history", "usage explain"])
def test_over_a_range_a_name_means_the_only_organization_that_had_it(
    cli: Cli, namesakes: Namesakes, command: str
) -> None:
    ask = [*command.split(), "acme"]
    first = cli(*ask, "--from", namesakes.born, "--to", namesakes.died)
    assert first.code == 0
    assert "1000" in first.stdout
    error = cli.fails(4, *ask, "--from", namesakes.born)
    assert error["code"] == "ambiguous_name"
    assert namesakes.first in error["message"]
    assert namesakes.second in error["message"]


def test_in_the_present_a_name_means_the_organization_that_has_it_now(
    cli: Cli, namesakes: Namesakes
) -> None:
    for command in ("usage show", "usage explain", "event list", "file list", "event verify"):
        now = cli(*command.split(), "acme")
        assert (now.code, now.stderr) == (0, "")
        assert namesakes.first not in now.stdout
    history = cli("usage", "history", "acme")
    assert history.code == 0
    assert "1000" not in history.stdout
    assert f"'acme' was the name of organization {namesakes.first}" in history.stderr


def test_an_export_has_the_events_of_all_organizations_that_had_the_name(
    cli: Cli, namesakes: Namesakes
) -> None:
    export = ["usage", "export", "--format", "cloudevents", "acme"]
    rows = cli.ok(*export, "--from", namesakes.born)
    assert {row["subject"] for row in rows} == {namesakes.first}
    assert cli.ok(*export) == []


def test_a_hint_names_the_organization_that_had_a_name_last(cli: Cli) -> None:
    org_id = cli.ok("org", "create", "acme")["org_id"]
    cli.ok("org", "rename", "acme", "other")
    error = cli.fails(3, "org", "show", "acme")
    assert error["hint"].startswith(f"organization {org_id} had this name until it was renamed at")
    cli.ok("org", "delete", "other", "--confirm", "other")
    error = cli.fails(3, "usage", "show", "other")
    assert error["hint"].startswith(f"organization {org_id} had this name until it was deleted at")
    assert error["hint"].endswith("see: catactl org list --all")


def test_a_renamed_organization_is_found_in_the_past_by_its_old_name(cli: Cli) -> None:
    org_id = cli.ok("org", "create", "old")["org_id"]
    cli.ok("org", "rename", "old", "new")
    cli.ok("org", "create", "old")
    then = _moment(cli, org_id, "organization.created")
    assert cli.ok("org", "show", "old", "--as-of", then)["org_id"] == org_id
    assert cli.ok("org", "show", "new", "--as-of", then)["name"] == "old"


def test_files_and_jobs_are_found_by_the_names_that_they_had_then(acme: Cli) -> None:
    first = acme.ok("file", "create", "acme", "f")["file_id"]
    acme.ok("file", "delete", "acme", "f")
    second = acme.ok("file", "create", "acme", "f")["file_id"]
    job = acme.ok("job", "create", "acme", "j", "--image", "x")["job_id"]
    acme.ok("job", "update", "acme", "j", "--name", "k")
    other = acme.ok("job", "create", "acme", "j", "--image", "x")["job_id"]
    moments = {
        (each["stream_id"], each["type"].partition(".")[2]): each["recorded_at"]
        for each in acme.ok("event", "list", "acme")
    }

    def shown(what: str, name: str, stream_id: str, type_: str) -> tuple[str, str]:
        moment = moments[stream_id, type_]
        row = acme.ok(what, "show", "acme", name, "--as-of", moment)
        return row[f"{what}_id"], row["status"]

    assert shown("file", "f", first, "created") == (first, "uploading")
    assert shown("file", "f", first, "deleted") == (first, "deleted")
    assert shown("file", "f", second, "created") == (second, "uploading")
    assert shown("job", "j", job, "created") == (job, "enabled")
    assert shown("job", "k", job, "updated") == (job, "enabled")
    assert shown("job", "k", job, "created") == (job, "enabled")
    assert shown("job", "j", other, "created") == (other, "enabled")
