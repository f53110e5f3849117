"""Tests that messages between processes only grow from one release to the next, and that each release reads the other's
messages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

from tests.upgrade.growth import breaks
from tests.upgrade.releases import PRESENT, Release

Json: TypeAlias = dict[str, Any]

PROGRAM = Path(__file__).with_name("wire.py")
SAMPLES = Path("tests", "proto", "samples")
TAGGED = ("request", "reply")
"""Kinds of messages that have a field `type` (the tag), which tells apart the messages of one kind."""


@cache
def described(release: Release) -> Json:
    described: Json = json.loads(release.output_of(["-P", str(PROGRAM), "describe"]))
    return described


def decoded(release: Release, written: Mapping[str, list[str]]) -> dict[str, list[Any]]:
    """Makes a release decode the messages `written`, and returns what it understands of them, by kind of message."""
    read = json.loads(release.output_of(["-P", str(PROGRAM), "decode"], stdin=json.dumps(written)))
    return {kind: [json.loads(body) for body in some] for kind, some in read.items()}


@cache
def bodies(release: Release) -> dict[str, list[str]]:
    """Returns JSON messages of a release, by kind: its sample requests and replies, its offers, and one generated
    example of every other kind."""
    schemas = described(release)["schemas"]
    samples = [path.read_text(encoding="utf-8") for path in (release.root / SAMPLES).rglob("*.json")]
    found = {kind: [text for text in samples if json.loads(text)["type"] in tags_of(schemas[kind])] for kind in TAGGED}
    found["offer"] = [path.read_text(encoding="utf-8") for path in offer_files(release)]
    for kind in schemas.keys() - found.keys():
        found[kind] = [json.dumps(example_of(schemas[kind]))]
    return found


def tags_of(schema: Json) -> set[str]:
    """Returns the tags of the messages that a schema of `wire.py` allows."""
    return {choice["properties"]["type"]["enum"][0] for choice in schema["anyOf"]}


def known_to(reader: Release, written: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Returns the messages of `written` that the release `reader` knows: it must know their kind and, if they have one,
    their tag."""
    schemas = described(reader)["schemas"]
    return {
        kind: [body for body in some if kind not in TAGGED or json.loads(body)["type"] in tags_of(schemas[kind])]
        for kind, some in written.items()
        if kind in schemas
    }


def offer_files(release: Release) -> list[Path]:
    return sorted((release.root / "proto" / "offers").glob("*.json"))


def example_of(schema: Json) -> Any:
    """Returns an example that conforms to a schema made by `wire.py` and has a value in every field."""
    match schema:
        case {"anyOf": [first, *_]}:
            return example_of(first)
        case {"enum": [first, *_]}:
            return first
        case {"properties": fields}:
            return {name: example_of(field) for name, field in fields.items()}
        case {"type": "array"}:
            return [example_of(schema["items"])]
        case {"type": "string"}:
            return "ab"
        case {"type": "boolean"}:
            return True
        case {"type": "number" | "integer"}:
            return 7
        case {"type": "null"}:
            return None
    raise AssertionError(schema)


def contains(whole: Any, part: Any) -> bool:
    """Returns whether each field of `part` is in `whole`, with the same value."""
    if isinstance(whole, dict) and isinstance(part, dict):
        return all(name in whole and contains(whole[name], value) for name, value in part.items())
    if isinstance(whole, list) and isinstance(part, list):
        return len(whole) == len(part) and all(map(contains, whole, part))
    return bool(whole == part)


def test_no_message_loses_or_changes_what_the_former_release_knew(former: Release) -> None:
    known, present = described(former)["schemas"], described(PRESENT)["schemas"]
    assert known.keys() <= present.keys()
    assert [text for kind, schema in known.items() for text in breaks(schema, present[kind], kind)] == []


def test_queues_exchanges_and_their_arguments_are_those_of_the_former_release(former: Release) -> None:
    assert described(PRESENT)["names"] == described(former)["names"]


def test_channels_and_headers_only_grow(former: Release) -> None:
    known, present = (without_texts(asyncapi(release)) for release in (former, PRESENT))
    assert contains(present, known)


def asyncapi(release: Release) -> Json:
    document = yaml.safe_load((release.root / "proto" / "asyncapi.yaml").read_text(encoding="utf-8"))
    return {"channels": document["channels"], "traits": document["components"]["messageTraits"]}


def without_texts(node: Any) -> Any:
    match node:
        case dict():
            return {name: without_texts(value) for name, value in node.items() if name != "description"}
        case list():
            return [without_texts(one) for one in node]
        case _:
            return node


def test_this_release_reads_all_that_the_former_release_writes(former: Release) -> None:
    written = bodies(former)
    assert all(written.values())
    understood, read = decoded(former, written), decoded(PRESENT, written)
    for kind in written:
        assert contains(read[kind], understood[kind]), kind
    assert not [reply for reply in understood["reply"] if reply.get("reason") == "malformed_reply"]


def test_the_former_release_reads_what_this_release_writes_but_for_new_fields(former: Release) -> None:
    written = known_to(former, bodies(PRESENT))
    assert all(written.values())
    understood, read = decoded(PRESENT, written), decoded(former, written)
    for kind in written:
        assert contains(understood[kind], read[kind]), kind
    assert not [reply for reply in read["reply"] if reply.get("reason") == "malformed_reply"]


@pytest.mark.parametrize("name", [path.name for path in offer_files(PRESENT)])
def test_an_offer_keeps_the_operations_of_the_former_release(former: Release, name: str) -> None:
    known, present = (operations(release, name) for release in (former, PRESENT))
    for id_, operation in known.items():
        assert id_ in present
        for field in ("path", "modality", "plan", "fields"):
            assert contains(present[id_].get(field), operation.get(field)), (id_, field)
        assert set(operation["scopes"]) <= set(present[id_]["scopes"])
        assert list(breaks(operation["schema"], present[id_]["schema"], id_, is_decoded=False)) == []


def operations(release: Release, name: str) -> dict[str, Json]:
    """Returns the operations, by id, in a release's offer file `name`. Returns no operation if the release lacks this
    file."""
    file = release.root / "proto" / "offers" / name
    offer = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"operations": []}
    return {operation["id"]: operation for operation in offer["operations"]}


TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
TAGGED_A: Json = {"type": "object", "properties": {"type": {"enum": ["a"]}}, "required": ["type"]}
TAGGED_B: Json = {"type": "object", "properties": {"type": {"enum": ["b"]}}, "required": ["type"]}
MESSAGE: Json = {"type": "object", "properties": {"id": TEXT, "day": NUMBER}, "required": ["id"]}


@pytest.mark.parametrize(
    ("present", "broken"),
    [
        (MESSAGE, []),
        ({**MESSAGE, "title": "Another", "properties": {**MESSAGE["properties"], "new": TEXT}}, []),
        ({**MESSAGE, "properties": {"id": TEXT}}, [".day is removed"]),
        ({**MESSAGE, "required": []}, [".id is mandatory in one release alone"]),
        ({**MESSAGE, "required": ["id", "day"]}, [".day is mandatory in one release alone"]),
        (
            {**MESSAGE, "properties": {**MESSAGE["properties"], "new": TEXT}, "required": ["id", "new"]},
            [".new is new and mandatory"],
        ),
        (
            {**MESSAGE, "properties": {"id": NUMBER, "day": NUMBER}},
            [".id has another type: 'string' became 'integer'"],
        ),
        (
            {**MESSAGE, "properties": {"id": TEXT, "day": {**NUMBER, "default": 1}}},
            [".day has another default: None became 1"],
        ),
    ],
)
def test_a_difference_that_another_release_cannot_read_is_found(present: Json, broken: list[str]) -> None:
    assert list(breaks(MESSAGE, present)) == broken


@pytest.mark.parametrize(
    ("former_choices", "present_choices", "broken"),
    [
        ({"anyOf": [TEXT]}, {"anyOf": [TEXT, NUMBER]}, [" also allows integer"]),
        ({"anyOf": [TEXT, NUMBER]}, {"anyOf": [TEXT]}, [" no longer allows integer"]),
        ({"anyOf": [TAGGED_A]}, {"anyOf": [TAGGED_A, TAGGED_B]}, []),
        ({"enum": ["found"]}, {"enum": ["found", "failed"]}, [" also allows 'failed'"]),
        ({"enum": ["found", "failed"]}, {"enum": ["found"]}, [" no longer allows 'failed'"]),
        ({"items": TEXT}, {"items": NUMBER}, ["[] has another type: 'string' became 'integer'"]),
    ],
)
def test_a_choice_that_one_release_does_not_know_is_found(
    former_choices: Json, present_choices: Json, broken: list[str]
) -> None:
    assert list(breaks(former_choices, present_choices)) == broken


def test_values_that_are_not_decoded_may_have_new_choices() -> None:
    assert list(breaks({"anyOf": [TEXT]}, {"anyOf": [TEXT, NUMBER]}, is_decoded=False)) == []
    assert list(breaks({"anyOf": [TEXT, NUMBER]}, {"anyOf": [TEXT]}, is_decoded=False)) != []
