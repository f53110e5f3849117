"""JSON report of a doctor command, such as `bouquet-registry doctor`."""

from __future__ import annotations

import json
from collections.abc import Mapping

from msgspec import Struct

from tests.support.processes import running_command


class Report(Struct, frozen=True):
    status: int
    text: str

    @property
    def findings(self) -> dict[str, dict[str, str]]:
        return {finding["subject"]: finding for finding in json.loads(self.text)["findings"]}

    def finding(self, subject: str) -> str:
        """Returns the finding about a subject as the text `STATE: MESSAGE`."""
        finding = self.findings[subject]
        return f"{finding['state']}: {finding['says']}"

    def without(self, subject: str) -> Report:
        """Returns a copy of the report that lacks the finding about a subject. The exit status of the copy depends on
        the remaining findings."""
        findings = [finding for name, finding in self.findings.items() if name != subject]
        return Report(int(any(one["state"] == "wrong" for one in findings)), json.dumps({"findings": findings}))

    def wrong_subjects(self) -> set[str]:
        return {subject for subject, finding in self.findings.items() if finding["state"] == "wrong"}


async def run_doctor(environ: Mapping[str, str], *command: str) -> Report:
    async with running_command(environ, *command, "--json") as process:
        status = await process.wait()
    return Report(status, process.output)
