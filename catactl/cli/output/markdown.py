"""Print Markdown on a terminal."""

from typing import ClassVar, TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import CodeBlock, Heading, Markdown, MarkdownElement
from rich.padding import Padding
from rich.text import Text
from rich.theme import Theme

_MAX_WIDTH = 100
_THEME = Theme({"markdown.code": "bold cyan"})  # Rich's own has a background


class _Heading(Heading):
    """A heading at the left. Rich centers the first one."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.text


class _CodeBlock(CodeBlock):
    """Code without colors, because those of Rich are unreadable on some backgrounds."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Padding(Text(str(self.text).rstrip(), overflow="fold"), (0, 0, 0, 4))


class _Document(Markdown):
    elements: ClassVar[dict[str, type[MarkdownElement]]] = Markdown.elements | {
        "heading_open": _Heading,
        "fence": _CodeBlock,
    }


def print_markdown(text: str, stream: TextIO, *, color: bool) -> None:
    """Print Markdown as wide as the terminal, at most 100 columns."""
    console = Console(file=stream, no_color=not color, highlight=False, theme=_THEME)
    console.print(_Document(text, hyperlinks=False), width=min(console.width, _MAX_WIDTH))
