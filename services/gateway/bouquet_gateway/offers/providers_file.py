"""File with the names of the providers that the gateway may ask. The gateway reads the file again every few seconds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator

from bouquet_gateway import metrics
from bouquet_mesh.settings import SettingsError
from bouquet_proto.names import GATEWAY_PREFIX, PROVIDER_NAME

log = logging.getLogger(__name__)

SETTING = f"{GATEWAY_PREFIX}PROVIDERS_FILE"
READ_EVERY_S = 5.0
MAX_BYTES = 64_000


def read_names(path: str) -> tuple[str, ...]:
    """Returns the names in a file, one per line or separated by commas; `#` begins a comment. Raises `SettingsError` if
    the file cannot be read, has no name, or has a wrong line."""
    # The error gives the numbers of all wrong lines.
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise SettingsError([f"{SETTING}: is longer than {MAX_BYTES} bytes"])
        text = content.decode()
    except OSError as error:
        raise SettingsError([f"{SETTING}: cannot be read ({error.strerror})"]) from None
    except UnicodeDecodeError:
        raise SettingsError([f"{SETTING}: is not UTF-8"]) from None
    named = list(_names(text))
    if wrong := sorted({number for number, name in named if not PROVIDER_NAME.fullmatch(name)}):
        lines = ", ".join(map(str, wrong))
        raise SettingsError([f"{SETTING}: line {lines} is not the name of a provider, such as france_travail"])
    if not named:
        raise SettingsError([f"{SETTING}: names no provider"])
    return tuple(dict.fromkeys(name for _, name in named))


def _names(text: str) -> Iterator[tuple[int, str]]:
    """Yields the names in a text, each with the number of its line, counted from 1."""
    for number, line in enumerate(text.splitlines(), 1):
        for name in line.partition("#")[0].split(","):
            if name.strip():
                yield number, name.strip()


async def follow(path: str, allow: Callable[[Iterable[str]], None]) -> None:
    """Reads the file every `READ_EVERY_S` seconds, until cancelled, and passes its names to `allow`. While the file is
    wrong, the names that were read before stay allowed."""
    refused_for: list[str] = []
    metrics.PROVIDERS_FILE_REFUSED.set(0)
    while True:
        await asyncio.sleep(READ_EVERY_S)
        try:
            # In a thread, since the file may be on a disk that is slow to answer.
            allow(await asyncio.to_thread(read_names, path))
            problems: list[str] = []
        except SettingsError as error:
            problems = error.problems
        metrics.PROVIDERS_FILE_REFUSED.set(bool(problems))
        if problems and problems != refused_for:
            log.error("file of providers refused", extra={"problems": problems})
        refused_for = problems
