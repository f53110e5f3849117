"""Notices before the expiry of a token: a channel that keeps them, and settings and times at which the registry sends
them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from bouquet_mesh.secret import Secret
from bouquet_registry.habilitations import Token
from bouquet_registry.notices import DeliveryError, Notice, NoticeChannel
from bouquet_registry.settings import RegistrySettings
from tests.support.clock import DatetimeClock


class NoticeRecorder(NoticeChannel):
    """Channel that keeps all notices in `given`. While `broken` is true, it fails instead."""

    def __init__(self) -> None:
        self.given: list[Notice] = []
        self.broken = False

    async def deliver(self, notice: Notice) -> None:
        await asyncio.sleep(0)
        if self.broken:
            raise DeliveryError("broken")
        self.given.append(notice)

    @property
    def days(self) -> list[int]:
        """Days before the expiry of which each kept notice tells, in the order of the notices."""
        return [notice.days for notice in self.given]


def set_days_left(token: Token, clock: DatetimeClock, days: float) -> None:
    """Sets a clock to the time at which a token has this number of days left until its expiry."""
    clock.now = token.expires_at - timedelta(days=days)


def notice_settings(to: str, **fields: Any) -> RegistrySettings:
    """Returns settings of a registry that sends notices to the URL `to`. `fields` are further settings."""
    return RegistrySettings(notices_to=Secret(to), **fields)
