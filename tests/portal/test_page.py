"""The page of a tenant: what it says, what it never says, and that a browser can do nothing with it but show it."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from etl.portal.build import build_operator, build_pages
from etl.portal.page import Page
from etl.portal.quotas import as_shown
from etl.portal.render import html_of
from etl.quotas.usage import Use
from tests.portal.world import HOUR, NOW, Portal, canary, make_portal

VOID = {"meta", "link", "br", "path", "circle", "rect", "use", "img"}


class Parsed(HTMLParser):
    """The elements of a page, and what is wrong with how they are nested."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1] != tag:
            self.wrong.append(f"</{tag}> in {self.open[-1:]}")
        else:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r" ([.,:;])", r"\1", " ".join(" ".join(self.words).split()))


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    made = make_portal(tmp_path_factory.mktemp("portal"))
    yield made
    made.instance.dispose()


@pytest.fixture(scope="module")
def pages(portal: Portal) -> dict[str, Page]:
    return {each.tenant: each for each in portal.gathering().pages()}


@pytest.fixture(scope="module")
def alice(pages: dict[str, Page]) -> Parsed:
    return Parsed(html_of(pages["alice"]))


def test_the_answer_is_the_first_thing_that_the_page_says(pages: dict[str, Page], alice: Parsed) -> None:
    page = pages["alice"]
    assert (page.level, page.answer) == ("bad", "Not complete: orders")
    assert "Complete only to the end of Thursday, 8 January 2026." in page.detail
    headings = [tag for tag, _ in alice.elements if tag in ("h1", "h2")]
    assert headings[:2] == ["h1", "h2"]
    assert alice.text.index(page.answer, 100) < alice.text.index("As of") < alice.text.index("Promises")
    bob = pages["bob"]
    assert bob.answer == "Complete to the end of Friday, 9 January 2026"
    assert [each.level for each in bob.tiles] == ["good", "good", "good", "good"]


def test_nobody_watching_keeps_a_good_page_from_being_only_good(pages: dict[str, Page]) -> None:
    assert pages["bob"].is_watched is False
    assert pages["bob"].level == "notice"
    assert "Promises are not being watched:" in Parsed(html_of(pages["bob"])).text


def test_the_page_says_to_when_it_is_true(pages: dict[str, Page], alice: Parsed) -> None:
    assert pages["alice"].made_at == NOW
    assert "As of 10:00 KST on Saturday, 10 January 2026 (Asia/Seoul)." in alice.text
    assert "A newer page is due by 11:00 KST." in alice.text
    assert "If it is later than that for you, this page is out of date" in alice.text


def test_a_page_does_not_hold_longer_than_until_something_is_due(portal: Portal) -> None:
    before = NOW.replace(day=9, hour=23, minute=30)  # 08:30 in Seoul, and the ninth is due at nine
    page = next(each for each in portal.gathering(before).pages() if each.tenant == "bob")
    assert page.holds_until == NOW.replace(hour=0)
    assert "by 09:00 KST, when the next data is due." in Parsed(html_of(page)).text


def test_promises_have_a_history_in_which_a_breach_is_seen(pages: dict[str, Page]) -> None:
    (deadline, rate) = pages["alice"].pipelines[0].promises
    assert (deadline.name, deadline.says) == ("On time", "there by 09:00 every day, Asia/Seoul")
    by_day = {each.day: each for each in deadline.history}
    assert len(by_day) == 42
    assert by_day["2026-01-08"].broken == pytest.approx(6.0, abs=0.6)  # 00:00 to 06:00 UTC is 09:00 to 15:00 in Seoul
    assert by_day["2026-01-01"].watched == 0
    assert deadline.kept_share == pytest.approx(1 - 6 / 72, abs=0.02)
    assert rate.name == "Failed checks"


def test_the_failed_run_is_told_without_its_error(pages: dict[str, Page]) -> None:
    told = [each for each in pages["alice"].changes if each.kind == "failed"]
    assert [each.level for each in told] == ["bad"]
    assert "of Fri 9 Jan 2026 failed; nothing of it was published." in told[0].words


def test_nothing_of_another_tenant_and_no_value_stands_on_a_page(pages: dict[str, Page]) -> None:
    for tenant, other in (("alice", "bob"), ("bob", "alice")):
        written = html_of(pages[tenant]) + pages[tenant].model_dump_json()
        everything = written + unescape(written) + json.loads(json.dumps(written))
        assert canary(tenant, "description") in everything  # the search finds what is there
        assert other not in everything.lower()
        assert [each for each in ("value", "host") if canary(tenant, each) in everything] == []


def test_texts_of_people_stay_texts(alice: Parsed) -> None:
    assert alice.wrong == []
    assert alice.open == []
    assert "<script>alert('x')</script> & \"quoted\" 이름 🙂 <img src=x onerror=alert(1)>" in alice.text
    assert "\u202e" not in alice.text
    names = {tag for tag, _ in alice.elements}
    assert names & {"script", "img", "iframe", "object", "form", "base", "embed"} == set()
    assert [name for _, found in alice.elements for name in found if name.startswith("on") or name == "style"] == []


def test_the_page_loads_nothing_and_its_policy_lets_it_load_nothing(alice: Parsed, pages: dict[str, Page]) -> None:
    text = html_of(pages["alice"])
    policy = next(found["content"] for tag, found in alice.elements if found.get("http-equiv"))
    style = text.split("<style>")[1].split("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert (
        policy == f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert re.findall(r"url\(|@import|//[a-z]", style) == []
    links = [
        found.get("href") or found.get("src") or "" for _, found in alice.elements if {"href", "src"} & found.keys()
    ]
    assert [each for each in links if not each.startswith(("#", "data:image/svg+xml,")) and each != "page.json"] == []
    ids = [found["id"] for _, found in alice.elements if "id" in found]
    assert len(ids) == len(set(ids))
    assert {each[1:] for each in links if each.startswith("#")} <= set(ids)


def test_pictures_have_names_in_words_and_the_same_as_a_table(alice: Parsed) -> None:
    pictures = [found for tag, found in alice.elements if tag == "svg" and found.get("aria-hidden") != "true"]
    assert [each for each in pictures if each.get("role") != "img" or not each.get("aria-label")] == []
    (calendar,) = [each["aria-label"] or "" for each in pictures if each.get("class") == "calendar"]
    assert calendar == "orders, Thu 1 Jan 2026 to Fri 9 Jan 2026: 8 there, 1 the newest run failed."
    assert "Thu 8 Jan 2026 there 1,008 0 9 Jan 2026, 06:10 KST" in alice.text


def test_the_json_says_the_same_and_can_be_read_back(portal: Portal, pages: dict[str, Page], tmp_path: Path) -> None:
    build_pages(portal.gathering(), tmp_path)
    assert Page.model_validate_json((tmp_path / "alice" / "page.json").read_bytes()) == pages["alice"]


def test_what_could_not_be_read_is_unknown(portal: Portal) -> None:
    page = next(iter(portal.gathering(budget=-1.0).pages()))
    assert page.level in ("unknown", "bad")
    assert page.level != "good"
    assert [each.state for one in page.pipelines for each in one.promises] == ["not known"]
    assert any("could not be read to its end" in each for each in page.unknown)


def test_quotas_are_shown_and_what_is_not_known_is_not_unused(portal: Portal) -> None:
    path = portal.settings.tenants_dir / "quotas.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("tenants:\n  bob:\n    rows_per_day: 1000\n", encoding="utf-8")
    try:
        alice, bob = portal.gathering().pages()
        assert alice.quotas == ()
        assert [(each.name, each.level) for each in bob.quotas] == [("rows per day", "unknown")]
        assert bob.level == "notice"
        assert "rows per day" in Parsed(html_of(bob)).text.lower()
        path.write_text("tenants: [wrong]\n", encoding="utf-8")
        assert [[(each.name, each.level) for each in page.quotas] for page in portal.gathering().pages()] == [
            [("quotas", "unknown")],
            [("quotas", "unknown")],
        ]
    finally:
        path.unlink()


@pytest.mark.parametrize(("share", "level"), [(1.0, "bad"), (0.8, "notice"), (0.79, "good"), (None, "unknown")])
def test_a_quota_is_shown_by_its_share(share: float | None, level: str) -> None:
    use = Use(name="lake_bytes", used=1, limit=100, share=share)
    assert [each.level for each in as_shown([use], 0.8)] == [level]
    assert as_shown([use.model_copy(update={"limit": None, "share": None})], 0.8) == ()
    assert as_shown([use.model_copy(update={"used": None, "share": None, "why_uncounted": "nothing loads"})], 0.8) == ()


def test_the_operators_page_names_all_and_no_stale_page_is_good_there(portal: Portal, tmp_path: Path) -> None:
    build_pages(portal.gathering(), tmp_path)
    build_operator(tmp_path, ["alice", "bob", "carol"], NOW + HOUR / 2)
    rows = json.loads((tmp_path / "_operator" / "page.json").read_text())["tenants"]
    assert [(each["tenant"], each["level"], each["is_stale"]) for each in rows] == [
        ("alice", "bad", False), ("carol", "unknown", True), ("bob", "notice", False),
    ]  # fmt: skip
    assert rows[0]["commands"] == ["etl explain alice/orders"]
    build_operator(tmp_path, ["alice", "bob", "carol"], NOW + timedelta(hours=3))
    parsed = Parsed((tmp_path / "_operator" / "index.html").read_text())
    assert "3 of the pages are out of date or missing" in parsed.text
    assert parsed.wrong == []
    rows = json.loads((tmp_path / "_operator" / "page.json").read_text())["tenants"]
    assert {each["tenant"]: each["level"] for each in rows} == {"alice": "bad", "bob": "unknown", "carol": "unknown"}
