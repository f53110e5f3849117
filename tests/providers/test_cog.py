"""Tests of birthplaces and their INSEE codes (docs/reference/upstreams/cog.md)."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from bouquet_cog.communes import Communes
from bouquet_cog.insee import HttpGetter, InseeCommunes
from bouquet_cog.naming import choose, normalised
from bouquet_cog.source import COG_LOOKUPS, CommuneSource
from bouquet_mesh.listen import listening
from bouquet_worker import Upstream
from bouquet_worker.answer import Answer
from bouquet_worker.errors import UpstreamError
from tests.support.upstream_client import open_upstream


@pytest.mark.parametrize(
    ("nom", "departement", "annee", "code"),
    [
        pytest.param("Gennevilliers", "92", 2000, "92036", id="what health probes ask for"),
        pytest.param("La Rochette", "05", 1974, "05124", id="homonym: Hautes-Alpes"),
        pytest.param("La Rochette", "77", 1974, "77389", id="homonym: Seine-et-Marne"),
        pytest.param("Enghien", "95", 1974, "95210", id="its first words: Enghien-les-Bains"),
        pytest.param("La Rochette", "26", 1974, None, id="not La Rochette-du-Buis: others are called La Rochette"),
        pytest.param("Dives", "14", 1990, None, id="not Dives-sur-Mer: another is called Dives"),
        pytest.param("Dives", "60", 1990, "60198", id="which that is"),
        pytest.param("Boulogne", "92", 2014, None, id="while another was called Boulogne"),
        pytest.param("Boulogne", "92", 2015, None, id="in its last year"),
        pytest.param("Boulogne", "92", 2016, "92012", id="since none is"),
        pytest.param("La Rochette", "75", 1974, None, id="a wrong département is no match"),
        pytest.param("Courcelles", "25", 1950, None, id="two of one name in one département"),
        pytest.param("Saint-Germain", "78", 1990, None, id="the beginning of several names"),
        pytest.param("Châlons-sur-Marne", "51", 1990, "51108", id="the name of the time"),
        pytest.param("Châlons-en-Champagne", "51", 1990, None, id="not a later name"),
        pytest.param("Saint-Bois", "01", 2015, "01340", id="before it merged"),
        pytest.param("Saint-Bois", "01", 2016, None, id="a delegated commune is none"),
        pytest.param("Arboys en Bugey", "01", 2016, "01015", id="what it merged into"),
        pytest.param("Annecy-le-Vieux", "74", 2016, "74011", id="born in the last year of a commune"),
        pytest.param("Cran-Gevrier", "74", 2018, None, id="merged into Annecy"),
        pytest.param("Pierre-Bénite", "69", 2023, "69152", id="merged after the history's end"),
        pytest.param("Oullins-Pierre-Bénite", "69", 2024, "69149", id="what that became"),
        pytest.param("Sannerville", "14", 2010, "14666", id="before a merger that did not last"),
        pytest.param("Sannerville", "14", 2018, None, id="during it"),
        pytest.param("Sannerville", "14", 2021, "14666", id="after it"),
        pytest.param("Barèges", "65", 1945, None, id="not created yet"),
        pytest.param("Barèges", "65", 1946, "65481", id="created in August of that year"),
        pytest.param("Gennevilliers", "75", 1960, "75036", id="the Seine"),
        pytest.param("Gennevilliers", "92", 1960, "75036", id="the Seine, by today's département"),
        pytest.param("Gennevilliers", "75", 1970, None, id="the Seine is no more"),
        pytest.param("Pontoise", "95", 1950, "78500", id="Seine-et-Oise"),
        pytest.param("Décines-Charpieu", "69", 1960, "38143", id="the Isère's, then the Rhône's"),
        pytest.param("Ajaccio", "2A", 1975, "20004", id="Corsica, one département"),
        pytest.param("Ajaccio", "20", 1975, "20004", id="Corsica, by the number of the time"),
        pytest.param("Ajaccio", "2A", 1976, "2A004", id="Corsica, two départements"),
        pytest.param("Bastia", "2B", 1990, "2B033", id="Haute-Corse"),
        pytest.param("Bastia", "2A", 1990, None, id="not the other Corsica"),
        pytest.param("Paris", "75", 1990, "75056", id="Paris"),
        pytest.param("Paris 15e Arrondissement", "75", 1990, "75115", id="Paris, where exactly"),
        pytest.param("MARSEILLE 01", "13", 1990, "13201", id="Marseille, where exactly"),
        pytest.param("Marseille", "13", 1990, "13055", id="Marseille"),
        pytest.param("Lyon", "69", 1950, "69123", id="Lyon, before it took in Saint-Rambert"),
        pytest.param("Lyon 3ème", "69", 1990, "69383", id="Lyon, where exactly"),
        pytest.param("Saint-Denis", "93", 1990, "93066", id="Saint-Denis"),
        pytest.param("Saint-Denis", "974", 1990, "97411", id="Saint-Denis de La Réunion"),
        pytest.param("Fort-de-France", "972", 1990, "97209", id="Martinique"),
        pytest.param("Mamoudzou", "976", 2015, "97611", id="Mayotte"),
        pytest.param("Mamoudzou", "976", 2006, "98511", id="Mayotte, before it was a département"),
        pytest.param("Sada", "976", 2011, "98516", id="Mayotte, in the year that it became one"),
        pytest.param("Saint-Martin", "971", 2004, "97127", id="a commune of Guadeloupe"),
        pytest.param("Saint-Barthélemy", "971", 2001, "97123", id="another one"),
        pytest.param("Saint-Martin", "971", 2010, None, id="an overseas collectivity since 2007"),
        pytest.param("Lyon 9e", "69", 1960, None, id="Lyon, before its ninth arrondissement"),
        pytest.param("Lyon 9e", "69", 1970, "69389", id="Lyon, with it"),
        pytest.param("Marseille 15e", "13", 1944, None, id="Marseille, before its sixteen arrondissements"),
        pytest.param("Paris", "62", 2005, None, id="a word within a name is another place's"),
        pytest.param("Toulouse", "39", 1990, None, id="the beginning of a name is another town's"),
        pytest.param("Toulouse-le-Château", "39", 1990, "39533", id="the whole name"),
        pytest.param("Le Mans", "72", 1990, "72181", id="a seat where it is"),
        pytest.param("Saint-Martin", "62", 2007, None, id="the beginning of several names in one département"),
        pytest.param("Nouméa", "988", 1990, None, id="an overseas collectivity"),
        pytest.param("Ys", "29", 1990, None, id="under the sea"),
        pytest.param("Gennevilliers", "92", 1930, None, id="before INSEE's table"),
        pytest.param("", "92", 2000, None, id="no name"),
        pytest.param("Gennevilliers", "", 2000, None, id="no département"),
    ],
)
def test_a_commune_has_the_code_of_its_time(nom: str, departement: str, annee: int, code: str | None) -> None:
    assert Communes.packaged().code(nom, departement, annee) == code


@pytest.mark.parametrize(
    ("typed", "departement", "code"),
    [
        ("L'Haÿ-les-Roses", "94", "94038"),
        ("l’hay les roses", "94", "94038"),
        ("HAY LES ROSES", "94", "94038"),
        ("St Etienne", "42", "42218"),
        ("STE-FOY-LES-LYON", "69", "69202"),
        ("Œting", "57", "57521"),
        ("OETING", "57", "57521"),
        ("Havre", "76", "76351"),
        ("  Le   Havre ", "76", "76351"),
        ("ISSY", "92", "92040"),
    ],
)
def test_a_name_may_be_typed_in_many_ways(typed: str, departement: str, code: str) -> None:
    assert Communes.packaged().code(typed, departement, 1990) == code


def nobody_s(name: str) -> bool:
    return False


def test_the_closest_likeness_decides() -> None:
    group = [("mesnil", "1"), ("le mesnil", "2"), ("mesnil aubry", "3"), ("le petit mesnil", "4")]

    def chosen(nom: str, *among: tuple[str, str]) -> str | None:
        return choose(nom, among, is_whole_name=nobody_s)

    assert chosen("Le Mesnil", *group) == "2"
    assert chosen("Les Mesnil", *group) is None
    assert chosen("Les Mesnil", *group[1:]) == "2"
    assert chosen("Mesnil", *group[2:]) == "3"
    assert chosen("Mesnil", *group[3:]) is None
    assert chosen("Mesni", *group) is None


def test_first_words_that_are_a_commune_s_whole_name_are_no_likeness() -> None:
    assert choose("Les Mesnil", [("mesnil aubry", "3")], is_whole_name={"mesnil"}.__contains__) is None


def living(section: str) -> list[str]:
    rows = (row.split("\t") for row in section.splitlines())
    return [name for name, _, first, last in rows if first <= "1990-01-01" <= last]


def bare(name: str) -> str:
    return re.sub("^(la|les?|l) ", "", name)


def beginnings() -> list[tuple[str, str]]:
    """Returns pairs of a text and a département. Names of communes in the département begin with the text, but only a
    commune elsewhere has it as its whole name. A search for the text in the département must find nothing."""
    sections = Communes.packaged()._sections
    country = {departement: {bare(name) for name in living(section)} for departement, section in sections.items()}
    whole = {name for names in country.values() for name in names}
    return sorted(
        (beginning, departement)
        for departement, names in country.items()
        for words in (name.split() for name in names)
        for count in range(1, len(words))
        if (beginning := " ".join(words[:count])) in whole and beginning not in names
    )


@given(st.deferred(lambda: st.sampled_from(beginnings())))
def test_the_name_of_a_commune_is_never_the_beginning_of_another_s(asked: tuple[str, str]) -> None:
    assert Communes.packaged().code(*asked, 1990) is None


def test_a_better_likeness_next_year_goes_before_a_worse_one_this_year() -> None:
    assert choose("Grand", [("grand bourg", "1")], [("grand", "2")], is_whole_name=nobody_s) == "2"


def test_a_normalised_name_stays_as_it_is() -> None:
    names = {row.split("\t")[0] for section in Communes.packaged()._sections.values() for row in section.splitlines()}
    assert len(names) > 30_000
    assert [name for name in names if normalised(name) != name] == []


@given(nom=st.text(), departement=st.sampled_from(["75", "2A", "20", "974", "00"]) | st.text(), annee=st.integers())
def test_nothing_that_is_typed_makes_it_fail(nom: str, departement: str, annee: int) -> None:
    code = Communes.packaged().code(nom, departement, annee)
    assert code is None or len(code) == 5


# The metadata API


def commune(code: str, intitule: str) -> dict[str, str]:
    return {"code": code, "type": "Commune", "dateCreation": "1943-01-01", "typeArticle": "0", "intitule": intitule}


ROCHETTES = [commune("05124", "La Rochette"), commune("26279", "La Rochette-du-Buis"), commune("77389", "La Rochette")]


class Metadata:
    """Fake client of INSEE's API. Each argument sets the answer for a day, as in `Metadata(on_1974_01_01=…)`; the
    answer for any other day is 404."""

    def __init__(self, **answers: tuple[int, bytes] | UpstreamError) -> None:
        self.answers = {day.removeprefix("on_").replace("_", "-"): answer for day, answer in answers.items()}
        self.asked: list[Mapping[str, str]] = []

    async def get(self, route: str = "", *, params: Mapping[str, str] = {}) -> Answer:
        assert route == "/geo/communes"
        self.asked.append(params)
        answer = self.answers.get(params["date"], (404, b""))
        if isinstance(answer, UpstreamError):
            raise answer
        status, body = answer
        return Answer(status, {}, body)


def ok(*communes: Mapping[str, str]) -> tuple[int, bytes]:
    return 200, json.dumps(communes).encode()


def counted(source: str, outcome: str) -> float:
    return float(COG_LOOKUPS.labels(source, outcome)._value.get())


async def test_insee_is_asked_for_the_first_of_january() -> None:
    metadata = Metadata(on_1974_01_01=ok(*ROCHETTES))
    assert await InseeCommunes(metadata).find("la rochette", "05", 1974) == "05124"
    assert metadata.asked == [{"date": "1974-01-01", "filtreNom": "la rochette", "com": "false"}]


async def test_of_insee_s_list_only_the_departement_counts() -> None:
    metadata = Metadata(on_1974_01_01=ok(*ROCHETTES))
    assert await InseeCommunes(metadata).find("La Rochette", "77", 1974) == "77389"
    assert await InseeCommunes(Metadata(on_1974_01_01=ok(ROCHETTES[0]))).find("La Rochette", "75", 1974) is None


async def test_of_insee_s_list_the_whole_country_tells_whose_name_it_is() -> None:
    dives, by_the_sea = commune("60198", "Dives"), commune("14225", "Dives-sur-Mer")
    for answer, code in (([dives, by_the_sea], None), ([by_the_sea], "14225")):
        assert await InseeCommunes(Metadata(on_1990_01_01=ok(*answer))).find("Dives", "14", 1990) == code
    merged = Metadata(on_1990_01_01=ok(dives, by_the_sea), on_1991_01_01=ok(by_the_sea))
    assert await InseeCommunes(merged).find("Dives", "14", 1990) is None


async def test_insee_is_asked_again_for_a_commune_created_in_the_year() -> None:
    metadata = Metadata(on_1947_01_01=ok(commune("65481", "Barèges")))
    assert await InseeCommunes(metadata).find("Barèges", "65", 1946) == "65481"
    assert [params["date"] for params in metadata.asked] == ["1946-01-01", "1947-01-01"]


async def test_mayotte_had_other_numbers() -> None:
    metadata = Metadata(on_2006_01_01=ok(commune("98511", "Mamoudzou")))
    assert await InseeCommunes(metadata).find("Mamoudzou", "976", 2006) == "98511"


async def test_corsica_had_one_number() -> None:
    metadata = Metadata(on_1970_01_01=ok(commune("20004", "Ajaccio")))
    assert await InseeCommunes(metadata).find("Ajaccio", "2A", 1970) == "20004"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param((500, b""), id="500"),
        pytest.param((403, b""), id="403"),
        pytest.param((200, b"<html>Saint-Fictif</html>"), id="not JSON"),
        pytest.param((200, b'[{"code": 1, "intitule": "Saint-Fictif"}]'), id="not their JSON"),
        pytest.param(UpstreamError("upstream_timeout"), id="silence"),
    ],
)
async def test_a_source_in_trouble_is_no_unknown_commune(
    answer: tuple[int, bytes] | UpstreamError, caplog: pytest.LogCaptureFixture
) -> None:
    before = counted("insee", "failed")
    with caplog.at_level(logging.DEBUG), pytest.raises(UpstreamError) as raised:
        await InseeCommunes(Metadata(on_1990_01_01=answer)).find("Saint-Fictif", "21", 1990)
    assert counted("insee", "failed") == before + 1
    assert "Fictif" not in f"{raised.value} {caplog.text}"


async def test_an_unknown_commune_is_no_failure() -> None:
    before = counted("insee", "unknown")
    metadata = Metadata(on_1990_01_01=ok())
    assert await InseeCommunes(metadata).find("Ys", "29", 1990) is None
    assert counted("insee", "unknown") == before + 1


@pytest.mark.parametrize(
    "source", [Communes.packaged(), InseeCommunes(Metadata(on_2000_01_01=ok(commune("92036", "Gennevilliers"))))]
)
async def test_both_sources_answer_alike(source: CommuneSource) -> None:
    assert await source.find("GENNEVILLIERS", "92", 2000) == "92036"
    assert await source.find("Ys", "92", 2000) is None


async def test_the_kit_s_upstream_will_do() -> None:
    async def communes(request: web.Request) -> web.Response:
        assert dict(request.query) == {"date": "1974-01-01", "filtreNom": "L'Haÿ & Co", "com": "false"}
        return web.json_response([commune("94038", "L'Haÿ & Co")])

    app = web.Application()
    app.router.add_get("/metadonnees/geo/communes", communes)
    async with (
        listening(app, "127.0.0.1", 0) as url,
        open_upstream(Upstream("insee", f"{url}/metadonnees")) as upstream,
    ):
        getter: HttpGetter = upstream
        assert await InseeCommunes(getter).find("L'Haÿ & Co", "94", 1974) == "94038"
