"""A command line that Typer rejects leads to an error like any other: a message and a hint."""

import pytest

from tests.cli.support import Cli


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (
            ["event", "list", "acme", "--limit", "0"],
            "invalid value for '--limit': 0 is not in the range x>=1",
            "see: catactl event list --help",
        ),
        (
            ["org", "rename", "acme", "new", "--expected-version", "-1"],
            "invalid value for '--expected-version': -1 is not in the range x>=0",
            "see: catactl org rename --help",
        ),
        (
            ["file", "upload", "acme", "x", "--workers", "65"],
            "invalid value for '--workers': 65 is not in the range 1<=x<=64",
            "see: catactl file upload --help",
        ),
        (
            ["event", "show", "acme", "first"],
            "invalid value for 'POSITION': 'first' is not a valid integer",
            "see: catactl event show --help",
        ),
        (
            ["usage", "history", "acme", "--every", "week"],
            "invalid value for '--every': 'week' is not one of 'hour', 'day', 'month'",
            "see: catactl usage history --help",
        ),
        (
            ["part", "upload", "acme", "data.bin", "-1", "chunk"],
            "no such option -1",
            "a value that begins with - goes after --, as in: catactl part upload -- …",
        ),
        (["org", "list", "--quite"], "no such option --quite", "did you mean --quiet?"),
        (
            ["org", "create", "acme", "--quota"],
            "option '--quota' requires an argument",
            "org create --help",
        ),
        (
            ["org", "list", "--verbose=1"],
            "option '--verbose' does not take a value",
            "org list --help",
        ),
        (
            ["org", "list", "acme", "x"],
            "got unexpected extra argument(s) (acme x)",
            "catactl org list [OPTIONS]",
        ),
        (
            ["part", "record", "acme", "data.bin", "1"],
            "missing option '--size'",
            "part record [OPTIONS] ORG FILE NUMBER --size BYTES --sha256 HEX",
        ),
        (["user", "show", "acme"], "missing argument 'USER'", "user show [OPTIONS] ORG USER"),
    ],
)
def test_a_usage_error_names_the_problem_and_the_fix(
    arguments: list[str], message: str, hint: str, stranger: Cli
) -> None:
    # --json goes first, else an option that lacks its value would take it.
    error = stranger(*arguments[:2], "--json", *arguments[2:]).error
    assert (error["exit"], error["message"]) == (2, message)
    assert hint in error["hint"]
