"""Template tags and filters that every template has: typography, dates, icons, navigation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from django import template
from django.template.base import NodeList, Parser, Token
from django.template.context import Context
from django.templatetags.static import static
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from bouquet_portal.theme import dates, typography, words

register = template.Library()


class TypographyNode(template.Node):
    def __init__(self, nodelist: NodeList) -> None:
        self.nodelist = nodelist

    def render(self, context: Context) -> SafeString:
        return mark_safe(typography.french_html(self.nodelist.render(context)))


@register.tag
def typography_of(parser: Parser, token: Token) -> TypographyNode:
    """Template tag that applies French typography to everything up to `{% end_typography_of %}`."""
    nodelist = parser.parse(("end_typography_of",))
    parser.delete_first_token()
    return TypographyNode(nodelist)


@register.filter
def day(at: date) -> SafeString:
    """Returns an HTML `time` element that shows a date in French words."""
    return format_html('<time datetime="{}">{}</time>', at.isoformat(), dates.day(at))


@register.filter
def moment(at: datetime) -> SafeString:
    """Returns an HTML `time` element that shows a date and time in French words."""
    return format_html('<time datetime="{}">{}</time>', at.isoformat(timespec="seconds"), dates.moment(at))


@register.filter
def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


@register.filter
def counted(number: int, words: str) -> str:
    """Returns a number followed by a noun in the singular or plural, such as `2 erreurs`. `words` contains both forms:
    `erreur,erreurs`."""
    singular, _, plural = words.partition(",")
    return f"{number} {plural if number > 1 else singular}"


@register.filter
def modality(key: str) -> str:
    return words.modality_name(key)


@register.filter
def state_words(key: str) -> str:
    return words.STATES[key]


@register.filter
def as_example(value: Any) -> str:
    """Returns an example value as a person would type it: `a, b` for a list, a text without quotation marks. Other
    values become JSON."""
    if isinstance(value, list):
        return ", ".join(map(as_example, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@register.simple_tag
def icon(name: str, size: str = "") -> SafeString:
    """Returns the HTML of an icon from `theme/icons.svg`, hidden from screen readers. `size` is `large`, or empty for
    the usual size."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        size,
        static("theme/icons.svg"),
        name,
    )


@register.filter
def get(mapping: Mapping[str, Any], key: str) -> Any:
    """Returns the value under `key` in a mapping, or None if the mapping lacks the key. Use this filter if the key is
    in a variable; Django's `mapping.key` looks up the word `key` itself."""
    return mapping.get(key) if mapping else None


@register.filter
def as_codes(values: Iterable[str]) -> SafeString:
    """Returns the HTML of values in `<code>` elements, with commas between them."""
    return format_html_join(", ", "<code>{}</code>", ((value,) for value in values))


@register.filter
def with_code(text: str) -> SafeString:
    """Returns the HTML of a text from the gateway's documents, in which text between backticks becomes a `<code>`
    element."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return mark_safe("".join(f"<code>{escape(part)}</code>" if n % 2 else escape(part) for n, part in enumerate(parts)))
