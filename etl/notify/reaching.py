"""Tries whether a receiver of messages can be reached, and sends it nothing.

Belongs here: connecting to a target as a message would. Not here: messages (`send`).

A mail server is greeted and logged in to. Of a web address, only the connection is opened, and its certificate checked;
whether it accepts a message would be known only by sending one.
"""

import smtplib
import socket
import ssl
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from etl.errors import NotifyError
from etl.notify.send import TIMEOUT, Resolve, cause_of, mail_connection, resolved
from etl.notify.targets import EmailTarget, LogTarget, NotificationConfig

_OK = 250  # RFC 5321
_PORTS = {"http": 80, "https": 443}


def try_target(target: NotificationConfig, resolve: Resolve, *, timeout: float = TIMEOUT) -> str:
    """Return what answered. Raises NotifyError, which has no secret, if a message could not be delivered."""
    problem: str | None = None
    try:
        match target:
            case LogTarget():
                return "the log"
            case EmailTarget():
                return _mail(target, resolve, timeout)
            case _:
                return _web(target, resolved(target, "url", target.url, resolve), timeout)
    except (OSError, ValueError, smtplib.SMTPException) as error:
        problem = cause_of(error, timeout)
    raise NotifyError(  # outside the handler: the caught error may quote the address
        f"the {target.type} notification could not be delivered: {problem}",
        "correct the target in `notifications:`, or let this machine reach it",
    )


def _mail(target: EmailTarget, resolve: Resolve, timeout: float) -> str:
    host, port = resolved(target, "host", target.host, resolve), resolved(target, "port", str(target.port), resolve)
    user = resolved(target, "username", target.username, resolve) if target.username else None
    password = resolved(target, "password", target.password, resolve) if target.password else ""
    with mail_connection(target.security, host, int(port), timeout) as server:
        if user is not None:
            server.login(user, password)
        code, _ = server.noop()
        if code != _OK:
            raise smtplib.SMTPResponseException(code, "")
    return "the mail server" + (" accepts the login" if user is not None else " answers")


def _web(target: NotificationConfig, url: str, timeout: float) -> str:
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise NotifyError(
            f"the {target.type} notification has no address: it is neither http nor https", "correct `url`"
        )
    proxy = None if proxy_bypass(parts.hostname) else getproxies().get(parts.scheme)
    place = urlsplit(proxy) if proxy else parts
    with socket.create_connection((place.hostname, place.port or _PORTS.get(place.scheme, 80)), timeout) as connection:
        if parts.scheme == "https" and not proxy:
            with ssl.create_default_context().wrap_socket(connection, server_hostname=parts.hostname):
                pass
    return "the proxy answers" if proxy else "the address answers"
