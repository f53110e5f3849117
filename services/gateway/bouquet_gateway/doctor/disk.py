"""Examination of the spool, the folder on the local disk where records of the access journal wait to be sent."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from bouquet_gateway.journal.spool import FILLING_AT
from bouquet_gateway.settings import GatewaySettings
from bouquet_mesh.doctor.findings import Finding, well, wrong
from bouquet_proto.names import GATEWAY_PREFIX

SUBJECT = "journal spool"


def examine(settings: GatewaySettings) -> Finding:
    """Examines the journal's spool (folder of records that wait to be sent): whether files can be written there, and
    how full it is."""
    # If several processes share its folder, all their records together are compared with the limit of one process: the
    # finding may warn too early, but never too late.
    subject, folder, most = SUBJECT, Path(settings.journal_spool), settings.journal_spool_max_bytes
    setting = f"{GATEWAY_PREFIX}JOURNAL_SPOOL"
    parent = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=parent):
            pass
        used = sum(file.stat().st_size for file in folder.rglob("*.jsonl")) if parent == folder else 0
    except OSError as error:
        return wrong(subject, f"cannot be written ({os.strerror(error.errno or 0)})", f"mend the folder of {setting}")
    if used > most * FILLING_AT:
        remedy = "records are not taken away: look at the journal above; at 95 % calls are refused"
        return wrong(subject, f"holds {used:,} bytes of {most:,}", remedy)
    return well(subject, f"can be written, holds {used:,} bytes of {most:,}")
