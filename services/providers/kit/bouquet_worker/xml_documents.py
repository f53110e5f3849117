"""Parsing of XML from upstreams, safe for documents that an attacker has written."""
# Without a document type, a parser has no entity to expand, and nothing to fetch. `Upstream.max_body_bytes` bounds the
# length of a document.

from __future__ import annotations

from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from bouquet_worker.errors import UpstreamError

MAX_XML_DEPTH = 50
"""Largest depth of nested elements that `parse_xml` accepts."""


def parse_xml(document: bytes) -> Element:
    """Returns the root element of an XML document in UTF-8, whatever encoding the document declares. Raises
    `UpstreamError("upstream_malformed")` if the document is malformed or deeply nested, or has a DOCTYPE."""
    try:
        return ElementTree.fromstring(document, ElementTree.XMLParser(target=_ShallowTree(), encoding="utf-8"))
    except ElementTree.ParseError as error:  # its text quotes the document
        raise UpstreamError("upstream_malformed", cause=type(error).__name__) from None


class _ShallowTree(ElementTree.TreeBuilder):
    """Builder of an XML tree that raises `UpstreamError` for elements nested deeper than `MAX_XML_DEPTH`, and for a
    document type (DOCTYPE)."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    def doctype(self, *_: str | None) -> None:
        # Called before the entities of the document type are read.
        raise UpstreamError("upstream_malformed", cause="document type")

    def start(self, tag: str, attributes: dict[str, str], /) -> Element:
        self._depth += 1
        if self._depth > MAX_XML_DEPTH:
            raise UpstreamError("upstream_malformed", cause="depth")
        return super().start(tag, attributes)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)
