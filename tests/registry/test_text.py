"""Tests that text from outside cannot move a terminal's cursor or forge a log line."""

from __future__ import annotations

import pytest

from bouquet_registry import queries, transactions
from bouquet_registry.cli import render
from bouquet_registry.habilitations import Contact
from bouquet_registry.store import Store
from bouquet_registry.text import one_line
from tests.support.habilitations import ADMINISTRATOR, SIRET

TEXTS = {
    "an escape code": ("Cantine\x1b[2J", "Cantine [2J"),
    "a line break": ("Cantine\r\nCliquez ici", "Cantine Cliquez ici"),
    "a line separator": ("Cantine\u2028suite", "Cantine suite"),
    "NUL": ("Can\0tine", "Can tine"),
    "a direction override": ("Cantine \u202egpj.exe", "Cantine gpj.exe"),
    "an eight-bit control": ("Cantine\x9b2J", "Cantine 2J"),
    "plain words": ("Cantine de l’école  Jean-Jaurès", "Cantine de l’école Jean-Jaurès"),
}


@pytest.mark.parametrize("text", TEXTS)
def test_one_line_turns_control_characters_into_one_space(text: str) -> None:
    given, wanted = TEXTS[text]
    assert one_line(given) == wanted


async def test_texts_of_a_habilitation_are_kept_on_one_line(store: Store) -> None:
    contact = Contact("demandeur", "anne@mairie.example", "Anne\nDurant")
    async with transactions.begin(store, ADMINISTRATOR) as transaction:
        made = await transaction.create(siret=SIRET, name="MAIRIE\x1b[31m", purpose="a\r\nb", contacts=(contact,))
    assert (made.name, made.purpose, made.contacts[0].name) == ("MAIRIE [31m", "a b", "Anne Durant")
    async with store.reading() as connection:
        assert (await queries.habilitation(connection, made.id)).purpose == "a b"


def test_a_terminal_is_shown_no_control_character() -> None:
    shown = render({"purpose": "Cantine\x1b[2J", "contacts": [{"name": "a\nb"}]}, json=False)
    assert [line for line in shown.splitlines() if "\x1b" in line or line == "b"] == []
