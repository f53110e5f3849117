"""Start of the portal under gunicorn: one process with several threads, after the static files have been collected."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.config import Config
from gunicorn.glogging import Logger as GunicornLogger
from gunicorn.workers.base import Worker
from prometheus_client import start_http_server

from bouquet_portal import metrics
from bouquet_portal.environment import PortalSettings

log = logging.getLogger(__name__)

DRAIN_S = 10
"""Longest time, in seconds, that the process waits after SIGTERM for the requests under way."""
UNUSED_STATIC_FILES = ["redoc", "*.js.map", "swagger-ui-standalone-preset.js", "oauth2-redirect.*"]
"""Glob patterns of static files in installed libraries that are not copied, because no page loads them."""
WORKER_SILENCE_S = 30
"""Seconds after which gunicorn replaces a worker process that no longer responds."""


def serve(settings: PortalSettings, *, migrate: bool = False) -> int:
    """Serves the site until SIGTERM or SIGINT, and returns the exit status of the process. If `migrate` is true, first
    creates or upgrades the database's tables."""
    with tempfile.TemporaryDirectory(prefix="bouquet-portal-") as folder:
        os.environ["DJANGO_STATIC_ROOT"] = folder
        _prepare(migrate=migrate)
        try:
            _Server(settings).run()
        except SystemExit as ended:
            return int(ended.code or 0)
    return 0


def _prepare(*, migrate: bool) -> None:
    """Copies the static files to the folder `DJANGO_STATIC_ROOT`, compressed and with hashes in their names. If
    `migrate` is true, also creates or upgrades the database's tables."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("collectstatic", interactive=False, verbosity=0, ignore_patterns=UNUSED_STATIC_FILES)
    if migrate:
        call_command("migrate", interactive=False, verbosity=0)


class _Server(BaseApplication):
    """Gunicorn server that is configured by the portal's settings, not by a command line."""

    def __init__(self, settings: PortalSettings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        for name, value in _gunicorn_options(self._settings).items():
            self.cfg.set(name, value)

    def load(self) -> Callable[..., Any]:
        from django.core.wsgi import get_wsgi_application

        from bouquet_portal.editeurs import upkeep
        from bouquet_portal.site import site

        site().gateway.start()
        upkeep.start(self._settings.editor_requests_keep_months)
        return get_wsgi_application()


def _gunicorn_options(settings: PortalSettings) -> dict[str, Any]:
    # `when_ready` would be too early: the port is open then, but the process that answers has not loaded the site yet.
    def post_worker_init(worker: Worker) -> None:
        start_http_server(settings.metrics_port, settings.host)
        metrics.READY.set(1)
        log.info("portal started", extra={"port": worker.sockets[0].getsockname()[1]})

    return {
        "bind": f"{settings.host}:{settings.port}",
        "worker_class": "gthread",
        "workers": 1,
        "threads": settings.threads,
        "timeout": WORKER_SILENCE_S,
        "graceful_timeout": DRAIN_S,
        "keepalive": 75,
        "limit_request_line": 4094,
        "limit_request_fields": 50,
        "logger_class": _Logger,
        "post_worker_init": post_worker_init,
    }


class _Logger(GunicornLogger):
    """Gunicorn's logger, without its own handlers and levels: the portal configures those itself."""

    def setup(self, cfg: Config) -> None:
        self.error_log.propagate = True
        self.error_log.handlers.clear()

    def access(self, *args: object, **kwargs: object) -> None:
        """Does nothing: the portal logs its requests itself, without their query strings."""
