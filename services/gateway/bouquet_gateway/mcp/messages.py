"""Messages of the Model Context Protocol, in the form of JSON-RPC 2.0: reading of requests, and writing of answers."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

PARSE_ERROR, INVALID_REQUEST, UNKNOWN_METHOD, INVALID_PARAMS = -32700, -32600, -32601, -32602
"""Error codes of JSON-RPC 2.0 (section "Error object")."""
HEADER_MISMATCH, UNSUPPORTED_VERSION = -32020, -32022
"""Error codes of the Model Context Protocol (version 2026-07-28, section "Error Codes")."""
MAX_INTEGER = 2**53 - 1
"""Largest integer that a client may use as a request's id (RFC 8259 §6)."""

Id: TypeAlias = Annotated[int, Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)] | Annotated[str, Meta(max_length=128)]
Json: TypeAlias = dict[str, Any]


class Message(Struct, frozen=True):
    """Message of a client in JSON-RPC: a request, or a notification, which gets no answer."""

    jsonrpc: Literal["2.0"]
    method: Annotated[str, Meta(max_length=128)]
    id: Id | UnsetType = UNSET
    """Id that the answer repeats, so that the client can match the answer to its request; unset for a notification."""
    params: dict[str, Raw] = {}


class RpcError(Exception):
    """Error of JSON-RPC, with its code, its text and the HTTP status of the answer. The text is fixed, and never quotes
    the client's message."""

    def __init__(
        self,
        code: int,
        text: str,
        *,
        status: HTTPStatus = HTTPStatus.BAD_REQUEST,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.status = status
        self.data = data


class Response(Struct, frozen=True):
    """HTTP status and JSON body of an answer; the body is empty if the message was a notification."""

    status: HTTPStatus
    body: bytes = b""


_message = msgspec.json.Decoder(Message)


def read_message(body: bytes) -> Message:
    """Reads a message from a JSON body. Raises `RpcError` if the body is no JSON, or not exactly one message."""
    try:
        return _message.decode(body)
    except msgspec.ValidationError:
        raise RpcError(INVALID_REQUEST, "Invalid Request") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RpcError(PARSE_ERROR, "Parse error") from None


def result_response(message: Message, result: Json) -> Response:
    return Response(HTTPStatus.OK, msgspec.json.encode({"jsonrpc": "2.0", "id": message.id, "result": result}))


def error_response(error: RpcError, message: Message | None = None) -> Response:
    """Returns the answer with an error to a message. If the message could not be read (`None`), the answer has no
    id."""
    content: Json = {"code": error.code, "message": error.text}
    if error.data is not None:
        content["data"] = error.data
    id = {} if message is None or message.id is UNSET else {"id": message.id}
    return Response(error.status, msgspec.json.encode({"jsonrpc": "2.0", **id, "error": content}))
