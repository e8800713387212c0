"""Read the topics of `catactl help TOPIC`. Each begins with a title and a sentence of summary."""

import re
from pathlib import Path

_FOLDER = Path(__file__).parent
_LINK = re.compile(r"\[([^]]+)\]\([^)]+\.md\)")


def topic_names() -> list[str]:
    """Return the names of all topics in alphabetical order."""
    return sorted(path.stem for path in _FOLDER.glob("*.md"))


def topic_text(name: str) -> str:
    """Return a topic as Markdown. Links between topics become plain text, because a terminal cannot
    follow them.
    """
    text = (_FOLDER / f"{name}.md").read_text(encoding="utf-8")
    return _LINK.sub(r"\1", text).strip()


def topic_summary(name: str) -> str:
    """Return the paragraph after the title of a topic, on one line."""
    return " ".join(topic_text(name).split("\n\n")[1].split())
