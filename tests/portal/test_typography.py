"""Tests of French typography."""

from __future__ import annotations

import pytest

from bouquet_portal.theme.typography import french, french_html


@pytest.mark.parametrize(
    ("plain", "typeset"),
    [
        ("Qui paie ?", "Qui paie\u202f?"),
        ("Attention !", "Attention\u202f!"),
        ("un ; deux", "un\u202f; deux"),
        ("Deux choses : une, deux", "Deux choses\u00a0: une, deux"),
        ("« mot »", "«\u00a0mot\u00a0»"),
        ("«mot»", "«\u00a0mot\u00a0»"),
        ("l'élève qu'on", "l\u2019élève qu\u2019on"),
        ("l'« élève »", "l\u2019«\u00a0élève\u00a0»"),
        ("l&#x27;élève", "l\u2019élève"),
        ("1 256 appels", "1\u202f256 appels"),
        ("1 256 300 appels", "1\u202f256\u202f300 appels"),
        ("99,5 %", "99,5\u00a0%"),
        ("12 €", "12\u00a0€"),
        ("loi n° 2005", "loi n°\u00a02005"),
        ("à 14 h 30", "à 14\u00a0h\u00a030"),
        ("et ainsi...", "et ainsi…"),
    ],
)
def test_french_typography_of_a_text(plain: str, typeset: str) -> None:
    assert french(plain) == typeset


@pytest.mark.parametrize(
    "text",
    [
        "https://host:8000/?a=b;c",
        "12:30",
        "a &amp; b",
        "le 12 mars 2027",
        "7 jours en 2025",
        "v3, v4 et v5",
        "!important",
    ],
)
def test_a_text_without_french_signs_stays_as_it_is(text: str) -> None:
    assert french(text) == text


def test_typography_changes_neither_code_nor_attributes() -> None:
    html = "<p title=\"l'eau ?\">l'eau ?</p><pre><code>if a ? b : c 'x'</code></pre><textarea>l'a ?</textarea>"
    changed = (
        "<p title=\"l'eau ?\">l\u2019eau\u202f?</p><pre><code>if a ? b : c 'x'</code></pre><textarea>l'a ?</textarea>"
    )
    assert french_html(html) == changed


def test_an_elision_before_an_element_has_its_apostrophe() -> None:
    assert french_html("d'<code>a'b</code>, l'<em>eau</em>") == "d\u2019<code>a'b</code>, l\u2019<em>eau</em>"


def test_typography_is_applied_once_at_most() -> None:
    once = french_html("<p>« l'eau ? » : 1 256 €</p>")
    assert french_html(once) == once
