"""Tests of the offer that a gateway serves while workers of one provider send different offers, as in a roll-out."""

from __future__ import annotations

import pytest
from msgspec import Raw, Struct

from bouquet_gateway.offers.provider_offer import FIELDS_KEPT_S, ProviderOffer
from bouquet_proto.messages import encode
from bouquet_proto.offer import Offer, digest_of
from tests.support.offers import Person, dossier, offer


class Renamed(Struct, frozen=True):
    numero_dossier: str
    titulaire: Person


class Retyped(Struct, frozen=True):
    numero: int
    titulaire: Person


class Longer(Struct, frozen=True):
    numero: str
    titulaire: Person
    ouvert_le: str


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


SERVED = offer(dossier())
RENAMED = offer(dossier(data=Renamed, fields={"numero_dossier": ("acme_dossier",), "titulaire.age": ("acme_age",)}))
RETYPED = offer(dossier(data=Retyped))
LONGER = offer(dossier(data=Longer))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def provider(clock: Clock) -> ProviderOffer:
    made = ProviderOffer("acme", {}, clock)
    assert made.receive(as_data(SERVED)) == SERVED
    return made


def as_data(sent: Offer) -> Raw:
    return Raw(encode(sent))


def verdict(provider: ProviderOffer) -> tuple[str, list[str]]:
    digest, refusals = provider.verdict(())
    return digest, [str(refusal) for refusal in refusals]


@pytest.mark.parametrize(
    ("later", "refusal"),
    [
        (RENAMED, "field removed: acme_v3_dossier: numero"),
        (RETYPED, "field changed: acme_v3_dossier: numero"),
    ],
)
def test_an_offer_that_takes_a_field_from_callers_is_refused(
    provider: ProviderOffer, later: Offer, refusal: str
) -> None:
    assert provider.receive(as_data(later)) is None
    assert provider.served == SERVED
    assert verdict(provider) == (digest_of(encode(later)), [refusal])


def test_a_refused_offer_is_reported_whoever_answers_next(provider: ProviderOffer) -> None:
    provider.receive(as_data(RENAMED))
    provider.receive(as_data(SERVED))
    assert verdict(provider)[0] == digest_of(encode(RENAMED))


def test_an_offer_with_fewer_fields_counts_once_no_former_worker_answers(provider: ProviderOffer, clock: Clock) -> None:
    provider.receive(as_data(RENAMED))
    clock.now += FIELDS_KEPT_S
    assert provider.receive(as_data(RENAMED)) == RENAMED
    assert verdict(provider) == (digest_of(encode(RENAMED)), [])


def test_an_offer_with_another_field_counts_at_once(provider: ProviderOffer) -> None:
    assert provider.receive(as_data(LONGER)) == LONGER


def test_the_former_worker_of_a_roll_out_is_not_refused(provider: ProviderOffer, clock: Clock) -> None:
    provider.receive(as_data(LONGER))
    assert provider.receive(as_data(SERVED)) is None
    assert verdict(provider) == (digest_of(encode(LONGER)), [])
    clock.now += FIELDS_KEPT_S
    assert provider.receive(as_data(SERVED)) == SERVED, "the roll-out was undone"


def test_a_refused_offer_that_nobody_sends_any_more_is_forgotten(provider: ProviderOffer, clock: Clock) -> None:
    provider.receive(Raw(b'{"offer":"nonsense"}'))
    assert verdict(provider)[1] == ["offer unreadable"]
    clock.now += FIELDS_KEPT_S
    assert verdict(provider) == (digest_of(encode(SERVED)), [])
