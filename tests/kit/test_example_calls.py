"""Tests of the commands that `bouquet-worker dev` prints, made from the cases of a provider."""

from __future__ import annotations

import shlex
from datetime import date
from pathlib import Path

from bouquet_cnous.simulator import simulator
from bouquet_cnous.worker import worker as cnous
from bouquet_mesr.worker import worker as mesr
from bouquet_worker.example_calls import call_lines
from bouquet_worker.testing import cases_in
from bouquet_worker.trial_command import try_question
from bouquet_worker.worker import Worker

PROVIDERS = Path(__file__).parents[2] / "services" / "providers"
URL = "http://127.0.0.1:8000"


def lines(worker: Worker) -> dict[str, str]:
    offer = worker.offer()
    cases = cases_in(PROVIDERS / worker.provider / "cases")
    made = call_lines(offer, cases, URL, date(2026, 4, 15))
    return dict(zip((operation.id for operation in offer.operations), made, strict=True))


def test_a_call_is_one_line_for_a_shell_that_has_the_token() -> None:
    assert lines(cnous)["api_particulier_v5_cnous_etudiant_boursier_with_ine"] == (
        f'curl -sG {URL}/v5/cnous/etudiant_boursier/ine -H "Authorization: Bearer $TOKEN"'
        " --data-urlencode recipient=13002526500013 --data-urlencode ine=050617293HK"
        " --data-urlencode campaignYear=2023"
    )


def test_a_call_by_civil_status_names_each_first_name() -> None:
    words = shlex.split(lines(cnous)["api_particulier_v5_cnous_etudiant_boursier_with_civility"])
    assert {"nomNaissance=Le Goff", "prenoms[]=Maïwenn", "anneeDateNaissance=2005"} <= set(words)


async def test_a_question_by_franceconnect_is_a_trial_of_the_worker() -> None:
    by_session = "api_particulier_v5_cnous_etudiant_boursier_with_france_connect"
    program, *words = shlex.split(lines(cnous)[by_session])
    assert (program, words[:3]) == ("bouquet-worker", ["try", "cnous", by_session])
    text, status = await try_question(cnous, simulator, words[2:], {})
    assert '"est_boursier": true' in text and status == 0


def test_an_operation_that_no_case_can_call_has_a_comment_with_the_reason() -> None:
    # Version 2 writes a birth date as one parameter, which the rules read into three fields.
    assert lines(mesr)["api_particulier_v2_mesri_student_status"].startswith("# ")
