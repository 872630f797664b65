"""Replaces personal values by invented ones of the same type and shape.

Belongs here: inventing values. Not here: which columns are personal (`recording`).

Equal values get equal replacements, and different values get different ones, so keys still fit together, also across
columns and inputs. Of a yes or no nothing may stay, so each becomes `false`; and a value whose shape allows no other
one that is still free becomes a fixed value. A replacement depends on a secret of this installation: without it, nobody
can find a phone number again by replacing all phone numbers and comparing. What a shape tells (the length of a name,
the script, the number of digits, a zero at the beginning) stays visible.
"""

import hashlib
import ipaddress
import math
import re
import secrets
from collections.abc import Callable, Hashable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from etl.errors import EtlError

FIXED_TEXT = "invented"
_ATTEMPTS = 2_000
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SCHEME = re.compile(r"(https?|ftps?)://")
_HANGUL, _HAN, _KANA = (0xAC00, 0xD7A3), (0x4E00, 0x9FFF), (0x3041, 0x3096)
_LOWER, _UPPER = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DAYS_BACK = 400
_LARGE = 38
"""From this exponent on, another first digit might be too large for a float of 32 bits."""
_LIMITS = (*sorted((1 << bits) - 1 for width in (8, 16, 32, 64, 128) for bits in (width - 1, width)), 10**60)
"""The largest whole numbers of Polars' types, and one that is larger than all."""


def secret_of(data_dir: Path) -> bytes:
    """Return the secret of this installation for replacements; the first call makes it."""
    path = data_dir / "unit_tests" / "secret"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(secrets.token_bytes(32))
    return path.read_bytes()


class Fakes:
    """The replacements of one recording."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._made: dict[Hashable, Any] = {}
        self._taken: set[Hashable] = set()

    def replace(self, value: Any) -> Any:  # noqa: ANN401  a value of any type
        """Return the replacement of a value; null stays null. Raises EtlError if the type has no invented values."""
        if value is None or value in ("", b""):
            return value
        if isinstance(value, list):
            return [self.replace(each) for each in value]
        if isinstance(value, dict):
            return {name: self.replace(each) for name, each in value.items()}
        key = (type(value).__name__, value, str(value) if isinstance(value, Decimal) else "")  # 0 and 0.00 are equal
        if key not in self._made:
            self._made[key] = self._invent(value, key)
        return self._made[key]

    def _invent(self, value: Any, key: Hashable) -> Any:  # noqa: ANN401  a value of any type
        if isinstance(value, bool):
            return False  # a swap of both values would be undone by swapping them again
        make = next((make for kind, make in _MAKERS if isinstance(value, kind)), None)
        if make is None:
            raise EtlError(f"values of {type(value).__name__} cannot be replaced", "write this unit test by hand")
        for attempt in range(_ATTEMPTS):
            made = make(value, _stream(self._bytes(key, attempt)))
            taken = (type(made).__name__, made)
            if made != value and taken not in self._taken:
                self._taken.add(taken)
                return made
        return next(fixed for kind, fixed in _FIXED if isinstance(value, kind))

    def _bytes(self, key: Hashable, attempt: int) -> bytes:
        return hashlib.shake_256(self._secret + repr((key, attempt)).encode()).digest(4096)


def _stream(digest: bytes) -> Iterator[int]:
    """Yield numbers without end, two bytes each."""
    while True:
        for place in range(0, len(digest) - 1, 2):
            yield digest[place] << 8 | digest[place + 1]


def _text(value: str, numbers: Iterator[int]) -> str:
    """Return a text with other letters and digits in the same places."""
    if _UUID.fullmatch(value):
        return "".join(_hexadecimal(each, numbers) for each in value)
    if (address := _address(value, numbers)) is not None:
        return address
    scheme = _SCHEME.match(value)
    start = scheme.group() if scheme else ""
    start += "0" if value[len(start) :].startswith("0") else ""  # as phone numbers have
    return start + "".join(_character(each, numbers) for each in value[len(start) :])


def _character(character: str, numbers: Iterator[int]) -> str:
    number, code = next(numbers), ord(character)
    if character.isdecimal():
        return "0123456789"[number % 10]
    for first, last in (_HANGUL, _HAN, _KANA):
        if first <= code <= last:
            return chr(first + number % (last - first + 1))
    if not character.isalpha():
        return character
    return (_UPPER if character.isupper() else _LOWER)[number % 26]


def _hexadecimal(character: str, numbers: Iterator[int]) -> str:
    if character == "-":
        return character
    made = "0123456789abcdef"[next(numbers) % 16]
    return made.upper() if character.isupper() else made


def _address(value: str, numbers: Iterator[int]) -> str | None:
    """Return another IP address of the same version; None if the text is no address."""
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return None
    parts = [next(numbers) for _ in range(len(address.packed))]
    return str(ipaddress.ip_address(bytes(each % 256 for each in parts)))


def _digits(text: str, numbers: Iterator[int]) -> str:
    """Return a decimal number with other digits in the same places. Zeros at its beginning stay, so that it fits."""
    whole, point, _ = text.partition(".")
    start = len(whole) if not re.search("[1-9]", whole) and point else 0
    leading = re.match("[^1-9]*", text) if re.search("[1-9]", text) else None
    first = leading.end() if leading else start
    made = [*text[:first]]
    for place, each in enumerate(text[first:]):
        number = next(numbers)
        is_first = leading is not None and place == 0
        made.append(each if not each.isdigit() else str(1 + number % 9) if is_first else str(number % 10))
    return "".join(made)


def _whole(value: int, numbers: Iterator[int]) -> int:
    """Return another whole number with as many digits, which fits into each type that the value fits into."""
    size = abs(value)
    most = min(int("9" * len(str(size))), next(each for each in _LIMITS if each >= size))
    least = int("1".ljust(len(str(size)), "0")) if size > 9 else 0  # noqa: PLR2004  one digit
    span = most - least + 1
    number = 0
    for _ in range(-(-span.bit_length() // 16)):
        number = number << 16 | next(numbers)
    made = least + number % span
    return made if value >= 0 else -made


def _float(value: float, numbers: Iterator[int]) -> float:
    if not math.isfinite(value):
        return value
    digits, sign, exponent = repr(value).partition("e")
    if sign and int(exponent) >= _LARGE:
        exponent = str(int(exponent) - 1)  # so that it stays finite
    return float(_digits(digits, numbers) + sign + exponent)


def _decimal(value: Decimal, numbers: Iterator[int]) -> Decimal:
    return Decimal(_digits(format(value, "f"), numbers))


def _moment(value: datetime, numbers: Iterator[int]) -> datetime:
    back = timedelta(days=1 + next(numbers) % _DAYS_BACK, seconds=next(numbers) % 3600)
    fraction = (next(numbers) << 16 | next(numbers)) % 1_000_000 if value.microsecond else 0
    return (value - back).replace(microsecond=fraction)


def _time(_: time, numbers: Iterator[int]) -> time:
    return time(next(numbers) % 24, next(numbers) % 60, next(numbers) % 60)


def _duration(value: timedelta, numbers: Iterator[int]) -> timedelta:
    return timedelta(seconds=(next(numbers) << 16 | next(numbers)) % (2 * abs(int(value.total_seconds())) + 10))


def _date(value: date, numbers: Iterator[int]) -> date:
    return value - timedelta(days=1 + next(numbers) % _DAYS_BACK)


def _binary(value: bytes, numbers: Iterator[int]) -> bytes:
    return bytes(next(numbers) % 256 for _ in value)


_MAKERS: tuple[tuple[type, Callable[[Any, Iterator[int]], Any]], ...] = (
    (str, _text),
    (int, _whole),
    (float, _float),
    (Decimal, _decimal),
    (datetime, _moment),
    (date, _date),
    (time, _time),
    (timedelta, _duration),
    (bytes, _binary),
)
_FIXED: tuple[tuple[type, Any], ...] = (
    (str, FIXED_TEXT),
    (int, 0),
    (float, 0.0),
    (Decimal, Decimal(0)),
    (datetime, datetime(2000, 1, 1)),  # noqa: DTZ001  the column's type has the zone
    (date, date(2000, 1, 1)),
    (time, time(0)),
    (timedelta, timedelta(0)),
    (bytes, b"\0"),
)
"""What takes the place of a value if its shape allows no other one that is still free."""
