"""Check that the access journal still has the record that a proof names. A proof is an encrypted text that shows later
what an answer said."""

from __future__ import annotations

from typing import Literal, TypeAlias, cast

import msgspec

from bouquet_mesh.bus.api import BusClient
from bouquet_proto.deadline import Deadline
from bouquet_proto.journal_messages import ENTRY_STATES, PROVIDER, EntryState, JournalEntry
from bouquet_proto.messages import FindEntry, Found

KnownState: TypeAlias = EntryState | Literal["unknown"]
"""State of a record in the access journal; `unknown` if the journal does not answer."""

LONGEST_WAIT_S = 2.0
"""Longest time, in seconds, for which the verification of a proof waits for the journal's answer. Without an answer,
the proof is valid all the same."""

_decoder = msgspec.json.Decoder(JournalEntry)


async def entry_state(bus: BusClient, record: str, request_id: str, deadline: Deadline) -> KnownState:
    """Asks the access journal for the state of the record with the id `record`: `kept`, `pruned` (removed after its
    retention period) or `absent`. Returns `unknown` if the journal does not answer."""
    at = min(deadline.at, Deadline.after(LONGEST_WAIT_S).at)
    reply = await bus.call(PROVIDER, FindEntry(id=request_id, deadline=at, record=record))
    if not isinstance(reply, Found):
        return "unknown"
    try:
        state = _decoder.decode(reply.data).state
    except msgspec.DecodeError:
        return "unknown"
    return cast(EntryState, state) if state in ENTRY_STATES else "unknown"
