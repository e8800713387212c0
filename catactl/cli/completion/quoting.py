"""How a shell reads a line that is being typed, and how a word is put into it."""

from collections.abc import Iterator
from typing import NamedTuple

_PLAIN = frozenset("_-./:=@%+,")  # what needs no backslash, letters and digits aside


class Read(NamedTuple):
    """The words before the one being typed, what that one means so far, and its open quote."""

    words: list[str]
    last: str
    quote: str


def read(line: str) -> Read:
    """Read a line as POSIX shells do, without expanding anything; it may end anywhere."""
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
    return Read(words, word or "", quote)


def _escaped(characters: Iterator[str], quote: str) -> str:
    after = next(characters, "")
    return f"\\{after}" if quote and after not in '$`"\\' else after


def quoted(text: str, quote: str) -> str | None:
    """Return a text as it stands unquoted, or within an open quote if it can stand there."""
    match quote:
        case "'":
            return None if "'" in text else text
        case '"':  # in which no ! is safe from an interactive shell's history
            return None if "!" in text else "".join(_backslashed(text, '$`"\\'))
    return "".join(
        character if character.isalnum() or character in _PLAIN else f"\\{character}"
        for character in text
    )


def _backslashed(text: str, special: str) -> Iterator[str]:
    for character in text:
        yield f"\\{character}" if character in special else character


class Line:
    """A command line up to the cursor. Bash replaces the end of it, `fragment`, by what is chosen:
    less than a word where that holds a character of COMP_WORDBREAKS.
    """

    def __init__(self, line: str, fragment: str) -> None:
        read_whole = read(line)
        self.before = read_whole.words[1:]
        self.typed = read_whole.last
        self._kept = read(line.removesuffix(fragment))

    def ending(self, word: str) -> str | None:
        """Return what stands for the fragment, so that the line ends in this word."""
        if not word.startswith(self._kept.last):
            return None
        quote = self._kept.quote
        ending = quoted(word[len(self._kept.last) :], quote)
        # Readline closes the quote unless the line ends in one already.
        return f"{ending}{quote}" if ending and quote and ending.endswith(quote) else ending
