"""Removes every secret that this process knows from a text that leaves the process.

Belongs here: known secrets (`learn`, `learn_url`, `learn_environment`), their spellings, and `scrub`. Not here: the
places that call `scrub`: errors of steps and Dagster's records (`etl.running.reports`), printed lines
(`streams`), dbt's files (`etl.dbt.clean`), messages (`etl.running.sla_history`), the command line.

A value of six characters or more is found anywhere, in every usual spelling. A shorter value is found where it stands
alone. A value of one or two characters is part of ordinary words too, so it is found only beside the word `password` or
a similar word, or inside a URL. A value of eight bytes or more is also found in the base64 of a longer text around it.
"""

import base64
import json
import re
import threading
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from urllib.parse import parse_qsl, quote, quote_plus, unquote, unquote_plus, urlsplit

from etl.errors import EtlError
from etl.secrets.in_clear import is_secret_key, is_secret_variable

HIDDEN = "***"
_ANYWHERE = 6
_BY_ITSELF = 3
_IN_BASE64 = 8  # bytes; the base64 of a shorter value would also occur in ordinary text
_LINE_OF_A_KEY = 16  # a line of a private key is a secret by itself
_OPTION = re.compile(r"(?:^|[_-])(?:passfile|sslkey|ssl_key|keyfile|keytab)$", re.IGNORECASE)
_IN_URL = re.compile(r"(\w://[^\s:/@'\"]*):[^\s]*@")
_WORD = (
    r"(?:\w*(?:password|passwd|passphrase)|pwd|passfile|sslkey|token|access_token|refresh_token|api_?key|routing_key"
    r"|client_secret|secret|secret_access_key|access_key_id|private_key|signature)"
)
_VALUE = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\\\"(?:[^\"\\]|\\[^\"])*\\\"|(?!\$\{\w+\}|[{\[]\s)[^\s;,&)}\]'\"]+"
# `${NAME}` and the beginning of a mapping are no secrets, and `${secret:name}` is the name of a secret, not a secret.
_ASSIGNED = re.compile(rf"(?i)(?<!\$\{{)\b({_WORD})(\\?['\"]?\s*[=:]\s*)({_VALUE})")
_HEADER = re.compile(
    r"(?i)\b((?:proxy-)?authorization\\?['\"]?\s*[=:]\s*\\?['\"]?)((?:bearer|basic|token|geniekey)\s+)?\S+"
)
_BEARER = re.compile(r"\b(Bearer|Basic|GenieKey)\s+[A-Za-z0-9+/=._~-]{16,}")

_NO_SECRETS = ("PWD", "OLDPWD", "ETL_SECRETS")
"""Variables that are named like secrets: the folder that a shell is in, and the name of the store of secrets."""

_lock = threading.Lock()
_known: set[str] = set()
_pattern: re.Pattern[str] | None = None
_long_pattern: re.Pattern[str] | None = None


def learn(*values: str) -> None:
    """Remember secrets, with every usual spelling of each secret."""
    spelled = {each for value in values if value for each in _spellings(value)}
    with _lock:
        if not spelled <= _known:
            _known.update(spelled)
            _compile()


def learn_url(url: str) -> None:
    """Remember the password and the secret options of a URL, and the text that a Basic login sends for them."""
    try:
        parts = urlsplit(url)
        user, password = parts.username or "", parts.password or ""
        query = parts.query
    except ValueError:
        learn(url)
        return
    if password:
        clear = unquote(password)
        learn(password, clear, unquote_plus(password))
        learn(f"{unquote(user)}:{clear}")
    options = [value for key, value in parse_qsl(query) if is_secret_key(key) or _OPTION.search(key)]
    learn(*options)


def learn_environment(environ: Mapping[str, str]) -> None:
    """Remember variables whose names say that they contain a secret, and the logins in variables that contain a URL."""
    for name, value in environ.items():
        if is_secret_variable(name, value) and name not in _NO_SECRETS:
            learn(value)
        if "://" in value and "@" in value:
            learn_url(value)


def scrub(text: str) -> str:
    """Return the text with `***` in place of known secrets and of passwords that are written beside their names."""
    return _HEADER.sub(rf"\1\2{HIDDEN}", _BEARER.sub(rf"\1 {HIDDEN}", _beside_names(known_only(text))))


def known_only(text: str) -> str:
    """Return the text with `***` in place of known secrets only; passwords are not guessed from names."""
    return text if _pattern is None else _pattern.sub(HIDDEN, text)


def long_only(text: str) -> str:
    """The same, only for secrets that are too long to be part of usual words; used for texts that are names."""
    return text if _long_pattern is None else _long_pattern.sub(HIDDEN, text)


def known_in(content: bytes) -> bool:
    """Whether the content of a file may contain a known secret."""
    with _lock:
        return any(each.encode("utf-8", "surrogateescape") in content for each in _known)


def begun(text: str) -> int:
    """Return how many characters at the end of the text may be the beginning of a known secret."""
    with _lock:
        longest = min(len(text), max(map(len, _known), default=1) - 1)
        for size in range(longest, 0, -1):
            tail = text[-size:]
            if any(len(each) > size and each.startswith(tail) for each in _known):
                return size
    return 0


def forget_everything() -> None:
    """Forget all known secrets. For tests."""
    with _lock:
        _known.clear()
        _compile()


def _beside_names(text: str) -> str:
    return _ASSIGNED.sub(rf"\1\2{HIDDEN}", _IN_URL.sub(rf"\1:{HIDDEN}@", text))


def _compile() -> None:
    global _pattern, _long_pattern  # noqa: PLW0603  guarded by the lock; readers see the old patterns or the new ones
    ordered = sorted(_known, key=len, reverse=True)
    long = [re.escape(each) for each in ordered if len(each) >= _ANYWHERE]
    short = [rf"(?<!\w){re.escape(each)}(?!\w)" for each in ordered if len(each) < _ANYWHERE]
    _pattern = re.compile("|".join([*long, *short])) if _known else None
    _long_pattern = re.compile("|".join(long)) if long else None


def _spellings(value: str) -> Iterator[str]:
    """Yield the spellings in which libraries, drivers and formats write the value."""
    lines = [each.strip() for each in value.splitlines()]
    whole = [value, value.strip(), *(each for each in lines if len(each) >= _LINE_OF_A_KEY)]
    for each in dict.fromkeys(whole):
        backslashed = each.replace("\\", "\\\\").replace("'", "\\'")
        yield from _long_enough(
            (
                each,
                quote(each, safe=""),
                quote(each),
                quote_plus(each),
                re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), quote(each, safe="")),
                backslashed,
                each.replace("'", "''"),
                repr(each)[1:-1],
                ascii(each)[1:-1],
                json.dumps(each)[1:-1],
                json.dumps(each, ensure_ascii=False)[1:-1],
                json.dumps(json.dumps(each)[1:-1])[1:-1],
                each.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
                *(spelling for content in _encoded(each) for spelling in _spellings_of_bytes(content)),
            )
        )


def _encoded(value: str) -> Iterator[bytes]:
    """Yield the value as bytes, also in Latin-1, because a library that logs in by HTTP may use Latin-1."""
    yield value.encode("utf-8", "surrogateescape")
    with suppress(UnicodeEncodeError):
        yield value.encode("latin-1")


def _spellings_of_bytes(content: bytes) -> Iterator[str]:
    """Yield the bytes as Python writes them, in both kinds of quotes, and in base64."""
    for written in (repr(content)[2:-1], repr(content + b'"')[2:-2]):
        yield written
        yield json.dumps(written)[1:-1]
    for text in (base64.b64encode(content).decode(), base64.urlsafe_b64encode(content).decode()):
        yield text.rstrip("=")
    if len(content) >= _IN_BASE64:
        yield from _inside_base64(content)


def _inside_base64(content: bytes) -> Iterator[str]:
    """Yield the base64 characters that depend only on the content, for each of its offsets in groups of three bytes."""
    for before in range(3):
        first, end = -(-before * 8 // 6), (before + len(content)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(bytes(before) + content).decode()[first:end]


def _long_enough(spellings: Iterable[str]) -> Iterator[str]:
    return (each for each in spellings if len(each) >= _BY_ITSELF)


@contextmanager
def scrubbed_failures() -> Iterator[None]:
    """Let an error pass unchanged if it shows no secret. Otherwise raise its text without secrets and causes."""
    clean: EtlError | None = None
    try:
        yield
    except Exception as error:  # any failure can show a secret; one that shows none goes on as it is
        clean = without_secrets(error)
        if clean is None:
            raise
    if clean is not None:
        raise clean from None


def without_secrets(error: BaseException) -> EtlError | None:
    """Return what may be shown of an error whose text, causes or traceback contain a secret; None if they do not."""
    whole = "".join(traceback.format_exception(error))
    if scrub(whole) == whole:
        return None
    if isinstance(error, EtlError):
        return EtlError(scrub(error.problem), scrub(error.hint))
    said = scrub(f"{type(error).__name__}: {error}")
    return EtlError(said, "its traceback showed a secret and is left out; look at the code that raised it")
