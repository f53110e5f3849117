"""Reply to a gateway that asks whether the access journal has a record. The process that writes the journal sends the
reply."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from msgspec import Struct

from bouquet_proto.names import JOURNAL_OWNER

PROVIDER = JOURNAL_OWNER
"""Name by which gateways call the process that writes the access journal, in place of a provider's name."""

EntryState: TypeAlias = Literal["kept", "pruned", "absent"]
"""State of a record: `kept` (in the journal), `pruned` (removed after its retention period) or `absent`. A record may
be absent because it has not reached the journal yet."""

ENTRY_STATES: tuple[str, ...] = get_args(EntryState)


class JournalEntry(Struct, frozen=True, kw_only=True):
    """Reply to `FindEntry`: whether the access journal has a record, or has removed it."""

    state: str
    """State of the record: one of `EntryState`, or a value that only later versions know."""
    # Not of that type: a gateway that lacks a later value must still read the answer.
