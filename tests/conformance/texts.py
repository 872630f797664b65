"""Texts of every format, the good ones told apart without any pattern: by hand, or by Python's standard library."""

import ipaddress
import random
import uuid

GOOD_EMAILS = (
    "a@b.co", "first.last@example.com", "x+tag@sub.example.org", "o'neil@example.ie", "김@예시.한국", "user_1@a-b.io",
    "1@2.de", "a@xn--bcher-kva.example", "UPPER@EXAMPLE.COM",
)  # fmt: skip
BAD_EMAILS = (
    "", " ", "a", "@b.co", "a@", "a@b", "a b@c.de", "a@b..co", ".a@b.co", "a.@b.co", "a..b@c.de", "a@-b.co", "a@b-.co", "a@b.c",
    "a@b.co\n", " a@b.co", "a@b@c.de", "a@[1.2.3.4]", '"a b"@c.de', "a@b.123", "a@b_c.de",
)  # fmt: skip
GOOD_URLS = (
    "http://example.com", "https://example.com/path?q=1#top", "HTTPS://EXAMPLE.COM", "ftp://user:pw@files.example.org:21/a",
    "http://[2001:db8::1]:8080/", "http://1.2.3.4", "https://예시.한국/길", "http://localhost", "http://a.bc?x",
)  # fmt: skip
BAD_URLS = (
    "", " ", "example.com", "http:/a.b", "http//a.b", "http://", "http://a b.co", "javascript:alert(1)", "http://[::1", "mailto:a@b.co",
    "http://a.b/c d", "http://-a.b", "http://a.b\n", " http://a.b", "http://a.b:port", "http://[12345::]/", "http://a.b",
)  # fmt: skip
_UUIDS = [str(uuid.UUID(int=random.Random(7).getrandbits(128))) for _ in range(4)]
GOOD_UUIDS = (
    *_UUIDS,
    _UUIDS[0].upper(),
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
)
BAD_UUIDS = (
    "", " ", "x", _UUIDS[0].replace("-", ""), "{" + _UUIDS[0] + "}", _UUIDS[0][:-1], _UUIDS[0] + "0", _UUIDS[0] + "\n", _UUIDS[0][:-1] + "g",
    "urn:uuid:" + _UUIDS[1], " " + _UUIDS[0], _UUIDS[0].replace("-", "_"),
)  # fmt: skip


def _addresses() -> list[str]:
    """Addresses, and addresses with something changed; the standard library says later which are good."""
    chance = random.Random(11)
    found = [
        "",
        " ",
        "1.2.3.4",
        "01.2.3.4",
        "256.1.1.1",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.4\n",
        "::",
        "::1",
        "1::",
        "1::2::3",
        ":::",
        ":1",
        "1:",
    ]
    found += [
        "::ffff:1.2.3.4",
        "1:2:3:4:5:6:1.2.3.4",
        "1:2:3:4:5:6:7:1.2.3.4",
        "1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7::",
    ]
    found += [
        "::2:3:4:5:6:7:8",
        "12345::",
        "g::",
        "::1.2.3",
        "::01.2.3.4",
        "1.2.3.4::",
        "2001:DB8::A",
        "1::3:4:5:6:7:8",
        "1:2:3:4:5:6:7",
        "1,2,3,4",
    ]
    for _ in range(12):
        found.append(str(ipaddress.IPv4Address(chance.getrandbits(32))))
        six = ipaddress.IPv6Address(
            chance.getrandbits(128) & ~(((1 << 16 * chance.randint(0, 4)) - 1) << 16 * chance.randint(0, 4))
        )
        found += [str(six), six.exploded]
    changed = []
    for text in found:
        if text:
            at = chance.randrange(len(text))
            changed += [text[:at] + text[at + 1 :], text[:at] + chance.choice(":.f09 ") + text[at:]]
    return list(dict.fromkeys(found + changed))


def _is_address(text: str, kind: type[ipaddress.IPv4Address | ipaddress.IPv6Address]) -> bool:
    if "%" in text or not text.isascii():
        return False
    try:
        kind(text)
    except ValueError:
        return False
    return True


ADDRESSES = tuple(_addresses())
_FOUR = tuple(each for each in ADDRESSES if _is_address(each, ipaddress.IPv4Address))
_SIX = tuple(each for each in ADDRESSES if _is_address(each, ipaddress.IPv6Address))
GOOD_ADDRESSES: dict[int | None, tuple[str, ...]] = {4: _FOUR, 6: _SIX, None: (*_FOUR, *_SIX)}
