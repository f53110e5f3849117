"""Spool of the access journal: a folder on the local disk that keeps records until the broker has confirmed them
(docs/adr/0011). Each process has a subfolder of its own."""
# Each line is one `write()`, so that it survives the end of the process. The kernel writes it to the disk later: a
# power cut may lose the last seconds.

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
"""Size, in bytes, at which a segment (a file of records) is closed."""
FILLING_AT = 0.8
"""Fraction of the spool's maximum size from which a warning is logged."""
FULL_AT = 0.95
"""Fraction of the spool's maximum size from which the gateway refuses calls."""
TRIED_EVERY_S = 1.0
"""Seconds between two tests of whether the disk accepts writes again, after a write has failed."""
TRIAL_BYTES = 16_384
SEGMENTS = "[0-9]*-[0-9]*.jsonl"
"""Glob pattern of the names of segments, the spool's files of records. A name is a time, a hyphen and a number."""


class SpoolFull(Exception):
    """Error for a journal record that could not be written: the spool (folder on disk) or its disk is full, or the disk
    fails."""


class Spool:
    """Journal records of one process, kept on disk in files (segments) until they are sent. Records are added to the
    current segment; closed segments wait to be sent."""

    def __init__(self, folder: Path, own: Path, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.used_bytes = 0
        self._folder = folder
        self._own = own
        self._segments_made = 0
        self._current: tuple[int, Path, int] | None = None
        """File descriptor, path and size in bytes of the current segment; `None` if no segment is open."""
        self._waiting: dict[Path, int] = {}
        """Sizes, in bytes, of the closed segments that wait to be sent, by path."""
        self._level = "room"
        self._write_failed_at: float | None = None
        """Monotonic time, in seconds, of the last failed write; `None` if the last write succeeded."""

    @property
    def is_full(self) -> bool:
        """Whether new calls must be refused: true if the spool is almost full (`FULL_AT`), or if its disk fails."""
        return self.used_bytes >= self.max_bytes * FULL_AT or not self._disk_accepts()

    def oldest_age_s(self) -> float:
        """Returns the age, in seconds, of the oldest segment (file of records); 0 if the spool is empty."""
        path = next(iter(self._waiting), self._current[1] if self._current else None)
        return max(0.0, time.time() - _made_at(path)) if path else 0.0

    def append(self, record: bytes) -> None:
        """Writes a record to the current segment. Raises `SpoolFull` if the record cannot be written."""
        line = record + b"\n"
        if self.used_bytes + len(line) > self.max_bytes:
            raise SpoolFull
        try:
            descriptor, path, size = self._current = self._current or self._open_segment()
            written = os.write(descriptor, line)
        except OSError as error:
            self._write_failed_at = time.monotonic()
            raise SpoolFull(type(error).__name__) from None
        self.used_bytes += written
        self._current = (descriptor, path, size + written)
        if written < len(line) or size + written >= SEGMENT_BYTES:  # nothing may follow a torn line in its segment
            self._seal()
        self._log_level_change()
        if written < len(line):
            self._write_failed_at = time.monotonic()
            raise SpoolFull
        self._write_failed_at = None

    def _disk_accepts(self) -> bool:
        """Returns whether the disk accepts writes. If the last write failed, writes some bytes to find out, at most
        once per second."""
        # There is at most one trial per `TRIED_EVERY_S`.
        now = time.monotonic()
        if self._write_failed_at is None or now - self._write_failed_at < TRIED_EVERY_S:
            return self._write_failed_at is None
        self._write_failed_at = now if not self._can_write() else None
        return self._write_failed_at is None

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
        """Returns the path of the oldest closed segment, to be sent next, or `None` if the spool is empty. If no
        segment is closed, closes the current one."""
        if not self._waiting:
            self._seal()
        return next(iter(self._waiting), None)

    def forget(self, segment: Path) -> None:
        segment.unlink(missing_ok=True)
        self.used_bytes -= self._waiting.pop(segment)
        self._log_level_change()

    def adopt(self) -> None:
        """Takes over the records that ended processes have left in their folders."""
        # A folder belongs to an ended process if no process has locked it.
        for folder in sorted(self._folder.iterdir()):
            if folder != self._own and (lock := _lock(folder)) is not None:
                try:
                    self._take_over(folder)
                finally:
                    os.close(lock)

    def close(self) -> None:
        self._seal()
        with suppress(OSError):  # not empty while segments wait to be sent
            self._own.rmdir()

    def _open_segment(self) -> tuple[int, Path, int]:
        path = self._segment_path(time.time())
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600), path, 0

    def _segment_path(self, made_at: float) -> Path:
        self._segments_made += 1
        return self._own / f"{made_at:017.6f}-{self._segments_made}.jsonl"

    def _seal(self) -> None:
        if self._current is not None:
            descriptor, path, size = self._current
            os.close(descriptor)
            self._waiting[path] = size
            self._current = None

    def _take_over(self, folder: Path) -> None:
        sizes = {segment: segment.stat().st_size for segment in sorted(folder.glob(SEGMENTS))}
        if self.used_bytes and self.used_bytes + sum(sizes.values()) > self.max_bytes * FILLING_AT:
            return  # another process adopts them, or this one later
        for segment, size in sizes.items():
            own = self._segment_path(_made_at(segment))
            segment.rename(own)
            self._waiting[own] = size
            self.used_bytes += size
        with suppress(OSError):
            folder.rmdir()
        if sizes:
            log.info("journal spool adopted", extra={"segments": len(sizes), "size_bytes": sum(sizes.values())})
        self._log_level_change()

    def _log_level_change(self) -> None:
        """Logs a message when the spool's fill level changes. The levels are `room`, `filling` (from `FILLING_AT`) and
        `full` (from `FULL_AT`)."""
        share = self.used_bytes / self.max_bytes
        level = "full" if share >= FULL_AT else "filling" if share >= FILLING_AT else "room"
        if level != self._level:
            self._level = level
            facts = {"used_bytes": self.used_bytes, "max_bytes": self.max_bytes}
            log.log(*LEVEL_EVENTS[level], extra=facts)


LEVEL_EVENTS = {
    "room": (logging.INFO, "journal spool has room again"),
    "filling": (logging.WARNING, "journal spool is filling"),
    "full": (logging.ERROR, "journal spool is full"),
}
"""Severity and message of the line that is logged when the spool reaches a fill level, by that level."""


@contextmanager
def open_spool(folder: Path, max_bytes: int) -> Iterator[Spool]:
    """Opens the spool of this process in `folder`, with at most `max_bytes` bytes. Takes over the records of ended
    processes. Raises `OSError` if `folder` cannot be written."""
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
        if lock is not None and own.exists():  # else another process adopted it before it was locked
            return own, lock


def _lock(folder: Path) -> int | None:
    """Locks a folder and returns the file descriptor that holds the lock. Returns `None` if another process holds the
    lock, or if the folder cannot be opened."""
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
    """Returns the journal records in a segment, a file of the spool with one record per line."""
    # The last one may have been cut off by a write that failed midway; the registry puts such a line aside.
    try:
        return [line for line in segment.read_bytes().split(b"\n") if line]
    except FileNotFoundError:
        log.error("journal segment missing")
        return []
