"""Keys of the pseudonyms in the access journal: the current key and, if set, the next key, which takes over at midnight
UTC of a given day."""
# A key is never replaced within a day, since a person's pseudonym changes with the key, and the journal's statistics
# (`stats`) count each person once a day.

from __future__ import annotations

import math
from datetime import UTC, datetime

from msgspec import Struct

from bouquet_gateway.access.tokens import KEY_BYTES
from bouquet_mesh.pseudonym import Key
from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import SettingsError
from bouquet_proto.names import GATEWAY_PREFIX


class Keys(Struct, frozen=True):
    """Current key of the pseudonyms in the access journal, and the next key (`None` if none is set)."""

    key: Key
    following: Key | None = None
    follows_at: float = math.inf
    """Time, in seconds since the epoch, at which the next key replaces the current one; infinite without a next key."""

    def at(self, moment: float) -> Key:
        return self.key if self.following is None or moment < self.follows_at else self.following


def keys_of(setting: Secret) -> Keys:
    """Parses the setting `journal_key`: the current key and, after a comma, optionally the next one, as in
    `first:secret,2027-01-31:secret`. The name of the next key is the first day of its use. Raises `SettingsError` if
    the setting is malformed."""
    present, *following = map(_key, setting.reveal().split(","))
    match following:
        case []:
            return Keys(present)
        case [key]:
            return Keys(present, key, _midnight(key.name))
        case _:
            raise _wrong("must be two keys at most")


def _key(text: str) -> Key:
    name, _, secret = text.strip().partition(":")
    if not name or len(secret.encode()) < KEY_BYTES:
        raise _wrong(f"must be name:secret of {KEY_BYTES} bytes, or {GATEWAY_PREFIX}JOURNAL false")
    return Key(name, Secret(secret))


def _midnight(day: str) -> float:
    try:
        return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise _wrong("the name of the second key must be the day from which it counts, YYYY-MM-DD") from None


def _wrong(need: str) -> SettingsError:
    return SettingsError([f"{GATEWAY_PREFIX}JOURNAL_KEY: {need}"])
