"""Writes elements of SVG as text. Every text and every value of an attribute is escaped.

Belongs here: one element. Not here: what is drawn (`pictures`, `lineage_picture`).
"""

from html import escape

from etl.portal.words import visible


def tag(name: str, *children: str, **attributes: str | float | None) -> str:
    """Return one element. `children` are elements or texts that are escaped already; `_` in a name stands for `-`."""
    written = "".join(
        f' {_attribute(key)}="{escape(_plain(value), quote=True)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{written}>{''.join(children)}</{name}>" if children else f"<{name}{written}/>"


def words(text: str) -> str:
    """Return a text as the child of an element, without what a reader cannot see."""
    return escape(visible(text))


def title(text: str) -> str:
    """Return what a pointer shows over an element."""
    return tag("title", words(text))


def picture(width: float, height: float, name: str, *children: str, of: str = "") -> str:
    """Return a whole picture. `name` says in one sentence what it shows, for those who do not see it."""
    return tag(
        "svg",
        *children,
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
        role="img",
        aria_label=visible(name),
        class_=of or None,
    )


def _attribute(key: str) -> str:
    return key.rstrip("_").replace("_", "-") if key != "viewBox" else key


def _plain(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:g}"
