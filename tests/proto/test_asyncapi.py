from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from bouquet_proto.names import REPLY_EXCHANGE, queue_of

ROOT = Path(__file__).parents[2]
PROTO = ROOT / "proto"
SAMPLES = sorted((Path(__file__).parent / "samples" / "v1").glob("*.json"))

DOCUMENT: Any = runpy.run_path(str(ROOT / "scripts" / "generate_asyncapi.py"))["document"]()


def refs_in(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*(refs_in(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(refs_in(value) for value in node))
    return set()


def resolve(ref: str) -> Any:
    node: Any = DOCUMENT
    for key in ref.removeprefix("#/").split("/"):
        node = node[key]
    return node


def test_asyncapi_yaml_is_up_to_date() -> None:
    text = (PROTO / "asyncapi.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(text) == json.loads(json.dumps(DOCUMENT)), "run scripts/generate_asyncapi.py"


def test_the_asyncapi_document_has_its_required_parts() -> None:
    assert DOCUMENT["asyncapi"].startswith("3.")
    assert DOCUMENT["info"].keys() >= {"title", "version"}
    assert all(operation["action"] in ("send", "receive") for operation in DOCUMENT["operations"].values())


@pytest.mark.parametrize("ref", sorted(refs_in(DOCUMENT)))
def test_every_reference_of_the_asyncapi_document_resolves(ref: str) -> None:
    assert resolve(ref)


def test_an_asyncapi_operation_names_only_messages_of_its_channels() -> None:
    [answer] = DOCUMENT["operations"].values()
    for side in (answer, answer["reply"]):
        messages = {f"{side['channel']['$ref']}/messages/{tag}" for tag in resolve(side["channel"]["$ref"])["messages"]}
        assert {ref["$ref"] for ref in side["messages"]} == messages


def test_the_asyncapi_addresses_are_those_of_the_bus() -> None:
    channels = DOCUMENT["channels"]
    assert channels["requests"]["address"].format(provider="cnaf") == queue_of("cnaf")
    assert channels["replies"]["bindings"]["amqp"]["exchange"]["name"] == REPLY_EXCHANGE


@pytest.mark.parametrize("name", DOCUMENT["components"]["schemas"])
def test_every_schema_of_the_asyncapi_document_is_valid(name: str) -> None:
    Draft7Validator.check_schema(DOCUMENT["components"]["schemas"][name])


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_sample_matches_the_asyncapi_schema_of_its_message(path: Path) -> None:
    body = json.loads(path.read_bytes())
    payload = DOCUMENT["components"]["messages"][body["type"]]["payload"]
    Draft7Validator({**payload, "components": DOCUMENT["components"]}).validate(body)
