"""Finds columns that look like personal data, by their names and by the values that were read.

Belongs here: which columns, and why. Not here: the patterns of values (`etl.quality.engines.truthound.pii`). A reason
says how many values look like what, never a value.
"""

import re
from importlib.util import find_spec

from etl.onboarding.sampling import Sample
from etl.pipeline.personal import SURE
from etl.quality.engines.truthound.pii import scan_pii

_NAMES: tuple[tuple[str, str], ...] = (
    (r"(?:first|last|middle|full|family|given|sur|maiden|nick|user|contact|customer|employee|person|holder|owner"
     r"|patient|student|author|recipient|sender|ship|billing)_?name", "a name"),
    (r"^(?:surname|forename|firstname|lastname|vorname|nachname|prenom|nombre|apellidos?|cognome|이름|성명|氏名|姓名)$",
     "a name"),
    (r"e_?mail|이메일", "an e-mail address"),
    (r"phone|mobile|telefon|telephone|(?:^|_)(?:tel|fax|cell)(?:_|$)|extension$|전화|휴대폰|電話", "a telephone number"),
    (r"address|street|(?:^|_)(?:adresse|strasse|rue)(?:_|$)|postal_?code|zip_?code|(?:^|_)zip$|postcode|주소|住所",
     "an address"),
    (r"birth|(?:^|_)dob(?:_|$)|geburt|생년월일|誕生日", "a date of birth"),
    (r"(?:^|_)ssn(?:_|$)|social_?security|passport|national_?id|tax_?id|(?:^|_)vat_?(?:id|no)|identity|license_?no"
     r"|licence_?no|주민|여권", "an identity number"),
    (r"iban|(?:^|_)bic(?:_|$)|card_?(?:no|num|number)|credit_?card|account_?(?:no|num|number)|routing|계좌|카드번호",
     "a bank account or card"),
    (r"passw|pwd|secret|token|api_?key|(?:^|_)(?:salt|hash|pin)(?:_|$)", "a secret"),
    (r"(?:^|_)ip(?:_|$)|ip_?addr|user_?agent|device_?id|(?:^|_)mac_?addr|latitude|longitude|(?:^|_)(?:lat|lon|lng)(?:_|$)",
     "a device or place"),
    (r"salary|wage|gender|(?:^|_)sex(?:_|$)|religion|ethnic|nationality|marital|diagnos|health|blood|급여|성별",
     "a fact about a person"),
    (r"photo|picture|avatar|portrait|signature|사진", "a picture"),
)  # fmt: skip
_OF_PEOPLE = re.compile(
    r"customer|client|employee|staff|person|people|user|member|patient|student|contact|actor|author|account|driver"
    r"|passenger|supplier|vendor|guest|subscriber|고객|직원|회원|사용자",
    re.IGNORECASE,
)
_ONLY_OF_PEOPLE = re.compile(
    r"^(?:name|title|notes?|comments?|bio|remarks?|latitude|longitude|lat|lon|lng)$", re.IGNORECASE
)
_PLACES = "a device or place"


def personal_columns(sample: Sample) -> dict[str, str]:
    """Return the columns that look personal, each with the reason."""
    of_people = bool(_OF_PEOPLE.search(sample.table.name))
    found = dict[str, str]()
    for column in sample.columns:
        if _is_key_of_another(sample, column):
            continue
        kind = _kind_of_name(column)
        if kind and (kind != _PLACES or of_people or not re.search("lat|lon|lng", column, re.IGNORECASE)):
            found[column] = f"named like {kind}"
        elif of_people and _ONLY_OF_PEOPLE.search(column):
            found[column] = "in a table of people"
    for column, why in _by_values(sample).items():
        found.setdefault(column, why)
    return {column: found[column] for column in sample.columns if column in found}


def _is_key_of_another(sample: Sample, column: str) -> bool:
    """Whether the column only refers to another table: `address_id` is no address."""
    refers = any(column in each.columns for each in sample.table.foreign_keys)
    return refers or (
        bool(re.search(r"_id$|Id$", column)) and not re.search("tax|national|device", column, re.IGNORECASE)
    )


def _kind_of_name(column: str) -> str:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column).replace(" ", "_")
    return next((kind for pattern, kind in _NAMES if re.search(pattern, spaced, re.IGNORECASE)), "")


def _by_values(sample: Sample) -> dict[str, str]:
    """Return the columns of text whose values have a form of personal data; nothing without the library of forms."""
    if find_spec("truthound") is None or not sample.frame.height:
        return {}
    found = [each for each in scan_pii(sample.frame).findings if each.confidence >= SURE]
    return {
        each.column: f"{each.matches:,} of {each.values:,} values look like {each.kind}" for each in reversed(found)
    }
