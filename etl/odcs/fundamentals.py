"""What a contract says about all of its tables: owners, tags, and the parts that become nothing.

Belongs here: the top level of a contract, and the list of what is left. Not here: one table (`importing`).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from etl.config.identifiers import Owner, TagKey, TagValue
from etl.config.tenant_config import TenantConfig
from etl.odcs.exporting import (
    DOMAIN_TAG,
    FIRST_VERSION,
    STATUS_TAG,
    USUAL_STATUS,
    VERSION_TAG,
    contract_id,
)

Left = tuple[str, str]
"""A part of a contract that became nothing, and the reason."""
_TOP = {
    "servers": "the tenant's own warehouse is used",
    "price": "a tenant's file has no prices",
    "roles": "access is granted where the data is: in the warehouse or the bucket",
    "support": "see `notifications` for who gets messages",
    "authoritativeDefinitions": "a pipeline has no links",
    "customProperties": "no key of a pipeline has this meaning",
    "contractCreatedTs": "a pipeline has no time of creation",
    "dataProduct": "the standard no longer has it",
    "slaDefaultElement": "the standard no longer has it",
}
_USED_TOP = {
    "apiVersion",
    "kind",
    "id",
    "name",
    "version",
    "status",
    "tenant",
    "domain",
    "tags",
    "description",
    "schema",
    "team",
    "slaProperties",
}
_OWNER: TypeAdapter[str] = TypeAdapter(Owner)
_TAG: TypeAdapter[dict[str, str]] = TypeAdapter(dict[TagKey, TagValue])


def grouped(left: Iterable[Left]) -> list[Left]:
    """Return the parts that became nothing, those of one place and one reason together."""
    groups: dict[tuple[str, str], list[str]] = {}
    for at, reason in left:
        place, _, key = at.rpartition(".")
        groups.setdefault((place, reason), []).append(key)
    return [(_together(place, keys), reason) for (place, reason), keys in groups.items()]


def _together(place: str, keys: Sequence[str]) -> str:
    listed = ", ".join(keys)
    return f"{place}: {listed}" if place and len(keys) > 1 else f"{place}.{listed}" if place else listed


def left_of_contract(data: Mapping[str, Any], tables: Sequence[Mapping[str, Any]], config: TenantConfig) -> list[Left]:
    """Return the parts that belong to no table and become nothing."""
    left = [(key, reason) for key, reason in _TOP.items() if data.get(key)]
    left += [(key, "it is unknown") for key in data if key not in _USED_TOP and key not in _TOP]
    described = data.get("description") or {}
    left += [(f"description.{key}", "a pipeline has one description") for key in described if key != "purpose"]
    purpose = described.get("purpose")
    if purpose and all(each.get("description") not in (None, purpose) for each in tables):
        left.append(("description.purpose", "a pipeline has one description, and the table has its own"))
    if data.get("tenant") not in (None, config.id):
        left.append(("tenant", f"the pipeline is of the tenant {config.id}, the contract says {data['tenant']}"))
    made = {contract_id(config.id, str(each["name"])) for each in tables}
    if data.get("id") not in made:
        left.append(("id", "the id of a contract is made from the tenant and the pipeline"))
    if data.get("name") not in (None, *(f"{config.id}/{each['name']}" for each in tables)):
        left.append(("name", "the name of a contract is made from the tenant and the pipeline"))
    for index, each in enumerate(data.get("slaProperties") or []):
        if each.get("element") and not any(is_about(each, table) for table in tables):
            left.append((f"slaProperties[{index}]", f"the contract has no table of `{each['element']}`"))
    return left


def shared_keys(data: Mapping[str, Any], config: TenantConfig, left: list[Left]) -> dict[str, Any]:
    """Return the keys that every pipeline of the contract gets: owners and tags."""
    shared: dict[str, Any] = {}
    owners = _owners(data.get("team"), left)
    if owners and owners != list(config.owners):
        shared["owners"] = owners
    tags = _tags(data, left)
    if different := {key: value for key, value in tags.items() if config.tags.get(key) != value}:
        shared["tags"] = different
    return shared


def _tags(data: Mapping[str, Any], left: list[Left]) -> dict[str, str]:
    found: dict[str, str] = {}
    pairs = [(f"tags[{index}]", *str(each).partition(":")[::2]) for index, each in enumerate(data.get("tags") or [])]
    pairs += [("domain", DOMAIN_TAG, str(data["domain"]))] if data.get("domain") else []
    if data.get("version") not in (None, FIRST_VERSION):
        pairs.append(("version", VERSION_TAG, str(data["version"])))
    if data.get("status") not in (None, USUAL_STATUS):
        pairs.append(("status", STATUS_TAG, str(data["status"])))
    for at, key, value in pairs:
        try:
            found |= _TAG.validate_python({key: value})
        except ValidationError:
            left.append((at, f"`{key}: {value}` is no tag: letters, digits, _ . - only, at most 63"))
    return found


def _owners(team: object, left: list[Left]) -> list[str]:
    if isinstance(team, list):
        members, at = team, "team"
    elif isinstance(team, Mapping):
        members, at = team.get("members") or [], "team.members"
        names = [f"team:{team['name']}"] if team.get("name") and not members else []
        members = [*members, *({"username": each} for each in names)]
        left += [(f"team.{key}", "only owners are known") for key in team if key not in ("members", "name", "id")]
        named = f"team:{team.get('name')}"
        if team.get("name") and members and named not in [each.get("username") for each in members]:
            left.append(("team.name", "the owners are the members"))
    else:
        return []
    owners: list[str] = []
    for index, each in enumerate(members):
        username = str(each.get("username"))
        try:
            owners.append(_OWNER.validate_python(username))
        except ValidationError:
            left.append((f"{at}[{index}]", f"`{username}` is no owner: an e-mail address, or team:name"))
    return list(dict.fromkeys(owners))


def is_about(promise: Mapping[str, Any], table: Mapping[str, Any]) -> bool:
    """Whether a promise is about a table: its element is the table or one of its columns, or it names none."""
    element = str(promise.get("element") or "")
    names = {str(table["name"]), str(table.get("physicalName", table["name"]))}
    return not element or any(element == name or element.startswith(f"{name}.") for name in names)
