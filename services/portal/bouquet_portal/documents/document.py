"""A JSON document that a gateway publishes, understood anew only when it has changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from bouquet_portal.documents.client import Client, GatewayError

T = TypeVar("T")


class Document(Generic[T]):
    """JSON document at a path of a gateway. `understand` makes a value of the decoded document."""

    def __init__(self, client: Client, path: str, understand: Callable[[Any], T]) -> None:
        self._client = client
        self._path = path
        self._understand = understand
        self._last: tuple[str, T] | None = None
        """ETag and value of the last reading, if the gateway sent an ETag."""

    def read(self) -> T:
        """Asks the gateway for the document, and returns its value: that of the last reading if the document is
        unchanged. Raises `GatewayError` if the gateway does not answer with a document of the expected form."""
        # An OpenAPI document has more than a megabyte: to decode and understand it takes 0.1 s of a processor.
        known = {"If-None-Match": self._last[0]} if self._last else {}
        answer = self._client.get(self._path, {"Accept-Encoding": "gzip"} | known)
        if answer.status == 304 and self._last:
            return self._last[1]
        if answer.status != 200:
            raise GatewayError(f"the gateway answers {self._path} with {answer.status}")
        try:
            value = self._understand(answer.json())
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise GatewayError(f"the gateway's {self._path} has another form than expected") from error
        etag = next((text for name, text in answer.headers.items() if name.lower() == "etag"), "")
        self._last = (etag, value) if etag else None
        return value
