"""A Prometheus server for tests, which scrapes about once a second."""

from __future__ import annotations

import json
import math
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import urlopen

import yaml

from tests.support.daemon import Daemon, find_program, free_port

PROGRAM = find_program("prometheus")


class PrometheusServer(Daemon):
    """A Prometheus server that scrapes the URLs in `jobs`, a map from the name of a job to its URLs."""

    # Prometheus applies the query of a URL to all URLs of its job: such a URL must be alone in a job.

    def __init__(
        self, folder: Path, jobs: Mapping[str, Sequence[str]], rules: Sequence[Path] = (), every_ms: int = 1000
    ) -> None:
        super().__init__(folder, free_port(), ready_within_s=90)
        self.url = f"http://127.0.0.1:{self.port}"
        self._settings = folder / "prometheus.yml"
        scrapes = [_scrape(job, urls) for job, urls in jobs.items()]
        times = dict.fromkeys(("scrape_interval", "scrape_timeout", "evaluation_interval"), f"{every_ms}ms")
        settings = {"global": times, "scrape_configs": scrapes, "rule_files": [str(path) for path in rules]}
        self._settings.write_text(yaml.safe_dump(settings))

    def command(self) -> list[str]:
        assert PROGRAM, "prometheus is not installed"
        return [
            PROGRAM,
            f"--config.file={self._settings}",
            f"--storage.tsdb.path={self.folder}/data",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--enable-feature=exemplar-storage",
        ]

    def is_ready(self, connection: socket.socket) -> bool:
        connection.sendall(b"GET /-/ready HTTP/1.0\r\n\r\n")
        return connection.recv(12).endswith(b"200")

    def query(self, expr: str, at: float | None = None) -> list[dict[str, Any]]:
        """Returns the series that match an instant query, in the form of Prometheus's API."""
        moment = {} if at is None else {"time": at}
        found: list[dict[str, Any]] = self.get("query", query=expr, **moment)["result"]
        return found

    def has_data(self, expr: str, at: float | None = None) -> bool:
        """Reports whether a query finds a series whose value is a number. NaN does not count, since it stands for
        missing data."""
        return any(not math.isnan(float(series["value"][1])) for series in self.query(expr, at))

    def get(self, what: str, **parameters: Any) -> Any:
        """Sends a request to Prometheus's HTTP API, and returns the field `data` of the answer."""
        with urlopen(f"{self.url}/api/v1/{what}?{urlencode(parameters, doseq=True)}", timeout=30) as response:
            return json.load(response)["data"]


def _scrape(job: str, urls: Sequence[str]) -> dict[str, Any]:
    parts = [urlsplit(url) for url in urls]
    parameters: dict[str, list[str]] = {}
    for name, _, value in (pair.partition("=") for pair in parts[0].query.split("&") if pair):
        parameters.setdefault(name, []).append(value)
    targets = [{"targets": [part.netloc for part in parts]}]
    return {"job_name": job, "metrics_path": parts[0].path, "params": parameters, "static_configs": targets}
