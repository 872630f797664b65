"""Decides whether the comment of a table may become the description of its pipeline.

Belongs here: what looks like a secret or like a person in a sentence. Not here: personal columns (`personal`), the form
of a description in YAML (`pipeline_yaml`).
"""

import re

from etl.secrets.in_clear import is_secret
from etl.secrets.scrub import scrub

_SECRET = re.compile(
    r"(?:passw\w*|passphrase|pwd|kennwort|geheimnis|contraseña|mot de passe|secret|token|api.?key"
    r"|비밀번호|密码)\s*(?:is|[=:])\s*\S",
    re.IGNORECASE,
)
_DATE = re.compile(r"\b(?:\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./]\d{4})\b(?:[ T]\d\d:\d\d(?::\d\d)?)?")
_PERSONAL = {
    "an e-mail address": re.compile(r"[^\s@<>]+@[^\s@<>]+\.\w{2,}"),
    "an identity number": re.compile(r"\b\d{3}-\d{2}-\d{4}\b|\b\d{6}-\d{7}\b"),
    "a bank account": re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"),
    "a telephone number or card": re.compile(r"(?<![\w.,-])(?:\+|\(|0(?=\d)|\d{3})(?:[ ()/.-]{0,2}\d){7,}"),
    "an address": re.compile(
        r"\b\d{1,5}\w? +(?:[^\W\d_][\w.'-]* +){0,3}(?:street|st|road|rd|avenue|ave|lane|drive|boulevard|blvd|square)\b"
        r"|\w(?:straße|strasse|str\.|gasse|platz|allee)[ ,]+\d|\b(?:rue|calle|via|avenida)\b[^\d]{1,40}\d",
        re.IGNORECASE,
    ),
    "an address of a network": re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b"),
}


def description_of(comment: str) -> tuple[str, str]:
    """Return the comment, or nothing and the reason, which quotes nothing, if a secret or a person is seen in it."""
    if is_secret("description", comment) or scrub(comment) != comment or _SECRET.search(comment):
        return "", _left_out("a secret")
    undated = _DATE.sub(" ", comment)
    kind = next((kind for kind, pattern in _PERSONAL.items() if pattern.search(undated)), "")
    return ("", _left_out(kind)) if kind else (comment, "")


def _left_out(kind: str) -> str:
    return f"the table's comment is left out of the description, because something in it looks like {kind}"
