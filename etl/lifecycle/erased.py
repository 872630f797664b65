"""What a command that erases says about a tenant that is not here: it was erased before, or its name is wrong.

Belongs here: telling these apart. Not here: erasing (`erase`), what other commands say about unknown tenants
(`etl.config.config_loader`).
"""

import re
from contextlib import closing
from pathlib import Path

from etl.config.config_loader import list_tenants
from etl.errors import ConfigError
from etl.lake.lake import open_lake
from etl.lifecycle.places import folder_being_erased
from etl.pipeline.life import life_in
from etl.settings import Settings

_ID = re.compile(r"[a-z][a-z0-9_]*")


def erased_before(tenant: str, settings: Settings) -> str | None:
    """Return what is known of the erasure of a tenant that is gone; None if the tenant is here.

    Raises an error for a name that nothing here has ever had. It suggests no other tenant: a name that is corrected
    without thinking must not erase somebody else.
    """
    if tenant in list_tenants(settings) or (_ID.fullmatch(tenant) and folder_being_erased(settings, tenant).is_dir()):
        return None
    if _ID.fullmatch(tenant):
        with closing(open_lake(settings)) as lake:
            life = life_in(lake, tenant)
        proofs = _certificates(tenant, settings)
        if life is not None and life.state == "erased" and life.reason:
            raise ConfigError(f"there is no tenant `{tenant}` any more: {life.reason}", "use its present id")
        if proofs or (life is not None and life.state == "erased"):
            since = f" on {life.since:%Y-%m-%d %H:%M} UTC by {life.by}" if life is not None else ""
            named = ", ".join(map(str, proofs)) or "not in this project"
            digest = f" (SHA-256 {life.certificate})" if life is not None and life.certificate else ""
            return f"{tenant} was erased{since}. Certificate: {named}{digest}"
    raise ConfigError(
        f"there is no tenant with the id {tenant!r}, and none was erased here",
        "name the tenant exactly: its id is the name of its folder below tenants/",
    )


def _certificates(tenant: str, settings: Settings) -> list[Path]:
    folder = settings.project_dir / "certificates"
    pattern = re.compile(rf"erased-{re.escape(tenant)}-[0-9a-f]{{16}}\.json")
    return sorted(each for each in folder.glob("erased-*.json") if pattern.fullmatch(each.name))
