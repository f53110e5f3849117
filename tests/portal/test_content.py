"""Tests of the loader of content files."""

from __future__ import annotations

from pathlib import Path

import pytest

from bouquet_portal.content.loader import load
from bouquet_portal.content.markdown import html, slug
from bouquet_portal.content.model import Content, ContentError
from bouquet_portal.environment import PortalSettings
from bouquet_portal.site import variables

FICHE = """\
---
uid: acme/chose
title: Chose
provider: Acme
summary: Une chose.
position: 10
operations: [acme/chose]
---
## Périmètre

Écrire à {{ contact_email }}.

## Questions et réponses

### Où est l'école ?

Ici.

{% include: commune %}
"""
COMMON = "### Et la mer ?\n\nLà.\n"


def content(folder: Path, **files: str) -> Content:
    """Writes content files to `folder` and loads them. In the names of the arguments, `__` stands for `/`."""
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return load(variables(PortalSettings(contact_email="aide@example.fr")), folder)


def problems(folder: Path, **files: str) -> list[str]:
    with pytest.raises(ContentError) as raised:
        content(folder, **files)
    return raised.value.problems


def test_a_fiche_is_read_with_its_placeholders_and_includes(tmp_path: Path) -> None:
    [api] = content(tmp_path, apis__acme__chose=FICHE, common__commune=COMMON).apis
    assert api.sections["perimetre"].html == "<p>Écrire à aide@example.fr.</p>"
    assert [question.anchor for question in api.questions] == ["ou-est-l-ecole", "et-la-mer"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("uid: acme/chose", "uid: acme/autre"), "has the uid acme/autre, which is not its path"),
        (("## Périmètre", "## Perimeter"), "has the unknown headings Perimeter"),
        (("contact_email", "token"), "has the unknown placeholder token"),
        (("position: 10", "place: 10"), "unknown field `place`"),
        (("operations: [acme/chose]", "operations: []"), "names no operations"),
        (("include: commune", "include: rien"), "includes rien, which is not in common/"),
        (("---\nuid", "uid"), "begins with no front matter"),
    ],
)
def test_a_wrong_fiche_is_reported_with_its_file(tmp_path: Path, change: tuple[str, str], problem: str) -> None:
    [found] = problems(tmp_path, apis__acme__chose=FICHE.replace(*change), common__commune=COMMON)
    assert found.startswith("apis/acme/chose.md: ")
    assert problem in found


def test_every_wrong_file_is_reported(tmp_path: Path) -> None:
    case = "---\nid: cas\ntitle: Cas\nfor: Tous\napis: [{uid: acme/rien, level: utile}]\n---\n"
    found = problems(tmp_path, faq__a="no front matter", cas_usages__cas=case, changelog__x="---\ntitle: a\n---\n")
    assert len(found) == 3
    assert "cas_usages/cas.md: names acme/rien, which has no fiche" in found


def test_html_in_a_content_file_is_shown_as_text() -> None:
    assert "&lt;script&gt;" in html("<script>alert(1)</script>")
    assert 'href="javascript:' not in html("[a](javascript:alert(1))")


def test_a_table_scrolls_in_a_box_and_has_no_inline_style() -> None:
    table = html("| a | b |\n|---|--:|\n| 1 | 2 |\n")
    assert '<div class="scroll" tabindex="0"' in table
    assert "style=" not in table


def test_a_slug_has_no_accents() -> None:
    assert slug("Où est l'œuvre de l’École ?") == "ou-est-l-oeuvre-de-l-ecole"


def test_the_content_of_the_distribution_is_right() -> None:
    assert load(variables(PortalSettings())) is not None
