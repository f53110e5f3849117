"""HTML page, in French and without scripts, that shows people the result of verifying a proof. A proof is an encrypted
text that shows later what an answer said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from bouquet_gateway.proofs.checks import VerifiedProof
from bouquet_gateway.proofs.journal_entry import KnownState
from bouquet_gateway.proofs.proofs import code_of
from bouquet_gateway.proofs.statement import Row, french_day

TEST_DATA = "DONNÉES DE TEST — DOCUMENT SANS VALEUR"
STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:42rem;margin:2rem auto;padding:0 1rem;color:#161616;background:#fff}"
    "table{border-collapse:collapse;width:100%;margin:0 0 1rem}"
    "th,td{text-align:left;vertical-align:top;padding:.4rem .6rem;border:1px solid #767676}th{width:50%}"
)
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
"""HTTP headers that keep the page's URL, which contains the proof, out of caches, search engines and `Referer` headers.
Scripts and frames are forbidden."""


ENTRY_STATE_SENTENCES: Mapping[KnownState, str] = {
    "kept": "Entrée conservée : la réponse a bien été journalisée",
    "pruned": "Entrée plus conservée : la durée de conservation du journal est passée",
    "absent": "Entrée absente du journal : elle n'y est pas encore, ou n'y est plus",
    "unknown": "Impossible à vérifier pour le moment",
}
"""French text for each state of a record in the access journal."""


def page_of(verified: VerifiedProof, *, is_test: bool) -> str:
    """Returns the HTML page about a valid proof. `is_test` says whether the proof is about invented data of a
    sandbox."""
    statement = verified.statement
    facts = (
        Row("Code de vérification", code_of(verified.text)),
        Row("Source", statement.source),
        Row("SIRET du demandeur", statement.siret),
        Row("Émise le", french_day(statement.issued_on)),
        Row("Valable jusqu'au", french_day(statement.valid_until)),
        *((Row("Entrée du journal des accès", statement.record),) if statement.record else ()),
        *((Row("État de cette entrée", ENTRY_STATE_SENTENCES[verified.entry]),) if verified.entry else ()),
    )
    parts = [
        f"<p><strong>{TEST_DATA}</strong></p>" if is_test else "",
        "<p>Cette preuve est authentique. Comparez le code et les valeurs avec le document présenté.</p>",
        _table(facts),
    ]
    for section in statement.sections:
        parts += [f"<h2>{escape(section.title)}</h2>", *map(_table, section.entries)]
    return _page(statement.title, "".join(parts))


def refusal_page(detail: str) -> str:
    """Returns the HTML page for a proof that cannot be verified, for the reason `detail`."""
    return _page("Vérification impossible", f"<p>{escape(detail)}</p>")


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="fr"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )


def _table(rows: Iterable[Row]) -> str:
    lines = (f'<tr><th scope="row">{escape(row.label)}</th><td>{escape(row.value)}</td></tr>' for row in rows)
    return f"<table>{''.join(lines)}</table>"
