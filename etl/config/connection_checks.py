"""Checks of connections that need the file as it is written, before environments are merged and variables resolved.

Belongs here: parts that exclude each other, texts that are no host, port, bucket or address, and variables in the
spelling of another tool. Not here: who owns a variable or a file (`ownership`), and secrets in clear (`secrets`).

A value that is or has a variable is judged only when a run resolves it.
"""

import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points

from etl.config.findings import ConfigFinding, KeyPath, shorten
from etl.config.ownership import DIALECTS, texts
from etl.config.yaml_source import Node
from etl.suggest import nearest

_PARTS = ("driver", "host", "port", "database", "username", "user", "password")
_TIME_LIMIT = "statement_timeout_seconds"
_WAREHOUSES = ("duckdb", "postgres", "trino")
_PORTS = 65_535
_VARIABLE = re.compile(r"(?<!\$)\$([A-Z][A-Z0-9_]{2,})\b|%([A-Z][A-Z0-9_]{2,})%")
_JINJA = re.compile(r"\{\{[^{}]*?([A-Z][A-Z0-9_]{2,})[^{}]*\}\}|\{\{[^{}]*\}\}")
_HOST_AND_PORT = re.compile(r"([\w.-]+):([0-9]+)")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def connection_findings(tenant: Node, *, is_whole: bool) -> Iterator[ConfigFinding]:
    """Yield what is wrong in the tenant's connections, and in those of its environments.

    `is_whole`: nothing of the file was left out because it could not be read, so that what is missing is missing.
    """
    yield from _of_blocks(tenant, ())
    yield from _lacking(tenant) if is_whole else ()
    environments = _child(tenant, "environments")
    for name, block in _items(environments):
        yield from _of_blocks(block, ("environments", name))


def _lacking(tenant: Node) -> Iterator[ConfigFinding]:
    """Find connections without an address, and keys of a bucket without a bucket, in no environment either."""
    for key, one_of in (("source_database", ("url", "host", "database")), ("storage", ("bucket",))):
        block = _child(tenant, key)
        elsewhere = any(_child(values, key) is not None for _, values in _items(_child(tenant, "environments")))
        if block is None or not isinstance(block.value, dict) or elsewhere:
            continue
        written = [name for name, _ in _items(block)]
        mistyped = key == "source_database" and not set(written) <= {*_PARTS, "options", "schema", _TIME_LIMIT}
        if not mistyped and not set(one_of) & set(written) and (written or key == "source_database"):
            mark = tenant.keys.get(key, block.mark) if isinstance(tenant.value, dict) else block.mark
            if key == "storage":
                problem = f"`{written[0]}` has no effect without a `bucket`"
                remedy = "write the `bucket`, or leave `storage` out for the local lake"
            else:
                problem = "`source_database` has no address"
                remedy = "write `host` and `database`, or the whole `url`; or leave it out: dev has the demo source"
            yield ConfigFinding((key,), problem, mark.line, mark.column, remedy=remedy)


def _of_blocks(block: Node, at: KeyPath) -> Iterator[ConfigFinding]:
    for key in ("source_database", "warehouse", "storage", "notifications"):
        if (node := _child(block, key)) is not None:
            yield from _other_spellings(node, (*at, key))
    for key in ("source_database", "warehouse"):
        if (node := _child(block, key)) is not None:
            yield from _connection(node, (*at, key), key)
    if (storage := _child(block, "storage")) is not None:
        yield from _storage(storage, (*at, "storage"))
    targets = _child(block, "notifications")
    for index, target in enumerate(targets.value if targets is not None and isinstance(targets.value, list) else ()):
        yield from _target(target, (*at, "notifications", index))


def _other_spellings(node: Node, at: KeyPath) -> Iterator[ConfigFinding]:
    """Find variables as shells, Windows and Jinja write them: they would be sent as they stand."""
    for path, text in texts(node, at):
        jinja = _JINJA.search(text.text)
        found = jinja or _VARIABLE.search(text.text)
        if found is None:
            continue
        name = next((each for each in found.groups() if each), "NAME")
        problem = f"`{shorten(found[0])}` is no variable here" + (": `{{` is text" if jinja else "")
        yield _finding(path, text, problem, remedy=f"write ${{{name}}}; $$ is a dollar")


def _connection(node: Node, at: KeyPath, key: str) -> Iterator[ConfigFinding]:
    if isinstance(node.value, str):
        yield from _text_alone(node, at, key)
        return
    parts = dict(_items(node))
    url = parts.get("url")
    clashing = [name for name in _PARTS if name in parts and url is not None]
    if clashing:
        problem = f"`{clashing[0]}` has no effect beside `url`"
        yield _at_key(node, at, clashing[0], problem, "write one of the two: the whole `url`, or the parts")
    if url is not None and _is_plain(url):
        yield from _url(url, (*at, "url"))
    if (driver := parts.get("driver")) is not None and _is_plain(driver):
        yield from _dialect(driver, (*at, "driver"))
    if (host := parts.get("host")) is not None and _is_plain(host):
        yield from _host(host, (*at, "host"))
    if (port := parts.get("port")) is not None and _is_plain(port):
        yield from _port(port, (*at, "port"))
    if key == "warehouse":
        yield from _warehouse(node, parts, at)


def _text_alone(node: Node, at: KeyPath, key: str) -> Iterator[ConfigFinding]:
    """A text alone is the URL of the source. A warehouse also needs its type."""
    if key == "source_database":
        yield from _url(node, at) if _is_plain(node) else ()
        return
    text = node.text.lower()
    kind = text if text in _WAREHOUSES else nearest(text, _WAREHOUSES) if "://" not in text else "postgres"
    more = "" if kind == "duckdb" else ", host: ..." if "://" not in text else f', url: "{node.text}"'
    remedy = (
        f"write {{type: {kind or 'duckdb'}{more}}}" if not _has_login(node.text) else "write {type: postgres, url: ...}"
    )
    yield _finding(at, node, "`warehouse` is no text: the type of the warehouse is missing", remedy=remedy)


def _warehouse(node: Node, parts: dict[str, Node], at: KeyPath) -> Iterator[ConfigFinding]:
    written = parts.get("type")
    kind = written.text if written is not None else "duckdb" if at == ("warehouse",) else ""
    addresses = [name for name in (*_PARTS, "url", "options") if name in parts]
    if kind == "duckdb" and addresses and "driver" not in parts:
        problem = f"`{addresses[0]}` has no effect: a DuckDB is always the tenant's own file"
        yield _at_key(
            node, at, addresses[0], problem, "write `type: postgres` or `type: trino`, or leave the address out"
        )
    if kind == "postgres":
        yield from _of_postgres(parts, at)
    if kind in ("duckdb", "postgres") and "catalog" in parts:
        yield _at_key(node, at, "catalog", "`catalog` is only for Trino", "write `type: trino`, or leave it out")
    if kind == "postgres" and not addresses and at == ("warehouse",):
        problem = "a warehouse of the type `postgres` has no address"
        yield _at_key(
            node, at, "type", problem, "write `host`, `database`, `username` and `password`, or the whole `url`"
        )
    scheme = parts.get("http_scheme")
    if scheme is not None and _is_plain(scheme) and scheme.text not in ("http", "https"):
        close = nearest(scheme.text.rstrip(":/"), ("http", "https")) or ""
        yield _finding((*at, "http_scheme"), scheme, "wrong value for `http_scheme`", "http or https", suggestion=close)


def _of_postgres(parts: dict[str, Node], at: KeyPath) -> Iterator[ConfigFinding]:
    for key in ("driver", "url"):
        node = parts.get(key)
        name = node.text.partition("://")[0].partition("+")[0].lower() if node is not None else ""
        if node is not None and _is_plain(node) and name in DIALECTS and name != "postgresql":
            problem = f"a warehouse of the type `postgres` with the dialect `{name}`"
            yield _finding((*at, key), node, problem, remedy="write a database of PostgreSQL")


def _url(node: Node, at: KeyPath) -> Iterator[ConfigFinding]:
    dialect, separator, _ = node.text.partition("://")
    if dialect.startswith("jdbc:"):
        remedy = f"leave out `jdbc:`, so that it begins with {shorten(dialect.removeprefix('jdbc:'))}://"
        yield _finding(at, node, "a URL of JDBC (`jdbc:`) is no URL of SQLAlchemy", remedy=remedy)
    elif not separator:
        named = f"`{at[-1]}` has no dialect before `://`"
        yield _finding(at, node, named, remedy="write postgresql://, mysql://, ... before the host")
    else:
        yield from _known_dialect(dialect, node, at)


def _dialect(node: Node, at: KeyPath) -> Iterator[ConfigFinding]:
    yield from _known_dialect(node.text, node, at)


def _known_dialect(text: str, node: Node, at: KeyPath) -> Iterator[ConfigFinding]:
    name = text.partition("+")[0].lower()
    if text and name not in DIALECTS and name not in _of_packages():
        close = "postgresql" if name in ("postgres", "pg", "psql") else nearest(name, sorted(DIALECTS)) or ""
        remedy = "" if close else "install the package that brings it, or write one of SQLAlchemy's"
        yield _finding(at, node, f"unknown dialect `{shorten(name)}`", suggestion=close, remedy=remedy)


@cache
def _of_packages() -> frozenset[str]:
    """Return the dialects that installed packages bring."""
    return frozenset(each.name.partition(".")[0] for each in entry_points(group="sqlalchemy.dialects"))


def _host(node: Node, at: KeyPath) -> Iterator[ConfigFinding]:
    if "://" in node.text:
        what = "write it as `url`" if "source_database" in at or "warehouse" in at else "write the name of the server"
        yield _finding(at, node, "the `host` is a URL", remedy=what)
    elif "@" in node.text:
        yield _finding(at, node, "the `host` has a login in it", remedy="write it as `username` and `password`")
    elif match := _HOST_AND_PORT.fullmatch(node.text):
        yield _finding(at, node, "the `host` has the port in it", remedy=f"write host: {match[1]} and port: {match[2]}")
    elif re.search(r"\s", node.text):
        yield _finding(at, node, "the `host` has a blank in it", remedy="write the name of one server")


def _port(node: Node, at: KeyPath) -> Iterator[ConfigFinding]:
    if not node.text.isdecimal() or not 1 <= int(node.text) <= _PORTS:
        allowed = f"a whole number from 1 to {_PORTS}"
        yield _finding(
            at, node, "wrong value for `port`", allowed, remedy="write the number of the port, or leave it out"
        )


def _storage(node: Node, at: KeyPath) -> Iterator[ConfigFinding]:
    parts = dict(_items(node))
    bucket = parts.get("bucket")
    if bucket is not None and _is_plain(bucket) and not _BUCKET.fullmatch(bucket.text):
        scheme, separator, rest = bucket.text.partition("://")
        name, _, prefix = (rest if separator else scheme).strip("/").partition("/")
        if _BUCKET.fullmatch(name):
            remedy = f"write bucket: {name}" + (f" and base_path: {prefix.strip('/')}" if prefix.strip("/") else "")
            yield _finding((*at, "bucket"), bucket, "the `bucket` is an address or a path", remedy=remedy)
        else:
            close = re.sub(r"[^A-Za-z0-9._-]+", "-", bucket.text).strip("-")
            allowed = "letters, digits, `.`, `_` and `-`"
            yield _finding((*at, "bucket"), bucket, "not a valid name for a `bucket`", allowed, suggestion=close)
    endpoint = parts.get("endpoint_url")
    if endpoint is not None and _is_plain(endpoint) and not re.match(r"https?://", endpoint.text):
        remedy = f"write http://{shorten(endpoint.text)}, or with https://"
        yield _finding((*at, "endpoint_url"), endpoint, "the `endpoint_url` has no scheme", remedy=remedy)


def _target(node: Node, at: KeyPath) -> Iterator[ConfigFinding]:
    parts = dict(_items(node))
    if "type" not in parts or parts["type"].text != "email":
        return
    if (port := parts.get("port")) is not None and _is_plain(port):
        yield from _port(port, (*at, "port"))
    if (host := parts.get("host")) is not None and _is_plain(host):
        yield from _host(host, (*at, "host"))
    for one, other in (("username", "password"), ("password", "username")):
        if one in parts and other not in parts:
            yield _at_key(node, at, one, f"a `{one}` without a `{other}`", f"write the `{other}` too, or neither")
    to = parts.get("to")
    receivers = (
        [((*at, "to", place), each) for place, each in enumerate(to.value)]
        if to is not None and isinstance(to.value, list)
        else []
    )
    sender = [((*at, "sender"), parts["sender"])] if "sender" in parts else []
    for path, each in (*sender, *receivers):
        if (
            isinstance(each.value, str)
            and _is_plain(each)
            and not re.fullmatch(r"[^@\s]+@[^@\s]+|.*<[^@\s]+@[^@\s]+>", each.text)
        ):
            yield _finding(path, each, f"`{shorten(each.text)}` is no address of mail", "an email address, or ${NAME}")


def _has_login(text: str) -> bool:
    return "@" in text


def _is_plain(node: Node) -> bool:
    """Whether the value is a text or a number without variables, which can be judged as it stands."""
    return (
        not isinstance(node.value, dict | list) and bool(node.text) and "$" not in node.text and "{{" not in node.text
    )


def _finding(
    path: KeyPath, node: Node, problem: str, allowed: str = "", *, suggestion: str = "", remedy: str = ""
) -> ConfigFinding:
    return ConfigFinding(path, problem, node.mark.line, node.mark.column, "", allowed, suggestion, remedy)


def _at_key(node: Node, at: KeyPath, key: str, problem: str, remedy: str) -> ConfigFinding:
    mark = node.keys.get(key, node.mark)
    return ConfigFinding((*at, key), problem, mark.line, mark.column, remedy=remedy)


def _child(node: Node | None, key: str) -> Node | None:
    return node.value.get(key) if node is not None and isinstance(node.value, dict) else None


def _items(node: Node | None) -> tuple[tuple[str, Node], ...]:
    """Return the keys with a value; a key that is written without one counts as not written."""
    values = node.value if node is not None and isinstance(node.value, dict) else {}
    return tuple((key, each) for key, each in values.items() if each.value is not None)
