"""How long to leave alone what has failed."""

from __future__ import annotations

import random


def pause_s(failures: int, first_s: float, last_s: float) -> float:
    """Longer after each failure, up to `last_s`. Random, so that a hundred processes do not come back at once."""
    return min(last_s, first_s * 2.0 ** min(failures, 10)) * random.uniform(0.5, 1.0)
