"""What a gateway would stumble on in an offer, said to its author in time."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError

from bouquet_proto.failures import FAILURES, PROVIDER
from bouquet_proto.identity import MODALITIES
from bouquet_proto.limits import MAX_OFFER_BYTES, MAX_OPERATIONS, MAX_REPLY_BYTES, MAX_REPLY_ELEMENTS
from bouquet_proto.messages import encode
from bouquet_proto.offer import Offer, Operation
from bouquet_proto.rules import RULES
from bouquet_worker.testing.cases import Case

PATH = re.compile(r"/v\d+(/[a-z0-9_]+)+|/api(/[a-z0-9_-]+)+")
PREFIX = re.compile(r"\d\d")
NAME = re.compile(r"nom", re.IGNORECASE)
BIRTH = re.compile(r"naissance", re.IGNORECASE)
ROW_CODE = re.compile(r"\d{3}(\d\d)?")

OURS = {"worker_bug", "malformed_request", "malformed_reply", "not_deployed", "bus_unavailable", "deadline_exceeded"}
"""Reasons that the mesh alone may give: from a worker they hide what its upstream did."""
RARE = {"several_matches"}
"""Of PROVIDER, and still not everybody's."""


def objections_to_offer(offer: Offer) -> Iterator[str]:
    for authority in (offer.authority, *(operation.authority for operation in offer.operations)):
        if authority and not PREFIX.fullmatch(authority.prefix):
            yield f"authority {authority.label}: its prefix is not two digits"
    ids = Counter(f"id {operation.id}" for operation in offer.operations)
    paths = Counter(f"path {operation.path} by {operation.modality}" for operation in offer.operations)
    for what, times in (ids + paths).items():
        if times > 1:
            yield f"{what} is that of {times} operations"
    for reason, row in offer.problems.items():
        if not ROW_CODE.fullmatch(row.code):
            yield f"problem {reason}: its code has neither three digits nor five"
        if reason in FAILURES:
            yield f"problem {reason}: this reason is everybody's, and the common row is the one shown"
    if not offer.operations:
        yield "it has no operation"
    if len(offer.operations) > MAX_OPERATIONS:
        yield f"it has {len(offer.operations)} operations, and a gateway takes {MAX_OPERATIONS}"
    if (size_bytes := len(encode(offer))) > MAX_OFFER_BYTES:
        yield f"it has {size_bytes} bytes, and a gateway takes {MAX_OFFER_BYTES}"


def objections_to_operation(operation: Operation, offer: Offer) -> Iterator[str]:
    if not PATH.fullmatch(operation.path):
        yield f"path {operation.path}: neither /v3/… nor /api/…"
    if not operation.scopes:
        yield "scopes: without any nobody may call it"
    for reason in operation.reasons:
        if reason not in FAILURES | offer.problems:
            yield f"reason {reason}: no row, neither in the failure table nor in the worker's problems"
    if operation.reply.size_bytes > MAX_REPLY_BYTES or operation.reply.elements > MAX_REPLY_ELEMENTS:
        yield f"reply: a gateway takes {MAX_REPLY_BYTES} bytes and {MAX_REPLY_ELEMENTS} elements at most"
    yield from _of_checks(operation)
    yield from _of_fields(operation)
    yield from _of_schema(operation)
    yield from _of_people(operation)


def _of_people(operation: Operation) -> Iterator[str]:
    """Whom an answer names must be known to the access journal."""
    for people in operation.people:
        for name in (people.nom, people.prenoms, *people.naissance):
            path = f"{people.at}.{name}".lstrip(".")
            if not _leads(operation.schema, path.split(".")):
                yield f"people: the schema has no field {path}"
    declared = {people.at for people in operation.people}
    for path, names in _objects(operation.schema):
        if path not in declared and any(map(NAME.match, names)) and any(map(BIRTH.search, names)):
            yield f"people: {path or 'the data'} names people, and `people` of the operation does not tell so"


def _objects(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Iterable[str]]]:
    """Dotted path and names of the fields of each object."""
    properties = schema.get("properties", {})
    if properties:
        yield path, properties
    for name, inner in properties.items():
        yield from _objects(inner, f"{path}.{name}".lstrip("."))
    for inner in (*schema.get("anyOf", ()), *([schema["items"]] if isinstance(schema.get("items"), dict) else ())):
        yield from _objects(inner, path)


def _of_checks(operation: Operation) -> Iterator[str]:
    for check in (check for stage in operation.checks for check in stage):
        rule = RULES.get(check.rule)
        if rule is None:
            yield f"check {check.rule}: there is no such rule"
        else:
            for name in sorted(check.names.keys() - rule.fields.keys()):
                yield f"check {check.rule}: it renames {name}, which this rule does not read"


def _of_fields(operation: Operation) -> Iterator[str]:
    for path, scopes in operation.fields.items():
        if not _leads(operation.schema, path.split(".")):
            yield f"field {path}: the schema has no such field"
        if not scopes:
            yield f"field {path}: no scope opens it"


def _leads(schema: Mapping[str, Any], path: list[str]) -> bool:
    """Through lists and nullables, as the gateway's filter goes."""
    if not path:
        return True
    name, *rest = path
    if name in schema.get("properties", {}):
        return _leads(schema["properties"][name], rest)
    return any(_leads(behind, path) for behind in (*schema.get("anyOf", ()), schema.get("items")) if behind)


def _of_schema(operation: Operation) -> Iterator[str]:
    try:
        Draft202012Validator.check_schema(operation.schema)
    except SchemaError as error:
        yield f"schema: {error.message}"
        return
    if '"$ref"' in msgspec.json.encode(operation.schema).decode():
        yield "schema: it has references, which lead nowhere in the gateway's document"
    for path in _null_alone(operation.schema):
        yield f"schema: {path} is null and nothing else, for which a generated client has no type; say what it may be"
    if operation.example is not None:
        yield from (f"example: {told}" for told in unlike(operation, operation.example))


def _null_alone(schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Where null is not one kind of value among others."""
    if schema.get("type") == "null":
        yield path or "the data"
    for name, inner in schema.get("properties", {}).items():
        yield from _null_alone(inner, f"{path}.{name}".lstrip("."))
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    for inner in (*options, *([schema["items"]] if isinstance(schema.get("items"), dict) else ())):
        yield from _null_alone(inner, path)


def unlike(operation: Operation, data: Any) -> list[str]:
    """Where `data` is not what the operation's schema says."""
    validator = Draft202012Validator(operation.schema, format_checker=FormatChecker())
    shown = _opened(data) if operation.gated else data
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(shown)]


def _opened(node: Any) -> Any:
    """As who holds every scope sees it."""
    match node:
        case dict():
            return {name: _opened(value) for name, value in node.items() if name != "$any"}
        case list():
            return [_opened(item) for item in node]
        case _:
            return node


def objections_to_case(case: Case, offer: Offer) -> Iterator[str]:
    operation = next((operation for operation in offer.operations if operation.id == case.operation), None)
    if operation is None:
        yield f"operation {case.operation} is not offered"
        return
    if not isinstance(case.identity, MODALITIES[operation.modality]):
        yield f"a gateway would name this person by {operation.modality}"
    checks = [RULES[check.rule] for stage in operation.checks for check in stage if check.rule in RULES]
    for name in sorted(case.parameters.keys() - {field for rule in checks for field in rule.fields}):
        yield f"parameter {name}: no check of the operation reads it"
    reason = getattr(case.reply, "reason", "")
    codes = {code for rule in checks for code in rule.codes}
    if reason and reason not in codes.union(operation.reasons, PROVIDER.keys() - RARE - OURS):
        yield f"reason {reason}: the operation does not announce it"
