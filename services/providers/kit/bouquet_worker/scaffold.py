"""`bouquet-worker new`: a provider to begin with, which is the one in template/ under another name.

The template is a whole provider called `acme`, so that it is checked and tested like any other.
"""

from __future__ import annotations

import argparse
import keyword
import re
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path

from bouquet_proto.names import RESERVED_WORDS, WORKERS

NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
MAX_LENGTH = 30
LEFT_BEHIND = re.compile(r"__pycache__|.*\.egg-info|\..*_cache|\.venv|\.env")


def command(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", type=_free_name, help="of the provider, in snake case")
    parser.add_argument("--folder", type=Path, default=Path(), help="where its folder is made; here by default")
    parser.set_defaults(command=_new)


def _free_name(name: str) -> str:
    if trouble := objection_to(name):
        raise argparse.ArgumentTypeError(f"{name}: {trouble}")
    return name


def _new(arguments: argparse.Namespace) -> int:
    target: Path = arguments.folder / arguments.name
    if target.exists():
        sys.stderr.write(f"{target} is there already\n")
        return 1
    write(arguments.name, target)
    sys.stdout.write(f"{target} is ready: its README says how to go on\n")
    return 0


def objection_to(name: str) -> str:
    """Why a provider cannot have this name; empty when it can."""
    if not NAME.fullmatch(name) or len(name) > MAX_LENGTH:
        return f"a name is lower case letters, digits and single underscores, {MAX_LENGTH} at most"
    if name.partition("_")[0].upper() in RESERVED_WORDS or keyword.iskeyword(name):
        return "this name has another meaning"
    if find_spec(f"bouquet_{name}"):
        return "a package of this name is installed"
    for other in sorted(entry.name for entry in entry_points(group=WORKERS)):
        if f"{name}_".startswith(f"{other}_") or f"{other}_".startswith(f"{name}_"):
            return f"its settings would be mixed up with those of {other}"
    return ""


def write(name: str, target: Path) -> None:
    """The template as a provider of that name. `target` does not exist yet."""
    for path, content in _files(files("bouquet_worker") / "template" / "bouquet-acme"):
        copy = target / renamed(path, name)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(renamed(content, name), encoding="utf-8")


def _files(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Path and text of each."""
    for entry in folder.iterdir():
        if LEFT_BEHIND.fullmatch(entry.name):
            continue
        if entry.is_dir():
            yield from _files(entry, f"{prefix}{entry.name}/")
        else:
            yield prefix + entry.name, entry.read_text(encoding="utf-8")


def renamed(text: str, name: str) -> str:
    """`acme` in each of its spellings. Distributions, images and teams are written with hyphens."""
    spellings = {
        "-acme": "-" + name.replace("_", "-"),
        "Acme": name.title().replace("_", ""),
        "ACME": name.upper(),
        "acme": name,
    }
    return re.sub("|".join(spellings), lambda found: spellings[found[0]], text)
