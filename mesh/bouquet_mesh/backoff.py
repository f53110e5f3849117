"""Exponential backoff with jitter."""

from __future__ import annotations

import random


def pause_s(failures: int, first_s: float, last_s: float) -> float:
    """Returns the seconds to wait before the next attempt: `first_s`, doubled for each failure up to `last_s`, then
    shortened at random by up to a half."""
    return min(last_s, first_s * 2.0 ** min(failures, 10)) * random.uniform(0.5, 1.0)
