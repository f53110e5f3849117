"""Exponential backoff with jitter."""

from __future__ import annotations

import random


def pause_s(failures: int, first_s: float, last_s: float) -> float:
    """Returns the seconds to wait before the next attempt. The pause begins at `first_s`, doubles with each failure up
    to `last_s`, and is then shortened by a random part of at most one half."""
    return min(last_s, first_s * 2.0 ** min(failures, 10)) * random.uniform(0.5, 1.0)
