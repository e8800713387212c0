"""The past on the command line: --as-of, --at-version and history."""

import pytest

from tests.cli.support import Cli


@pytest.fixture
def stored(cli: Cli) -> Cli:
    cli.has_file("acme", "data.bin", 1_000, 500)
    return cli


def test_the_present_is_the_past_of_now(stored: Cli) -> None:
    now = stored.ok("usage", "show", "acme")
    then = stored.ok("usage", "show", "acme", "--as-of", "now")
    assert {**now, "as_of": ""}.items() >= {**then, "as_of": ""}.items()
    assert stored.ok("usage", "show", "--as-of", "now") == [{**then, "as_of": ANY}]
    for show in (("org", "show", "acme"), ("file", "show", "acme", "data.bin")):
        assert stored.ok(*show, "--as-of", "now") == stored.ok(*show)


class _Any:
    def __eq__(self, _other: object) -> bool:
        return True


ANY = _Any()


def test_a_version_is_shown_as_it_was(stored: Cli) -> None:
    show = ("file", "show", "acme", "data.bin", "--at-version")
    assert [stored.ok(*show, n)["size_bytes"] for n in (1, 2, 3)] == [0, 1_000, 1_500]
    assert stored.fails(3, *show, 4)["hint"] == "its last is 3"
    assert stored.ok("org", "show", "acme", "--at-version", 1)["used_bytes"] == 0
    stored.ok("job", "create", "acme", "nightly", "--image", "x")
    stored.ok("job", "disable", "acme", "nightly")
    job = ("job", "show", "acme", "nightly")
    assert stored.ok(*job, "--at-version", 1)["status"] == "enabled"
    assert stored.ok(*job)["status"] == "disabled"


def test_an_object_is_not_found_before_its_creation(stored: Cli) -> None:
    for show in (("usage", "show", "acme"), ("org", "show", "acme")):
        assert "did not exist yet" in stored.fails(3, *show, "--as-of", "2020-01-01")["message"]
    assert stored.ok("usage", "show", "--as-of", "2020-01-01") == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["org", "show", "acme", "--as-of", "9000-01-01"],
        ["org", "show", "acme", "--as-of", "soon"],
        ["org", "show", "acme", "--as-of", "now", "--at-version", "1"],
        ["org", "show", "acme", "--at-version", "0"],
        ["usage", "history", "acme", "--from", "now", "--to", "-1d"],
        ["usage", "history", "acme", "--every", "week"],
    ],
)
def test_impossible_points_and_intervals_are_refused(arguments: list[str], stored: Cli) -> None:
    stored.fails(2, *arguments)


def test_an_object_that_was_deleted_later_is_listed_as_it_was(stored: Cli) -> None:
    stored.ok("org", "create", "gone")
    created_at = stored.ok("event", "list", "gone")[0]["recorded_at"]
    stored.ok("org", "delete", "gone", "--confirm", "gone")
    names = [row["name"] for row in stored.ok("usage", "show", "--as-of", created_at)]
    assert names == ["acme", "gone"]
    assert [row["name"] for row in stored.ok("usage", "show", "--as-of", "now")] == ["acme"]
    assert len(stored.ok("usage", "history", "acme", "--to", "9000-01-01")) == 31


def test_history_has_one_row_per_bucket_and_ends_now(stored: Cli) -> None:
    days = stored.ok("usage", "history", "acme")
    assert len(days) == 31
    assert [day["closing_bytes"] for day in days] == [0] * 30 + [1_500]
    assert days[-1]["peak_bytes"] == 1_500
    assert days[-1]["end"] <= stored.ok("usage", "history", "acme")[-1]["end"]
    hours = stored.ok("usage", "history", "acme", "--from", "-3h", "--every", "hour")
    assert len(hours) in {3, 4}
    assert stored.ok("usage", "history", "acme", "--from", "now") == []
    far = stored.ok("usage", "history", "acme", "--from", "1901-01-01", "--every", "month")
    assert len(far) > 1_500


def test_history_is_drawn_for_people(stored: Cli) -> None:
    drawn = stored("usage", "history", "acme", "--from", "-1h", "--plot").stdout
    assert "1.5 KiB │" in drawn
    assert "0 B" in drawn
    assert "empty" in stored("usage", "history", "acme", "--from", "now", "--plot").stdout
    assert "█" in stored("usage", "history", "acme", "-o", "table").stdout
