"""Tables that a benchmark run prints, and the file in which it saves its results."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from bench.accounting import QUIET_CORES
from bench.goals import LOADED, Measured, Result
from bench.windows import Spread, Window, ratios, spread

RATIOS = (
    ("bouquet", "aiormq"),
    ("bouquet", "aiormq tuned"),
    ("bouquet", "faststream queue"),
    ("bouquet", "faststream request"),
    ("bouquet", "nameko"),
    ("bouquet", "proxy"),
    ("bouquet cached", "hello"),
)


def line_of(window: Window) -> str:
    """Returns the line to print after a window: its rate, median latency and CPU. If other processes used too much CPU
    for the window to count, the line says so instead."""
    which = f"round {window.round}  c={window.concurrency:<4} {window.contender:<18}"
    if not window.trusted:
        return f"{which} not measurable: others took {window.outside_cores:.2f} cores"
    errors = f"  {window.errors} errors" if window.errors else ""
    cost = f"cpu {window.total_cpu_per_1000:.3f} s/1000"
    return f"{which} {window.per_s:8.0f} /s  p50 {window.p50_ms:8.2f} ms  {cost}{errors}"


def windows_table(windows: Sequence[Window]) -> str:
    """Returns a table of medians by contender and concurrency. Only windows in which other processes used little CPU
    count."""
    header = ("c", "contender", "per s", "range", "p50 ms", "p95", "p99", "CPU s per 1000 by role", "total", "n")
    keys = sorted({(window.concurrency, window.contender) for window in windows})
    return _table(header, [_row(windows, *key) for key in keys])


def _row(windows: Iterable[Window], concurrency: int, contender: str) -> tuple[str, ...]:
    seen = [one for one in windows if (one.concurrency, one.contender) == (concurrency, contender)]
    kept = [window for window in seen if window.trusted and window.requests]
    rate = spread([window.per_s for window in kept])
    if rate is None:
        return (str(concurrency), contender, "not measurable", *[""] * 6, f"0/{len(seen)}")
    latencies = [[getattr(window, name) for window in kept] for name in ("p50_ms", "p95_ms", "p99_ms")]
    roles = {role: _median([window.cpu_per_1000[role] for window in kept]) for role in kept[0].cpu_s}
    return (
        str(concurrency),
        contender,
        f"{rate.median:.0f}",
        f"{rate.low:.0f}–{rate.high:.0f}",
        *(f"{_median(values):.2f}" for values in latencies),
        " ".join(f"{role} {cost:.3f}" for role, cost in roles.items()),
        f"{_median([window.total_cpu_per_1000 for window in kept]):.3f}",
        f"{len(kept)}/{len(seen)}",
    )


def _median(values: Sequence[float]) -> float:
    found = spread(values)
    return found.median if found else 0.0


def ratios_table(windows: Sequence[Window]) -> str:
    """Returns a table of throughput ratios: in each row, the lookups per second of one system divided by those of
    another."""
    rows = [(f"{one} / {other}", _shown(spread(ratios(windows, one, other, LOADED)))) for one, other in RATIOS]
    return _table((f"lookups/s at c={LOADED}", "median (range), rounds"), rows)


def goals_table(results: Iterable[Result]) -> str:
    rows = [
        (
            result.figure,
            _bound(result.at_least, result.reach),
            _bound(result.at_least, result.aim),
            _shown(result.reached),
            result.verdict,
        )
        for result in results
    ]
    return _table(("figure", "reach", "aim", "reached", "verdict"), rows)


def memory_table(measured: Measured) -> str:
    """Returns a table of the peak memory in MB of each measured system, by role, such as `gateway`."""
    rows = [
        (contender, " ".join(f"{role} {peak:.0f}" for role, peak in by_role.items()))
        for contender, by_role in measured.peak_mb.items()
    ]
    return _table(("contender", "peak MB by role"), rows)


def _bound(at_least: bool, value: float) -> str:
    return f"{'≥' if at_least else '≤'} {value:g}"


def _shown(found: Spread | None) -> str:
    if found is None:
        return "not measurable"
    return f"{found.median:.2f} ({found.low:.2f}–{found.high:.2f}), {found.rounds}"


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, tuple("-" * width for width in widths), *rows]
    cells = (" | ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(f"| {line} |" for line in cells)


def save(path: Path, measured: Measured, results: Sequence[Result]) -> None:
    machine = {"cpus": _cpus(), "kernel": platform.release(), "python": platform.python_version()}
    kept = {"machine": machine, "quiet_cores": QUIET_CORES, "goals": results, "measured": measured}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(kept), indent=1) + b"\n")


def _cpus() -> list[str]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return [line.partition(": ")[2] for line in lines if line.startswith("model name")]
