"""Store each name in one spelling: Unicode normalization form C, without invisible characters.

Equal names then have equal bytes. Other lookalikes are allowed: letters of different scripts (Latin
and Cyrillic a), compatibility forms (the ligature fi), kinds of spaces, and a variation selector
after a symbol or a letter without case, because the font decides its effect.
"""

import re
import unicodedata

from catactl.errors import InvalidValue

# Default_Ignorable_Code_Point (https://www.unicode.org/reports/tr44/) and interlinear annotations.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
_JOINERS = frozenset("\u200c\u200d")
_VARIATIONS = re.compile("[\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_TAGS = re.compile("[\U000e0020-\U000e007f]")
_FLAG = "\U0001f3f4"  # tags after it select the flag of a region
_VIRAMA = 9  # the combining class of the signs that join letters in Indic scripts


def normalized(text: str) -> str:
    """Return the text in normalization form C: `ü` is one character, not `u` and a mark."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def spellings(name: str) -> tuple[str, ...]:
    """Return the forms in which a name may be stored, today's form first.

    Earlier versions stored names as they were typed.
    """
    if name.isascii():
        return (name,)
    return tuple(dict.fromkeys((normalized(name), name, unicodedata.normalize("NFD", name))))


def check_visible(subject: str, text: str) -> None:
    """Raise `InvalidValue` for an invisible character, without which the text looks the same.

    Joiners are allowed where Arabic and Indic scripts and emoji need them, tags in flags, and
    variation selectors after symbols and letters without case.
    """
    for match in () if text.isascii() else _INVISIBLE.finditer(text):
        before, after = text[: match.start()][-1:] or " ", text[match.end() :][:1] or " "
        if not _is_needed(match[0], before, after):
            raise InvalidValue(
                f"{subject} contains the invisible character U+{ord(match[0]):04X}", "remove it"
            )


def _is_needed(character: str, before: str, after: str) -> bool:
    if character in _JOINERS:
        return _joins(before, after)
    if _VARIATIONS.match(character):
        return _varies(before, after)
    return bool(_TAGS.match(character)) and (before == _FLAG or bool(_TAGS.match(before)))


def _joins(before: str, after: str) -> bool:
    if _VIRAMA in {unicodedata.combining(before), unicodedata.combining(after)}:
        return True
    if unicodedata.bidirectional(after) == "AL":  # letters of Arabic and related scripts
        return unicodedata.bidirectional(before) in {"AL", "NSM"}
    is_emoji = unicodedata.category(after) in {"So", "Sm"}
    return is_emoji and unicodedata.category(before) in {"So", "Sk", "Mn"}


def _varies(before: str, after: str) -> bool:
    if before in "0123456789#*":
        return after == "\u20e3"  # a keycap
    return unicodedata.category(before) in {"So", "Sm", "Po", "Pd", "Lo"}
