"""How every process of the mesh is asked to stop."""

from __future__ import annotations

import asyncio
import signal


async def stop_requested() -> None:
    """Returns at the first SIGTERM or SIGINT; a second one ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask_to_stop(signum: int) -> None:
        stop.set()
        loop.remove_signal_handler(signum)

    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, ask_to_stop, signum)
    await stop.wait()
