"""Checks of a worker's offer (the description of its operations). Each fault is a sentence for the worker's author."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

import msgspec
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError

from bouquet_proto.failures import FAILURES, PROVIDER
from bouquet_proto.identity import MODALITIES
from bouquet_proto.limits import MAX_OFFER_BYTES
from bouquet_proto.messages import encode
from bouquet_proto.offer import AUTHORITY_PREFIXES, SHOWN_PARTS, Offer, Operation
from bouquet_proto.offer_limits import excesses_of_offer, excesses_of_operation, long_texts_of
from bouquet_proto.rules import RULES
from bouquet_worker.testing.cases import Case

PATH = re.compile(r"/v\d+(/[a-z0-9_]+)+|/api(/[a-z0-9_-]+)+")
PREFIX = re.compile(r"\d\d")
NAME = re.compile(r"nom", re.IGNORECASE)
BIRTH = re.compile(r"naissance", re.IGNORECASE)
ROW_CODE = re.compile(r"\d{3}(\d\d)?")

MESH_REASONS = {
    "worker_bug",
    "malformed_request",
    "malformed_reply",
    "not_deployed",
    "bus_unavailable",
    "deadline_exceeded",
}
"""Failure reasons that are reserved for the worker kit, the bus and the gateways. A worker's handler must not return
them."""
MUST_DECLARE = {"several_matches"}
"""Reasons of failure that a worker may give only if the operation declares them in its `reasons`."""


def objections_to_offer(offer: Offer) -> Iterator[str]:
    """Yields the faults that concern all of a worker's operations together, such as two operations with one path."""
    for authority in (offer.authority, *(operation.authority for operation in offer.operations)):
        if authority and not PREFIX.fullmatch(authority.prefix):
            yield f"authority {authority.label}: its prefix is not two digits"
        elif authority and (owner := AUTHORITY_PREFIXES.get(authority.prefix, authority.label)) != authority.label:
            yield f"authority {authority.label}: its prefix {authority.prefix} is the one of {owner}"
    ids = Counter(f"id {operation.id}" for operation in offer.operations)
    paths = Counter(_place_of(operation) for operation in offer.operations)
    for what, times in (ids + paths).items():
        if times > 1:
            yield f"{times} operations have the {what}"
    for reason, row in offer.problems.items():
        if not ROW_CODE.fullmatch(row.code):
            yield f"problem {reason}: its code must have three digits, or five"
        if reason in FAILURES:
            yield f"problem {reason}: the failure table has this reason too, and callers see its row"
    if not offer.operations:
        yield "the offer has no operation"
    yield from _refused(excesses_of_offer(offer))
    if (size_bytes := len(encode(offer))) > MAX_OFFER_BYTES:
        yield f"the offer has {size_bytes} bytes, and a gateway accepts {MAX_OFFER_BYTES}"


def _refused(excesses: Iterable[str]) -> Iterator[str]:
    return (f"a gateway refuses it: {excess}" for excess in excesses)


def _place_of(operation: Operation) -> str:
    """Returns the path of an operation; in version 2, together with its modality (kind of identity). No two operations
    of a worker may have the same place."""
    by = f" by {operation.modality}" if operation.path.startswith("/api/") else ""
    return f"path {operation.path}{by}"


def objections_to_operation(operation: Operation, offer: Offer) -> Iterator[str]:
    """Yields the faults of one operation in a worker's offer, such as a field without a scope."""
    if not PATH.fullmatch(operation.path):
        yield f"path {operation.path}: must be /v and a number, or /api, then segments of a-z, 0-9 and _"
    if not operation.scopes:
        yield "scopes: empty, so no caller may call the operation"
    for reason in operation.reasons:
        if reason not in FAILURES | offer.problems:
            yield f"reason {reason}: neither the failure table nor the worker's problems have a row for it"
    yield from _refused((*excesses_of_operation(operation), *long_texts_of(operation)))
    yield from _of_checks(operation)
    yield from _of_fields(operation)
    yield from _of_schema(operation)
    yield from _of_people(operation)
    yield from _of_proof(operation)
    yield from _of_meta_fields(operation)


def _of_meta_fields(operation: Operation) -> Iterator[str]:
    """Checks `operation.meta_fields`, the fields that gateways move to an answer's `meta`. Yields a fault for each
    field that is not in the schema, or that callers see only with a scope."""
    for name in operation.meta_fields:
        if not _has_path(operation.schema, [name]):
            yield f"meta_fields: the schema has no field {name}"
        elif name not in operation.open_fields:
            yield f"meta_fields: {name} must be one of `open_fields`"


def _of_proof(operation: Operation) -> Iterator[str]:
    """Yields the faults of `operation.proof`, the fields that the verification of a proof shows. Faults are a field
    outside the schema, an unknown value of `shown`, and a proof in version 2."""
    if operation.proof is None:
        return
    if operation.path.startswith("/api/"):
        yield "proof: answers of version 2 cannot name it"
    for path in operation.proof.paths():
        if not _has_path(operation.schema, path.split(".")):
            yield f"proof: the schema has no field {path}"
    for field in (field for part in operation.proof.sections for field in (*part.fields, *part.document)):
        if field.shown not in SHOWN_PARTS:
            yield f"proof: {field.at} is shown {field.shown}, which is none of {', '.join(SHOWN_PARTS)}"


def _of_people(operation: Operation) -> Iterator[str]:
    """Yields the faults of `operation.people`, the list of objects that describe a person. Faults are a field outside
    the schema, and an object with name and birth date that the list lacks."""
    # The access journal records whom an answer names, and finds them by `people`.
    for people in operation.people:
        for name in (people.nom, people.prenoms, *people.naissance):
            path = f"{people.at}.{name}".lstrip(".")
            if not _has_path(operation.schema, path.split(".")):
                yield f"people: the schema has no field {path}"
    declared = {people.at for people in operation.people}
    for path, names in _objects(operation.schema):
        if path not in declared and any(map(NAME.match, names)) and any(map(BIRTH.search, names)):
            place = path or "the data"
            yield f"people: {place} holds a name and a birth date, but `people` of the operation does not name it"


def _objects(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Iterable[str]]]:
    """Yields the dotted path and the field names of each object in a schema. The path of the outermost object is ""."""
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
            yield f"check {check.rule}: no rule has this name" + _hint(check.rule, RULES)
        else:
            for name in sorted(check.names.keys() - rule.fields.keys()):
                yield f"check {check.rule}: it renames {name}, which is no field of this rule"


def _of_fields(operation: Operation) -> Iterator[str]:
    for path, scopes in operation.fields.items():
        if not _has_path(operation.schema, path.split(".")):
            yield f"field {path}: the schema has no field of this path"
        if not scopes:
            yield f"field {path}: has no scope"
        # A field may need a scope that does not open the operation, but hardly one of nearly the same spelling.
        for scope in {name for entry in scopes for name in entry.split("&")}.difference(operation.scopes):
            if hint := _hint(scope, operation.scopes):
                yield f"field {path}: its scope {scope} is none of the operation's `scopes`{hint}"


def _hint(word: str, known: Iterable[str]) -> str:
    """Returns a suggestion for a misspelt word, such as `; is it nom?`. Returns "" if no word in `known` has nearly the
    same spelling."""
    near = get_close_matches(word, known, n=1, cutoff=0.9)
    return f"; is it {near[0]}?" if near else ""


def _has_path(schema: Mapping[str, Any], path: list[str]) -> bool:
    """Returns whether a schema has a field at `path`. Looks into the items of lists too."""
    if not path:
        return True
    name, *rest = path
    if name in schema.get("properties", {}):
        return _has_path(schema["properties"][name], rest)
    return any(_has_path(behind, path) for behind in (*schema.get("anyOf", ()), schema.get("items")) if behind)


def _of_schema(operation: Operation) -> Iterator[str]:
    try:
        Draft202012Validator.check_schema(operation.schema)
    except SchemaError as error:
        yield f"schema: {error.message}"
        return
    if '"$ref"' in msgspec.json.encode(operation.schema).decode():
        yield "schema: it has references (`$ref`), which the gateway's OpenAPI document cannot resolve"
    for path in _null_alone(operation.schema):
        yield f"schema: {path} can only be null, for which generated clients have no type; name the type it may have"
    if operation.example is not None:
        yield from (f"example: {violation}" for violation in schema_violations(operation, operation.example))


def _null_alone(schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yields the dotted path of each field in a schema whose value can only be null. `path` is the path of `schema`
    itself."""
    if schema.get("type") == "null":
        yield path or "the data"
    for name, inner in schema.get("properties", {}).items():
        yield from _null_alone(inner, f"{path}.{name}".lstrip("."))
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    for inner in (*options, *([schema["items"]] if isinstance(schema.get("items"), dict) else ())):
        yield from _null_alone(inner, path)


def schema_violations(operation: Operation, data: Any) -> list[str]:
    """Returns a text `path: message` for each place where `data` violates the operation's schema. Returns an empty list
    for valid data."""
    validator = Draft202012Validator(operation.schema, format_checker=FormatChecker())
    shown = _opened(data) if operation.gated else data
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(shown)]


def _opened(node: Any) -> Any:
    """Returns the data as a caller with all scopes receives it: without the keys `$any`."""
    # `$any` lists the scopes of which a caller needs one to see the object that contains the key.
    match node:
        case dict():
            return {name: _opened(value) for name, value in node.items() if name != "$any"}
        case list():
            return [_opened(item) for item in node]
        case _:
            return node


def objections_to_case(case: Case, offer: Offer) -> Iterator[str]:
    """Yields the faults of a test case (a lookup and the expected reply). A fault is, for instance, a parameter that
    the operation does not read, or a failure reason that the operation does not declare."""
    operation = next((operation for operation in offer.operations if operation.id == case.operation), None)
    if operation is None:
        yield f"operation {case.operation} is not offered"
        return
    if not isinstance(case.identity, MODALITIES[operation.modality]):
        yield f"this operation identifies people by {operation.modality}"
    checks = [RULES[check.rule] for stage in operation.checks for check in stage if check.rule in RULES]
    for name in sorted(case.parameters.keys() - {field for rule in checks for field in rule.fields}):
        yield f"parameter {name}: no check of the operation reads it"
    reason = getattr(case.reply, "reason", "")
    codes = {code for rule in checks for code in rule.codes}
    if reason and reason not in codes.union(operation.reasons, PROVIDER.keys() - MUST_DECLARE - MESH_REASONS):
        yield f"reason {reason}: not among the `reasons` of the operation"
