"""Messages of JSON-RPC 2.0 in the form of the Model Context Protocol: reading of a request, and its answer."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

PARSE_ERROR, INVALID_REQUEST, UNKNOWN_METHOD, INVALID_PARAMS = -32700, -32600, -32601, -32602
"""Error codes of JSON-RPC 2.0 (Error object)."""
HEADER_MISMATCH, UNSUPPORTED_VERSION = -32020, -32022
"""Error codes of the Model Context Protocol (2026-07-28, Error Codes)."""
MAX_INTEGER = 2**53 - 1
"""Largest integer that a client may use as a request's id (RFC 8259 §6)."""

Id: TypeAlias = Annotated[int, Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)] | Annotated[str, Meta(max_length=128)]
Json: TypeAlias = dict[str, Any]


class Message(Struct, frozen=True):
    """Request or notification of a client."""

    jsonrpc: Literal["2.0"]
    method: Annotated[str, Meta(max_length=128)]
    id: Id | UnsetType = UNSET
    """Id with which the answer refers to the request; unset for a notification, which gets no answer."""
    params: dict[str, Raw] = {}


class RpcError(Exception):
    """Error in a message itself. `text` is fixed, and never quotes the message."""

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
    """HTTP status and JSON body of an answer. The body of the answer to a notification is empty."""

    status: HTTPStatus
    body: bytes = b""


_message = msgspec.json.Decoder(Message)


def read_message(body: bytes) -> Message:
    """Reads a message from a JSON body. Raises `RpcError` for a body that is no JSON, or no single message: the
    protocol has no batches since its version 2025-06-18."""
    try:
        return _message.decode(body)
    except msgspec.ValidationError:
        raise RpcError(INVALID_REQUEST, "Invalid Request") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RpcError(PARSE_ERROR, "Parse error") from None


def result_response(message: Message, result: Json) -> Response:
    return Response(HTTPStatus.OK, msgspec.json.encode({"jsonrpc": "2.0", "id": message.id, "result": result}))


def error_response(error: RpcError, message: Message | None = None) -> Response:
    """Returns the answer to a message with an error. Without a readable message, the answer has no id."""
    content: Json = {"code": error.code, "message": error.text}
    if error.data is not None:
        content["data"] = error.data
    id = {} if message is None or message.id is UNSET else {"id": message.id}
    return Response(error.status, msgspec.json.encode({"jsonrpc": "2.0", **id, "error": content}))
