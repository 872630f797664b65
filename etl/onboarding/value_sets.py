"""Decides whether the values of a column may be written in the file of a tenant, as the set of a rule.

Belongs here: telling codes and words of a status from names of people. Not here: which columns are personal
(`personal`), the other reasons for or against a rule (`rules`).

No list has all names, so the question is turned round: values are written only if each of them is clearly no name.
"""

import re
import unicodedata
from collections.abc import Iterable

_CODE = re.compile(r"(?=.*[\d_])[A-Z0-9](?:[A-Z0-9_./+-]{0,11})|[A-Z]{1,2}|\d{1,4}|[^\w\s]+")
"""Short, of capitals with a digit or an underscore; or so short that it is no name."""
_KIND_OF_ROW = re.compile(
    r"(?:^|_)(?:status|state|stage|phase|type|kind|mode|currency|priority|severity|level|tier|grade|channel|method)$",
    re.IGNORECASE,
)
_KIND_OF_THING = re.compile(
    r"(?:^|_)(?:category|class|country|region|language|locale|colou?r|size|genre|unit|material|shape|season|weekday"
    r"|month|plan|format|protocol|platform|browser|os|environment|flag)$",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"\w[\w /-]{0,29}")
_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
    abandoned accepted active added all annual answered any approved archived arrived assigned available awaiting
    bad bank bank_transfer basic blocked booked bronze business busy by cancelled canceled captured card cash charged
    closed complete completed confirmed created credit credit_card customer daily debit declined default deleted
    delivered delivery denied deposit diamond disabled dispatched done down draft email enabled ended enterprise error
    event expired express fail failed failure false fatal fax finished free fulfilled full gold good guest hidden high
    hold hourly idle in inactive info initial internal invalid invoiced invoice large left locked lost low mail manual
    medium member mobile monthly missing negative neutral never new no none normal not null offline ok on online open
    opened order other out overdue paid partial passed paused payment paypal pending phone pickup placed planned
    platinum positive post posted premium private processed processing public published purchase queued quarterly
    read ready received refund refunded refused regular rejected released removed reopened replied requested reserved
    resolved retry returned return review running sale scheduled sent settled shipped shipping silver skipped small
    sold standard started stopped store submitted success successful suspended terminated test timeout transfer
    transit trial true unknown unpaid unread up updated urgent user valid verified visible void waiting wallet warning
    web weekly withdrawn wire won yearly yes
    aud brl cad chf cny czk dkk eur gbp hkd huf inr jpy krw mxn nok nzd pln sek sgd try usd zar
    monday tuesday wednesday thursday friday saturday sunday debug trace xs xl xxl
    """,
    )
)
"""Words of a status, a grade, a way of paying and the like, and usual currencies."""


def may_be_written(column: str, values: Iterable[object], *, beside_personal: bool) -> bool:
    """Whether no value can be the name of a person, as far as its form and the column's name tell.

    `beside_personal`: the table has a personal column, so that any text of it may be about a person.
    """
    texts = [unicodedata.normalize("NFC", each).strip() for each in values if isinstance(each, str)]
    named = _KIND_OF_ROW.search(_spaced(column)) or (not beside_personal and _KIND_OF_THING.search(_spaced(column)))
    if named and all(_PLAIN.fullmatch(each) for each in texts):
        return True
    return all(_is_code(each) or (not beside_personal and _is_no_name(each)) for each in texts)


def _is_code(text: str) -> bool:
    return bool(_CODE.fullmatch(text)) or all(each in _WORDS for each in re.split(r"[ _/-]+", text.lower()) if each)


def _is_no_name(text: str) -> bool:
    """Whether the text has something that no name has."""
    return bool(re.search(r"\d|/", text))


def _spaced(column: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column).replace(" ", "_")
