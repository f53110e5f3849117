"""Conversion of the Markdown in content files to HTML. HTML in a file is shown as text."""

from __future__ import annotations

import re
import unicodedata

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.token import Token
from msgspec import Struct

from bouquet_portal.content.model import Text

_MARKDOWN = MarkdownIt("commonmark", {"html": False, "linkify": False, "typographer": False}).enable("table")

_BLOCKS = MarkdownIt("commonmark").disable("inline")
"""Markdown parser that finds headings, and ignores markup within lines."""
# It takes half the time of the complete parser.


class Parts(Struct, frozen=True):
    """Text cut into sections at its headings of one level."""

    introduction: str
    """HTML of the text before the first heading."""
    sections: tuple[Text, ...]


class Rendered(Struct, frozen=True):
    html: str
    plain: str
    """Text of the page without Markdown marks, for the site's search."""


def render(text: str) -> Rendered:
    tokens = _MARKDOWN.parse(text)
    words = (child.content for token in tokens for child in token.children or () if child.content)
    plain = " ".join(" ".join(words).split())
    return Rendered(str(_MARKDOWN.renderer.render(_prepared(tokens), _MARKDOWN.options, {})).strip(), plain)


def html(text: str) -> str:
    return render(text).html


def inline(text: str) -> str:
    return str(_MARKDOWN.renderInline(text))


def split_at_headings(text: str, level: int) -> Parts:
    """Cuts a text at its headings of one level. Deeper headings stay in their section."""
    lines, heads = text.splitlines(), _headings(text, level)
    starts = [line for line, _ in heads]
    ends = [*starts[1:], len(lines)][: len(starts)]
    before = "\n".join(lines[: starts[0] if starts else len(lines)])
    sections = (
        _section(title, "\n".join(lines[start + 1 : end])) for (start, title), end in zip(heads, ends, strict=True)
    )
    return Parts(html(before), tuple(sections))


def headings(text: str, level: int) -> list[str]:
    return [title for _, title in _headings(text, level)]


def _headings(text: str, level: int) -> list[tuple[int, str]]:
    """Returns the line number, from 0, and the title of every heading of the given level."""
    tokens = _BLOCKS.parse(text)
    return [
        (token.map[0], tokens[number + 1].content)
        for number, token in enumerate(tokens)
        if token.type == "heading_open" and token.tag == f"h{level}" and token.map and not token.level
    ]


def _section(title: str, body: str) -> Text:
    rendered = render(body)
    return Text(title=title, anchor=slug(title), html=rendered.html, plain=rendered.plain)


def slug(text: str) -> str:
    """Returns a text in the form used in addresses: lower case, without accents, words joined by hyphens."""
    letters = unicodedata.normalize("NFKD", text.lower().replace("œ", "oe").replace("æ", "ae").replace("\u2019", " "))
    return re.sub(r"[^a-z0-9]+", "-", letters.encode("ascii", "ignore").decode()).strip("-")


def _prepared(tokens: list[Token]) -> list[Token]:
    """Returns a text's Markdown tokens, completed for a page. Headings get an anchor. Tables and blocks of code get a
    box that can be scrolled."""
    # Each cell of a table also gets the heading of its column, which narrow screens show.
    made: list[Token] = []
    columns: list[str] = []
    cell = 0
    for number, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrSet("id", slug(tokens[number + 1].content))
        if token.type == "table_open":
            columns = []
            token.attrSet("class", "stack")
            made.append(_raw('<div class="scroll" tabindex="0" role="group" aria-label="Tableau">'))
        if token.type in ("fence", "code_block"):
            made.append(_raw(_code(token)))
            continue
        if token.type == "th_open":
            token.attrSet("scope", "col")
            columns.append(tokens[number + 1].content.replace("`", "").replace("'", "\u2019"))
            token.attrs.pop("style", None)
        if token.type == "tr_open":
            cell = 0
        if token.type == "td_open":
            if cell and columns[cell]:
                token.attrSet("data-label", columns[cell])
            cell += 1
            token.attrs.pop("style", None)  # alignment by an inline style, which the content security policy forbids
        made.append(token)
        if token.type == "table_close":
            made.append(_raw("</div>"))
    return made


def _code(token: Token) -> str:
    """Returns the HTML of a block of code that can be focused and copied."""
    language = f' class="language-{escapeHtml(token.info.strip())}"' if token.info.strip() else ""
    code = f"<code{language}>{escapeHtml(token.content)}</code>"
    return f'<div class="copyable" data-copy><pre tabindex="0">{code}</pre></div>\n'


def _raw(text: str) -> Token:
    return Token("html_block", "", 0, content=text)
