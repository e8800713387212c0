"""`catactl help`, and the layout of help."""

import re

import pytest

from catactl.cli.framework import command_tree
from catactl.help.topics import topic_names, topic_text
from tests.cli.support import Cli, leaves_of


def test_the_help_command_prints_the_same_as_the_help_option(stranger: Cli) -> None:
    for path in (["org"], ["org", "create"], ["version"]):
        assert stranger("help", *path).stdout == stranger(*path, "--help").stdout
    assert stranger("help", "org", "create", "--json").json["help"].startswith("Usage: catactl org")
    assert "no such command 'nosuch'" in stranger.fails(2, "help", "org", "nosuch")["message"]
    assert "has no verbs" in stranger.fails(2, "help", "version", "x")["message"]


def test_help_alone_also_lists_the_topics(stranger: Cli) -> None:
    commands, _, topics = stranger("help").stdout.partition("\nTopics:\n")
    assert commands == stranger("--help").stdout
    assert re.findall(r"^  (\S+)  +\S", topics, re.MULTILINE) == topic_names()


def test_help_prints_a_topic(stranger: Cli) -> None:
    for name in topic_names():
        assert stranger("help", name).stdout == f"{topic_text(name)}\n"
    assert stranger("help", "exit-codes", "--json").json == {"help": topic_text("exit-codes")}
    assert "has no verbs" in stranger.fails(2, "help", "exit-codes", "x")["message"]


def test_an_unknown_name_is_compared_with_commands_and_topics(stranger: Cli) -> None:
    error = stranger.fails(2, "help", "exit-code")
    assert error["message"] == "no such command or topic 'exit-code'"
    assert error["hint"] == "did you mean 'exit-codes'?"
    assert stranger.fails(2, "help", "ogr")["hint"] == "did you mean 'org'?"
    assert stranger.fails(2, "help", "nothing-like-it")["hint"] == "see: catactl help"


def test_help_of_all_commands_has_shared_options_once(stranger: Cli) -> None:
    text = stranger("help", "--all").stdout
    for first in (*command_tree.NOUNS, *command_tree.COMMANDS):
        for path in leaves_of(first):
            name = " ".join(path)
            assert text.count(f"Usage: catactl {name} [OPTIONS]") == 1
            assert f"  Example: catactl {name}" in text
    assert len(re.findall(r"^  --dry-run ", text, re.MULTILINE)) == 1
    assert len(re.findall(r"^  --database-url URL", text, re.MULTILINE)) == 1
    assert "\x1b" not in text
    assert "catactl quota set" not in stranger("help", "org", "--all").stdout


def test_own_options_go_first(stranger: Cli) -> None:
    text = stranger("org", "rename", "--help").stdout
    order = [
        "Arguments:",
        "Options:",
        "--expected-version",
        "Options of write commands:",
        "--dry-run",
        "Options of all commands:",
        "--database-url",
        "--help",
    ]
    assert sorted(order, key=text.index) == order
    assert "Options of write commands" not in stranger("org", "list", "--help").stdout


@pytest.mark.parametrize("columns", [40, 80])
def test_help_is_no_wider_than_the_terminal(
    columns: int, stranger: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for line in stranger("help", "--all").lines + stranger("--help").lines:
        if len(line) > columns:
            assert max(map(len, line.split())) > columns - 12, line
        assert not re.search(r"--[a-z-]*-$", line), "an option is broken in two"
