"""The commands `bouquet-registry datapass-event`, for events of DataPass that could not be applied: list, show, replay
and discard."""

from __future__ import annotations

import argparse
from typing import Any

from bouquet_registry.cli import Context, Output, add_command_group, add_subcommand, author_of
from bouquet_registry.datapass import inbox
from bouquet_registry.datapass.inbox import EventAside
from bouquet_registry.refusals import RefusalError


async def list_events(context: Context, arguments: argparse.Namespace) -> list[Output]:
    """Returns the events of DataPass that could not be applied, oldest first, with the reasons but without the
    bodies."""
    async with context.store.reading() as connection:
        return [_shown(found) for found in await inbox.events_aside(connection)]


async def show(context: Context, arguments: argparse.Namespace) -> Output:
    """Returns an event of DataPass that could not be applied, with its body. Records who has read the body, which names
    people. `arguments.id` is the beginning of the event's digest (hash of the body). Raises `UnknownRecord` if no event
    or several events fit."""
    async with context.store.reading() as connection:
        found = await inbox.event_aside(connection, arguments.id)
    await context.record(arguments, "datapass-event show", found.digest)  # the body names people
    return _shown(found) | {"body": found.body.decode(errors="replace")}


async def replay(context: Context, arguments: argparse.Namespace) -> list[Output]:
    """Tries again to apply the events of DataPass with the given ids, or all unapplied ones with `--all`, oldest first.
    Returns the outcome of each event. Raises `UnknownRecord`, before any event is applied, if an id fits no event or
    several."""
    async with context.store.reading() as connection:
        if arguments.all:
            digests = [event.digest for event in await inbox.events_aside(connection)]
        else:
            digests = [(await inbox.event_aside(connection, id_)).digest for id_ in arguments.id]
    author = author_of(arguments)
    output = []
    for digest in digests:
        try:
            async with context.store.reading() as connection:
                event = await inbox.event_aside(connection, digest)
            answer, outcome = await inbox.replay(context.store, event, context.clock, author, late=arguments.late)
            output.append({"digest": digest, "outcome": outcome, **answer})
        except RefusalError as refused:
            output.append({"digest": digest, "outcome": "refused", "reason": str(refused)})
    return output


async def discard(context: Context, arguments: argparse.Namespace) -> Output:
    """Deletes an event of DataPass that could not be applied, and returns it without its body. `arguments.id` is the
    beginning of the event's digest (hash of the body). Raises `UnknownRecord` if no event or several events fit."""
    async with context.store.reading() as connection:
        found = await inbox.event_aside(connection, arguments.id)
    await inbox.discard(context.store, found.digest, context.clock, author_of(arguments))
    return _shown(found)


def _shown(found: EventAside) -> Output:
    return {
        "digest": found.digest,
        "received_at": found.received_at.isoformat(),
        "dialect": found.dialect,
        "reason": found.reason,
    }


def add_commands(subparsers: Any) -> None:
    """Adds the subcommand `datapass-event` to the parser of `bouquet-registry`."""
    group = add_command_group(subparsers, "datapass-event", "look after events of DataPass that could not be applied")
    add_subcommand(group, "list", list_events, "list the events that were set aside, with the reason")
    command = add_subcommand(group, "show", show, "show an event with its body, which names people")
    command.add_argument("id", help="digest of the event, or the beginning of it")
    command = add_subcommand(group, "replay", replay, "apply events that were set aside, once their cause is mended")
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument("id", nargs="*", default=[], help="digest of an event, or the beginning of it")
    which.add_argument("--all", action="store_true", help="all of them, oldest first")
    command.add_argument("--late", action="store_true", help="even if a newer event of the habilitation was applied")
    command = add_subcommand(group, "discard", discard, "delete an event that was set aside")
    command.add_argument("id", help="digest of the event, or the beginning of it")
