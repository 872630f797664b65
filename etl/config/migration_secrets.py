"""The secrets of a file that is rewritten: none of them stands in what is written, not in a comment either.

Belongs here: finding the secrets of a file, their variables, and hiding them in comments. Not here: what looks like a
secret (`etl.secrets.in_clear`), and the other steps (`migration`).
"""

import re
from collections.abc import Callable, Collection
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from etl.config.commented import line_of
from etl.config.findings import KeyPath
from etl.config.migration_values import items_of
from etl.secrets.in_clear import is_secret

Tell = Callable[[int, KeyPath, str], None]

HIDDEN = "***"
_IN_URL = re.compile(r"(://[^/?#\s:@]{0,200}:)(\S{1,200})@")
_COMMENT = re.compile(r"(?:^|(?<=\s))#[^\n\r]*", re.MULTILINE)
_VALUE = r"\$\{[^}]*\}|\{\{[^}]*\}\}|[^\s\"',{}#]+"
_KEY_AND_VALUE = re.compile(rf"([\w.-]+)([\"']?\s*[:=]\s*[\"']?)({_VALUE})(?=([\"']?\s*(?:[,}}#]|$))?)")
"""A pair of a comment; the last group stands where the value is a single word."""
_VARIABLE = re.compile(r"\$\w+|\$?\{.*\}|<.*>|[*.]+|!.*")
_WORD = re.compile(r"[A-Za-z_]+|.{1,5}")
"""A word such as `postgres`, or a short text, also stands where it is no secret, so it is hidden in comments only."""
_SHORTEST = 2


def secrets_of_file(node: Any) -> set[str]:  # noqa: ANN401  whatever stands in the file
    """Return every text of the file that is a secret or holds one, and the passwords of its URLs."""
    found: set[str] = set()
    for key, value in items_of(node):
        if (text := _text(value)) and _is_clear(str(key), text):
            found.add(text)
            found |= {match[2] for match in _IN_URL.finditer(text) if len(match[2]) >= _SHORTEST}
        found |= secrets_of_file(value)
    return found


def hide(text: str, secrets: Collection[str]) -> str:
    """Return the text with `***` in the place of each secret."""
    for secret in sorted(secrets, key=len, reverse=True):
        bare = re.escape(secret)
        text = re.sub(rf"(?<!\w){bare}(?!\w)" if _WORD.fullmatch(secret) else bare, HIDDEN, text)
    return text


def hide_in_comments(text: str, secrets: Collection[str]) -> str:
    """Return the text with `***` for the secrets in its comments: those of the file, and those of keys set aside."""
    return _COMMENT.sub(lambda match: _hide_in_comment(match[0], secrets), text)


def comments_with_secrets(text: str, secrets: Collection[str]) -> list[int]:
    """Return the lines whose comment holds a secret."""
    return [number for number, row in enumerate(text.split("\n"), 1) if hide_in_comments(row, secrets) != row]


def _hide_in_comment(comment: str, secrets: Collection[str]) -> str:
    hidden = _IN_URL.sub(rf"\1{HIDDEN}@", hide(comment, secrets))
    hidden = _KEY_AND_VALUE.sub(_hide_value, hidden)
    return re.sub(r"\S+", lambda word: HIDDEN if is_secret("", word[0]) and HIDDEN not in word[0] else word[0], hidden)


def _hide_value(pair: re.Match[str]) -> str:
    """Hide the value of a pair, but not the first word of a sentence such as `token: see the wiki`."""
    is_value = pair[4] is not None or re.search(r"\d", pair[3]) is not None
    return f"{pair[1]}{pair[2]}{HIDDEN}" if is_value and _is_clear(pair[1], pair[3]) else pair[0]


class SecretVariables:
    """Replaces the secrets of a file by variables of the tenant: one variable for each secret."""

    def __init__(self, tenant: str, did: Tell, leave: Tell) -> None:
        """`did` notes a change, `leave` what a person has to do."""
        self._tenant = tenant
        self._did = did
        self._leave = leave
        self._names: dict[str, str] = {}

    def replace(self, tenant: CommentedMap, root: CommentedMap, secrets: Collection[str]) -> None:
        """Replace them in the keys of the tenant, then in the rest of the file."""
        self._keyed(tenant, ())
        self._keyed(root, ())
        self._elsewhere(root, (), secrets)

    def _keyed(self, node: Any, path: KeyPath) -> None:  # noqa: ANN401  whatever stands in the file
        """Replace the values that are secrets by their keys or by their form."""
        for key, value in items_of(node):
            at = (*path, key)
            if (text := _text(value)) and _is_clear(str(key), text):
                name = self._name(text, at)
                node[key] = f"${{{name}}}"
                said = f"a secret in clear: set the variable {name}, and change the secret"
                self._did(_line(node, key), at, said)
            self._keyed(value, at)

    def _elsewhere(self, node: Any, path: KeyPath, secrets: Collection[str]) -> None:  # noqa: ANN401
        """Replace the same texts where no key says that they are secrets."""
        for key, value in items_of(node):
            at = (*path, key)
            text = _text(value)
            if text and (hidden := hide(text, secrets)) != text:
                if any(_WORD.fullmatch(each) and hide(text, [each]) != text for each in secrets):
                    self._leave(_line(node, key), at, "a secret of this file is the same word: change the secret")
                else:
                    node[key] = f"${{{self._names[text]}}}" if text in self._names else hidden
                    said = f"a secret of this file stood here: it is `{node[key]}` now; change the secret"
                    self._did(_line(node, key), at, said)
            self._elsewhere(value, at, secrets)

    def _name(self, secret: str, path: KeyPath) -> str:
        if secret in self._names:
            return self._names[secret]
        parts = (self._tenant, path[0], *path[1:][-1:])
        bare = re.sub(r"\W+", "_", "_".join(map(str, parts))).upper()
        taken = {*self._names.values()}
        numbered = (bare if number == 1 else f"{bare}_{number}" for number in range(1, len(taken) + 2))
        self._names[secret] = next(each for each in numbered if each not in taken)
        return self._names[secret]


def _is_clear(key: str, text: str) -> bool:
    return not _VARIABLE.fullmatch(text.strip()) and is_secret(key, text)


def _text(value: Any) -> str:  # noqa: ANN401  whatever stands in the file
    """Return a value as a text: a password of digits is a number in YAML. Nothing for what is no single value."""
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _line(node: CommentedMap | CommentedSeq, key: Any) -> int:  # noqa: ANN401  a key of YAML can be anything
    if isinstance(node, CommentedMap):
        return line_of(node, key)
    places = node.lc.data or {}
    return int(places[key][0]) + 1 if key in places else int(node.lc.line or 0) + 1
