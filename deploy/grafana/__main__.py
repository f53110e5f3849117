"""Writes the JSON of each dashboard into `dashboards/`."""

from __future__ import annotations

from pathlib import Path

from deploy.grafana.boards import documents

TARGET = Path(__file__).parent / "dashboards"

if __name__ == "__main__":
    TARGET.mkdir(exist_ok=True)
    for stale in TARGET.glob("*.json"):
        stale.unlink()
    for name, text in documents().items():
        (TARGET / name).write_text(text, encoding="utf-8")
