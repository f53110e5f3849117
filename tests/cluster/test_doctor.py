"""Tests of what the gateway's doctor reports of lists of queues. `test_lost_node.py` tests it on the list that a broker
returns while one of its nodes is lost."""

from __future__ import annotations

import json

import pytest

from bouquet_mesh.doctor.hosts import check_hosts
from bouquet_proto.names import JOURNAL_QUEUE, queue_of
from tests.support.bus import PROVIDER


@pytest.mark.parametrize("document", [b"", b"{", b'{"error": "not_authorized"}', b"[1]", b"\xff"])
def test_what_is_no_list_of_queues_is_reported_as_unknown(document: bytes) -> None:
    [finding] = check_hosts(document)
    assert finding.state == "unknown"


def test_a_queue_without_a_majority_and_a_provider_without_a_queue_are_reported() -> None:
    listed = [
        {"name": JOURNAL_QUEUE, "node": "a", "state": "minority", "members": ["a", "b", "c"], "online": ["a"]},
        {"name": queue_of(PROVIDER), "node": "b", "state": "down"},
        {"name": "somebody.else", "node": "c", "state": "running"},
    ]
    found = {one.subject: one.says for one in check_hosts(json.dumps(listed).encode())}
    assert found["broker node a"] == "hosts the leader of the journal's queue"
    assert "calls fail until a worker declares its reserve queue" in found["broker node b"]
    assert found["copies of the journal's queue"].startswith("1 of 3 run: without a majority")
