"""The topics of `catactl help TOPIC`, as the program prints them and as files of the package."""

import io
import re

import pytest
from hatchling.builders.wheel import WheelBuilder

from catactl.cli.framework import command_tree
from catactl.cli.output.render import Output
from catactl.help.topics import topic_names, topic_summary, topic_text
from catactl.results.program import HelpResult
from catactl.results.result import Text
from tests.support import ROOT

_MAX_LINES = 150
every_topic = pytest.mark.parametrize("name", topic_names())


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@every_topic
def test_a_topic_has_a_title_one_sentence_and_few_lines(name: str) -> None:
    text = topic_text(name)
    assert text.startswith("# ")
    assert re.fullmatch(r"[A-Z`][^.]*\.", topic_summary(name))
    assert len(text.splitlines()) <= _MAX_LINES


def test_no_topic_has_the_name_of_a_command() -> None:
    assert not set(topic_names()) & {*command_tree.NOUNS, *command_tree.COMMANDS}


@every_topic
def test_a_terminal_shows_a_topic_without_markdown(name: str) -> None:
    stream = _Terminal()
    text: Text[HelpResult] = Text([topic_text(name)], {"help": ""}, is_markdown=True)
    Output("table", quiet=False, color=False, stream=stream).print(text, HelpResult)
    shown = stream.getvalue()
    assert not re.search(r"^#|```|^\||\]\(", shown, re.MULTILINE)


def test_the_wheel_holds_every_topic() -> None:
    files = {each.distribution_path for each in WheelBuilder(str(ROOT)).recurse_included_files()}
    assert {f"catactl/help/{name}.md" for name in topic_names()} <= files
