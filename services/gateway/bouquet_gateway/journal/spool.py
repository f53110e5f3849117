"""The journal's spool: records on this machine's disk until somebody else has them (docs/adr/0011).

A folder that several gateway processes may share, with a folder in it for each. A record is a line, in a file with one
`write()` before its call is answered: whatever kills the process, what was answered is there. It is the kernel's to put
on the disk: a power cut of the machine may lose the last seconds.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

log = logging.getLogger(__name__)

SEGMENT_BYTES = 1024 * 1024
"""When a segment ends while nobody takes it."""
FILLING_AT = 0.8
FULL_AT = 0.95
"""The rest is for the calls that are under way then."""
TRIED_EVERY_S = 1.0
TRIAL_BYTES = 16_384
"""Room for some records."""
SEGMENTS = "[0-9]*-[0-9]*.jsonl"
"""Seconds since the epoch, and a number."""


class SpoolFull(Exception):
    """A record that was not written: no room is left, or no disk."""


class Spool:
    """One process's records, in segments: one that grows, and those that wait to be sent, oldest first."""

    def __init__(self, folder: Path, own: Path, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.used_bytes = 0
        self._folder = folder
        self._own = own
        self._made = 0
        self._growing: tuple[int, Path, int] | None = None
        """Descriptor, path and size."""
        self._waiting: dict[Path, int] = {}
        """Sizes."""
        self._level = "room"
        self._tried_at: float | None = None
        """When the disk was last seen to take nothing; `None` while it takes all."""

    @property
    def is_full(self) -> bool:
        return self.used_bytes >= self.max_bytes * FULL_AT or not self._disk_takes()

    def oldest_age_s(self) -> float:
        """Of the oldest record, nearly: of its segment."""
        path = next(iter(self._waiting), self._growing[1] if self._growing else None)
        return max(0.0, time.time() - _made_at(path)) if path else 0.0

    def append(self, record: bytes) -> None:
        """Raises `SpoolFull`."""
        line = record + b"\n"
        if self.used_bytes + len(line) > self.max_bytes:
            raise SpoolFull
        try:
            descriptor, path, size = self._growing = self._growing or self._begin()
            written = os.write(descriptor, line)
        except OSError as error:
            self._tried_at = time.monotonic()
            raise SpoolFull(type(error).__name__) from None
        self.used_bytes += written
        self._growing = (descriptor, path, size + written)
        if written < len(line) or size + written >= SEGMENT_BYTES:  # half a line is the last one of its segment
            self._seal()
        self._tell()
        if written < len(line):
            self._tried_at = time.monotonic()
            raise SpoolFull
        self._tried_at = None

    def _disk_takes(self) -> bool:
        """After a write that failed, another is tried now and then, so that calls are refused before they ask anybody,
        and pass again once there is room."""
        now = time.monotonic()
        if self._tried_at is None or now - self._tried_at < TRIED_EVERY_S:
            return self._tried_at is None
        self._tried_at = now if not self._can_write() else None
        return self._tried_at is None

    def _can_write(self) -> bool:
        trial = self._own / "trial"
        try:
            trial.write_bytes(b"\0" * TRIAL_BYTES)
        except OSError:
            return False
        finally:
            with suppress(OSError):
                trial.unlink(missing_ok=True)
        return True

    def next_segment(self) -> Path | None:
        """What is to be sent first. It does not grow any more."""
        if not self._waiting:
            self._seal()
        return next(iter(self._waiting), None)

    def forget(self, segment: Path) -> None:
        """It is sent."""
        segment.unlink(missing_ok=True)
        self.used_bytes -= self._waiting.pop(segment)
        self._tell()

    def adopt(self) -> None:
        """Takes over what processes that are no more left behind. Whoever holds a folder's lock alone does so."""
        for left in sorted(self._folder.iterdir()):
            if left != self._own and (lock := _lock(left)) is not None:
                try:
                    self._take_over(left)
                finally:
                    os.close(lock)

    def close(self) -> None:
        self._seal()
        with suppress(OSError):  # what could not be sent waits there
            self._own.rmdir()

    def _begin(self) -> tuple[int, Path, int]:
        path = self._name(time.time())
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600), path, 0

    def _name(self, made_at: float) -> Path:
        self._made += 1
        return self._own / f"{made_at:017.6f}-{self._made}.jsonl"

    def _seal(self) -> None:
        if self._growing is not None:
            descriptor, path, size = self._growing
            os.close(descriptor)
            self._waiting[path] = size
            self._growing = None

    def _take_over(self, left: Path) -> None:
        sizes = {segment: segment.stat().st_size for segment in sorted(left.glob(SEGMENTS))}
        if self.used_bytes and self.used_bytes + sum(sizes.values()) > self.max_bytes * FILLING_AT:
            return  # somebody else, or later
        for segment, size in sizes.items():
            own = self._name(_made_at(segment))
            segment.rename(own)
            self._waiting[own] = size
            self.used_bytes += size
        with suppress(OSError):
            left.rmdir()
        if sizes:
            log.info("journal spool adopted", extra={"segments": len(sizes), "size_bytes": sum(sizes.values())})
        self._tell()

    def _tell(self) -> None:
        """Once for each change."""
        share = self.used_bytes / self.max_bytes
        level = "full" if share >= FULL_AT else "filling" if share >= FILLING_AT else "room"
        if level != self._level:
            self._level = level
            facts = {"used_bytes": self.used_bytes, "max_bytes": self.max_bytes}
            log.log(*TOLD[level], extra=facts)


TOLD = {
    "room": (logging.INFO, "journal spool has room again"),
    "filling": (logging.WARNING, "journal spool is filling"),
    "full": (logging.ERROR, "journal spool is full"),
}


@contextmanager
def open_spool(folder: Path, max_bytes: int) -> Iterator[Spool]:
    """With what former lives left in it. Raises `OSError` for a folder that cannot be written."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    own, lock = _own_folder(folder)
    spool = Spool(folder, own, max_bytes)
    try:
        spool.adopt()
        yield spool
    finally:
        spool.close()
        os.close(lock)


def _own_folder(folder: Path) -> tuple[Path, int]:
    while True:
        own = folder / uuid.uuid4().hex
        own.mkdir(mode=0o700)
        lock = _lock(own)
        if lock is not None and own.exists():  # or a neighbour took it for a dead one's before it was locked
            return own, lock


def _lock(folder: Path) -> int | None:
    """A descriptor that holds the folder until it is closed, or its process ends however it does."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _made_at(segment: Path) -> float:
    return float(segment.name.partition("-")[0])


def records_in(segment: Path) -> list[bytes]:
    """Its lines, the torn one of a disk that was full included: whoever keeps the journal decides what it is worth."""
    try:
        return [line for line in segment.read_bytes().split(b"\n") if line]
    except FileNotFoundError:
        log.error("journal segment gone")
        return []
