"""Tests that a running demo answers the calls in README.md and docs/calling.md as the pages show."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.demo import demo

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CALLING = (ROOT / "docs" / "calling.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


async def printed(script: str, url: str, token: str) -> list[Any]:
    """Runs a shell script of calls to a gateway, and returns the JSON value that each call printed."""
    process = await asyncio.create_subprocess_exec(
        "sh", "-eu", "-c", script.replace("http://127.0.0.1:8000", url),
        env={**os.environ, "TOKEN": token}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == 0
    return list(_values(output.decode()))


async def printed_within_limit(script: str, url: str, token: str) -> list[Any]:
    """Runs a script as `printed` does, again while the rate limit of the demo's token refuses a call of it."""
    answers = await printed(script, url, token)
    while any("00429" in str(answer.get("errors")) for answer in answers):
        await asyncio.sleep(1.0)
        answers = await printed(script, url, token)
    return answers


def _values(text: str) -> Iterator[Any]:
    while text := text.lstrip():
        value, end = json.JSONDecoder().raw_decode(text)
        yield value
        text = text[end:]


def shows(answer: Any, shown: Any) -> bool:
    """Reports whether an answer agrees with the JSON that a page shows. The page may leave out members of objects, but
    must show every item of a list."""
    match answer, shown:
        case dict(), dict():
            return all(key in answer and shows(answer[key], value) for key, value in shown.items())
        case list(), list():
            return len(answer) == len(shown) and all(map(shows, answer, shown))
        case _:
            return bool(answer == shown)


async def test_the_pages_calls_are_answered_as_they_show() -> None:
    async with demo() as (running, client):
        first = json.loads(await _output(running.curl))
        answers = [first] + [
            answer for script in blocks(README, "sh") for answer in await printed(script, running.url, client.token)
        ]
        assert [shows(*pair) for pair in zip(answers, map(json.loads, blocks(README, "json")), strict=True)] == [
            True
        ] * 3
        called = [
            answer
            for script in blocks(CALLING, "sh")
            for answer in await printed_within_limit(script, running.url, client.token)
        ]
        calls = re.findall(r"^(?:ask /|curl )", "".join(blocks(CALLING, "sh")), re.MULTILINE)
        assert ["data" in answer for answer in called] == [True] * len(calls)


async def _output(command: list[str]) -> bytes:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    return (await process.communicate())[0]


def test_an_answer_may_be_shortened_and_not_changed() -> None:
    answer = {"data": {"valeur": 612, "mois": 4}, "list": [1, 2]}
    assert shows(answer, {"data": {"valeur": 612}})
    assert not shows(answer, {"data": {"valeur": 613}})
    assert not shows(answer, {"list": [1]})
    assert not shows(answer, {"other": None})
