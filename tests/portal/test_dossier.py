"""Tests of the page that sends a dossier to the sandbox."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from tests.portal.forms import Form
from tests.portal.sandbox_pages import body_in, code_in
from tests.portal.servers import PortalServer

PATH = "/developpeurs/bac-a-sable/dossiers"


def test_the_dossier_with_which_the_page_begins_is_answered_part_by_part(portal: PortalServer) -> None:
    page = Form(portal, PATH).send()
    assert page.status == 200
    parts = body_in(page)["data"]
    assert (parts["qf"]["status"], parts["emploi"]["status"]) == ("found", "not_found")
    for text in ("trouvée", "absente chez le fournisseur", "personne 2", "CNAF"):
        assert text in page.words
    assert 'href="/developpeurs/erreurs/24003"' in page.text


def test_the_command_to_copy_gets_the_same_answer(portal: PortalServer) -> None:
    page = Form(portal, PATH).send()
    environ = {**os.environ, "no_proxy": "*"}
    done = subprocess.run(
        ["sh", "-euc", code_in(page, "copie-curl")], env=environ, check=True, stdout=subprocess.PIPE, timeout=60
    )
    shown, again = ({**body["data"]} for body in (body_in(page), json.loads(done.stdout)))
    assert again["qf"]["data"] == shown["qf"]["data"]


def test_a_wrong_field_is_shown_with_its_place(portal: PortalServer) -> None:
    page = Form(portal, PATH).fill(text='{"recipient": "13002526500013", "resources": {"a": {}}}').send()
    assert page.status == 200
    assert "Réponse : 422" in page.words
    assert "/resources/a/operation" in page.words


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{\n"recipient": }', "ligne 2, colonne 14"),
        ("[]", "objet JSON"),
        (9_000 * "[", "trop profond"),
        (5_000 * "9", "trop long"),
        (json.dumps({"recipient": 66_000 * "1"}), "64 Kio"),
    ],
)
def test_a_text_that_is_no_dossier_is_not_sent(portal: PortalServer, text: str, told: str) -> None:
    page = Form(portal, PATH).fill(text=text).send()
    assert page.status == 422
    assert told in page.words
