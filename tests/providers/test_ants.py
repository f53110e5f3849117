"""Tests of the ANTS's worker on its simulator: its questions, the holder that it finds by name, what it publishes, and
its reply to each error, to hostile XML and to each recorded answer."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest
import pytest_asyncio
from lxml.etree import QName, fromstring

from bouquet_ants.contract import EXTRAIT_IMMATRICULATION, NO_SUCH_HOLDER, UNKNOWN_VEHICLE
from bouquet_ants.envelope import SIV, SOAP
from bouquet_ants.simulator import SIMULATED_ANSWERS, simulator
from bouquet_ants.worker import MAX_ANSWER_BYTES, worker
from bouquet_proto.identity import Identite
from bouquet_proto.messages import Failed, NotFound, Reply
from bouquet_worker.simulated_faults import as_ine
from bouquet_worker.testing.captured_telemetry import log_text_of
from tests.providers.worker_client import SILENCE_S, WorkerClient, data_of, identite, worker_client
from tests.support.openapi import assert_official, upstream_sample

MAELYS = identite("Le Gouadec", "Maëlys", "Inès")
SPOKEN_OF = identite("Vernouillat", "Gaspard", born="1984-08-27", sexe="M")
"""Citizen in tests where the test itself, not the simulator's data, determines the SIV's answer."""
PLATE, OLD_PLATE = "AB-123-CD", "3579 LA 05"
UNKNOWN, MALFORMED = Failed("upstream_unknown"), Failed("upstream_malformed")
NOBODY = NotFound(NO_SUCH_HOLDER)


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[WorkerClient]:
    with pytest.MonkeyPatch.context() as patch:
        async with worker_client(worker, simulator, patch) as asked:
            yield asked


@pytest.fixture
def ants(running: WorkerClient) -> WorkerClient:
    """Returns the worker and the simulator that all tests share, without what former tests left."""
    running.received.clear()
    running.app[SIMULATED_ANSWERS].clear()
    return running


async def ask(ants: WorkerClient, who: Identite, plate: str, **options: Any) -> Reply:
    return await ants(EXTRAIT_IMMATRICULATION.id, who, immatriculation=plate, **options)


async def reply_to(ants: WorkerClient, body: str, *, status: int = 200, who: Identite = SPOKEN_OF) -> Reply:
    ants.app[SIMULATED_ANSWERS][PLATE] = (status, body)
    return await ask(ants, who, PLATE)


def soap(body: str, namespace: str = "http://schemas.xmlsoap.org/soap/envelope/") -> str:
    return f'<s:Envelope xmlns:s="{namespace}"><s:Body>{body}</s:Body></s:Envelope>'


def elements(**texts: str) -> str:
    return "".join(f"<{name}>{text}</{name}>" for name, text in texts.items())


def person(link: str = "titulaire", *, address: str = "", natural: str = "oui", **identity: str) -> str:
    texts = elements(flag_pers_physique=natural, **identity)
    return f"<personne>{elements(libelle_type_personne=link, identite_personne=texts)}{address}</personne>"


def dossier(*people: str, registration: str = "", characteristics: str = "", plate: str = PLATE) -> str:
    """Returns the SIV's answer with a record."""
    registration = elements(num_immat=plate) + registration
    vehicle = elements(caracteristiques_techniques=characteristics)
    listed = elements(liste_personnes="".join(people))
    record = elements(dossier=elements(immatriculation=registration, vehicule=vehicle, personne=listed))
    content = elements(control=elements(code_traitement="0"), reponse=record)
    return soap(f'<rep_consulter_dossier xmlns="{SIV}">{content}</rep_consulter_dossier>')


def refusal(code: str, message: str, treatment: str = "1") -> str:
    described = elements(description_erreur=elements(item_erreur=elements(message_erreur=message)))
    control = elements(control=elements(code_traitement=treatment, code_erreur=code) + described)
    return soap(f'<rep_consulter_dossier xmlns="{SIV}">{control}</rep_consulter_dossier>')


HOLDER = person(nom_naiss="VERNOUILLAT", prenom="GASPARD", sexe="M", date_naissance="1984-08-27")


# What is sent


async def test_a_question_carries_the_plate_in_capitals_and_the_codes_of_the_platform(ants: WorkerClient) -> None:
    await ask(ants, MAELYS, "bz-290-ma")
    [call] = ants.received
    assert call.headers["Content-Type"] == "application/soap+xml; charset=utf-8"
    assert call.headers["SOAPAction"] == ""
    root = fromstring(call.body)
    question = root.find(f"{{{SOAP}}}Body/{{{SIV}}}req_consulter_dossier")
    assert question is not None
    texts = {QName(one).localname: one.text or "" for one in question.iter() if not len(one)}
    assert texts.pop("numero_session", "").startswith("rnd_")
    assert datetime.fromisoformat(texts.pop("date_envoi", "")).tzinfo is None
    assert texts == {
        "code_partenaire": "131614",
        "code_miat": "QSIV",
        "type_operation": "Consultation Dossier",
        "mode_appel": "L",
        "num_immat": "BZ-290-MA",
    }


async def test_each_question_has_a_session_number_of_its_own(ants: WorkerClient) -> None:
    """Tests that a question which the bus delivers twice is answered twice: the SIV refuses a number that it knows."""
    assert await ask(ants, MAELYS, "BZ-290-MA") == await ask(ants, MAELYS, "BZ-290-MA")
    assert len({one.body for one in ants.received}) == 2


async def test_nobody_writes_xml_into_the_question(ants: WorkerClient) -> None:
    assert await ask(ants, MAELYS, "</x><!--&lt;") == NotFound(UNKNOWN_VEHICLE)
    root = fromstring(ants.received[-1].body)
    assert [one.text for one in root.iter(f"{{{SIV}}}num_immat")] == ["</X><!--&LT;"]


# Whom the record names (docs/reference/upstreams/ants.md §4)


@pytest.mark.parametrize(
    ("nom", "prenoms", "record"),
    [
        ("Vernouillat", ("Gaspard",), {"nom_naiss": "VERNOUILLAT", "prenom": "GASPARD"}),
        ("Vernouillat", ("Léo", "Gaspard"), {"nom_naiss": "VERNOUILLAT", "prenom": "GASPARD"}),
        ("D'Hérouville-Lebœuf", ("Zoë",), {"nom_naiss": "D HEROUVILLE LEBOEUF", "prenom": "ZOE"}),
        ("Vernouillat", ("Jean-Pierre",), {"nom_naiss": "VERNOUILLAT", "prenom": "JEAN"}),
        ("Vernouillat", ("Jean",), {"nom_naiss": "VERNOUILLAT", "prenom": "JEAN PIERRE"}),
        ("Vernouillat", ("Gaspard",), {"nom_naiss": "vernouillat", "prenom": "Gaspard", "nom_usage": "DURAND"}),
    ],
)
async def test_a_birth_name_and_one_first_name_are_enough(
    ants: WorkerClient, nom: str, prenoms: tuple[str, ...], record: dict[str, str]
) -> None:
    who = identite(nom, *prenoms, born="1984-08-27", sexe="M")
    data = data_of(await reply_to(ants, dossier(person(**record)), who=who))
    assert data["identity_matching"] == {
        "family_name": 1.0,
        "given_name": 1.0,
        "birth_date": 0.0,
        "overall_match": True,
    }


@pytest.mark.parametrize(
    ("nom", "prenoms", "record"),
    [
        ("Vernouillat", ("Gaspard",), {"nom_naiss": "VERNOUILLAT", "prenom": "LEO"}),
        ("Vernouillat", ("Gaspard",), {"nom_naiss": "DURAND", "prenom": "GASPARD", "nom_usage": "VERNOUILLAT"}),
        ("Vernouillat", ("Jean-Paul",), {"nom_naiss": "VERNOUILLAT", "prenom": "JEAN PIERRE"}),
        ("Vernouillat", ("Gaspard",), {"nom_naiss": "VERNOUILLAT"}),
        ("Vernouillat", ("Gaspard",), {"nom_naiss": "VERNOUILLAT GASPARD"}),
        ("Vernouillat", ("Gaspard",), {"prenom": "GASPARD"}),
        ("Иванов", ("Пётр",), {"nom_naiss": "ПЕТРОВ", "prenom": "ПЁТР"}),
        ("-", ("'",), {}),
        ("Vernouillat", ("Gaspard",), {"nom_naiss": "VERNOUILLAT", "prenom": "GASPARD", "natural": "non"}),
    ],
)
async def test_any_other_citizen_is_not_found(
    ants: WorkerClient, nom: str, prenoms: tuple[str, ...], record: dict[str, str]
) -> None:
    """Tests that the reply says no more than that nobody of the record is the citizen."""
    who = identite(nom, *prenoms, born="1984-08-27", sexe="M")
    assert await reply_to(ants, dossier(person(**record)), who=who) == NOBODY


@pytest.mark.parametrize(
    ("nom", "written", "published"),
    [
        ("Martin", "MARTIN MARIE", ("MARTIN", "MARIE")),
        ("Le Goff", "LE GOFF ANNE MARIE", ("LE GOFF", "ANNE")),
        ("Martin", "LE MARTIN MARIE", None),
        ("Martin", "MARTIN", None),
        ("Marie", "MARTIN MARIE", None),
    ],
)
async def test_the_former_register_holds_name_and_first_names_in_one_text(
    ants: WorkerClient, nom: str, written: str, published: tuple[str, str] | None
) -> None:
    """Tests that a name of several words is found too, which the State's service takes for the first word alone."""
    who = identite(nom, "Marie", born="1946-03-31")
    reply = await reply_to(ants, dossier(person(nom_naiss=written), plate=OLD_PLATE), who=who)
    if published is None:
        assert reply == NOBODY
    else:
        identity = data_of(reply)["identite_particulier"]
        assert (identity["nom"], identity["prenom"]) == published


async def test_the_first_person_with_the_citizen_s_name_is_published(ants: WorkerClient) -> None:
    tenant = person("locataire", nom_naiss="VERNOUILLAT", prenom="GASPARD")
    other = person("titulaire", nom_naiss="DURAND", prenom="GASPARD")
    data = data_of(await reply_to(ants, dossier(other, tenant, HOLDER)))
    assert data["statut_rattachement"] == "locataire"
    assert "DURAND" not in str(data)


# What is published


async def test_the_status_of_a_rental_is_that_of_the_rental_and_not_the_kind_of_plate(ants: WorkerClient) -> None:
    kind = elements(code_type_immat="N", libelle_type_immat="Normale")
    rented = kind + elements(code_type_loc="LLD", libelle_type_loc="location longue durée")
    for registration, published in (
        (kind, {"code": None, "label": None}),
        (rented, {"code": "LLD", "label": "location longue durée"}),
    ):
        data = data_of(await reply_to(ants, dossier(HOLDER, registration=registration)))
        assert data["donnees_immatriculation_vehicule"]["statut_location"] == published


@pytest.mark.parametrize(
    ("text", "code"),
    {
        "70/220*2003/76EURO4": "Euro 4",
        "715/2007*2018/1832APEURO6": "Euro 6",
        "595/2009*2018/932DEUROVI": "Euro VI",
        "88/77*91/542": "88/77*91/542",
        "": None,
    }.items(),
)
async def test_the_emission_class_is_reduced_to_its_euro_norm(ants: WorkerClient, text: str, code: str | None) -> None:
    data = data_of(await reply_to(ants, dossier(HOLDER, characteristics=elements(classe_environnement_ce=text))))
    published = data["caracteristiques_techniques_vehicule"]["classe_environnementale"]
    label = f"Norme européenne d'émission {code}" if (code or "").startswith("Euro") else None
    assert published == {"code": code, "label": label}


async def test_a_code_without_a_label_is_published_all_the_same(ants: WorkerClient) -> None:
    unknown = elements(categorie_ce="T1a", genre_national="ROBOT", energie="ZZ", co2="139.6", cylindree="")
    data = data_of(await reply_to(ants, dossier(HOLDER, characteristics=unknown)))[
        "caracteristiques_techniques_vehicule"
    ]
    assert data["categorie_vehicule"] == {"code": "T1a", "label": None}
    assert data["genre_national"] == {"code": "ROBOT", "label": None}
    assert data["type_carburant"] == {"code": "ZZ", "label": None}
    assert (data["taux_co2"], data["cylindree"]) == (140, None)


@pytest.mark.parametrize("link", ["usufruitier", ""])
async def test_an_unknown_link_is_null(ants: WorkerClient, link: str) -> None:
    data = data_of(await reply_to(ants, dossier(person(link, nom_naiss="VERNOUILLAT", prenom="GASPARD"))))
    assert data["statut_rattachement"] is None


# What goes wrong (docs/reference/upstreams/ants.md §3)

ABSENT = "Aucune réponse trouvée pour les critères en entrée."
FAULT = "<s:Fault><faultcode>s:Server</faultcode><faultstring>VERNOUILLAT</faultstring></s:Fault>"


@pytest.mark.parametrize(
    ("status", "body", "reply"),
    [
        (200, refusal("20", ABSENT), NotFound(UNKNOWN_VEHICLE)),
        (200, refusal("20", "Dossier verrouillé"), UNKNOWN),
        (200, refusal("12", ABSENT), UNKNOWN),
        (200, refusal("", ABSENT), UNKNOWN),
        (200, refusal("37", "Numéro de session déjà utilisé"), UNKNOWN),
        (200, refusal("VERNOUILLAT", ""), UNKNOWN),
        (200, refusal("20", ABSENT, treatment="2"), UNKNOWN),
        (200, refusal("20", ABSENT, treatment=""), UNKNOWN),
        (200, soap(FAULT), UNKNOWN),
        *((status, refusal("20", ABSENT), UNKNOWN) for status in (201, 204, 400, 401, 403, 404, 429, 500)),
        (500, soap(FAULT), UNKNOWN),
        (503, soap(FAULT), Failed("upstream_unavailable")),
        (504, soap(FAULT), Failed("upstream_timeout")),
    ],
)
async def test_every_answer_has_its_reply(ants: WorkerClient, status: int, body: str, reply: Reply) -> None:
    assert await reply_to(ants, body, status=status) == reply


ENTITIES = '<!DOCTYPE s [<!ENTITY a "VERNOUILLAT"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
HOSTILE = {
    "billion laughs": ENTITIES + dossier(person(nom_naiss="&b;", prenom="GASPARD")),
    "external entity": '<!DOCTYPE s [<!ENTITY a SYSTEM "file:///etc/hostname">]>' + dossier(person(nom_naiss="&a;")),
    "too deep": soap("<x>" * 60 + "</x>" * 60),
    "too long": dossier(HOLDER) + " " * MAX_ANSWER_BYTES,
    "envelope of another namespace": soap(dossier(HOLDER), namespace="http://attaque.test/"),
    "no envelope": "<dossier/>",
    "no reply": soap(""),
    "no record": refusal("", "", treatment="0"),
    "no list of people": dossier(HOLDER).replace("liste_personnes", "autre"),
    "a person of unknown kind": dossier(person(nom_naiss="X", natural="")),
    "cut": dossier(HOLDER)[:-20],
    "JSON": "{}",
    "a word in the place of a number": dossier(HOLDER, characteristics=elements(co2="VERNOUILLAT")),
    "a number that is none": dossier(HOLDER, characteristics=elements(ptac="nan")),
    "an infinite number": dossier(HOLDER, characteristics=elements(cylindree="inf")),
    "a number of 300 digits": dossier(HOLDER, characteristics=elements(co2="1e300")),
    "a word in the place of a date": dossier(person(nom_naiss="X", date_naissance="VERNOUILLAT")),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
async def test_hostile_xml_is_a_failure_that_quotes_nothing(
    ants: WorkerClient, caplog: pytest.LogCaptureFixture, body: str
) -> None:
    with caplog.at_level(logging.INFO):
        assert await reply_to(ants, body) == MALFORMED
    said = "".join(map(log_text_of, caplog.records))
    assert not [word for word in ("VERNOUILLAT", "GASPARD", PLATE) if word in said]


async def test_the_log_names_an_undocumented_code_and_no_message(
    ants: WorkerClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        assert await reply_to(ants, refusal("37", "VERNOUILLAT")) == UNKNOWN
    assert "code 37" in [getattr(record, "cause", "") for record in caplog.records]
    assert "VERNOUILLAT" not in "".join(map(log_text_of, caplog.records))


async def test_a_silent_siv_is_a_timeout_and_is_asked_once(ants: WorkerClient) -> None:
    """Tests that a question is never sent twice: the SIV would refuse its session number."""
    assert await ask(ants, MAELYS, as_ine("SLOW"), within_s=SILENCE_S) == Failed("upstream_timeout")
    assert await ask(ants, MAELYS, as_ine("UNAVAILABLE")) == Failed("upstream_unavailable")
    assert len(ants.received) == 2


# Recorded answers


def recorded(name: str) -> str:
    """Returns a recorded answer as the SIV sent it: two files have traces of the program that wrote them."""
    text = upstream_sample(f"ants/{name}.xml").decode().strip().removesuffix('"')
    return text.replace('\\"', '"').replace("\\n", "")


@pytest.mark.parametrize(
    ("name", "who", "status", "birth_date", "emission"),
    [
        ("found_siv", identite("Dupont", "Jean", born="2000-01-01", sexe="M"), "titulaire", 1.0, "Euro 4"),
        ("found_siv_no_raw_code", identite("Dupont", "Jean", born="2000-01-02", sexe="M"), "titulaire", 0.0, None),
        ("found_siv_composed_name", identite("Martinez", "Jean-Philippe", sexe="M"), "titulaire", 0.0, "Euro 6"),
        ("found_siv_with_cotitulaire", identite("Luigi", "Mario", sexe="M"), "cotitulaire", 0.0, "Euro 5"),
        ("found_fni", identite("Martin", "Marie", born="1946-03-31"), "locataire", 1.0, None),
    ],
)
async def test_a_recorded_answer_is_published(
    ants: WorkerClient, name: str, who: Identite, status: str, birth_date: float, emission: str | None
) -> None:
    data = data_of(await reply_to(ants, recorded(name), who=who))
    assert data["statut_rattachement"] == status
    matching = data.pop("identity_matching")
    assert (matching["birth_date"], matching["overall_match"]) == (birth_date, True)
    assert data["caracteristiques_techniques_vehicule"]["classe_environnementale"]["code"] == emission
    if name == "found_siv":
        assert_official(EXTRAIT_IMMATRICULATION.id, data)


@pytest.mark.parametrize(
    ("name", "reply"),
    [
        ("not_found", NotFound(UNKNOWN_VEHICLE)),
        ("found_personne_morale_siv", NOBODY),
        ("found_siv", NOBODY),
    ],
)
async def test_a_recorded_answer_without_the_citizen_is_an_absence(ants: WorkerClient, name: str, reply: Reply) -> None:
    assert await reply_to(ants, recorded(name)) == reply
