"""The commands `bouquet-registry datapass-event`, for events of DataPass that could not be applied: list, show, replay
and discard."""

from __future__ import annotations

import argparse
from typing import Any

from bouquet_registry.cli import Context, Shown, author_of, verb_of, verbs_of
from bouquet_registry.datapass import inbox
from bouquet_registry.datapass.inbox import EventAside
from bouquet_registry.refusals import Refused


async def list_events(context: Context, given: argparse.Namespace) -> list[Shown]:
    """Returns the events of DataPass that could not be applied, oldest first. Each has the reason, but not the body."""
    async with context.store.reading() as connection:
        return [_shown(found) for found in await inbox.events_aside(connection)]


async def show(context: Context, given: argparse.Namespace) -> Shown:
    """Returns an event of DataPass that could not be applied, with its body. Records who has read the body, since it
    names people. `given.id` is the beginning of the event's digest (hash of the body). Raises `Unknown` if no event or
    several events fit."""
    async with context.store.reading() as connection:
        found = await inbox.event_aside(connection, given.id)
    await context.record(given, "datapass-event show", found.digest)  # the body names people
    return _shown(found) | {"body": found.body.decode(errors="replace")}


async def replay(context: Context, given: argparse.Namespace) -> list[Shown]:
    """Tries again to apply events of DataPass that could not be applied on arrival. With `--all`, takes all of them,
    oldest first. Returns the outcome of each. Raises `Unknown`, before applying any, if no event or several events fit
    a given id."""
    async with context.store.reading() as connection:
        if given.all:
            digests = [event.digest for event in await inbox.events_aside(connection)]
        else:
            digests = [(await inbox.event_aside(connection, id_)).digest for id_ in given.id]
    author = author_of(given)
    shown = []
    for digest in digests:
        try:
            async with context.store.reading() as connection:
                event = await inbox.event_aside(connection, digest)
            answer, outcome = await inbox.replay(context.store, event, context.clock, author, late=given.late)
            shown.append({"digest": digest, "outcome": outcome, **answer})
        except Refused as refused:
            shown.append({"digest": digest, "outcome": "refused", "reason": str(refused)})
    return shown


async def discard(context: Context, given: argparse.Namespace) -> Shown:
    """Deletes an event of DataPass that could not be applied, and returns it without its body. `given.id` is the
    beginning of the event's digest (hash of the body). Raises `Unknown` if no event or several events fit."""
    async with context.store.reading() as connection:
        found = await inbox.event_aside(connection, given.id)
    await inbox.discard(context.store, found.digest, context.clock, author_of(given))
    return _shown(found)


def _shown(found: EventAside) -> Shown:
    return {
        "digest": found.digest,
        "received_at": found.received_at.isoformat(),
        "dialect": found.dialect,
        "reason": found.reason,
    }


def add_to(nouns: Any) -> None:
    """Adds the subcommand `datapass-event` to `nouns`, the subcommands of `bouquet-registry`."""
    verbs = verbs_of(nouns, "datapass-event", "look after events of DataPass that could not be applied")
    verb_of(verbs, "list", list_events, "list the events that were set aside, with the reason")
    command = verb_of(verbs, "show", show, "show an event with its body, which names people")
    command.add_argument("id", help="digest of the event, or the beginning of it")
    command = verb_of(verbs, "replay", replay, "apply events that were set aside, once their cause is mended")
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument("id", nargs="*", default=[], help="digest of an event, or the beginning of it")
    which.add_argument("--all", action="store_true", help="all of them, oldest first")
    command.add_argument("--late", action="store_true", help="even if a newer event of the habilitation was applied")
    command = verb_of(verbs, "discard", discard, "delete an event that was set aside")
    command.add_argument("id", help="digest of the event, or the beginning of it")
