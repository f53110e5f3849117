"""JSON report of a doctor command: `bouquet-gateway doctor`, `bouquet-worker doctor NAME` or `bouquet-registry
doctor`."""

from __future__ import annotations

import json
from collections.abc import Mapping

from msgspec import Struct

from tests.support.processes import running_command


class Report(Struct, frozen=True):
    """Exit status and JSON output of a doctor command."""

    status: int
    text: str

    @property
    def findings(self) -> dict[str, dict[str, str]]:
        """Findings of the report by subject, such as `journal spool`."""
        return {finding["subject"]: finding for finding in json.loads(self.text)["findings"]}

    def finding(self, subject: str) -> str:
        """Returns the finding about a subject as text: its state, a colon and its message."""
        finding = self.findings[subject]
        return f"{finding['state']}: {finding['says']}"

    def without(self, subject: str) -> Report:
        """Returns the report without the finding about a subject. The exit status follows from the findings that
        remain: 1 if one of them has the state `wrong`, otherwise 0."""
        findings = [finding for name, finding in self.findings.items() if name != subject]
        return Report(int(any(one["state"] == "wrong" for one in findings)), json.dumps({"findings": findings}))

    def wrong_subjects(self) -> set[str]:
        """Returns the subjects whose finding has the state `wrong`."""
        return {subject for subject, finding in self.findings.items() if finding["state"] == "wrong"}


async def run_doctor(environ: Mapping[str, str], *command: str) -> Report:
    """Runs a doctor command and returns its report."""
    async with running_command(environ, *command, "--json") as process:
        status = await process.wait()
    return Report(status, process.output)
