"""Thread that sends software editors the mails that are still due, and deletes editors' requests at the end of their
retention."""

from __future__ import annotations

import logging
import threading

from django.db import close_old_connections

from bouquet_portal.editeurs import requests

log = logging.getLogger(__name__)

EVERY_S = 30.0


def start(keep_months: int) -> None:
    """Starts the thread that sends due mails and deletes old requests of software editors. Confirmed requests are
    deleted after `keep_months` months."""
    threading.Thread(target=_keep_up, args=(keep_months,), name="editor-requests", daemon=True).start()


def _keep_up(keep_months: int) -> None:
    pause = threading.Event()
    while True:
        close_old_connections()
        try:
            requests.delete_old(keep_months)
            requests.deliver_due()
        # A thread that ended would leave personal data beyond their time, and mails unsent.
        except Exception as error:
            log.warning("editor requests not kept up", extra={"error": type(error).__name__})
        pause.wait(EVERY_S)
