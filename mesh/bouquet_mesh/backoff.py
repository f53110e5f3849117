"""Exponential backoff with jitter."""

from __future__ import annotations

import random


def pause_s(failures: int, first_s: float, last_s: float) -> float:
    """Returns the pause in seconds before the next attempt. It doubles with each failure from `first_s` to `last_s`,
    and is shortened at random by up to a half."""
    return min(last_s, first_s * 2.0 ** min(failures, 10)) * random.uniform(0.5, 1.0)
