"""Tests that no text and no list from outside grows beyond its bound, whatever door it comes in by."""

from __future__ import annotations

from typing import Any

import pytest

from bouquet_registry.editors.records import Editor
from bouquet_registry.habilitations import MAX_ITEMS, MAX_TEXT, MAX_TEXTS, Contact
from bouquet_registry.refusals import InvalidFields
from bouquet_registry.store import Store
from tests.registry.datapass_client import datapass_client
from tests.registry.datapass_events import v1
from tests.support.clock import DatetimeClock
from tests.support.editors import create_editor
from tests.support.habilitations import create_habilitation

CONTACT = Contact("demandeur", "anne@mairie.example")
TOO_LARGE: dict[str, dict[str, Any]] = {
    "a name": {"name": "x" * (MAX_TEXT + 1)},
    "a purpose": {"purpose": "x" * (MAX_TEXTS["purpose"] + 1)},
    "a description": {"description": "x" * (MAX_TEXTS["description"] + 1)},
    "an id of DataPass": {"datapass_id": "x" * 65},
    "no id of DataPass": {"datapass_id": ""},
    "an id of a form": {"form_uid": "x" * (MAX_TEXT + 1)},
    "a contact's name": {"contacts": (Contact("demandeur", "anne@mairie.example", "x" * (MAX_TEXT + 1)),)},
    "many contacts": {"contacts": (CONTACT,) * (MAX_ITEMS + 1)},
    "many addresses": {"allowed_ips": ("192.0.2.1",) * (MAX_ITEMS + 1)},
    "many scopes": {"scopes": ("dss_enfants",) * (MAX_ITEMS + 1)},
    "a long modality": {"modalities": ("x" * (MAX_TEXT + 1),)},
}


@pytest.mark.parametrize("kind", TOO_LARGE)
async def test_a_habilitation_beyond_a_bound_is_refused(store: Store, kind: str) -> None:
    [field] = TOO_LARGE[kind]
    with pytest.raises(InvalidFields) as refused:
        await create_habilitation(store, **TOO_LARGE[kind])
    assert [problem.partition(":")[0] for problem in refused.value.problems] == [field]


async def test_a_habilitation_at_its_bounds_is_accepted(store: Store) -> None:
    made = await create_habilitation(
        store,
        name="x" * MAX_TEXT,
        purpose="x" * MAX_TEXTS["purpose"],
        description="x" * MAX_TEXTS["description"],
        contacts=(CONTACT,) * MAX_ITEMS,
        allowed_ips=("192.0.2.1",) * MAX_ITEMS,
    )
    assert len(made.allowed_ips) == MAX_ITEMS


@pytest.mark.parametrize("field", ["form_uids", "members", "allowed_ips"])
async def test_an_editor_with_too_long_a_list_is_refused(store: Store, field: str) -> None:
    item = {"form_uids": "qf", "members": "a@b.example", "allowed_ips": "192.0.2.1"}[field]
    longest: dict[str, Any] = {field: (item,) * MAX_ITEMS}
    with pytest.raises(InvalidFields, match=f"{field}: has more than {MAX_ITEMS} items"):
        await create_editor(store, **{**longest, field: (*longest[field], item)})
    made: Editor = await create_editor(store, **longest)
    assert len(getattr(made, field)) == MAX_ITEMS


MEMBERS = [{"type": "demandeur", "email": f"a{number}@mairie.example"} for number in range(MAX_ITEMS + 1)]


@pytest.mark.parametrize(
    ("own", "reason"),
    [
        ({"id": ""}, "datapass_id: is empty"),
        ({"intitule": "x" * 900_000}, "purpose: is longer than 2000 characters"),
        ({"team_members": MEMBERS}, "contacts: has more than 500 items"),
    ],
)
async def test_an_event_of_datapass_beyond_a_bound_is_set_aside(
    store: Store, clock: DatetimeClock, own: dict[str, Any], reason: str
) -> None:
    async with datapass_client(store, clock) as datapass:
        assert await datapass.sets_aside(v1("approve", datapass.now, **own)) == reason
