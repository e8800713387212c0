"""Parse an unfinished command line as a shell does, and quote a word to complete it."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_UNQUOTED = frozenset("_-./:=@%+,")  # these, letters and digits need no backslash


class ParsedLine(NamedTuple):
    """The complete words, the value of the unfinished word, and its open quote."""

    words: list[str]
    unfinished: str
    quote: str


def parse_line(line: str) -> ParsedLine:
    """Parse a line as POSIX shells do, without expansions. The line may end anywhere."""
    words: list[str] = []
    word: str | None = None
    quote = ""
    characters = iter(line)
    for character in characters:
        if character == quote:
            quote = ""
        elif character == "\\" and quote != "'":
            word = (word or "") + _escaped(characters, quote)
        elif quote:
            word = (word or "") + character
        elif character in "'\"":
            quote, word = character, word or ""
        elif not character.isspace():
            word = (word or "") + character
        elif word is not None:
            words.append(word)
            word = None
    return ParsedLine(words, word or "", quote)


def _escaped(characters: Iterator[str], quote: str) -> str:
    after = next(characters, "")
    return f"\\{after}" if quote and after not in '$`"\\' else after


def quoted(text: str, quote: str) -> str | None:
    """Return a text with backslashes, for outside quotes or within an open quote; None if the quote
    cannot hold the text.
    """
    match quote:
        case "'":
            return None if "'" in text else text
        case '"':  # where an interactive shell expands ! from its history
            return None if "!" in text else re.sub(r'[$`"\\]', r"\\\g<0>", text)
    return "".join(
        character if character.isalnum() or character in _UNQUOTED else f"\\{character}"
        for character in text
    )


class BashLine:
    """A command line up to the cursor. Bash replaces `fragment`, the end of the line, by the chosen
    completion. A word with a character of COMP_WORDBREAKS is longer than its fragment.
    """

    def __init__(self, line: str, fragment: str) -> None:
        parsed = parse_line(line)
        self.before = parsed.words[1:]
        self.unfinished = parsed.unfinished
        self._kept = parse_line(line.removesuffix(fragment))

    def completion(self, word: str) -> str | None:
        """Return the text that replaces the fragment, so that the line ends in this word."""
        if not word.startswith(self._kept.unfinished):
            return None
        quote = self._kept.quote
        ending = quoted(word[len(self._kept.unfinished) :], quote)
        # Readline adds the closing quote unless the line already ends in one.
        return f"{ending}{quote}" if ending and quote and ending.endswith(quote) else ending
