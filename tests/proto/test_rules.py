"""Tests of every validation rule and public code (docs/reference/contract.md §1.5)."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bouquet_proto.failures import PARAMETERS
from bouquet_proto.identity import Identite
from bouquet_proto.query import parse_query
from bouquet_proto.rules import RULES, Check, RuleViolations, SharedResults, Values, apply_rules, refused_codes

TODAY = date(2026, 4, 28)


class Row(NamedTuple):
    sentence: str
    query: str
    answer: Values | str
    """Values that the rule must read from `query`, or the code of the error with which it must refuse the query."""


def judge(rule: str, query: str, today: date = TODAY) -> Values | RuleViolations:
    return apply_rules(((Check(rule),),), parse_query(query), today)


def birth(year: object, month: object, day: object) -> str:
    return urlencode({"anneeDateNaissance": year, "moisDateNaissance": month, "jourDateNaissance": day})


def born(year: int, month: int, day: int) -> Values:
    return {"annee_date_naissance": year, "mois_date_naissance": month, "jour_date_naissance": day}


def place(pays: str = "99100", commune: str = "", nom: str = "Lyon", annee: str = "1990", dep: str = "69") -> str:
    return urlencode(
        {
            "codeCogInseePaysNaissance": pays,
            "codeCogInseeCommuneNaissance": commune,
            "nomCommuneNaissance": nom,
            "anneeDateNaissance": annee,
            "codeCogInseeDepartementNaissance": dep,
        }
    )


LYON: Values = {"nom_commune_naissance": "Lyon", "code_cog_insee_departement_naissance": "69"}

TABLE: dict[str, list[Row]] = {
    "nom": [
        Row("a name is kept as typed", "nomNaissance=d'Été-Noël", {"nom_naissance": "d'Été-Noël"}),
        Row("a missing name", "", "00420"),
        Row("a blank name", "nomNaissance=+", "00420"),
        Row("a digit in a name", "nomNaissance=DURANT2", "00420"),
        Row("a ligature, which is outside Latin-1", "nomNaissance=Lebœuf", "00420"),
        Row("a multiplication sign", "nomNaissance=A%C3%97B", "00420"),
        Row("a line break after a good name", "nomNaissance=DURANT%0A", "00420"),
        Row("a list of names", "nomNaissance[]=DURANT", "00420"),
    ],
    "nom_usage": [
        Row("a name is kept as typed", "nomUsage=de l'Étang-Leroux", {"nom_usage": "de l'Étang-Leroux"}),
        Row("letters of another alphabet", "nomUsage=Лебедев", "00426"),
        Row("a ligature, which is outside Latin-1", "nomUsage=Lebœuf", "00426"),
        Row("a sign that is no letter", "nomUsage=DUPONT ©", "00426"),
        Row("a question mark between two names", "nomUsage=MARCHAND?LEROUX", "00426"),
        Row("a list in one text", "nomUsage=Marchand, Leroux", "00426"),
        Row("an abbreviation", "nomUsage=ST.AUBIN", "00426"),
        Row("a digit", "nomUsage=LEROUX2", "00426"),
        Row("a remark", "nomUsage=(veuve) LEROUX", "00426"),
        Row("a line break", "nomUsage=LEROUX%0A", "00426"),
        Row("a missing use name is fine", "", {}),
        Row("a blank use name is not a missing one", "nomUsage=", {"nom_usage": ""}),
        Row("spaces are a blank one", "nomUsage=++", {"nom_usage": ""}),
        Row("a list of use names", "nomUsage[]=DUPONT", "00426"),
    ],
    "prenoms_optional": [
        Row("all first names are kept, in order", "prenoms[]=ANNE&prenoms[]=Zoé", {"prenoms": ("ANNE", "Zoé")}),
        Row("missing first names are fine", "", {}),
        Row("an empty list", "prenoms[]", "00367"),
        Row("an empty first name", "prenoms[]=", "00367"),
        Row("one bad first name among good ones", "prenoms[]=ANNE&prenoms[]=Z0E", "00367"),
        Row("a text for a list", "prenoms=ANNE", "00367"),
    ],
    "prenoms_required": [
        Row("all first names are kept, in order", "prenoms[]=ANNE&prenoms[]=Zoé-Lou", {"prenoms": ("ANNE", "Zoé-Lou")}),
        Row("a typographic apostrophe", "prenoms[]=M’Hamed", {"prenoms": ("M'Hamed",)}),
        Row("letters in two pieces", "prenoms[]=Zoe%CC%81", {"prenoms": ("Zoé",)}),
        Row("a digit", "prenoms[]=Cl4ra", "00421"),
        Row("a list in one text", "prenoms[]=LILY-ROSE, CLARA", "00421"),
        Row("brackets", "prenoms[]=Anne (Nanou)", "00421"),
        Row("another alphabet", "prenoms[]=Юлия", "00421"),
        Row("one bad first name among good ones", "prenoms[]=ANNE&prenoms[]=Z0E", "00421"),
        Row("a blank first name after another", "prenoms[]=Marie&prenoms[]=+", "00421"),
        Row("a blank first name", "prenoms[]=", "00421"),
        Row("a blank first name before another", "prenoms[]=&prenoms[]=Marie", "00421"),
        Row("missing first names", "", "00421"),
        Row("an empty list", "prenoms[]", "00421"),
        Row("a text for a list", "prenoms=ANNE", "00421"),
    ],
    "prenoms_known": [
        Row("letters are not looked at", "prenoms[]=Œdipe", {"prenoms": ("Œdipe",)}),
        Row("a blank first name", "prenoms[]=&prenoms[]=Marie", "00421"),
        Row("missing first names", "", "00421"),
    ],
    "prenom": [
        Row("a first name is kept whole", "prenom=Marie+Davida", {"prenoms": ("Marie Davida",)}),
        Row("a digit", "prenom=Z0E", "00421"),
        Row("a comma", "prenom=Lou, Zoé", "00421"),
        Row("a missing first name", "", "00421"),
        Row("a blank first name", "prenom=+", "00421"),
        Row("a list of first names", "prenom[]=ANNE", "00421"),
    ],
    "prenoms_in_one": [
        Row("they are split on spaces", "prenoms=+ANNE++Zoé+", {"prenoms": ("ANNE", "Zoé")}),
        Row("a digit", "prenoms=Z0E", "00421"),
        Row("a comma", "prenoms=Lou, Zoé", "00421"),
        Row("missing first names", "", "00421"),
        Row("blank first names", "prenoms=+", "00421"),
        Row("a list for a text", "prenoms[]=ANNE", "00421"),
    ],
    "sexe_required": [
        Row("small letters are read as capitals", "sexeEtatCivil=f", {"sexe_etat_civil": "F"}),
        Row("a missing sex", "", "00427"),
        Row("another letter", "sexeEtatCivil=X", "00427"),
        Row("a list of sexes", "sexeEtatCivil[]=F", "00427"),
    ],
    "sexe_optional": [
        Row("small letters are read as capitals", "sexeEtatCivil=f", {"sexe_etat_civil": "F"}),
        Row("a missing sex is fine", "", {}),
        Row("a blank sex is fine", "sexeEtatCivil=+", {}),
        Row("another letter", "sexeEtatCivil=X", "00427"),
        Row("a word", "sexeEtatCivil=Féminin", "00427"),
        Row("a list of sexes", "sexeEtatCivil[]=F", "00427"),
    ],
    "sexe_free": [
        Row("one of the two is kept", "sexeEtatCivil=m", {"sexe_etat_civil": "M"}),
        Row("a missing sex is fine", "", {}),
        Row("another text is left out", "sexeEtatCivil=X", {}),
        Row("a list of sexes", "sexeEtatCivil[]=F", "00427"),
    ],
    "date_partial": [
        Row("a whole date is kept", birth(1990, 2, 28), born(1990, 2, 28)),
        Row("a zero before a number is nothing", birth(1990, "02", "08"), born(1990, 2, 8)),
        Row("a number ends where letters begin", birth(1990, "2x", 8), born(1990, 2, 8)),
        Row("no date at all is fine", "", {}),
        Row("a year alone is fine", "anneeDateNaissance=1990", {"annee_date_naissance": 1990}),
        Row("1900-01-01 is the oldest birth", birth(1900, 1, 1), born(1900, 1, 1)),
        Row("yesterday is the latest birth", birth(2026, 4, 27), born(2026, 4, 27)),
        Row("a birth before 1900", birth(1899, 12, 31), "00363"),
        Row("a birth today", birth(2026, 4, 28), "00363"),
        Row("a day that does not exist", birth(1990, 2, 30), "00363"),
        Row("a blank part is there, and wrong", birth(1990, 2, ""), "00363"),
        Row("three wrong parts are one error", birth("x", 13, 32), "00363"),
        Row("a year of five digits", "anneeDateNaissance=10000", "00363"),
        Row("a year of two digits, without a day", "anneeDateNaissance=89&moisDateNaissance=6", "00363"),
        Row("a whole date in the year's place", "anneeDateNaissance=14/06/1989", "00363"),
        Row("a list of years", "anneeDateNaissance[]=1990", "00363"),
    ],
    "age_16_to_25": [
        Row("sixteen today", birth(2010, 4, 28), {}),
        Row("sixteen tomorrow", birth(2010, 4, 29), "39400"),
        Row("twenty-six tomorrow", birth(2000, 4, 29), {}),
        Row("twenty-six today", birth(2000, 4, 28), "39400"),
        Row("an impossible day", birth(2005, 2, 30), "39400"),
        Row("no year", "moisDateNaissance=4&jourDateNaissance=28", "39400"),
        Row("a year beyond all calendars", birth(2_147_483_648, 4, 28), "39400"),
    ],
    "date_full": [
        Row("a whole date is kept", birth(1990, 2, 28), born(1990, 2, 28)),
        Row("the oldest birth", birth(1900, 1, 1), born(1900, 1, 1)),
        Row("a year of two digits", birth("05", 6, 17), "00422"),
        Row("a year before 1900", birth(1899, 12, 31), "00422"),
        Row("a missing year", "moisDateNaissance=2&jourDateNaissance=28", "00422"),
        Row("a year that is no number", birth("abc", 2, 28), "00422"),
        Row("a missing month", "anneeDateNaissance=1990&jourDateNaissance=28", "00423"),
        Row("a thirteenth month", birth(1990, 13, 28), "00423"),
        Row("a missing day", "anneeDateNaissance=1990&moisDateNaissance=2", "00424"),
        Row("a thirty-second day", birth(1990, 2, 32), "00424"),
        Row("a day that does not exist", birth(1990, 2, 30), "00425"),
        Row("only the first fault is told", birth("abc", 13, 32), "00422"),
        Row("a list of years", "anneeDateNaissance[]=1990&moisDateNaissance=2&jourDateNaissance=28", "00422"),
    ],
    "date_with_year": [
        Row("a whole date is kept", birth(1990, 2, 28), born(1990, 2, 28)),
        Row("a year is enough", "anneeDateNaissance=1990", {"annee_date_naissance": 1990}),
        Row("a missing year", "moisDateNaissance=2&jourDateNaissance=28", "00422"),
        Row("a year of zeros", birth("0000", 2, 28), "00422"),
        Row("a year of two digits", birth(89, 2, 28), "00422"),
        Row("a thirteenth month", "anneeDateNaissance=1990&moisDateNaissance=13", "00423"),
        Row("a thirty-second day", birth(1990, 2, 32), "00424"),
        Row("a day that does not exist", birth(1990, 2, 30), "00425"),
        Row("only the first fault is told", birth(1990, 13, 32), "00423"),
    ],
    "date_in_one": [
        Row("a whole date is kept in parts", "dateDeNaissance=1990-02-28", born(1990, 2, 28)),
        Row("zeros are not needed", "dateDeNaissance=1990-2-8", born(1990, 2, 8)),
        Row("a year of two digits", "dateDeNaissance=89-02-28", "00422"),
        Row("a missing date is one without a year", "", "00422"),
        Row("a blank date too", "dateDeNaissance=", "00422"),
        Row("a year that is no number", "dateDeNaissance=abc-02-28", "00422"),
        Row("a year alone", "dateDeNaissance=1990", "00423"),
        Row("a thirteenth month", "dateDeNaissance=1990-13-28", "00423"),
        Row("an unknown day", "dateDeNaissance=1990-02-00", "00424"),
        Row("the day first, as in French", "dateDeNaissance=28-02-1990", "00422"),
        Row("a day that does not exist", "dateDeNaissance=1990-02-30", "00425"),
        Row("something after the date", "dateDeNaissance=1990-02-28-1", "00425"),
        Row("slashes", "dateDeNaissance=28/02/1990", "00422"),
        Row("a list of dates", "dateDeNaissance[]=1990-02-28", "00422"),
    ],
    "pays": [
        Row("France", "codeCogInseePaysNaissance=99100", {"code_cog_insee_pays_naissance": "99100"}),
        Row("French Algeria", "codeCogInseePaysNaissance=92352", {"code_cog_insee_pays_naissance": "92352"}),
        Row("a missing country", "", "00400"),
        Row("a code that is not a country's", "codeCogInseePaysNaissance=75056", "00400"),
        Row("a line after the code", "codeCogInseePaysNaissance=99100%0Ax", "00400"),
        Row("a list of countries", "codeCogInseePaysNaissance[]=99100", "00400"),
    ],
    "commune_optional": [
        Row("Paris", "codeCogInseeCommuneNaissance=75056", {"code_cog_insee_commune_naissance": "75056"}),
        Row("Bastia", "codeCogInseeCommuneNaissance=2B033", {"code_cog_insee_commune_naissance": "2B033"}),
        Row(
            "a country for a commune",
            "codeCogInseeCommuneNaissance=99109",
            {"code_cog_insee_commune_naissance": "99109"},
        ),
        Row("a missing commune is fine", "", {}),
        Row("a blank commune is fine", "codeCogInseeCommuneNaissance=+", {}),
        Row("the Corsica of before 1976", "codeCogInseeCommuneNaissance=20033", "00365"),
        Row(
            "a small letter for Corsica",
            "codeCogInseeCommuneNaissance=2b033",
            {"code_cog_insee_commune_naissance": "2B033"},
        ),
        Row("a line before the code", "codeCogInseeCommuneNaissance=x%0A75056", "00365"),
        Row("a list of communes", "codeCogInseeCommuneNaissance[]=75056", "00365"),
    ],
    "commune_free": [
        Row(
            "any text is kept",
            "codeCogInseeCommuneNaissance=Lyon",
            {"code_cog_insee_commune_naissance": "Lyon"},
        ),
        Row("a missing commune is fine", "", {}),
        Row("a list of communes", "codeCogInseeCommuneNaissance[]=75056", "00365"),
    ],
    "commune_or_place": [
        Row(
            "a commune code is enough",
            place(commune="69123", nom="", dep=""),
            {"code_cog_insee_commune_naissance": "69123"},
        ),
        Row("a name, a year and a département are enough", place(), LYON),
        Row(
            "all of it is sent on",
            place(commune="69123"),
            LYON | {"code_cog_insee_commune_naissance": "69123"},
        ),
        Row("a birth abroad needs no commune", place(pays="99109", nom="", dep=""), {}),
        Row(
            "a place abroad is sent on as typed",
            place(pays="99109", dep="99"),
            LYON | {"code_cog_insee_departement_naissance": "99"},
        ),
        Row("an unknown country needs no commune", place(pays="", nom="", dep=""), {}),
        Row("a wrong commune in France", place(commune="Lyon"), "00365"),
        Row("a wrong commune abroad", place(pays="99109", commune="Lyon"), "00365"),
        Row("a country is enough", place(nom="", dep="", annee=""), {}),
        Row("a département alone is sent on", place(nom=""), {"code_cog_insee_departement_naissance": "69"}),
        Row("a place without a year is sent on", place(annee=""), LYON),
        Row("a place without a département is sent on", place(dep=" "), {"nom_commune_naissance": "Lyon"}),
        Row("a year before the communes were dated", place(annee="1899"), "00422"),
        Row("a year to come", place(annee="2027"), "00422"),
        Row("a year of two digits", place(annee="90"), "00422"),
        Row("a département overseas without births", place(dep="975"), "00428"),
        Row("a département of one digit", place(dep="1"), "00428"),
        Row("a list of communes", "codeCogInseeCommuneNaissance[]=69123", "00365"),
        Row("a list of names of communes", "nomCommuneNaissance[]=Lyon", "00365"),
        Row("a list of départements", "codeCogInseeDepartementNaissance[]=69", "00428"),
    ],
    "place_optional": [
        Row("a name, a year and a département make a place", place(), LYON),
        Row("nothing is fine", "", {}),
        Row("nothing but a year is fine", place(nom="", dep=" "), {}),
        Row("a place without a name", place(nom=""), "00365"),
        Row("a place without a département", place(dep=""), "00428"),
        Row("a place with an old year", place(annee="1899"), "00422"),
        Row("a place with a year to come", place(annee="2027"), "00422"),
        Row("a place without a year", place(annee=""), "00422"),
        Row("a département that is none", place(dep="999"), "00428"),
        Row("an overseas collectivity", place(dep="978"), "00428"),
        Row(
            "beside a code a name needs no département",
            place(commune="69123", dep=""),
            {"nom_commune_naissance": "Lyon"},
        ),
        Row("a list of names of communes", place(nom="") + "&nomCommuneNaissance[]=Lyon", "00365"),
        Row("a list of départements", place(dep="") + "&codeCogInseeDepartementNaissance[]=69", "00428"),
    ],
    "qf_annee": [
        Row("this year", "annee=2026", {"annee": 2026}),
        Row("the year before last", "annee=2024", {"annee": 2024}),
        Row("no year is fine", "", {}),
        Row("three years ago", "annee=2023", "00356"),
        Row("next year", "annee=2027", "00356"),
        Row("a blank year", "annee=", "00356"),
        Row("a year with something after it", "annee=2026x", "00356"),
        Row("a list of years", "annee[]=2026", "00356"),
    ],
    "qf_mois": [
        Row("this month", "mois=4", {"mois": 4}),
        Row("this month of this year", "mois=04&annee=2026", {"mois": 4}),
        Row("any month of last year", "mois=12&annee=2025", {"mois": 12}),
        Row("no month is fine", "annee=2026", {}),
        Row("a month to come", "mois=5&annee=2026", "00354"),
        Row("a month to come, without a year", "mois=5", "00354"),
        Row("a thirteenth month is one error, not two", "mois=13&annee=2026", "00354"),
        Row("a thirteenth month of last year", "mois=13&annee=2025", "00354"),
        Row("a wrong year is the year's fault", "mois=12&annee=abc", {"mois": 12}),
        Row("a blank month", "mois=", "00354"),
        Row("a list of months", "mois[]=4", "00354"),
    ],
    "qf_periode": [
        Row("23 months ago", "annee=2024&mois=5", {}),
        Row("24 months ago", "annee=2024&mois=4", "00355"),
        Row("the first month of the year before last", "annee=2024&mois=01", "00355"),
        Row("the last month of the year before last", "annee=2024&mois=12", {}),
        Row("no month at all is this one", "", {}),
        Row("a month alone is of this year", "mois=1", {}),
        Row("a year alone is this month of it", "annee=2024", "00355"),
        Row("last year alone", "annee=2025", {}),
        Row("a wrong year has a code of its own", "annee=2020&mois=1", {}),
        Row("a year in words", "annee=cette+année&mois=1", {}),
        Row("an impossible month has a code of its own", "annee=2024&mois=13", {}),
        Row("a blank month", "annee=2024&mois=", {}),
        Row("a list of months", "annee=2024&mois[]=1", {}),
        Row("a month to come", "annee=2026&mois=12", {}),
    ],
    "ine": [
        Row("RNIE", "ine=123456789hk", {"ine": "123456789HK"}),
        Row("BEA", "ine=1234567890G", {"ine": "1234567890G"}),
        Row("base 36", "ine=0a1b2c3d4e5", {"ine": "0A1B2C3D4E5"}),
        Row("SIFA", "ine=1234A56789Z", {"ine": "1234A56789Z"}),
        Row("a missing INE", "", "00360"),
        Row("a letter that no INE ends with", "ine=1234567890O", "00360"),
        Row("ten characters", "ine=123456789G", "00360"),
        Row("digits of another script", "ine=١٢٣٤٥٦٧٨٩٠G", "00360"),
        Row("the sign for kelvin, which is a K", "ine=123456789H%E2%84%AA", {"ine": "123456789HK"}),
        Row("a list of INEs", "ine[]=1234567890G", "00360"),
    ],
    "campaign_year": [
        Row("last year", "campaignYear=2025", {"campaign_year": 2025}),
        Row("the first campaign", "campaignYear=2021", {"campaign_year": 2021}),
        Row("no campaign is fine", "", {}),
        Row("a blank campaign is fine", "campaignYear=", {}),
        Row("this year", "campaignYear=2026", {"campaign_year": 2026}),
        Row("a year to come", "campaignYear=2999", {"campaign_year": 2999}),
        Row("a year before the first", "campaignYear=2020", "00368"),
        Row("two years", "campaignYear=2024-2025", "00368"),
        Row("a list of years", "campaignYear[]=2025", "00368"),
    ],
    "identifiant": [
        Row("any text is kept", "identifiant=abc-1", {"identifiant": "abc-1"}),
        Row("a missing identifier", "", "00380"),
        Row("a blank identifier", "identifiant=++", "00380"),
        Row("a list of identifiers", "identifiant[]=abc", "00380"),
    ],
    "immatriculation": [
        Row("a plate is kept as typed", "immatriculation=+ab-123-cd", {"immatriculation": "ab-123-cd"}),
        Row("a plate of the former register", "immatriculation=3579+LA+05", {"immatriculation": "3579 LA 05"}),
        Row("no plate", "", "00430"),
        Row("a blank plate", "immatriculation=++", "00430"),
        Row("twenty-one characters", f"immatriculation={'A' * 21}", "00430"),
        Row("a list of plates", "immatriculation[]=AB-123-CD", "00430"),
    ],
    "identifiant_numerique": [
        Row("a number is kept as typed", "identifiant=+007", {"identifiant": "007"}),
        Row("a number with a letter", "identifiant=735319a", "00380"),
        Row("a number of other digits", "identifiant=٧٣٥", "00380"),
        Row("twenty digits", f"identifiant={'1' * 20}", {"identifiant": "1" * 20}),
        Row("twenty-one digits", f"identifiant={'1' * 21}", "00380"),
        Row("two lines of digits", "identifiant=12%0A34", "00380"),
        Row("no number", "", "00380"),
    ],
    "numero_allocataire": [
        Row(
            "both are kept as typed",
            "numeroAllocataire=0123456&codePostal=01000",
            {"numero_allocataire": "0123456", "code_postal": "01000"},
        ),
        Row("a number of four digits", "numeroAllocataire=1234&codePostal=75001", "00352"),
        Row("a number with its key letter", "numeroAllocataire=1234567A&codePostal=75001", "00352"),
        Row("a missing postal code", "numeroAllocataire=12345", "00351"),
    ],
    "school_search": [
        Row("a school", "codeEtablissement=0511474A", {"code_etablissement": "0511474A"}),
        Row(
            "départements and a degree",
            "degreEtablissement=1D&codesBcnDepartements[]=02A&codesBcnDepartements[]=075",
            {"degre_etablissement": "1D", "codes_bcn_departements": ("02A", "075")},
        ),
        Row(
            "regions and a degree",
            "degreEtablissement=2D&codesBcnRegions[]=18",
            {"degre_etablissement": "2D", "codes_bcn_regions": ("18",)},
        ),
        Row("nowhere", "", "00415"),
        Row("a blank school", "codeEtablissement=+", "00415"),
        Row("a degree alone", "degreEtablissement=1D", "00415"),
        Row("a school that is not one", "codeEtablissement=511474A", "00410"),
        Row("a list of schools", "codeEtablissement[]=0511474A", "00410"),
        Row("a line after the school", "codeEtablissement=0511474A%0Ax", "00410"),
        Row("no degree", "codesBcnRegions[]=18", "00412"),
        Row("a third degree", "degreEtablissement=3D&codesBcnRegions[]=18", "00412"),
        Row("two kinds", "degreEtablissement=1D&codesBcnRegions[]=18&codesBcnDepartements[]=075", "00413"),
        Row("no region", "degreEtablissement=1D&codesBcnRegions[]", "00414"),
        Row("a blank region", "degreEtablissement=1D&codesBcnRegions[]=18&codesBcnRegions[]=", "00414"),
        Row("a text for regions", "degreEtablissement=1D&codesBcnRegions=18", "00414"),
        Row("the département of before 1976", "degreEtablissement=1D&codesBcnDepartements[]=020", "00416"),
        Row("a region of INSEE", "degreEtablissement=1D&codesBcnRegions[]=84", "00417"),
        Row("a school and a perimeter", "codeEtablissement=0511474A&codesBcnRegions[]=18", "00419"),
    ],
    "school": [
        Row("a school", "codeEtablissement=0511474A", {"code_etablissement": "0511474A"}),
        Row(
            "a perimeter is not looked at",
            "codeEtablissement=0511474A&codesBcnRegions[]=18",
            {"code_etablissement": "0511474A"},
        ),
        Row("nowhere", "", "00410"),
        Row("a school that is not one", "codeEtablissement=511474A", "00410"),
        Row("a list of schools", "codeEtablissement[]=0511474A", "00410"),
    ],
    "annee_scolaire": [
        Row("a year", "anneeScolaire=2025", {"annee_scolaire": "2025"}),
        Row("two years", "anneeScolaire=2025-2026", {"annee_scolaire": "2025-2026"}),
        Row("a missing year", "", "00411"),
        Row("two years with a slash", "anneeScolaire=2025/2026", "00411"),
        Row("a line before the year", "anneeScolaire=x%0A2025", "00411"),
        Row("a list of years", "anneeScolaire[]=2025", "00411"),
    ],
}


@pytest.mark.parametrize(
    ("rule", "row"),
    [pytest.param(rule, row, id=f"{rule}: {row.sentence}") for rule in TABLE for row in TABLE[rule]],
)
def test_a_rule_returns_parameters_or_an_error_code(rule: str, row: Row) -> None:
    expected = RuleViolations((row.answer,)) if isinstance(row.answer, str) else row.answer
    assert judge(rule, row.query) == expected


def test_results_that_queries_share_are_those_of_each_query_alone() -> None:
    shared: SharedResults = {}
    for rule, row in [(rule, row) for rule, rows in TABLE.items() for row in rows] * 2:
        checks, query = ((Check(rule),),), parse_query(row.query)
        assert apply_rules(checks, query, TODAY, shared) == apply_rules(checks, query, TODAY)


def test_results_of_one_day_are_not_those_of_another() -> None:
    shared: SharedResults = {}
    checks, query = ((Check("qf_mois"),),), parse_query("annee=2026&mois=3")
    assert isinstance(apply_rules(checks, query, date(2026, 2, 28), shared), RuleViolations)
    assert apply_rules(checks, query, date(2026, 3, 1), shared) == {"mois": 3}


@pytest.mark.parametrize("rule", RULES)
def test_the_table_above_shows_every_code_of_every_rule(rule: str) -> None:
    assert {row.answer for row in TABLE[rule] if isinstance(row.answer, str)} == set(RULES[rule].codes)


@pytest.mark.parametrize("rule", RULES)
def test_every_code_of_a_rule_is_a_failure_of_the_contract(rule: str) -> None:
    assert set(RULES[rule].codes) <= PARAMETERS.keys()


VALUES = st.text() | st.integers().map(str) | st.dates().map(str)


# A quarter of the usual examples is enough for each of three dozen rules, whose readers of a field are often the same.
@settings(max_examples=settings().max_examples // 4)
@given(data=st.data())
@pytest.mark.parametrize("rule", RULES)
def test_no_query_makes_a_rule_raise_or_answer_what_it_did_not_declare(rule: str, data: st.DataObject) -> None:
    name = st.sampled_from([name + suffix for name in Check(rule).parameter_names.values() for suffix in ("", "[]")])
    pairs = data.draw(st.lists(st.tuples(name, VALUES), max_size=8))
    match judge(rule, "&".join(f"{name}={quote(value, errors='replace')}" for name, value in pairs)):
        case RuleViolations(codes):
            assert set(codes) <= set(RULES[rule].codes)
        case values:
            assert values.keys() <= {*RULES[rule].fields, *RULES[rule].parts}


def test_both_faults_of_a_place_are_told() -> None:
    assert judge("commune_or_place", place(annee="90", dep="1")) == RuleViolations(("00422", "00428"))


def test_both_faults_of_a_perimeter_are_told() -> None:
    assert judge("school_search", "codesBcnRegions[]=84") == RuleViolations(("00412", "00417"))


def test_in_january_last_december_is_not_in_the_future() -> None:
    assert judge("qf_mois", "mois=12&annee=2025", date(2026, 1, 1)) == {"mois": 12}


@pytest.mark.parametrize("today", [date(2026, 1, 1), date(2026, 1, 31), date(2026, 12, 31), date(2028, 2, 29)])
def test_the_window_of_the_quotient_is_this_month_and_the_23_before(today: date) -> None:
    months = [(year, month) for year in range(today.year - 2, today.year + 1) for month in range(1, 13)]
    last = months.index((today.year, today.month))
    allowed = [one for one in months[: last + 1] if judge("qf_periode", f"annee={one[0]}&mois={one[1]}", today) == {}]
    assert allowed == months[last - 23 : last + 1]


def test_all_refusals_of_a_stage_are_returned_in_order() -> None:
    stage = (Check("sexe_required"), Check("pays"), Check("nom"))
    assert apply_rules((stage,), parse_query("sexeEtatCivil=F"), TODAY) == RuleViolations(("00400", "00420"))


def test_a_stage_is_reached_when_those_before_it_passed() -> None:
    stages = ((Check("ine"),), (Check("campaign_year"),))
    assert apply_rules(stages, parse_query("campaignYear=1999"), TODAY) == RuleViolations(("00360",))
    assert apply_rules(stages, parse_query("ine=1234567890G&campaignYear=1999"), TODAY) == RuleViolations(("00368",))


def test_a_code_is_told_once() -> None:
    stage = (Check("commune_or_place"), Check("date_full"))
    assert apply_rules((stage,), parse_query(place(annee="0") + "&moisDateNaissance=1"), TODAY) == RuleViolations(
        ("00422",)
    )


def test_an_operation_may_call_a_field_otherwise() -> None:
    check = Check("nom", {"nom_naissance": "nom"})
    assert apply_rules(((check,),), parse_query("nom=DURANT"), TODAY) == {"nom_naissance": "DURANT"}


def test_a_rule_may_be_put_to_somebody_who_typed_nothing() -> None:
    who = Identite(nom_naissance="DURANT", prenoms=("Ève",), annee_date_naissance=1990, sexe_etat_civil="F")
    checks = (Check("nom", {"nom_naissance": "nom"}), Check("prenoms_required"), Check("sexe_required"))
    assert refused_codes(checks, who, TODAY) == ()
    assert refused_codes((*checks, Check("date_full"), Check("pays")), who, TODAY) == ("00423", "00400")
