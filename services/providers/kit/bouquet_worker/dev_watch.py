"""Restarts of the process in which `bouquet-worker dev` serves a provider, whenever a file of the provider changes."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Sequence
from pathlib import Path

from watchfiles import PythonFilter, awatch

STOP_S = 3.0
"""Seconds that the gateway of `bouquet-worker dev` gets to stop before it is killed."""
SERVER_STOP_S = 2 * STOP_S
"""Seconds that the process that serves a provider gets to stop before it is killed."""
# Within this time, the process stops its gateway too.


async def restart_on_change(command: Sequence[str], folders: Sequence[Path], stop: asyncio.Event) -> None:
    """Runs a command until `stop` is set. Ends it and starts it again whenever a Python or JSON file in the folders
    changes."""
    logging.getLogger("watchfiles").setLevel(logging.ERROR)
    watched = PythonFilter(extra_extensions=(".json",))
    process = await _started(command)
    try:
        async for _ in awatch(*folders, watch_filter=watched, stop_event=stop):
            say("files changed: starting again")
            await end(process, SERVER_STOP_S)
            process = await _started(command)
    finally:
        await end(process, SERVER_STOP_S)


async def _started(command: Sequence[str]) -> Process:
    # In a session of its own: Ctrl-C in the terminal would else interrupt the process while it imports its modules.
    return await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, start_new_session=True)


async def end(process: Process, within_s: float) -> None:
    """Ends a process, unless it has ended by itself. Kills it if it takes longer than `within_s` seconds."""
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), within_s)
    except TimeoutError:
        process.kill()
        await process.wait()


def stop_event() -> asyncio.Event:
    """Returns an event that SIGINT, SIGTERM and SIGHUP set, instead of ending the process."""
    stop = asyncio.Event()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    return stop


def say(*lines: str) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()
