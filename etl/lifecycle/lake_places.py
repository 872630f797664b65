"""What the lakes hold of a tenant: objects in the local folder and in its bucket, and their earlier versions there.

Belongs here: these places, and what stays in them at the end. Not here: the other places (`places`), one person's rows
(`subject_objects`, `subject_versions`).
"""

from collections.abc import Callable, Iterator
from contextlib import suppress

from etl.config.tenant_config import TenantConfig
from etl.lake.lake import Lake, LakePlace, open_lake
from etl.lake.store import Version, VersionsUnknownError
from etl.lake.tenant_folder import TenantFolder
from etl.lifecycle.erasable import ErasablePlace, Subject
from etl.lifecycle.item import Item
from etl.pipeline.life import NAME, STAGE, main_lake
from etl.pipeline.stage import lake_place
from etl.settings import Settings


def lakes_of(subject: Subject) -> Iterator[ErasablePlace]:
    """The tenant's objects: in the local lake, and in its bucket. The state of its life stays, and is no data."""
    life = f"{subject.id}/{STAGE}/"

    def place(key: str, title: str, opened: Callable[[], Lake]) -> ErasablePlace:
        def items() -> list[Item]:
            found = TenantFolder(opened(), subject.id).everything()
            return [Item(name=name, bytes=size) for name, size in found if not name.startswith(life)]

        def remove_objects() -> None:
            lake = opened()
            for each in items():
                TenantFolder(lake, subject.id).delete(each.name)
            TenantFolder(lake, subject.id).prune()

        return ErasablePlace(key, title, items, remove_objects)

    yield place("lake", "objects of the local lake, also rejected rows", lambda: open_lake(subject.settings))
    if subject.config.storage.bucket is not None:
        where = lake_place(subject.config)
        yield place("bucket", f"objects of the bucket {where.bucket}", lambda: open_lake(subject.settings, where))
        yield _versions(subject, where)


def _versions(subject: Subject, where: LakePlace) -> ErasablePlace:
    """What a bucket with versioning keeps of objects that were deleted or replaced, also under earlier ids."""
    ids = (subject.id, *subject.formerly)

    def found() -> list[tuple[TenantFolder, Version]]:
        folders = [TenantFolder(open_lake(subject.settings, where), each) for each in ids]
        return [
            (folder, version)
            for folder in folders
            for version in folder.earlier_versions()
            if not version.key.startswith(f"{folder.tenant}/{STAGE}/")
        ]

    def remove_versions() -> None:
        with suppress(VersionsUnknownError):  # the count says it
            for folder, version in found():
                folder.delete_version(version)

    return ErasablePlace(
        "versions",
        f"earlier versions of objects in the bucket {where.bucket}, and marks of deletions",
        lambda: [Item(name=f"{version.key} {version.id}", bytes=version.bytes) for _, version in found()],
        remove_versions,
    )


def remove_versions_of_life(subject: Subject) -> None:
    """Remove the earlier versions of the state of the tenant's life and of the journal; the state itself stays."""
    if subject.config.storage.bucket is not None:
        lake = open_lake(subject.settings, lake_place(subject.config))
        with suppress(VersionsUnknownError):  # they hold no data
            for folder in (TenantFolder(lake, each) for each in (subject.id, *subject.formerly)):
                for version in folder.earlier_versions():
                    if version.key.startswith(f"{folder.tenant}/{STAGE}/"):
                        folder.delete_version(version)


def life_objects(config: TenantConfig, settings: Settings) -> str:
    """Return where the state of the tenant's life stays, for the certificate."""
    with main_lake(config, settings) as lake:
        return f"{TenantFolder(lake, config.id).address}/{STAGE}/{NAME}"
