"""Which regular expressions are accepted, and the patterns behind email, url, uuid and ip_address.

Belongs here: regular expressions as text, in the syntax of Rust's regex crate (which RE2 reads too). Not here: judging.
"""

import re

import polars as pl

_LABEL = r"[\p{L}\p{N}](?:[\p{L}\p{N}\p{M}-]{0,61}[\p{L}\p{N}\p{M}])?"
_TOP = r"(?:[\p{L}][\p{L}\p{M}]{1,62}|[xX][nN]--[A-Za-z0-9-]{1,59})"
_ATOM = r"[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+"
_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_V4 = rf"{_BYTE}(?:\.{_BYTE}){{3}}"
_H = r"[0-9A-Fa-f]{1,4}"
# The last 32 bits of an IPv6 address may be written as an IPv4 address.
_LAST = rf"(?:{_H}:{_H}|{_V4})"
_V6 = (
    "(?:"
    rf"(?:{_H}:){{6}}{_LAST}"
    rf"|::(?:{_H}:){{5}}{_LAST}"
    rf"|(?:{_H})?::(?:{_H}:){{4}}{_LAST}"
    rf"|(?:(?:{_H}:){{0,1}}{_H})?::(?:{_H}:){{3}}{_LAST}"
    rf"|(?:(?:{_H}:){{0,2}}{_H})?::(?:{_H}:){{2}}{_LAST}"
    rf"|(?:(?:{_H}:){{0,3}}{_H})?::{_H}:{_LAST}"
    rf"|(?:(?:{_H}:){{0,4}}{_H})?::{_LAST}"
    rf"|(?:(?:{_H}:){{0,5}}{_H})?::{_H}"
    rf"|(?:(?:{_H}:){{0,6}}{_H})?::"
    ")"
)

EMAIL = rf"^{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+{_TOP}$"
URL = (
    r"^(?i:https?|ftps?)://(?:[^\s/?#@\[\]]*@)?"
    rf"(?:\[{_V6}\]|{_V4}|(?:{_LABEL}\.)*{_TOP}\.?)"
    r"(?::[0-9]{1,5})?(?:[/?#][^\s]*)?$"
)
UUID = r"^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$"
IPV4 = rf"^{_V4}$"
IPV6 = rf"^{_V6}$"
IP = rf"^(?:{_V4}|{_V6})$"

_FOREIGN = (
    (
        re.compile(r"\(\?<?[=!]"),
        "look-around does not exist in this syntax",
        "write it as a second rule or as not_in_set",
    ),
    (re.compile(r"\\[1-9]"), "back-references do not exist in this syntax", "use an expression rule"),
    (re.compile(r"\(\?P=|\\k[<{']"), "back-references do not exist in this syntax", "use an expression rule"),
    (re.compile(r"\\Z"), r"\Z does not exist in this syntax", r"write \z or $"),
    (re.compile(r"\(\?>"), "atomic groups do not exist in this syntax", "write (?:...)"),
)


def check_pattern(pattern: str) -> str:
    """Refuse a pattern that does not compile; the error names the position and a remedy."""
    try:
        pl.select(pl.lit("").str.contains(pattern))
    except pl.exceptions.PolarsError as refused:
        raise ValueError(_explain(pattern, str(refused))) from refused
    return pattern


def _explain(pattern: str, message: str) -> str:
    escaped = re.sub(r"\\\\", "\0\0", pattern)  # a doubled backslash is a character, not the start of an escape
    for feature, problem, hint in _FOREIGN:
        found = feature.search(escaped)
        if found is not None:
            return f"pattern, character {found.start() + 1} (`{found.group()}`): {problem}; {hint}"
    return f"pattern does not compile: {_reason(message)}"


def _reason(text: str) -> str:
    """Take the reason, and the column that the caret points at, out of a message of several lines."""
    lines = text.splitlines()
    caret = next((line for line in lines if set(line.strip()) == {"^"}), None)
    reason = next((line.removeprefix("error: ") for line in lines if line.startswith("error: ")), lines[0])
    # The message shows the pattern indented by four blanks.
    return f"{reason} at character {len(caret) - len(caret.lstrip()) - 3}" if caret is not None else reason
