"""The one scrubber: takes every secret that this process knows out of a text that leaves it.

Belongs here: what is known (`learn`, `learn_url`, `learn_environment`), its spellings, and `scrub`. Not here: the ways
out, each of which calls `scrub`: errors of steps and Dagster's records (`etl.running.reports`), printed lines
(`streams`), dbt's files (`etl.dbt.clean`), messages (`etl.running.sla_history`), the command line.

A value of six characters or more is found anywhere, in every usual spelling. A shorter one is found where it stands by
itself, and one of one or two characters only beside the word `password` and its like or inside a URL, because it is
part of ordinary words too. A value of eight bytes or more is found in the base64 of a longer text that holds it.
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
from etl.secrets.in_clear import is_secret_key

HIDDEN = "***"
_ANYWHERE = 6
_BY_ITSELF = 3
_IN_BASE64 = 8  # bytes; fewer would leave so little that ordinary text holds it too
_LINE_OF_A_KEY = 16  # a line of a private key is a secret by itself
_OPTION = re.compile(r"(?:^|[_-])(?:passfile|sslkey|ssl_key|keyfile|keytab)$", re.IGNORECASE)
_IN_URL = re.compile(r"(\w://[^\s:/@'\"]*):[^\s]*@")
_WORD = (
    r"(?:\w*(?:password|passwd|passphrase)|pwd|passfile|sslkey|token|access_token|refresh_token|api_?key|routing_key"
    r"|client_secret|secret|secret_access_key|access_key_id|private_key|signature)"
)
_VALUE = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\\\"(?:[^\"\\]|\\[^\"])*\\\"|[^\s;,&)}\]'\"]+"
# `${secret:name}` is the name of a secret, and no secret.
_ASSIGNED = re.compile(rf"(?i)(?<!\$\{{)\b({_WORD})(\\?['\"]?\s*[=:]\s*)({_VALUE})")
_HEADER = re.compile(
    r"(?i)\b((?:proxy-)?authorization\\?['\"]?\s*[=:]\s*\\?['\"]?)((?:bearer|basic|token|geniekey)\s+)?\S+"
)
_BEARER = re.compile(r"\b(Bearer|Basic|GenieKey)\s+[A-Za-z0-9+/=._~-]{16,}")

_lock = threading.Lock()
_known: set[str] = set()
_pattern: re.Pattern[str] | None = None
_long_pattern: re.Pattern[str] | None = None


def learn(*values: str) -> None:
    """Remember secrets, with every usual spelling of each."""
    spelled = {each for value in values if value for each in _spellings(value)}
    with _lock:
        if not spelled <= _known:
            _known.update(spelled)
            _compile()


def learn_url(url: str) -> None:
    """Remember the password and the secret options of a URL, and what a Basic login makes of them."""
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
    """Remember the variables whose names say that they hold a secret, and the logins of those that hold a URL."""
    for name, value in environ.items():
        if is_secret_key(name) and name not in ("PWD", "OLDPWD"):  # the folder that a shell is in
            learn(value)
        if "://" in value and "@" in value:
            learn_url(value)


def scrub(text: str) -> str:
    """The text with `***` where a known secret stood, or where a password is written beside its name."""
    return _HEADER.sub(rf"\1\2{HIDDEN}", _BEARER.sub(rf"\1 {HIDDEN}", _beside_names(known_only(text))))


def known_only(text: str) -> str:
    """The text with `***` where a known secret stood; nothing is guessed."""
    return text if _pattern is None else _pattern.sub(HIDDEN, text)


def long_only(text: str) -> str:
    """The same for the secrets that are too long to be a part of usual words; for texts that are names."""
    return text if _long_pattern is None else _long_pattern.sub(HIDDEN, text)


def known_in(content: bytes) -> bool:
    """Whether a known secret may stand in the content of a file."""
    with _lock:
        return any(each.encode("utf-8", "surrogateescape") in content for each in _known)


def begun(text: str) -> int:
    """How many characters at the end of the text may be the beginning of a known secret that is not whole yet."""
    with _lock:
        longest = min(len(text), max(map(len, _known), default=1) - 1)
        for size in range(longest, 0, -1):
            tail = text[-size:]
            if any(len(each) > size and each.startswith(tail) for each in _known):
                return size
    return 0


def forget_everything() -> None:
    """Know nothing. For tests."""
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
    """How libraries, drivers and formats write the value."""
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
    """The bytes of a value: a library that logs in by HTTP may write Latin-1."""
    yield value.encode("utf-8", "surrogateescape")
    with suppress(UnicodeEncodeError):
        yield value.encode("latin-1")


def _spellings_of_bytes(content: bytes) -> Iterator[str]:
    """Python's own way to write bytes, in either kind of quotes, and base64."""
    for written in (repr(content)[2:-1], repr(content + b'"')[2:-2]):
        yield written
        yield json.dumps(written)[1:-1]
    for text in (base64.b64encode(content).decode(), base64.urlsafe_b64encode(content).decode()):
        yield text.rstrip("=")
    if len(content) >= _IN_BASE64:
        yield from _inside_base64(content)


def _inside_base64(content: bytes) -> Iterator[str]:
    """The characters that depend on the content alone, for each place that it can have among groups of three bytes."""
    for before in range(3):
        first, end = -(-before * 8 // 6), (before + len(content)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(bytes(before) + content).decode()[first:end]


def _long_enough(spellings: Iterable[str]) -> Iterator[str]:
    return (each for each in spellings if len(each) >= _BY_ITSELF)


@contextmanager
def scrubbed_failures() -> Iterator[None]:
    """Let a failure pass as it is if it shows no secret; else raise what is left of it, without causes."""
    clean: EtlError | None = None
    try:
        yield
    except Exception as error:
        clean = without_secrets(error)
        if clean is None:
            raise
    if clean is not None:
        raise clean from None


def without_secrets(error: BaseException) -> EtlError | None:
    """What may be shown of a failure whose text, causes or traceback hold a secret; None if none of them does."""
    whole = "".join(traceback.format_exception(error))
    if scrub(whole) == whole:
        return None
    if isinstance(error, EtlError):
        return EtlError(scrub(error.problem), scrub(error.hint))
    said = scrub(f"{type(error).__name__}: {error}")
    return EtlError(said, "its traceback showed a secret and is left out; look at the code that raised it")
