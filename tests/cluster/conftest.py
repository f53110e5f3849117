"""Cluster of three RabbitMQ 4 nodes that keep their definitions in Khepri, as production does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import need
from tests.deploy.alert_mesh import RULES
from tests.deploy.fast_rules import write_fast_rules
from tests.deploy.monitored_mesh import QUEUES
from tests.support import prometheus
from tests.support.prometheus import PrometheusServer
from tests.support.rabbitmq import RABBITMQ_4
from tests.support.rabbitmq_cluster import RabbitCluster, cluster_of


@pytest.fixture(scope="session")
def cluster() -> Iterator[RabbitCluster]:
    need(RABBITMQ_4.is_installed, RABBITMQ_4.name)
    with cluster_of(RABBITMQ_4, management=True, metrics=True, khepri=True) as made:
        yield made


@pytest.fixture(scope="session")
def watch(cluster: RabbitCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    with watching(cluster, tmp_path_factory.mktemp("watch")) as made:
        yield made


@contextmanager
def watching(cluster: RabbitCluster, folder: Path) -> Iterator[PrometheusServer]:
    """Runs a Prometheus server that scrapes the cluster and evaluates production's rules, with all durations
    shortened."""
    need(prometheus.PROGRAM is not None, "prometheus")
    paths = {"rabbitmq": "/metrics", "rabbitmq-queues": QUEUES}
    jobs = {job: [f"{node.metrics_url}{path}" for node in cluster.nodes] for job, path in paths.items()}
    with PrometheusServer(folder / "prometheus", jobs, write_fast_rules(RULES, folder / "rules"), every_ms=500) as made:
        yield made


@pytest.fixture
def url(cluster: RabbitCluster) -> str:
    return cluster.vhost()


@pytest.fixture(autouse=True)
def fast_reconnection_everywhere(fast_reconnection: None) -> None:
    """Shortens the pauses between attempts to reconnect to the broker."""
