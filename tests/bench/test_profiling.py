"""Tests of how the profiler computes costs from samples."""

from __future__ import annotations

import pytest

from bench.profiling import Cost, costs, package_of, parsed

LOOP = "run (/x/site-packages/uvloop/__init__.py:92);Runner.run (/y/lib/python3.11/asyncio/runners.py:118)"


def test_a_function_costs_its_own_samples_and_those_of_what_it_calls() -> None:
    found = {cost.of: cost for cost in costs([(("answer", "encode"), 3), (("answer",), 1)])}
    assert found == {"answer": Cost("answer", 0.25, 1.0), "encode": Cost("encode", 0.75, 0.75)}


def test_a_function_that_calls_itself_counts_once() -> None:
    assert {cost.of: cost.whole for cost in costs([(("walk", "walk"), 2)])} == {"walk": 1.0}


@pytest.mark.parametrize(
    ("path", "package"),
    [
        ("/x/lib/python3.11/site-packages/opentelemetry/sdk/trace/__init__.py", "opentelemetry"),
        ("/x/lib/python3.11/asyncio/streams.py", "asyncio"),
        ("/x/lib/python3.11/contextlib.py", "contextlib"),
        ("/home/one/bouquet/mesh/bouquet_mesh/bus/api.py", "bouquet_mesh"),
        ("/home/one/bouquet/services/gateway/bouquet_gateway/http/app.py", "bouquet_gateway"),
        ("/home/one/bouquet/services/providers/kit/bouquet_worker/worker.py", "bouquet_worker"),
    ],
)
def test_a_function_belongs_to_the_package_that_is_installed_or_ours(path: str, package: str) -> None:
    [(frames, _)] = parsed(f"{LOOP};call ({path}:7) 1")
    assert [package_of(frame) for frame in frames] == [package]


def test_only_what_the_loop_ran_is_read() -> None:
    folded = f"""\
{LOOP};answer (/x/site-packages/bouquet_mesh/bus/api.py:90) 3
{LOOP} 2
worker (opentelemetry/sdk.py:1);wait (threading.py:331) 9"""
    assert list(parsed(folded)) == [
        (("answer (bouquet_mesh/bus/api.py)",), 3),
        (("the event loop itself (uvloop)",), 2),
    ]


@pytest.mark.parametrize("folded", ["", "wait (threading.py:331) 9"])
def test_a_profile_without_samples_has_no_costs(folded: str) -> None:
    assert costs(parsed(folded)) == []
