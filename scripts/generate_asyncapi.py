"""Writes proto/asyncapi.yaml, the description of the messages that workers exchange with gateways through RabbitMQ, for
teams that use any programming language."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, TypeAlias, get_args

import msgspec
import yaml
from msgspec import Struct

from bouquet_proto.messages import Reply, Request
from bouquet_proto.names import QUEUE_ARGUMENTS, QUEUE_PREFIX, REPLY_EXCHANGE, RESERVE_SUFFIX
from bouquet_proto.offer import Offer
from bouquet_proto.registry_messages import DelegationPage, KnownDelegations, KnownToken, TokenChanges
from bouquet_proto.sandbox_messages import CasePage, CaseReport

TARGET = Path(__file__).parent.parent / "proto" / "asyncapi.yaml"

Json: TypeAlias = dict[str, Any]

REQUESTS: tuple[type[Struct], ...] = get_args(Request)
REPLIES: tuple[type[Struct], ...] = get_args(Reply)
BINDING = {"bindingVersion": "0.3.0"}


def document() -> Json:
    """Returns the AsyncAPI document, from a worker's point of view: the worker receives requests and sends replies."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Bouquet",
            "version": "1.0.0",
            "description": "Messages that a provider's worker receives and sends on RabbitMQ. Only the registry "
            "receives `who_is`, `changes`, `find_delegations`, `list_delegations` and `find_revocation`, only the "
            "journal `find_entry`, and only a sandbox `list_cases` and `check_case`. "
            "Readers ignore unknown fields; new fields have defaults; types never change.",
        },
        "defaultContentType": "application/json",
        "channels": {"requests": _requests(), "replies": _replies()},
        "operations": {"answer": _answer()},
        "components": {"messages": _messages(), "messageTraits": _traits(), "schemas": _schemas()},
    }


def _requests() -> Json:
    return {
        "address": QUEUE_PREFIX + "{provider}",
        "description": "Request queue of a provider, declared by its workers. Gateways publish to it through the "
        f"default exchange. Durable, auto-deleted, `x-expires: {QUEUE_ARGUMENTS['x-expires']}`. While the broker "
        f"cannot give it, since its node is down, workers declare `{QUEUE_PREFIX}{{provider}}{RESERVE_SUFFIX}`, and "
        "gateways publish to that. "
        "A request expires at its deadline; there is no dead-letter queue.",
        "parameters": {"provider": {"description": "Name of the provider, such as `cnaf`."}},
        "messages": {_tag(kind): _ref("messages", _tag(kind)) for kind in REQUESTS},
        "bindings": {
            "amqp": {
                "is": "queue",
                "queue": {"durable": True, "exclusive": False, "autoDelete": True},
                **BINDING,
            }
        },
    }


def _replies() -> Json:
    return {
        "address": None,
        "description": f"Direct exchange `{REPLY_EXCHANGE}`, with the request's `reply_to` as the routing key.",
        "messages": {_tag(kind): _ref("messages", _tag(kind)) for kind in REPLIES},
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {"name": REPLY_EXCHANGE, "type": "direct", "durable": True, "autoDelete": False},
                **BINDING,
            }
        },
    }


def _answer() -> Json:
    return {
        "action": "receive",
        "summary": "Sends one reply to each request by its `deadline`, then acknowledges the request.",
        "channel": {"$ref": "#/channels/requests"},
        "messages": [{"$ref": f"#/channels/requests/messages/{_tag(kind)}"} for kind in REQUESTS],
        "bindings": {"amqp": {"mandatory": True, "deliveryMode": 1, "ack": True, **BINDING}},
        "reply": {
            "address": {"location": "$message.header#/reply_to"},
            "channel": {"$ref": "#/channels/replies"},
            "messages": [{"$ref": f"#/channels/replies/messages/{_tag(kind)}"} for kind in REPLIES],
        },
    }


def _messages() -> Json:
    return {_tag(kind): _message(kind, "request") for kind in REQUESTS} | {
        _tag(kind): _message(kind, "reply") for kind in REPLIES
    }


def _message(kind: type[Struct], trait: str) -> Json:
    return {
        "name": _tag(kind),
        "payload": _ref("schemas", kind.__name__),
        "traits": [_ref("messageTraits", trait)],
    }


def _trait(**properties: str) -> Json:
    described = {name: {"type": "string", "description": text} for name, text in properties.items()}
    return {
        "headers": {"type": "object", "properties": described, "required": list(described)},
        "correlationId": {"location": "$message.header#/correlation_id"},
    }


def _traits() -> Json:
    return {
        "request": _trait(
            correlation_id="Id to copy to the reply.",
            reply_to="Routing key of the reply.",
            expiration="Milliseconds until the deadline.",
        ),
        "reply": _trait(correlation_id="Correlation id of the request."),
    }


def _schemas() -> Json:
    """Returns the schemas of all messages, and of the structs that some replies carry in their `data`."""
    data = (Offer, KnownToken, TokenChanges, KnownDelegations, DelegationPage, CasePage, CaseReport)
    _, schemas = msgspec.json.schema_components(
        (*REQUESTS, *REPLIES, *data), ref_template="#/components/schemas/{name}"
    )
    for schema in schemas.values():
        if "description" in schema:  # before Python 3.13 a docstring keeps the indentation of its source
            schema["description"] = inspect.cleandoc(schema["description"])
        for member in schema.get("properties", {}).values():
            member.pop("discriminator", None)  # OpenAPI's form, which AsyncAPI does not have; tags suffice
    return schemas


def _ref(section: str, name: str) -> Json:
    return {"$ref": f"#/components/{section}/{name}"}


def _tag(kind: type[Struct]) -> str:
    return str(kind.__struct_config__.tag)


def main() -> None:
    text = yaml.safe_dump(document(), sort_keys=False, allow_unicode=True, width=110)
    TARGET.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
