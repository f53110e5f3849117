"""Tests that a provider's team learns of a mistake in words that name its place: a line, or the definition that is
wrong. Each test makes one mistake in the provider that `bouquet-worker new` writes."""

from __future__ import annotations

import asyncio
import importlib
import shutil
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct

import bouquet_worker
from bouquet_mesh.settings import SettingsError
from bouquet_worker.testing import Conformance, cases_in
from bouquet_worker.testing.harness import FAULTY_BEHAVIOURS

TEMPLATE = Path(bouquet_worker.__file__).parent / "template" / "bouquet-acme"
CONTRACT, UPSTREAM, WORKER = "bouquet_acme/contract.py", "bouquet_acme/upstream.py", "bouquet_acme/worker.py"
SIMULATOR, OPEN = "bouquet_acme/simulator.py", "cases/dossier_open.json"
FUTURE = "from __future__ import annotations"
MORE = "import logging\nimport msgspec\nlog = logging.getLogger(__name__)"
ID = "acme_v3_dossier_with_identifiant"


class Mistake(Struct, frozen=True):
    """Replacement of a text in a file of the provider. `told` must be in what its team is told; `{line}` stands for the
    number of the line with the mistake."""

    file: str
    right: str
    wrong: str
    told: str


MISTAKES = {
    # The contract
    "an unknown rule": Mistake(
        CONTRACT,
        'Check("identifiant")',
        'Check("identifient")',
        f"{ID}:\n  check identifient: no rule has this name; is it identifiant?",
    ),
    "a reason without a row": Mistake(
        CONTRACT, "reasons=(NO_FILE,)", 'reasons=(NO_FILE, "no_fil")', f"{ID}:\n  reason no_fil: neither the failure"
    ),
    "a reason that is not announced": Mistake(
        CONTRACT, "    reasons=(NO_FILE,),\n", "", "reason no_file: not among the `reasons` of the operation"
    ),
    "a path without a version": Mistake(
        CONTRACT, 'path="/v3/acme', 'path="/acme', "path /acme/dossier/identifiant: must be /v and a number"
    ),
    "another modality": Mistake(
        CONTRACT,
        'modality="identifiant"',
        'modality="ine"',
        f"{ID} identifies people by ine: its handler must take Question[Ine], and not Question[Identifiant]",
    ),
    "an unknown modality": Mistake(
        CONTRACT, 'modality="identifiant"', 'modality="identifiants"', f"{ID}: modality 'identifiants' must be one of"
    ),
    "a misspelt field": Mistake(
        CONTRACT, '"statut": (', '"satut": (', f"{ID}: `fields` names satut, which Dossier does not have; is it statut?"
    ),
    "a field without scopes": Mistake(
        CONTRACT, '        "titulaire": ("acme_titulaire",),\n', "", f"{ID} publishes titulaire.nom, titulaire.prenom"
    ),
    "a misspelt scope": Mistake(
        CONTRACT,
        '"date_ouverture": ("acme_dossier",)',
        '"date_ouverture": ("acme_dosier",)',
        "field date_ouverture: its scope acme_dosier is none of the operation's `scopes`; is it acme_dossier?",
    ),
    "an operation without scopes": Mistake(
        CONTRACT, 'scopes=("acme_dossier", "acme_titulaire")', "scopes=()", f"{ID}:\n  scopes: empty"
    ),
    "a reason of the failure table": Mistake(
        CONTRACT, '"no_file"', '"deadline_exceeded"', "problem deadline_exceeded: the failure table has this reason too"
    ),
    "a code of two digits": Mistake(
        CONTRACT,
        "NO_FILE: absence(",
        'NO_FILE: (lambda *args, **rest: msgspec.structs.replace(absence(*args, **rest), code="03"))(',
        "problem no_file: its code must have three digits",
    ),
    "a field that is null alone": Mistake(
        CONTRACT, "str | None, Meta", "None, Meta", "titulaire.prenom can only be null"
    ),
    "a person whom the journal would not find": Mistake(
        CONTRACT,
        "    prenom: Annotated",
        "    date_naissance: str\n    prenom: Annotated",
        "people: titulaire holds a name and a birth date",
    ),
    "scopes that are no tuple": Mistake(
        CONTRACT,
        'scopes=("acme_dossier", "acme_titulaire")',
        'scopes=("acme_dossier")',
        f"{ID}: Expected `array`, got `str` - at `$.scopes`; a tuple of one item ends in a comma",
    ),
    "a field whose scopes are no tuple": Mistake(
        CONTRACT, '"statut": ("acme_dossier",)', '"statut": ("acme_dossier")', "got `str` - at `$.fields[...]`"
    ),
    "reasons that are no tuple": Mistake(
        CONTRACT, "reasons=(NO_FILE,)", "reasons=(NO_FILE)", "got `str` - at `$.reasons`"
    ),
    "checks without stages": Mistake(
        CONTRACT, '((Check("identifiant"),),)', '(Check("identifiant"),)', "got `object` - at `$.checks[0]`"
    ),
    "a renamed field that a rule does not read": Mistake(
        CONTRACT,
        'Check("identifiant")',
        'Check("identifiant", {"identifient": "numero"})',
        f"{ID}:\n  check identifiant: it renames identifient, which is no field of this rule",
    ),
    "a summary too long for gateways": Mistake(
        CONTRACT,
        'summary="Dossier"',
        'summary="Dossier " * 40',
        f"{ID}:\n  a gateway refuses it: 320 characters in `summary`; the limit is 200",
    ),
    "a removed name of the kit": Mistake(
        CONTRACT,
        "absence, operation",
        "absent, operation",
        "contract.py:{line}: ImportError: cannot import name",
    ),
    # The upstream
    "an unknown reason for a status": Mistake(
        UPSTREAM,
        '429: "upstream_rate_limited"',
        '429: "rate_limited"',
        "`failures` of files has rate_limited: neither the failure table nor the worker's problems have it",
    ),
    "a misspelt field of an answer": Mistake(
        UPSTREAM, "    state:", "    stat:", "upstream gave no usable answer: upstream_malformed $.stat"
    ),
    # The worker
    "an upstream without a return": Mistake(
        WORKER, "return Upstream(", "Upstream(", "worker.py:{line}: files may end after this line without a `return`"
    ),
    "a route that is no path": Mistake(
        WORKER, '"/files"', '"files"', "upstream gave no usable answer: malformed_request route does not begin with /"
    ),
    "a misspelt absence": Mistake(WORKER, "NotFound(NO_FILE)", 'NotFound("no_fil")', '+   "reason": "no_fil"'),
    "two operations on one path": Mistake(
        WORKER,
        "answers(DOSSIER)",
        'answers(DOSSIER, msgspec.structs.replace(DOSSIER, id="acme_other"))',
        "2 operations have the path /v3/acme/dossier/identifiant",
    ),
    "two handlers": Mistake(
        WORKER,
        "answers(DOSSIER)",
        "answers(DOSSIER, DOSSIER)",
        f"worker.py:{{line}}: TypeError: acme: {ID} has two",
    ),
    "a prefix of three digits": Mistake(
        WORKER, '"ACME", "90"', '"ACME", "900"', "authority ACME: its prefix is not two digits"
    ),
    "another fund's prefix": Mistake(
        WORKER, '"ACME", "90"', '"ACME", "35"', "authority ACME: its prefix 35 is the one of CNAF & MSA"
    ),
    "a misspelt upstream": Mistake(
        WORKER,
        "files: UpstreamClient",
        "file: UpstreamClient",
        "TypeError: acme: dossier takes file, which no @worker.upstream above it declares",
    ),
    "an argument that no upstream has": Mistake(
        WORKER, "failures=FAILURES", "calls_per_minute=60", "settings: TypeError at worker.py:{line}"
    ),
    "a handler that is not asynchronous": Mistake(
        WORKER,
        "answers(DOSSIER)",
        "answers(DOSSIER)(lambda question, files: None)",
        f"worker.py:{{line}}: TypeError: acme: the handler of {ID} must be an `async def`",
    ),
    "a handler without a return": Mistake(
        WORKER,
        "return read(await",
        "read(await",
        "worker.py:{line}: dossier may end after this line",
    ),
    "a status without a return": Mistake(
        WORKER,
        "raise answer.unexpected()",
        "pass",
        "worker.py:{line}: read may end after this line",
    ),
    "a body in the cause of an error": Mistake(
        WORKER,
        "raise answer.unexpected()",
        'raise UpstreamError("upstream_unknown", cause=answer.body.decode())',
        "worker.py:{line}: an UpstreamError quotes `body` of an answer",
    ),
    "a misspelt reason": Mistake(
        WORKER,
        'UpstreamError("upstream_malformed"',
        'UpstreamError("upstream_malformd"',
        "worker.py:{line}: reason upstream_malformd: neither the failure table",
    ),
    "an absence by the status alone": Mistake(
        WORKER,
        "case 404 if answer.matches(NoSuchFile)",
        "case 404",
        "with the fault proxy_404 from request 1 on: the worker answered not_found, although it cannot know",
    ),
    "a name in a log line": Mistake(
        WORKER,
        "    if file.state not in STATUTS:",
        '    log.info("file", extra={"holder": file.holder.last_name})\n    if file.state not in STATUTS:',
        "words of the person or of their data are in the telemetry",
    ),
    # What surrounds it
    "a URL without scheme": Mistake(
        SIMULATOR,
        '"BOUQUET_ACME_URL": base_url',
        '"BOUQUET_ACME_URL": base_url.removeprefix("http://")',
        "BOUQUET_ACME_URL: must be http(s)://",
    ),
    "a misspelt setting": Mistake(
        SIMULATOR,
        '"BOUQUET_ACME_KEY": KEY',
        '"BOUQUET_ACME_KEI": KEY',
        "BOUQUET_ACME_KEI: unknown setting; is it BOUQUET_ACME_KEY?",
    ),
    "a case of another operation": Mistake(
        OPEN, f'"{ID}"', '"acme_v3_dosier"', "dossier_open:\n  operation acme_v3_dosier is not offered"
    ),
    "a case with another answer": Mistake(
        OPEN, '"statut": "ouvert"', '"statut": "clos"', "dossier_open: expected (-) and answered (+)"
    ),
}


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    for name in [name for name in sys.modules if name.startswith("bouquet_acme")]:
        del sys.modules[name]


def test_the_template_has_no_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert told_of(copied(tmp_path), monkeypatch, caplog) == ""


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_in_words_that_name_its_place(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    mistake, folder = MISTAKES[name], copied(tmp_path)
    file = folder / mistake.file
    before, found, after = file.read_text().partition(mistake.right)
    assert found
    line = before.count("\n") + 1
    file.write_text(before + mistake.wrong + after)
    assert mistake.told.format(line=line) in told_of(folder, monkeypatch, caplog)


def copied(folder: Path) -> Path:
    """Copies the template, with what mistakes use beyond it, and returns the copy's folder."""
    shutil.copytree(TEMPLATE, folder / "acme")
    for file in (folder / "acme" / CONTRACT, folder / "acme" / WORKER):
        file.write_text(file.read_text().replace(FUTURE, f"{FUTURE}\n{MORE}", 1))
    return folder / "acme"


def told_of(folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> str:
    """Returns what a team is told first of its provider: the error of an import or the objection of the conformance
    suite, with the place in its files. Empty if there is nothing to tell."""
    monkeypatch.syspath_prepend(folder)
    try:
        suite = type("TestAcme", (Conformance,), members_of(folder))()
        run(suite, caplog)
    except (AssertionError, SettingsError) as objection:
        return str(objection)
    except Exception as error:
        own = [frame for frame in traceback.extract_tb(error.__traceback__) if str(folder) in frame.filename]
        return f"{Path(own[-1].filename).name}:{own[-1].lineno}: {type(error).__name__}: {error}"
    return ""


def members_of(folder: Path) -> dict[str, object]:
    worker = importlib.import_module("bouquet_acme.worker").worker
    simulator = importlib.import_module("bouquet_acme.simulator").simulator
    return {"worker": worker, "simulator": simulator, "cases": cases_in(folder / "cases")}


def run(suite: Conformance, caplog: pytest.LogCaptureFixture) -> None:
    """Runs the tests of the suite that mistakes fail, in its order."""
    suite.test_the_offer_is_sound()
    for operation in suite.worker.offer().operations:
        suite.test_each_operation_is_sound(operation)
    suite.test_the_source_is_sound()
    for case in suite.cases:
        suite.test_each_case_fits_the_offer(case)
        asyncio.run(suite.test_each_case_has_its_reply(case, caplog))
    found = next(case for case in suite.cases if case.name == "dossier_open")
    for behaviour in (name for name in FAULTY_BEHAVIOURS if name.startswith("proxy_")):
        asyncio.run(suite.test_a_faulty_upstream_is_a_typed_failure(found, behaviour, caplog))
    asyncio.run(suite.test_no_log_span_or_metric_names_the_person(found))
