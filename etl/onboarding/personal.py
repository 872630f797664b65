"""Finds columns that look like personal data, by their names and by the values that were read.

Belongs here: which columns, and why. Not here: the patterns of values (`etl.quality.engines.truthound.pii`). A reason
says how many values look like what, never a value.
"""

import re
from collections.abc import Mapping
from importlib.util import find_spec

import polars as pl

from etl.onboarding.naming import plain_name
from etl.onboarding.sampling import TableSample
from etl.pipeline.personal import SURE
from etl.quality.engines.truthound.pii import scan_pii

_PERSON, _PLACE, _PICTURE = "a person", "a place", "a picture"
_WORDS: Mapping[str, tuple[str, ...]] = {
    "a name": (
        r"(?:first|last|middle|full|family|given|sur|maiden|nick|user|contact|customer|employee|person|holder)_?name",
        r"(?:owner|patient|student|author|recipient|sender|ship|billing)_?name",
        r"^(?:surname|forename|vorname|nachname|prenom|nombre|apellidos?|cognome|이름|성명|氏名|姓名)$",
    ),
    _PERSON: (
        r"(?:^|_)(?:person|contact|representative|rep|manager|agent|assignee|reporter|approver|doctor|driver)$",
        r"(?:^|_)(?:clerk|cashier|seller|buyer|holder|author|owner|user|customer|client|employee|student|patient)$",
        r"(?:^|_)(?:member|guest|kunde|mitarbeiter|ansprechpartner|betreuer|sachbearbeiter)$|_by$",
    ),
    "an e-mail address": (r"e_?mail", "이메일"),
    "a telephone number": (r"phone|mobile|telefon|extension$", r"(?:^|_)(?:tel|fax|cell)(?:_|$)", "전화|휴대폰|電話"),
    "an address": (r"address|street", r"(?:^|_)(?:adresse|strasse|rue)(?:_|$)", r"(?:postal_?|zip_?|post)code",
                   r"(?:^|_)zip$", "주소|住所"),
    "a date of birth": (r"birth|geburt", r"(?:^|_)dob(?:_|$)", "생년월일|誕生日"),
    "an identity number": (r"(?:^|_)ssn(?:_|$)", r"social_?security|passport|national_?id|tax_?id|identity",
                           r"(?:^|_)vat_?(?:id|no)", r"licen[sc]e_?no", "주민|여권"),
    "a bank account or card": (r"iban|credit_?card", r"(?:^|_)bic(?:_|$)", r"(?:card|account|routing)_?(?:no|num)",
                               "계좌|카드번호"),
    "a secret": (r"passw|pwd|secret|token|api_?key", r"(?:^|_)(?:salt|hash|pin)(?:_|$)"),
    "a device": (r"(?:^|_)ip(?:_|$)", r"ip_?addr|user_?agent|device_?id", r"(?:^|_)mac_?addr"),
    _PLACE: (r"latitude|longitude", r"(?:^|_)(?:lat|lon|lng)(?:_|$)"),
    "a fact about a person": (r"salary|wage|gender|religion|ethnic|nationality|marital|diagnos|health|blood",
                              r"(?:^|_)sex(?:_|$)", "급여|성별"),
    _PICTURE: (r"photo|picture|avatar|portrait|signature", "사진"),
}  # fmt: skip
"""Words in names of columns, as patterns, for each kind of personal data."""
_OF_PEOPLE = re.compile(
    r"customer|client|employee|staff|person|people|user|member|patient|student|contact|actor|author|account|driver"
    r"|passenger|supplier|vendor|(?:^|_)emps?(?:_|$)|worker|teacher|doctor|nurse|crew|guest|subscriber|고객|직원|회원|사용자",
    re.IGNORECASE,
)
_TELLS_OF_PEOPLE = ("a date of birth", "a fact about a person")
_OWN_NAME = re.compile(
    r"(?:^|_)(?:first|last|middle|full|family|given|sur|maiden)_?name$|^(?:forename|vorname|nachname|prenom)$|ssn|passport"
    r"|social_?security|national_?id",
    re.IGNORECASE,
)
_ONLY_OF_PEOPLE = re.compile(r"^(?:name|notes?|comments?|bio|remarks?|latitude|longitude|lat|lon|lng)$", re.IGNORECASE)


def personal_columns(sample: TableSample) -> dict[str, str]:
    """Return the columns that look personal, each with the reason."""
    of_people = bool(_OF_PEOPLE.search(sample.table.name)) or any(_tells_of_people(each) for each in sample.columns)
    found = dict[str, str]()
    for column in sample.columns:
        if _is_key_of_another(sample, column):
            continue
        kind = _kind_of_name(column)
        if kind == _PERSON and not _is_text(sample, column):
            continue  # a number only refers to a person
        if kind and (of_people or kind not in (_PLACE, _PICTURE)):
            found[column] = f"named like {kind}"
        elif of_people and _ONLY_OF_PEOPLE.search(column):
            found[column] = "in a table of people"
    for column, why in _by_values(sample).items():
        found[column] = f"{found[column]}, {why}" if column in found else why
    return {column: found[column] for column in sample.columns if column in found}


def as_elsewhere(sample: TableSample, own: Mapping[str, str], elsewhere: Mapping[str, str]) -> dict[str, str]:
    """Return the personal columns, with those that are personal in another table, of which a view may be made.

    `elsewhere` has the name of the other table for each plain name of a column.
    """
    found = dict[str, str]()
    for column in sample.columns:
        table = elsewhere.get(plain_name(column))
        if column in own:
            found[column] = own[column]
        elif table and not _is_key_of_another(sample, column):
            found[column] = f"as in {table}"
    return found


def _tells_of_people(column: str) -> bool:
    """Whether a table with such a column has a row for each person."""
    return _kind_of_name(column) in _TELLS_OF_PEOPLE or bool(_OWN_NAME.search(_spaced(column)))


def _is_text(sample: TableSample, column: str) -> bool:
    return column in sample.frame.columns and isinstance(sample.frame[column].dtype, pl.String)


def _is_key_of_another(sample: TableSample, column: str) -> bool:
    """Whether the column only refers to another table: `address_id` is no address."""
    refers = any(column in each.columns for each in sample.table.foreign_keys)
    return refers or (
        bool(re.search(r"_id$|Id$", column)) and not re.search("tax|national|device", column, re.IGNORECASE)
    )


def _kind_of_name(column: str) -> str:
    name = _spaced(column)
    return next((kind for kind, words in _WORDS.items() if re.search("|".join(words), name, re.IGNORECASE)), "")


def _spaced(column: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column).replace(" ", "_")


def _by_values(sample: TableSample) -> dict[str, str]:
    """Return the columns of text whose values have a form of personal data; nothing without the library of forms."""
    if find_spec("truthound") is None or not sample.frame.height:
        return {}
    found = [each for each in scan_pii(sample.frame).findings if each.confidence >= SURE]
    return {
        each.column: f"{each.matches:,} of {each.values:,} values look like {each.kind}" for each in reversed(found)
    }
