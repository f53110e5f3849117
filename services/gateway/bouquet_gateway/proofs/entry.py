"""State of a record in the access journal: whether the journal still has the record that a proof names. A proof is an
encrypted text that shows later what an answer said."""

from __future__ import annotations

from typing import Literal, TypeAlias, cast

import msgspec

from bouquet_mesh.bus.api import Calling
from bouquet_proto.deadline import Deadline
from bouquet_proto.journal_messages import PROVIDER, STATES, EntryState, JournalEntry
from bouquet_proto.messages import FindEntry, Found

KnownState: TypeAlias = EntryState | Literal["unknown"]
"""State of a record, or `unknown` if the journal does not answer."""

LONGEST_WAIT_S = 2.0
"""Longest time, in seconds, to wait for the journal's answer, without which a proof is verified all the same."""

_decoder = msgspec.json.Decoder(JournalEntry)


async def entry_state(bus: Calling, record: str, request_id: str, deadline: Deadline) -> KnownState:
    """Asks the journal whether it has the record of a proof."""
    at = min(deadline.at, Deadline.after(LONGEST_WAIT_S).at)
    reply = await bus.call(PROVIDER, FindEntry(id=request_id, deadline=at, record=record))
    if not isinstance(reply, Found):
        return "unknown"
    try:
        state = _decoder.decode(reply.data).state
    except msgspec.DecodeError:
        return "unknown"
    return cast(EntryState, state) if state in STATES else "unknown"
