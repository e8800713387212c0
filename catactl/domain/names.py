"""What may be a name: of an organization, a file, a job configuration, a user's e-mail address."""

import re
import unicodedata
from uuid import UUID

from catactl.errors import InvalidValue

MAX_NAME_BYTES = 1024
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")


def looks_like_id(text: str) -> bool:
    """Whether the text would be read as an id (a UUID in any of its spellings)."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def check_text(what: str, text: str, max_bytes: int = MAX_NAME_BYTES) -> str:
    """Return the text if it can be stored, hashed and shown; raise `InvalidValue` otherwise."""
    for character in "" if text.isprintable() else text:
        if unicodedata.category(character) in _UNPRINTABLE or character in _BIDI_CONTROLS:
            raise InvalidValue(f"{what} holds the control character U+{ord(character):04X}")
    length_bytes = len(text.encode())
    if length_bytes > max_bytes:
        raise InvalidValue(
            f"{what} is {length_bytes:,} bytes long, at most {max_bytes:,} are allowed"
        )
    return text


def check_name(what: str, name: str) -> str:
    """Return the name if it can name an organization or a job; raise `InvalidValue` otherwise."""
    check_text(what, name)
    if not name.strip():
        raise InvalidValue(f"{what} is empty")
    if name != name.strip():
        raise InvalidValue(f"{what} begins or ends with white space")
    if "/" in name or "\\" in name or name in {".", ".."}:
        raise InvalidValue(f"{what} must not be or hold a path")
    if looks_like_id(name):
        raise InvalidValue(
            f"{what} looks like an id", "ids and names are asked for in the same place"
        )
    return name


def check_file_name(name: str) -> str:
    """Return the name if it is a relative path that stays below any folder it is put in."""
    if not name:
        raise InvalidValue("file name is empty")
    segments = name.split("/")
    if "\\" in name or re.match(r"[A-Za-z]:", name):
        raise InvalidValue("file name holds a Windows path", "separate folders with /")
    if name.startswith("/"):
        raise InvalidValue("file name is an absolute path", "names are relative, as in folder/file")
    if any(segment in {"", ".", ".."} for segment in segments):
        raise InvalidValue("file name has an empty, '.' or '..' part", "as in folder/file")
    for segment in segments:
        if segment != segment.strip():
            raise InvalidValue("file name has a part that begins or ends with white space")
    if looks_like_id(name):
        raise InvalidValue(
            "file name looks like an id", "ids and names are asked for in the same place"
        )
    return check_text("file name", name)


def check_email(email: str) -> str:
    """Return the address in lower case; raise `InvalidValue` unless it is shaped like one."""
    check_text("e-mail address", email, max_bytes=254)
    if not _EMAIL.fullmatch(email):
        raise InvalidValue(f"not an e-mail address: {email!r}", "as in ada@example.com")
    return email.lower()
