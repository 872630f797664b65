"""Rewrites the keys of one mapping at a time, and notes what was changed and what was left.

Belongs here: what becomes of one key and one value. Not here: which mappings a file has (`migration`), the tables of
keys and words (`keys_from_elsewhere`, `words_from_elsewhere`), changing a mapping with its comments (`commented`).
"""

import re
from dataclasses import dataclass

from ruamel.yaml.comments import CommentedMap

from etl.config.commented import line_of, mapping_at, own_keys, put, rename, take
from etl.config.findings import KeyPath, dotted
from etl.config.keys_from_elsewhere import Elsewhere, from_elsewhere
from etl.config.migration_values import (
    fits,
    in_one_line,
    keys_at,
    moved_to,
    only_names,
    same_letters,
    share_from_percent,
    value_at,
)
from etl.config.model_keys import below
from etl.config.sections import section_of
from etl.config.tenant_config import TenantConfig
from etl.config.words_from_elsewhere import meant_by, word_from_elsewhere
from etl.notify.targets import SECRET_FIELDS
from etl.quality.rules import RULE_TYPES
from etl.suggest import did_you_mean

_CRON = re.compile(r"(@\w+|\S+( \S+){4})")
_SHARES = ("mostly", "max_failure_rate", "min_pass_rate", "max_quarantine_rate", "max_shrink")
_CRONS = ("schedule", "schedule_interval", "cron", "cron_schedule")
_TRANSFORMS = {"has_transfer", "has_transform", "transform", "transfer"}
_LISTS_OF_NAMES = ("columns", "key_columns", "pii_columns", "sort_by", "transfer_inputs", "safe_columns")


@dataclass(frozen=True, slots=True)
class Note:
    """One change, or one thing that was left as it is, with the line of the original."""

    line: int
    where: str
    text: str


class Rewriting:
    """The changes of one file."""

    def __init__(self) -> None:
        """Begin without any change."""
        self.jobs = CommentedMap()
        """Jobs that schedules at other places become."""
        self.changed: list[Note] = []
        self.left: list[Note] = []

    def section(self, mapping: CommentedMap, path: KeyPath) -> None:
        """Move, rename or remove each key that does not belong here."""
        if section_of(path) in ("rule", "notification"):
            self._type_first(mapping, path)
            if self._unknown_type(mapping, path):
                return
        for key in own_keys(mapping):
            if key in mapping and key not in self._keys(mapping, path) and not str(key).startswith("x-"):
                self._foreign_key(mapping, str(key), path)
        for key in own_keys(mapping):
            self._value(mapping, str(key), path)

    def _type_first(self, mapping: CommentedMap, path: KeyPath) -> None:
        """Find the type under its name elsewhere, because the type decides which keys belong to it."""
        if "type" not in mapping:
            for key in own_keys(mapping):
                known = from_elsewhere(path, str(key))
                if known is not None and known.to == ("type",):
                    self._move(mapping, key, path, known)
                    break
        if "type" in mapping:
            self._value(mapping, "type", path)

    def _unknown_type(self, mapping: CommentedMap, path: KeyPath) -> bool:
        """Name a type that there is not; which keys belong to it cannot be said. Return whether it was one."""
        known = list(RULE_TYPES) if section_of(path) == "rule" else sorted(SECRET_FIELDS)
        if "type" not in mapping or not isinstance(mapping["type"], str) or mapping["type"] in known:
            return False
        kind = mapping["type"]
        close = meant_by(section_of(path), kind) or did_you_mean(kind, known).lstrip("; ")
        self.leave(mapping, "type", path, f"there is no type `{kind}`; {close}")
        return True

    def _keys(self, mapping: CommentedMap, path: KeyPath) -> tuple[str, ...]:
        section = section_of(path)
        if section == "rule":
            model = RULE_TYPES.get(str(mapping.get("type")))
            return (*model.model_fields, "stage") if model is not None else ("type", "stage", "truthound")
        more = ("user",) if section in ("source_database", "warehouse") else ()
        return (*keys_at(path), *more)

    def _foreign_key(self, mapping: CommentedMap, key: str, path: KeyPath) -> None:
        if self._special(mapping, key, path):
            return
        known = from_elsewhere(path, key)
        deeper = below(TenantConfig, path, key) if section_of(path) != "rule" else None
        if known is None and deeper is not None and "<name>" not in deeper:
            known = Elsewhere(f"it belongs below `{'.'.join(deeper)}`", (*deeper, key))
        if known is None and (same := same_letters(key, self._keys(mapping, path))):
            known = Elsewhere(f"it is `{same}` here", (same,))
        if known is None:
            if path or key != "tenant":
                self.leave(mapping, key, path, "no key of this name is known; `etl check` lists the keys")
        elif known.is_dropped:
            self.did(line_of(mapping, key), (*path, key), known.answer.replace("leave it out", "left out", 1))
            take(mapping, key)
        elif known.to:
            self._move(mapping, key, path, known)
        else:
            self.leave(mapping, key, path, known.answer)

    def _move(self, mapping: CommentedMap, key: str, path: KeyPath, known: Elsewhere) -> None:
        value, line = mapping[key], line_of(mapping, key)
        if not fits(known, value):
            self.leave(mapping, key, path, f"{known.answer}, but its value has another form")
            return
        if value_at(mapping, known.to) is not None and known.to != (key,):
            self.leave(mapping, key, path, f"{known.answer}, and it is written there already")
            return
        changes = moved_to(known, value, mapping)
        if len(changes) == 1 and len(known.to) == 1:
            rename(mapping, key, known.to[0])
            mapping[known.to[0]] = changes[0][1]
        else:
            _, comment = take(mapping, key)
            for to, changed in changes:
                put(mapping, to, changed, comment, line)
        if known.loads and "save_to_trino" not in mapping:
            put(mapping, ("save_to_trino",), value=True)
        self.did(line, (*path, key), known.answer)

    def _special(self, mapping: CommentedMap, key: str, path: KeyPath) -> bool:
        """Keys whose value becomes something else; return whether the key was one of them."""
        value, section, line = mapping[key], section_of(path), line_of(mapping, key)
        known = from_elsewhere(path, key)
        if known is not None and known.to == ("transfer_inputs",) and not _TRANSFORMS & set(own_keys(mapping)):
            take(mapping, key)
            self.did(line, (*path, key), "left out: a pipeline without a transform waits for no other")
            return True
        if section in ("tenant", "pipeline") and key in _CRONS:
            cron = value.get("cron") or value.get("cron_schedule") if isinstance(value, CommentedMap) else value
            if isinstance(cron, str) and _CRON.fullmatch(cron):
                name = str(path[-1]) if path else "daily"
                schedule = mapping_at(line, {"cron": cron})
                if isinstance(value, CommentedMap) and "timezone" in value:
                    schedule["timezone"] = value["timezone"]
                selection = f"tag:pipeline={name}" if path else "*"
                self.jobs[name] = mapping_at(line, {"selection": selection, "schedule": schedule})
                take(mapping, key)
                self.did(
                    line, (*path, key), f"it is the job `{name}` now, whose schedule is stopped until it is started"
                )
                return True
        if section == "tenant" and key == "schedules" and isinstance(value, CommentedMap):
            for name, each in value.items():
                if isinstance(each, CommentedMap):
                    self.jobs[name] = mapping_at(line_of(value, name), {"selection": "*", "schedule": each})
            take(mapping, key)
            self.did(line, (*path, key), "each schedule is a job of its name now, of all assets")
            return True
        if section == "tenant" and key == "default_args" and isinstance(value, CommentedMap):
            if "owner" in value and "owners" not in mapping:
                put(mapping, ("owners",), in_one_line([value["owner"]]))
            take(mapping, key)
            self.did(line, (*path, key), "the owner is among `owners`; nothing is run again by itself")
            return True
        return False

    def _value(self, mapping: CommentedMap, key: str, path: KeyPath) -> None:
        """Change one value that is spelled in another way: a word, a share, a variable, a single item of a list."""
        value, at = mapping[key], (*path, key)
        if isinstance(value, str) and (word := word_from_elsewhere(at, value)) and word != value:
            mapping[key] = word
            self.did(line_of(mapping, key), at, f"`{value}` is `{word}` here")
        if key in _LISTS_OF_NAMES and (names := only_names(value)) is not None:
            mapping[key] = names
            self.did(line_of(mapping, key), at, "only the names are written; types follow from the database")
        share = share_from_percent(value) if key in _SHARES else None
        if share is not None:
            mapping[key] = share
            self.did(line_of(mapping, key), at, f"a share is from 0 to 1: {share:g}")
        if isinstance(value, CommentedMap) and list(value) == ["env"]:
            mapping[key] = f"${{{value['env']}}}"
            self.did(line_of(mapping, key), at, f"a variable is written {mapping[key]}")

    def did(self, line: int, path: KeyPath, text: str) -> None:
        """Note a change."""
        self.changed.append(Note(line, dotted(path), text))

    def note(self, line: int, path: KeyPath, why: str) -> None:
        """Note what a person has to do, at a line."""
        self.left.append(Note(line, dotted(path), why))

    def leave(self, mapping: CommentedMap, key: str, path: KeyPath, why: str) -> None:
        """Note what a person has to decide."""
        self.note(line_of(mapping, key), (*path, key), why)
