"""Program that describes the messages of the release whose modules it imports, or reads messages of another release.

`wire.py describe` prints schemas and names as JSON. `wire.py decode` reads bodies by kind from standard input, decodes
and encodes each, and prints the results.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, TypeAlias, get_args

import msgspec
from msgspec import Struct

from bouquet_mesh.outbox.amqp import JOURNAL_QUEUE_ARGUMENTS
from bouquet_mesh.outbox.packages import pack
from bouquet_proto import access_record, messages, names, registry_messages
from bouquet_proto.access_record import Access
from bouquet_proto.france_connect_session import Session
from bouquet_proto.offer import Offer

Json: TypeAlias = dict[str, Any]

PROVIDER = "cnaf"
RENAMED = {"Held": "KnownToken", "News": "TokenChanges"}
"""Map from the former name of a renamed class to its present name, under which the schemas of both releases are listed.
Messages of the registry do not contain class names."""


def _structs_of(module: ModuleType) -> dict[str, type[Struct]]:
    """Returns the structs that a module defines, by their present name."""
    return {
        RENAMED.get(name, name): found
        for name, found in vars(module).items()
        if isinstance(found, type) and issubclass(found, Struct) and found.__module__ == module.__name__
    }


DATA: Mapping[str, type[Struct]] = {"offer": Offer, "session": Session, **_structs_of(registry_messages)}
"""Types of the data in replies to gateways. Each key, such as `offer` or the name of a registry struct, is a kind of
message."""
DECODERS: Mapping[str, Callable[[bytes], object]] = {
    "request": messages.decode_request,
    "reply": messages.decode_reply,
    "access record": access_record.decode,
    **{kind: msgspec.json.Decoder(type_).decode for kind, type_ in DATA.items()},
}


def describe() -> Json:
    """Returns the schemas of all messages, and the names on which processes of both releases must agree."""
    requests, replies = get_args(messages.Request), get_args(messages.Reply)
    described = {
        "request": requests,
        "reply": replies,
        "access record": (Access,),
        **{kind: (type_,) for kind, type_ in DATA.items()},
    }
    return {
        "schemas": {kind: {"anyOf": [_schema_of(one) for one in types]} for kind, types in described.items()},
        "names": {
            "queue of a provider": names.queue_of(PROVIDER),
            "arguments of a provider's queue": names.QUEUE_ARGUMENTS,
            "exchange of replies": names.REPLY_EXCHANGE,
            "queue of the journal": names.JOURNAL_QUEUE,
            "arguments of the journal's queue": JOURNAL_QUEUE_ARGUMENTS,
            "two records in one message": [package.hex() for package in pack([b"1", b"2"])],
        },
    }


def _schema_of(type_: type[Struct]) -> Json:
    """Returns the JSON schema of a type, with every reference replaced by the schema that it refers to."""
    [schema], components = msgspec.json.schema_components([type_], ref_template="{name}")
    resolved: Json = _resolve(schema, components)
    return resolved


def _resolve(schema: Any, components: Mapping[str, Json]) -> Any:
    match schema:
        case {"$ref": name}:
            return _resolve(components[name], components)
        case dict():
            return {key: _resolve(value, components) for key, value in schema.items()}
        case list():
            return [_resolve(one, components) for one in schema]
        case _:
            return schema


def decode(bodies: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Decodes each body and encodes it again; the result has only what this release understands."""
    return {
        kind: [msgspec.json.encode(DECODERS[kind](body.encode())).decode() for body in some]
        for kind, some in bodies.items()
    }


def main() -> None:
    result = describe() if sys.argv[1] == "describe" else decode(json.load(sys.stdin))
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main()
