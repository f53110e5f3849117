"""Versions of the Model Context Protocol, and the headers in which a request repeats parts of its body.

From version 2026-07-28 on, each request names its version. In earlier versions, client and server agree on a version by
the method `initialize`.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping
from http import HTTPStatus
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct

from bouquet_gateway.mcp.messages import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    UNSUPPORTED_VERSION,
    Message,
    RpcError,
)

CURRENT = "2026-07-28"
FORMER = ("2025-11-25", "2025-06-18")
"""Older versions of the Model Context Protocol that the server still speaks, newest first."""
SUPPORTED = (CURRENT, *FORMER)
INITIALIZE = "initialize"

VERSION_HEADER, METHOD_HEADER, NAME_HEADER = "MCP-Protocol-Version", "Mcp-Method", "Mcp-Name"
VERSION = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
ENCODED_NAME = re.compile(r"=\?base64\?([A-Za-z0-9+/=]*)\?=")
"""Pattern of a header's value that is encoded in base64 because it is not plain ASCII, such as the value of
`Mcp-Name`."""

T = TypeVar("T")


class _Meta(Struct, frozen=True, rename=lambda name: f"io.modelcontextprotocol/{name}"):
    protocolVersion: str | None = None
    clientCapabilities: dict[str, Raw] | None = None


def version_of(message: Message, headers: Mapping[str, str]) -> str:
    """Returns the protocol version that a request other than `initialize` names. Raises `RpcError` if the version is
    missing or not supported, or if the headers differ from the body."""
    meta, header = param(message, "_meta", _Meta, _Meta()), headers.get(VERSION_HEADER, "")
    if not header:
        raise RpcError(HEADER_MISMATCH, f"Header mismatch: {VERSION_HEADER} is required")
    if header not in SUPPORTED:
        raise unsupported(header)
    if header == CURRENT and (meta.protocolVersion is None or meta.clientCapabilities is None):
        raise invalid_params("_meta")
    if meta.protocolVersion != (header if header == CURRENT else None):
        raise RpcError(HEADER_MISMATCH, f"Header mismatch: {VERSION_HEADER} differs from the body")
    if header == CURRENT:
        _check_names(message, headers)
    return header


def agreed_version(message: Message) -> str:
    """Returns the protocol version for the answer to `initialize`: the client's if `FORMER` has it, else the newest in
    `FORMER`."""
    wanted = param(message, "protocolVersion", str, "")
    return wanted if wanted in FORMER else FORMER[0]


def param(message: Message, name: str, kind: type[T], default: T) -> T:
    """Returns the parameter `name` of a message, or `default` if the message does not have it. Raises `RpcError` if the
    value has another type than `kind`."""
    if name not in message.params:
        return default
    try:
        return msgspec.json.decode(message.params[name], type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise invalid_params(name) from None


def invalid_params(name: str) -> RpcError:
    """Returns the error for a wrong value of the parameter `name`. Pass only a name from the protocol, never one that
    the client made up, since the error's text quotes it."""
    # Only a request without its version is a wrong HTTP request too (2026-07-28, `_meta`).
    status = HTTPStatus.BAD_REQUEST if name == "_meta" else HTTPStatus.OK
    return RpcError(INVALID_PARAMS, f"Invalid params: {name}", status=status)


def unsupported(version: str) -> RpcError:
    """Returns the error for a version that is not supported. The error quotes `version` only if it is a date."""
    requested = version if VERSION.fullmatch(version) else ""
    data = {"supported": SUPPORTED, "requested": requested}
    return RpcError(UNSUPPORTED_VERSION, "Unsupported protocol version", data=data)


def _check_names(message: Message, headers: Mapping[str, str]) -> None:
    expected = {METHOD_HEADER: message.method}
    if message.method == "tools/call":
        expected[NAME_HEADER] = param(message, "name", str, "")
    for name, value in expected.items():
        if _decoded(headers.get(name, "")) != value:
            raise RpcError(HEADER_MISMATCH, f"Header mismatch: {name} differs from the body")


def _decoded(value: str) -> str | None:
    """Returns a header's value, decoded if it is in base64. Returns `None` if it cannot be decoded."""
    encoded = ENCODED_NAME.fullmatch(value)
    if encoded is None:
        return value
    try:
        return b64decode(encoded[1], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
