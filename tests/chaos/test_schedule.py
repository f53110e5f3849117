"""Tests that the schedule of faults is the same for the same seed, and contains every kind of fault."""

from __future__ import annotations

import itertools

import pytest

from tests.chaos.faults import INJECTORS
from tests.chaos.schedule import CLUSTER_FAULTS, FAULTS, Episode, faults_named, schedule

BY_NAME = {fault.name: fault for fault in FAULTS}
SEEDS = range(20)
EVERY_FAULT = tuple({fault.name: fault for fault in (*FAULTS, *CLUSTER_FAULTS)}.values())


def lasts_s(episode: Episode) -> float:
    return max(strike.lasts_s for strike in episode.injections)


def test_the_same_seed_gives_the_same_schedule() -> None:
    assert schedule(7, 600) == schedule(7, 600)
    assert schedule(7, 600) != schedule(8, 600)


def test_a_longer_schedule_begins_like_a_shorter_one() -> None:
    shorter = schedule(7, 120)
    assert schedule(7, 600)[: len(shorter)] == shorter


@pytest.mark.parametrize("seed", SEEDS)
def test_ten_minutes_of_schedule_have_every_fault(seed: int) -> None:
    assert {strike.fault for episode in schedule(seed, 600) for strike in episode.injections} == BY_NAME.keys()


@pytest.mark.parametrize("seed", SEEDS)
def test_an_episode_has_healed_before_the_next_and_before_the_end(seed: int) -> None:
    episodes = schedule(seed, 600)
    for one, following in itertools.pairwise(episodes):
        assert one.at_s + lasts_s(one) < following.at_s
    assert episodes[-1].at_s + lasts_s(episodes[-1]) < 600


@pytest.mark.parametrize("seed", SEEDS)
def test_no_part_has_two_faults_at_once(seed: int) -> None:
    for episode in schedule(seed, 600):
        places = [BY_NAME[strike.fault].place for strike in episode.injections]
        assert len(set(places)) == len(places)


def test_a_schedule_has_the_given_faults_only() -> None:
    names = {fault.name for fault in CLUSTER_FAULTS}
    assert {strike.fault for episode in schedule(1, 1800, CLUSTER_FAULTS) for strike in episode.injections} == names
    [only, *_] = CLUSTER_FAULTS
    assert {strike.fault for episode in schedule(1, 600, [only]) for strike in episode.injections} == {only.name}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("worker killed", ["worker killed"]),
        ("worker hu", ["worker hung"]),
        ("s restarted in turn", [f"{parts} restarted in turn" for parts in ("nodes", "gateways", "workers")]),
        ("earthquake", []),
    ],
    ids=["a whole name, part of another", "part of one", "part of several", "of none"],
)
def test_faults_are_selected_by_a_name_or_by_a_part_of_several(text: str, names: list[str]) -> None:
    assert [fault.name for fault in faults_named(text, EVERY_FAULT)] == names


def test_an_injection_has_a_target_and_duration_of_its_fault() -> None:
    for strike in (strike for episode in schedule(3, 3600) for strike in episode.injections):
        fault = BY_NAME[strike.fault]
        shortest_s, longest_s = fault.lasts_s
        assert strike.target in fault.targets
        assert shortest_s <= strike.lasts_s <= longest_s


def test_every_fault_has_an_injector() -> None:
    assert INJECTORS.keys() == {fault.name for fault in (*FAULTS, *CLUSTER_FAULTS)}
