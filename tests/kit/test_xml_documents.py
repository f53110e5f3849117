"""Tests of `parse_xml`: the documents that it reads, and the hostile ones that it refuses."""

from __future__ import annotations

import pytest

from bouquet_worker import UpstreamError, parse_xml
from bouquet_worker.xml_documents import MAX_XML_DEPTH

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
HOSTILE = {
    "billion laughs": f'<!DOCTYPE r [<!ENTITY l0 "DUPONT">{LAUGHS}]><r>&l9;</r>'.encode(),
    "external entity": b'<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/hostname">]><r>&e;</r>',
    "external document type": b'<!DOCTYPE r SYSTEM "http://127.0.0.1:9/r.dtd"><r/>',
    "document type in another encoding": '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE r><r/>'.encode("utf-16"),
    "document type behind spaces": b"<?xml version='1.0'?>" + b" " * 9000 + b"<!DOCTYPE r><r/>",
    "undeclared entity": b"<r>&DUPONT;</r>",
    "too deep": b"<r>" * (MAX_XML_DEPTH + 1) + b"</r>" * (MAX_XML_DEPTH + 1),
    "cut": b"<r><nom>DUPONT</nom>",
    "not UTF-8": b"<r>\xe9</r>",
    "empty": b"",
}


@pytest.mark.parametrize("document", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_document_is_refused_and_not_quoted(document: bytes) -> None:
    with pytest.raises(UpstreamError) as caught:
        parse_xml(document)
    assert caught.value.reason == "upstream_malformed"
    assert "DUPONT" not in repr(vars(caught.value))


def test_a_document_is_read_as_utf_8_whatever_it_declares() -> None:
    assert parse_xml('<?xml version="1.0" encoding="latin-1"?><r>Zoé</r>'.encode()).text == "Zoé"


def test_a_document_of_the_largest_depth_is_read() -> None:
    root = parse_xml(b"<r>" * MAX_XML_DEPTH + b"</r>" * MAX_XML_DEPTH)
    assert len(list(root.iter())) == MAX_XML_DEPTH
