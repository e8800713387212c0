"""What cannot be parsed is told as any other error: what is wrong, and what to do."""

import pytest

from tests.cli.support import Cli


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (
            ["event", "list", "acme", "--limit", "0"],
            "--limit takes a whole number of 1 or more, not 0",
            "see: catactl event list --help",
        ),
        (
            ["org", "rename", "acme", "new", "--expected-version", "-1"],
            "--expected-version takes a whole number of 0 or more, not -1",
            "see: catactl org rename --help",
        ),
        (
            ["file", "upload", "acme", "x", "--workers", "65"],
            "--workers takes a whole number from 1 to 64, not 65",
            "see: catactl file upload --help",
        ),
        (
            ["event", "show", "acme", "first"],
            "argument POSITION takes a whole number, not 'first'",
            "see: catactl event show --help",
        ),
        (
            ["usage", "history", "acme", "--every", "week"],
            "--every takes hour, day or month, not 'week'",
            "see: catactl usage history --help",
        ),
        (
            ["part", "upload", "acme", "data.bin", "-1", "chunk"],
            "no such option -1",
            "a value that begins with - goes after --, as in: catactl part upload -- …",
        ),
        (["org", "list", "--quite"], "no such option --quite", "did you mean --quiet?"),
        (["org", "create", "acme", "--quota"], "--quota needs a value", "org create --help"),
        (["org", "list", "--verbose=1"], "--verbose takes no value", "org list --help"),
        (["org", "list", "acme", "x"], "too many arguments: acme x", "catactl org list [OPTIONS]"),
        (
            ["part", "record", "acme", "data.bin", "1"],
            "missing --size",
            "part record [OPTIONS] ORG FILE NUMBER --size BYTES --sha256 HEX",
        ),
        (["user", "show", "acme"], "missing argument USER", "user show [OPTIONS] ORG USER"),
    ],
)
def test_a_command_line_that_cannot_be_parsed_names_what_is_wrong_and_the_mend(
    arguments: list[str], message: str, hint: str, stranger: Cli
) -> None:
    # --json goes first, else an option that lacks its value would take it.
    error = stranger(*arguments[:2], "--json", *arguments[2:]).error
    assert (error["exit"], error["message"]) == (2, message)
    assert hint in error["hint"]
