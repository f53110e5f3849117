"""Tests of `bouquet-worker try`: what one question shows, and when a real upstream is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from bouquet_cnous.simulator import simulator
from bouquet_cnous.worker import worker
from bouquet_mesh.listen import listening
from bouquet_mesh.settings import SettingsError
from bouquet_proto.messages import Failed
from bouquet_worker import Answer
from bouquet_worker.__main__ import main
from bouquet_worker.exchange import Exchange
from bouquet_worker.simulate import RECEIVED
from bouquet_worker.trial import Trial, ask, report
from bouquet_worker.trial_command import try_question
from bouquet_worker.trial_question import QuestionError, lookup_for, operation_for, parse_command_line

BY_INE = "api_particulier_v5_cnous_etudiant_boursier_with_ine"
BY_SESSION = "api_particulier_v5_cnous_etudiant_boursier_with_france_connect"
BY_NAME = "api_particulier_v5_cnous_etudiant_boursier_with_civility"
INE = "ine=050617293HK"
NAMES = ["nomNaissance=Le Goff", "prenoms=Maïwenn", "sexeEtatCivil=F"]
BORN = ["anneeDateNaissance=2005", "moisDateNaissance=6", "jourDateNaissance=17", "codeCogInseeCommuneNaissance=29039"]
RECIPIENT = "recipient=13002526500013"
PATH = "/v5/cnous/etudiant_boursier/ine"
REFUSED = {"errors": [{"code": "00101", "title": "Interdit", "detail": "Votre token n'est pas valide"}]}
UNKNOWN = {"errors": [{"code": "26003", "title": "Non trouvé", "detail": "Étudiant inconnu"}]}


async def tried(*words: str) -> str:
    text, _ = await try_question(worker, simulator, words, {})
    return text


# What it shows


def test_the_command_shows_the_request_to_the_upstream_its_answer_and_the_data(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["try", "cnous", BY_INE, INE]) == 0
    request, answer, reply = capsys.readouterr().out.split("200\n")
    assert request.startswith("> GET http://127.0.0.1:") and "/v1/boursier/050617293HK\n" in request
    assert '"lastName": "LE GOFF"' in answer
    assert '"nom": "LE GOFF"' in reply


async def test_a_body_that_was_sent_is_shown_and_lists_need_no_brackets() -> None:
    text = await tried(BY_NAME, *NAMES, *BORN)
    assert "> POST http://127.0.0.1:" in text and '"lastName": "Le Goff"' in text


async def test_a_broken_answer_is_shown_with_the_error_that_callers_get() -> None:
    text, status = await try_question(worker, simulator, [BY_INE, "ine=HTML0000000"], {})
    assert "<h1>Internal Server Error</h1>" in text and '"code": "26' in text and status == 1
    assert "\n502 (upstream_malformed, $, DecodeError)\n" in text


async def test_a_request_without_an_answer_is_shown_with_the_reason() -> None:
    text, status = await try_question(worker, simulator, [BY_INE, "ine=CUT00000000"], {})
    assert "< no answer: upstream_timeout" in text and status == 1
    assert "\n504 (upstream_timeout, ServerDisconnectedError)\n" in text


async def test_a_question_for_which_no_request_was_sent_has_the_reason() -> None:
    operation = operation_for(parse_command_line([BY_INE]), worker.offer().operations)
    lookup = lookup_for(parse_command_line([BY_INE, INE]), operation, "", worker.clock())
    async with listening(simulator.app(), "127.0.0.1", 0) as url:
        wrong = {**simulator.settings(url), "BOUQUET_CNOUS_CLIENT_SECRET": "another"}
        text = report(await ask(worker, wrong, lookup), operation, worker.offer())
    assert text.startswith("no request to the upstream\n\n502 (upstream_unknown, credentials refused)")


def test_secrets_are_hidden_wherever_a_request_has_them() -> None:
    [operation, *_] = worker.offer().operations
    exchange = Exchange(
        upstream="files",
        method="POST",
        url="https://api.example.org/files?key=k%2F1+2",
        headers={"X-Client": "k/1 2"},
        body=b"key=k%2F1+2",
        outcome=Answer(200, {"Content-Type": "application/json", "Set-Cookie": "session=1"}, b'{"key": "k/1 2"}'),
    )
    trial = Trial(Failed("upstream_internal"), (exchange,), ("k%2F1+2", "k/1 2"))
    text = report(trial, operation, worker.offer())
    assert "k/1 2" not in text and "k%2F1" not in text and "session" not in text
    assert text.count("***") == 4


# Wrong words


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ([BY_INE, "in=1"], f"in: unknown to {BY_INE}, which reads ine, campaignYear"),
        ([BY_INE, "ine=1"], "Le numéro d'INE n'est pas correctement formatté (00360)"),
        ([BY_INE, "050617293HK"], "050617293HK: a parameter is name=value"),
        (["no_such_operation", INE], "no_such_operation: not offered; one of"),
        ([INE], "name the operation before its parameters; one of"),
        ([BY_SESSION, "nomNaissance=Le Goff", "prenoms=Maïwenn"], "L'annee de naissance est manquante (00422)"),
        ([BY_SESSION, "nomNaissance=Le Goff", "anneeDateNaissance=hier"], "the citizen: Expected `int"),
        ([BY_SESSION, "nom=Le Goff"], f"nom: unknown to {BY_SESSION}, which reads"),
    ],
)
async def test_each_wrong_word_is_one_line(words: list[str], fault: str) -> None:
    with pytest.raises(QuestionError) as raised:
        await tried(*words)
    [line] = raised.value.faults
    assert line.startswith(fault)


def test_a_provider_without_a_simulator_is_told_where_to_name_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bouquet_worker.installed.SIMULATORS", "bouquet.simulator")
    assert main(["try", "cnous", BY_INE, INE]) == 2
    told = capsys.readouterr().err
    assert told.startswith('cnous: [project.entry-points."bouquet.simulator"] in its pyproject.toml names no simulator')


# The real upstream


class Journaled:
    """A real upstream, and a gateway that answers with `status` and `body`. `asked` names who was asked, in order."""

    def __init__(self, status: int, body: object) -> None:
        self._status = status
        self._body = body
        self.asked: list[str] = []

    @asynccontextmanager
    async def environ(self) -> AsyncIterator[Mapping[str, str]]:
        gateway, upstream = web.Application(), simulator.app()
        gateway.router.add_get(PATH, self._answer)
        async with listening(gateway, "127.0.0.1", 0) as url, listening(upstream, "127.0.0.1", 0) as upstream_url:
            own = {"BOUQUET_TRY_REAL": "yes", "BOUQUET_TRY_GATEWAY_URL": url, "BOUQUET_TRY_TOKEN": "token"}
            yield {**simulator.settings(upstream_url), **own}
            self.asked += ["upstream" for received in upstream[RECEIVED] if received.method == "GET"]

    async def _answer(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer token"
        assert dict(request.query) == {"recipient": "13002526500013", "ine": "050617293HK"}
        self.asked.append("gateway")
        return web.json_response(self._body, status=self._status)


@pytest.mark.parametrize(("status", "body"), [(200, {"data": {}}), (404, UNKNOWN)])
async def test_a_real_upstream_is_asked_after_a_gateway_that_keeps_a_record(status: int, body: object) -> None:
    journaled = Journaled(status, body)
    async with journaled.environ() as environ:
        text, _ = await try_question(worker, None, [BY_INE, INE, RECIPIENT], environ)
    assert journaled.asked == ["gateway", "upstream"]
    assert '"nom": "LE GOFF"' in text


async def test_a_real_upstream_is_not_asked_without_a_record() -> None:
    journaled = Journaled(401, REFUSED)
    async with journaled.environ() as environ:
        with pytest.raises(QuestionError, match=r"the gateway did not ask the provider \(401, 00101\)"):
            await try_question(worker, None, [BY_INE, INE, RECIPIENT], environ)
    assert journaled.asked == ["gateway"]


async def test_a_real_question_names_the_administration_that_asks() -> None:
    journaled = Journaled(200, {"data": {}})
    async with journaled.environ() as environ:
        with pytest.raises(QuestionError, match="recipient: is missing"):
            await try_question(worker, None, [BY_INE, INE], environ)
    assert journaled.asked == []


async def test_a_real_upstream_is_asked_only_where_the_environment_allows_it() -> None:
    journaled = Journaled(200, {"data": {}})
    async with journaled.environ() as environ:
        with pytest.raises(SettingsError, match="BOUQUET_TRY_REAL: must be yes"):
            await try_question(worker, None, [BY_INE, INE, RECIPIENT], {**environ, "BOUQUET_TRY_REAL": "1"})
    assert journaled.asked == []


async def test_a_real_upstream_is_not_asked_by_franceconnect() -> None:
    journaled = Journaled(200, {"data": {}})
    async with journaled.environ() as environ:
        with pytest.raises(QuestionError, match="only the citizen opens a FranceConnect session"):
            await try_question(worker, None, [BY_SESSION, *NAMES, *BORN, RECIPIENT], environ)
    assert journaled.asked == []
