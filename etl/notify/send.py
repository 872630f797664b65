"""Sends a message to a target.

Belongs here: `send` and the shape of the message for each kind of target. Not here: when a message is sent, and what is
tried again (`outbox`).

Each request is one POST, made with the standard library. The library Apprise is not used: its addresses of Slack,
PagerDuty and Opsgenie are fixed, so a proxy or a test server cannot replace them; it reports success or failure without
a cause; and it writes addresses, which are secrets here, to its log.

No error and no log line of this module contains an address, a header, a key or a password. Templates are resolved here,
and only a server's numeric answer or the kind of an error is passed on.
"""

import http.client
import json
import logging
import smtplib
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Any
from urllib.parse import quote, urlsplit

from etl.errors import EtlError, NotifyError
from etl.notify.incidents import Message
from etl.notify.targets import (
    EmailTarget,
    LogTarget,
    NotificationConfig,
    OpsgenieTarget,
    PagerDutyTarget,
    SlackTarget,
    WebhookTarget,
)

Resolve = Callable[[str], str]
TIMEOUT = 10.0  # seconds for each step of talking to a target
_log = logging.getLogger("etl.notify")
_LOG_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR, "critical": logging.CRITICAL}
_SLACK_SIGNS = {"broken": ":red_circle:", "recovered": ":large_green_circle:"}
_OPSGENIE_PRIORITIES = {"info": "P5", "warning": "P4", "error": "P3", "critical": "P1"}
_SLACK_LIMIT, _OPSGENIE_LIMIT, _PAGERDUTY_LIMIT = 3000, 130, 1024  # most characters of the main text


def send(target: NotificationConfig, message: Message, resolve: Resolve, *, timeout: float = TIMEOUT) -> None:
    """Send one message, once. `resolve` turns a template into its value. Raises NotifyError, which has no secret."""
    match target:
        case LogTarget():
            recovered = message.transition == "recovered"
            level = logging.INFO if recovered else _LOG_LEVELS[message.severity]
            _log.log(level, "%s\n%s", message.title, message.text)
        case WebhookTarget():
            headers = {name: resolved(target, name, value, resolve) for name, value in target.headers.items()}
            _post(target, target.url, message.model_dump(mode="json"), headers, resolve, timeout)
        case SlackTarget():
            _post(target, target.url, slack_body(message), {}, resolve, timeout)
        case PagerDutyTarget():
            key = resolved(target, "routing_key", target.routing_key, resolve)
            _post(target, target.url, pagerduty_body(message, key), {}, resolve, timeout)
        case OpsgenieTarget():
            headers = {"Authorization": f"GenieKey {resolved(target, 'api_key', target.api_key, resolve)}"}
            path, body = opsgenie_request(message)
            _post(target, target.url.rstrip("/") + path, body, headers, resolve, timeout)
        case EmailTarget():
            _mail(target, message, resolve, timeout)


def slack_body(message: Message) -> dict[str, Any]:
    """Return the message for an incoming webhook. Text from data cannot mention a channel or forge a link."""
    text = f"{_SLACK_SIGNS[message.transition]} *{_slack_text(message.title)}*\n{_slack_text(message.text)}"
    return {"text": text[:_SLACK_LIMIT]}


def pagerduty_body(message: Message, routing_key: str) -> dict[str, Any]:
    """Return an event of the Events API v2. A repeated event with the incident's key stays the same alert."""
    if message.transition == "recovered":
        return {"routing_key": routing_key, "event_action": "resolve", "dedup_key": message.incident}
    return {
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": message.incident,
        "payload": {
            "summary": message.title[:_PAGERDUTY_LIMIT],
            "source": message.tenant,
            "severity": message.severity,
            "timestamp": message.since.isoformat(),
            "component": message.pipelines[0] if message.pipelines else message.tenant,
            "custom_details": {"text": message.text, "pipelines": list(message.pipelines)},
        },
    }


def opsgenie_request(message: Message) -> tuple[str, dict[str, Any]]:
    """Return path and body of an alert. A repeated request with the incident's key stays the same alert."""
    if message.transition == "recovered":
        return f"/v2/alerts/{quote(message.incident, safe='')}/close?identifierType=alias", {"note": message.text}
    return "/v2/alerts", {
        "message": message.title[:_OPSGENIE_LIMIT],
        "alias": message.incident,
        "description": message.text,
        "priority": _OPSGENIE_PRIORITIES[message.severity],
        "source": message.tenant,
        "tags": [message.tenant, *message.events],
    }


def mail_of(message: Message, sender: str, to: tuple[str, ...]) -> EmailMessage:
    """Return a mail. Both mails of an incident are in one thread."""
    mail = EmailMessage()
    mail["Subject"] = " ".join(message.title.split())
    mail["From"] = sender
    mail["To"] = ", ".join(to)
    mail["Date"] = format_datetime(message.at)
    mail["Message-ID"] = make_msgid(domain="etl.invalid")
    mail["References"] = f"<{quote(message.incident, safe='')}.{message.since:%Y%m%d%H%M%S}@etl.invalid>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text)
    return mail


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect, because a redirect would send keys to an address that is not configured."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """Return None, so that the redirect counts as a failure."""


opener = urllib.request.build_opener(_NoRedirects)
"""Opens addresses of the configuration, and follows no redirect."""


def _post(
    target: NotificationConfig,
    url_template: str,
    body: Mapping[str, Any],
    headers: Mapping[str, str],
    resolve: Resolve,
    timeout: float,
) -> None:
    url = resolved(target, "url", url_template, resolve)
    data = json.dumps(body).encode()
    problem: str | None = None
    try:
        if urlsplit(url).scheme not in ("http", "https"):
            problem = "its url is neither http nor https"
        else:
            every = {"Content-Type": "application/json", "User-Agent": "tenant-etl", **headers}
            request = urllib.request.Request(url, data, every, method="POST")  # noqa: S310  checked above
            with opener.open(request, timeout=timeout):
                return
    except (OSError, ValueError, http.client.HTTPException) as error:
        problem = cause_of(error, timeout)
    raise _failed(target, problem)  # outside the handler: the caught error may quote the address


def _mail(target: EmailTarget, message: Message, resolve: Resolve, timeout: float) -> None:
    host = resolved(target, "host", target.host, resolve)
    port_text = resolved(target, "port", str(target.port), resolve)
    sender = resolved(target, "sender", target.sender, resolve)
    to = tuple(resolved(target, "to", each, resolve) for each in target.to)
    user = resolved(target, "username", target.username, resolve) if target.username else None
    password = resolved(target, "password", target.password, resolve) if target.password else ""
    if not port_text.isdigit():
        raise _failed(target, "its port is no number")
    problem: str | None = None
    try:
        mail = mail_of(message, sender, to)
        with mail_connection(target.security, host, int(port_text), timeout) as server:
            if user is not None:
                server.login(user, password)
            refused = server.send_message(mail)
        if not refused:
            return
        problem = f"{len(refused)} of {len(to)} recipients were refused"
    except (OSError, ValueError, smtplib.SMTPException) as error:
        problem = cause_of(error, timeout)
    raise _failed(target, problem)


def mail_connection(security: str, host: str, port: int, timeout: float) -> smtplib.SMTP:
    """Return a connection to a mail server, encrypted as the target says."""
    if security == "ssl":
        return smtplib.SMTP_SSL(host, port, timeout=timeout, context=ssl.create_default_context())
    server = smtplib.SMTP(host, port, timeout=timeout)
    if security == "starttls":
        try:
            server.starttls(context=ssl.create_default_context())
        except BaseException:
            server.close()
            raise
    return server


def resolved(target: NotificationConfig, field: str, template: str, resolve: Resolve) -> str:
    """Return the value of one field. A variable that is not set is a failure of the target."""
    try:
        return resolve(template)
    except EtlError as error:  # names variables, never values
        raise NotifyError(f"the {target.type} notification has no `{field}`: {error.problem}", error.hint) from None


def _failed(target: NotificationConfig, problem: str) -> NotifyError:
    return NotifyError(
        f"the {target.type} notification was not delivered: {problem}",
        "the message is kept and goes out with the next tick; if this lasts, look at the target's configuration",
    )


def cause_of(error: Exception, timeout: float) -> str:
    """Describe the kind of a failure, without any part of the request."""
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        return f"the server answered {error.code}"
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, smtplib.SMTPException):
        return _mail_cause(reason)
    if isinstance(reason, TimeoutError):
        return f"no answer within {timeout:g} s"
    if isinstance(reason, ConnectionRefusedError):
        return "nothing listens at its address"
    if isinstance(reason, socket.gaierror):
        return "its host name is not known"
    if isinstance(reason, ssl.SSLError):
        return f"no secure connection ({reason.reason or type(reason).__name__})"
    return (isinstance(reason, OSError) and reason.strerror) or type(reason).__name__


def _mail_cause(error: smtplib.SMTPException) -> str:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"the mail server refused the login ({error.smtp_code})"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"the mail server answered {error.smtp_code}"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "the mail server refused all recipients"
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return "the mail server hung up"
    return type(error).__name__


def _slack_text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
