"""Tests of `BOUQUET_GATEWAY_TERRITORIES`, the path prefixes of each provider. They must cover all paths of the
provider, and no others."""

from __future__ import annotations

from pathlib import PurePath

import msgspec
import pytest
import yaml
from msgspec import Raw

from bouquet_gateway.offers.checks import Territories, read_offer, territories
from bouquet_gateway.offers.discovery import Discovery
from bouquet_gateway.offers.providers_file import read_names
from bouquet_mesh.bus.memory import MemoryBus
from tests.deploy.manifests import OVERLAYS, ROOT, of_kind, pods, rendered

SETTING = "BOUQUET_GATEWAY_TERRITORIES"
PROVIDERS = ROOT / "deploy" / "k8s" / "base" / "providers" / "allowed"
COMPOSE = ROOT / "deploy" / "compose" / "compose.yaml"
OFFERS = {file.stem: Raw(file.read_bytes()) for file in sorted((ROOT / "proto" / "offers").glob("*.json"))}
KEYS = "/api/france_connect_jwks"
"""Path at which Bouquet publishes its public key. FranceConnect encrypts its answers with this key."""
# The files in proto/offers do not contain it, since only a running worker offers it. The test checks it separately.


def settings_of(place: str) -> dict[str, str]:
    if place == "compose":
        maps = [yaml.safe_load(COMPOSE.read_bytes())["services"]["gateway"]["environment"]]
    else:
        maps = [one["data"] for one in of_kind(rendered(OVERLAYS[place]), "ConfigMap")]
    [own] = [dict(variables) for variables in maps if SETTING in variables]
    return own


def listed(place: str, setting: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in settings_of(place)[setting].split(","))


def allowed_in(place: str) -> tuple[str, ...]:
    """Returns the providers in the file that a place mounts for its gateways, which is `PROVIDERS` everywhere."""
    path = PurePath(settings_of(place)["BOUQUET_GATEWAY_PROVIDERS_FILE"])
    assert path.name == PROVIDERS.name
    if place == "compose":
        volumes = yaml.safe_load(COMPOSE.read_bytes())["services"]["gateway"]["volumes"]
        [source] = [volume.partition(":")[0] for volume in volumes if f":{path.parent}:" in volume]
        assert (COMPOSE.parent / source).resolve() == PROVIDERS.parent
    else:
        manifests = rendered(OVERLAYS[place])
        [gateway] = [pod for pod in pods(manifests) if pod.component == "gateway"]
        mounts = {mount["mountPath"]: mount["name"] for mount in gateway.containers[0]["volumeMounts"]}
        volume = mounts[str(path.parent)]
        [name] = [one["configMap"]["name"] for one in gateway.spec["volumes"] if one["name"] == volume]
        [data] = [one["data"] for one in of_kind(manifests, "ConfigMap") if one["metadata"]["name"] == name]
        assert data == {path.name: PROVIDERS.read_text(encoding="utf-8")}
    return read_names(str(PROVIDERS))


@pytest.mark.parametrize("place", ["compose", *OVERLAYS])
def test_gateways_may_ask_every_provider_of_this_repository(place: str) -> None:
    assert {*OFFERS, "france_connect"} == {*allowed_in(place)}


def territories_of(place: str) -> Territories:
    return territories(listed(place, SETTING), SETTING)


@pytest.mark.parametrize("place", ["compose", *OVERLAYS])
def test_every_provider_may_offer_what_it_has(place: str) -> None:
    own = territories_of(place)
    for provider, data in OFFERS.items():
        offer = read_offer(provider, data, own).offer
        assert offer
        assert len(offer.operations) == len(msgspec.json.decode(data)["operations"])
    assert KEYS.startswith(own["france_connect"])


@pytest.mark.parametrize("place", ["compose", *OVERLAYS])
def test_an_unknown_path_is_unknown_whoever_is_away(place: str) -> None:
    nobody = Discovery(MemoryBus(), allowed_in(place), territories_of(place))
    known = "/v3/dss/quotient_familial/identite"
    paths = (known, "/v3/nowhere/identite", "/v9/men/x", "/api/v2/nowhere", "/nowhere")
    assert [nobody.may_be_offered(path) for path in paths] == [True, False, False, False, False]
