"""The harness itself: a forked command shows the same as a command in a fresh process, and changes nothing for the next."""

from tests.attack.target import BIN, Target


def test_a_forked_command_shows_the_same_as_a_fresh_one(target: Target) -> None:
    target.environ["ACME_TOKEN"] = "Sperber-9-token"
    (target.project.root / "tenants" / "acme" / "definitions.py").write_text(
        "import os\n\nfrom etl import build_tenant_definitions\n\nprint('read', os.environ['ACME_TOKEN'])\n"
        "defs = build_tenant_definitions('acme')\nos.environ['ACME_LEFT'] = 'x'\nassert not os.path.exists('left')\n"
    )
    fresh = target.command([str(BIN / "etl"), "check", "acme"])
    assert (fresh.code, "Sperber" in fresh.text) == (0, False)
    assert target.etl("check", "acme") == fresh
    target.environ["ACME_TOKEN"] = "Habicht-8-token"
    assert target.etl("check", "acme") == fresh, "the environment is that of the second command"
    (target.project.root / "left").touch()
    said = target.etl("check", "acme")
    assert said.code == 2, "nothing of the first command is remembered"
    assert "AssertionError" in said.text
    said = target.etl("check", "nobody")
    assert (said.code, said.out) == (2, "")
