"""Check names, texts and values before they are stored.

A name (of an organization, a file, a job configuration or a user) is stored in one spelling,
without invisible characters. A text is one line. A value is any text that a database can store.
"""

import re
import unicodedata

from catactl.errors import InvalidValue
from catactl.values.ids import parse_id
from catactl.values.spelling import check_visible, normalized

MAX_NAME_BYTES = 1024
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
# PostgreSQL cannot store NUL, and UTF-8 cannot encode surrogates.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")


def check_text(subject: str, text: str, max_bytes: int = MAX_NAME_BYTES) -> str:
    """Return the text; raise `InvalidValue` if it has control characters or more than one line."""
    for character in "" if text.isprintable() else text:
        if unicodedata.category(character) in _UNPRINTABLE or character in _BIDI_CONTROLS:
            raise InvalidValue(f"{subject} contains the control character U+{ord(character):04X}")
    return _check_length(subject, text, max_bytes)


def check_value(subject: str, value: str, max_bytes: int) -> str:
    """Return the value, which may have several lines; raise `InvalidValue` if no database can store
    it.
    """
    unstorable = _UNSTORABLE.search(value)
    if unstorable is not None:
        raise InvalidValue(
            f"{subject} contains U+{ord(unstorable[0]):04X}, which databases cannot store"
        )
    return _check_length(subject, value, max_bytes)


def _check_length(subject: str, text: str, max_bytes: int) -> str:
    length_bytes = len(text.encode())
    if length_bytes > max_bytes:
        raise InvalidValue(
            f"{subject} is {length_bytes:,} bytes long, at most {max_bytes:,} are allowed"
        )
    return text


def check_label(subject: str, text: str, max_bytes: int = MAX_NAME_BYTES) -> str:
    """Return the text in its stored spelling; raise `InvalidValue` for invisible characters."""
    text = check_text(subject, normalized(text), max_bytes)
    check_visible(subject, text)
    return text


def check_name(subject: str, name: str) -> str:
    """Return the name of an organization or a job in its stored spelling; raise `InvalidValue`."""
    name = check_label(subject, name)
    if not name.strip():
        raise InvalidValue(f"{subject} is empty")
    if name != name.strip():
        raise InvalidValue(f"{subject} begins or ends with white space")
    if "/" in name or "\\" in name or name in {".", ".."}:
        raise InvalidValue(f"{subject} must not be a path")
    return _check_no_id(subject, name)


def check_file_name(name: str) -> str:
    """Return the name of a file in its stored spelling; raise `InvalidValue`."""
    name = check_relative_path(check_label("file name", name))
    for segment in name.split("/"):
        if segment != segment.strip():
            raise InvalidValue("file name has a part that begins or ends with white space")
    return _check_no_id("file name", name)


def _check_no_id(subject: str, name: str) -> str:
    if parse_id(name) is not None:
        raise InvalidValue(
            f"{subject} looks like an id: {name!r}", "choose a name that is not a UUID"
        )
    return name


def check_relative_path(name: str) -> str:
    """Return the name; raise `InvalidValue` unless it is a relative path that stays below the
    folder that it is joined to.
    """
    if not name:
        raise InvalidValue("file name is empty")
    segments = name.split("/")
    if "\\" in name or re.match(r"[A-Za-z]:", name):
        raise InvalidValue("file name contains a Windows path", "separate folders with /")
    if name.startswith("/"):
        raise InvalidValue("file name is an absolute path", "names are relative, as in folder/file")
    if any(segment in {"", ".", ".."} for segment in segments):
        raise InvalidValue("file name has an empty, '.' or '..' part", "as in folder/file")
    return check_text("file name", name)


def check_email(email: str) -> str:
    """Return the address in lower case; raise `InvalidValue` if it is malformed."""
    email = check_label("e-mail address", email, max_bytes=254)
    if not _EMAIL.fullmatch(email):
        raise InvalidValue(f"not an e-mail address: {email!r}", "as in ada@example.com")
    return normalized(email.lower())
