"""Erases a tenant: everything that `places` lists, with a journal, and a certificate at the end.

Belongs here: the order of an erasure, and going on after an interruption. Not here: the single places (`places`), the
certificate's text (`certificate`).

An interruption is harmless. First the state of the tenant's life becomes `erasing`. From that moment on, no
run on any host begins to work. Then the amounts of all places are written to a journal in the lake, and one place after
the other is emptied. The same command goes on at any point: what is gone already is not there to be listed. The
tenant's `config.yaml` says where the places are, so it goes last, with the transforms that it needs to be valid. The
state `erased` stays in the lake.
"""

import secrets
import shutil
import socket
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from dagster import DagsterInstance

from etl.config.config_loader import CONFIG_FILE, list_tenants, load_tenant, load_text, unread_tenant
from etl.config.life import write_life_file
from etl.errors import ConfigError, EtlError
from etl.faults import reach
from etl.lake.lake import Lake
from etl.lifecycle.certificate import Certificate, LeftError, NotErased, product, write_certificate
from etl.lifecycle.erasable import ErasablePlace, Subject, counted
from etl.lifecycle.going_on import refuse_going_on
from etl.lifecycle.item import Amount
from etl.lifecycle.journal import BegunErasure, read_journal
from etl.lifecycle.lake_places import life_objects, remove_versions_of_life
from etl.lifecycle.not_erased import not_erased, not_examined
from etl.lifecycle.places import folder_being_erased, places_of, remove_locks
from etl.lifecycle.rename import refuse_renaming
from etl.pipeline.life import life_file, life_in, main_lake, now, write_life, write_note
from etl.settings import Settings

JOURNAL = "erasure"
Progress = Callable[[str], None]


class TenantErasure(BegunErasure):
    """What an erasure found when it began."""

    not_erased: tuple[NotErased, ...]
    """Found before the removal, because the ledger tells which schemas are the tenant's."""
    not_examined: tuple[NotErased, ...] = ()


class Planned(NamedTuple):
    """What an erasure would remove, and what it cannot look at."""

    amounts: tuple[Amount, ...]
    not_examined: tuple[NotErased, ...]


def planned(subject: Subject) -> Planned:
    """Return what an erasure would remove now. Nothing is changed."""
    amounts, unknown = counted(places_of(subject))
    return Planned(tuple(amounts), (*not_examined(subject), *unknown))


def erase(subject: Subject, out: Path | None, tell: Progress) -> tuple[Certificate, Path]:
    """Erase the tenant and write the certificate. Raises an error while a run is going on."""
    config, settings = subject.config, subject.settings
    refuse_going_on(subject.records, subject.id, "erased")
    with main_lake(config, settings) as lake:
        journal = _begin(subject, lake)
        lake.close()  # what was opened for reading lies in the tenant's folder of drafts, which goes too
        places = list(places_of(subject))
        reach("lifecycle.begun")
        refuse_going_on(subject.records, subject.id, "erased")  # one may have begun before it saw the state
        for place in places:
            place.remove()
            tell(place.title)
            reach(f"lifecycle.removed.{place.key}")
        done = _end(subject, lake, journal, places, out)
    _last_files(subject)
    return done


def _begin(subject: Subject, lake: Lake) -> TenantErasure:
    """Keep every run from working, and note how much there is."""
    refuse_renaming(lake, subject.id)
    found = read_journal(lake, subject.id, JOURNAL, TenantErasure)
    plan = planned(subject) if found is None else Planned(found.amounts, found.not_examined)
    others = found.not_erased if found is not None else not_erased(subject)
    life = life_in(lake, subject.id)
    if life is None or life.state not in ("erasing", "erased"):
        state = now("erasing")
        write_life(lake, subject.id, state)
        reach("lifecycle.fenced")
        if (subject.settings.tenants_dir / subject.id).is_dir():
            write_life_file(life_file(subject.id, subject.settings), state)
    if found is not None:
        journal = found.model_copy(update={"interruptions": found.interruptions + 1})
    else:
        journal = TenantErasure(
            id=secrets.token_hex(8),
            begun=datetime.now(UTC),
            amounts=plan.amounts,
            not_erased=others,
            not_examined=plan.not_examined,
        )
    write_note(lake, subject.id, JOURNAL, journal.model_dump_json())
    return journal


def _end(
    subject: Subject, lake: Lake, journal: TenantErasure, places: Sequence[ErasablePlace], out: Path | None
) -> tuple[Certificate, Path]:
    """Count again, write the certificate, and let the state `erased` stay."""
    state = now("erased")
    remaining, unknown = counted(places)
    certificate = Certificate(
        kind="tenant",
        id=journal.id,
        tenant=subject.id,
        asked_by=state.by.partition("@")[0],
        host=socket.gethostname(),
        begun=journal.begun,
        ended=state.since,
        interruptions=journal.interruptions,
        product=product(),
        removed=journal.amounts,
        remaining=tuple(remaining),
        kept=(
            (
                f"the state `erased` at {life_objects(subject.config, subject.settings)}: an old copy of the tenant's"
                " files cannot bring the tenant back"
            ),
            "this certificate",
        ),
        not_erased=journal.not_erased,
        not_examined=tuple({each.what: each for each in (*journal.not_examined, *unknown)}.values()),
    )
    path = out or subject.settings.project_dir / "certificates" / f"erased-{subject.id}-{journal.id}.json"
    digest = write_certificate(certificate, path)
    if not certificate.is_complete:
        left = ", ".join(f"{each.count} {each.title}" for each in certificate.remaining if each.count)
        raise LeftError(
            f"tenant {subject.id} is not erased: still there: {left}; {path} says the same",
            "see what writes there (a process of another release, a file that may not be removed), then run it again",
        )
    reach("lifecycle.certified")
    write_life(lake, subject.id, state.model_copy(update={"certificate": digest}))
    reach("lifecycle.erased")
    write_note(lake, subject.id, JOURNAL, None)
    return certificate, path


def _last_files(subject: Subject) -> None:
    """Remove what the erasure itself needed: the locks of the lake, which is closed now, and the tenant's file."""
    remove_versions_of_life(subject)
    for each in (subject.id, *subject.formerly):
        remove_locks(subject.settings, each)
    last = folder_being_erased(subject.settings, subject.id)
    if last.is_dir():
        last.replace(_garbage(subject.settings, subject.id))
    sweep(subject.settings)


def _garbage(settings: Settings, tenant: str) -> Path:
    return settings.tenants_dir / f".{tenant}.erased"


def sweep(settings: Settings) -> None:
    """Remove the last files of erased tenants, if an erasure was interrupted in its last step."""
    for each in settings.tenants_dir.glob(".*.erased"):
        shutil.rmtree(each)


def subject_of(
    tenant: str,
    settings: Settings,
    instance: DagsterInstance,
    *,
    with_warehouse: bool = True,
    unreadable: bool = False,
    said: Path | None = None,
) -> Subject:
    """Return the tenant with everything switched on, also one whose erasure was interrupted.

    With `unreadable`, its file may be one that cannot be read: then `said` is used instead, which is an earlier text of
    it; or else nothing is known but the id, and `Subject.problem` tells why.
    """
    sweep(settings)
    folder = settings.tenants_dir / tenant
    if tenant not in list_tenants(settings) and (folder_being_erased(settings, tenant) / CONFIG_FILE).is_file():
        folder = folder_being_erased(settings, tenant)
    path, problem = folder / CONFIG_FILE, ""
    try:
        if folder.name == tenant:
            config = load_tenant(tenant, settings)
        else:
            config = load_text(tenant, path.read_bytes(), path, settings)
    except ConfigError as error:
        if not (unreadable and path.is_file()):
            raise
        if said is not None:
            config = load_text(tenant, _text(said), path, settings)
        else:
            config, problem = unread_tenant(tenant, path, settings), error.problem
    else:
        if said is not None:
            raise EtlError(f"the file of tenant {tenant} can be read, so {said} is not used", "leave --config out")
    return Subject(
        config.as_if_active(), settings, instance, f"erase-{tenant}", with_warehouse=with_warehouse, problem=problem
    )


def _text(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EtlError(
            f"{path} cannot be read: {error.strerror}", "name an earlier text of the tenant's file"
        ) from None
