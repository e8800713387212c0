"""Mask passwords in everything that catactl prints."""

import re

# A password that is not percent-encoded may contain any character, so it extends to the last @
# before another URL begins.
_SECRET = re.compile(
    r"""
    (?P<before> (?<!file)(?<!sqlite) :/+ [^@:\n]* : )
        (?: (?! [\s'"] \w[\w+.-]* :/ ) [^\n] )* (?= @ )
    | (?P<parameter>
        \b \w* (?: password | passwd | secret | token | signature | sig | access_key | account_key )
        \w* \s* = \s*
      )
        (?: '[^'\n]*' | [^&\s]* )
    """,
    re.IGNORECASE | re.VERBOSE,
)


def mask(text: str) -> str:
    """Return the text with the passwords of URLs and connection strings replaced by `***`."""
    return _SECRET.sub(lambda match: f"{match['before'] or match['parameter']}***", text)


def mask_url(text: str) -> str:
    """Return a URL without its password. Mask the whole text if it is not a URL, because it may be
    a password.
    """
    _, is_url, rest = text.partition("://")
    user, port = rest.partition("/")[0].rpartition(":")[::2]
    if not is_url or (user and "@" not in rest and not port.isdigit()):
        return "***"
    return mask(text)
