"""Puts metrics into a push gateway of Prometheus: one group for each tenant, and one for the platform.

Belongs here: the groups and the requests. Not here: the numbers (`etl.cli.metrics`), the list of metrics
(`etl.promises.prometheus`).

A gateway keeps what it got until it is replaced. So each push replaces the whole group of a tenant (PUT), and a
pipeline that was removed leaves no number behind. `etl_metrics_timestamp_seconds` says how old the numbers are, because
the gateway shows them to Prometheus as new for ever.
"""

import http.client
import urllib.error
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit, urlunsplit

from etl.errors import EtlError
from etl.extras import install
from etl.notify.send import cause_of
from etl.promises.prometheus import Sample, metrics_registry
from etl.secrets.scrub import learn_url
from etl.telemetry.posting import TIMEOUT, checked, place

JOB = "etl"


class NotPushedError(EtlError):
    """The gateway did not take all groups."""

    def __init__(self, problem: str, hint: str, pushed: tuple[str, ...] = ()) -> None:
        """`pushed` are the tenants whose groups it took."""
        super().__init__(problem, hint)
        self.pushed = pushed


def push(samples: Iterable[Sample], url: str) -> tuple[str, ...]:
    """Replace the group of each tenant that has samples, and return the tenants. The platform's group has no tenant.

    A group that the gateway refuses keeps no other one back. At the end, `NotPushedError` names the groups that keep
    their old numbers, whose age the alert `EtlMetricsStale` watches. A gateway that cannot be reached is not asked
    again.
    """
    try:
        from prometheus_client import push_to_gateway  # noqa: PLC0415  an optional dependency
        from prometheus_client.exposition import basic_auth_handler, default_handler  # noqa: PLC0415
    except ImportError as error:
        raise EtlError("prometheus-client is not installed", install("metrics")) from error
    learn_url(url)
    parts = urlsplit(checked(url, "--push"))
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    address = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

    def handler(url: str, method: str, timeout: float | None, headers: list[tuple[str, str]], data: bytes):  # type: ignore[no-untyped-def]  # noqa: ANN202  the library's own type of a request
        if user:
            return basic_auth_handler(url, method, timeout, headers, data, user, password)
        return default_handler(url, method, timeout, headers, data)

    groups: dict[str, list[Sample]] = {}
    for each in samples:
        groups.setdefault(each.tenant, []).append(each)
    problems: dict[str, list[str]] = {}
    waiting = list(groups)
    while waiting:
        tenant = waiting.pop(0)
        key = {"tenant": tenant} if tenant else {}
        registry = metrics_registry(groups[tenant])
        try:
            push_to_gateway(address, JOB, registry, grouping_key=key, timeout=TIMEOUT, handler=handler)
        except urllib.error.HTTPError as error:
            problems.setdefault(f"{place(url)} answers {error.code}", []).append(tenant)
            error.close()
        except (OSError, ValueError, http.client.HTTPException) as error:
            problem = f"{place(url)} cannot be reached: {cause_of(error, TIMEOUT)}"
            problems.setdefault(problem, []).extend([tenant, *waiting])
            break
    lost = {tenant for each in problems.values() for tenant in each}
    pushed = tuple(sorted(tenant for tenant in groups if tenant and tenant not in lost))
    if problems:
        hint = "push again; if the gateway refused them, its log says why"
        raise NotPushedError("\n".join(map(_sentence, problems, problems.values())), hint, pushed)
    return pushed


def _sentence(problem: str, tenants: Iterable[str]) -> str:
    names = ", ".join(each or "the platform" for each in tenants)
    return f"the metrics of {names} were not pushed: {problem}"
