"""Command `bouquet-worker new`: writes the package of a new provider, as a copy of the provider `acme` in
`template/`."""

from __future__ import annotations

import argparse
import errno
import keyword
import os
import re
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path

from bouquet_proto.names import PROVIDER_NAME, RESERVED_WORDS, WORKERS

MAX_LENGTH = 30
NOT_COPIED = re.compile(r"__pycache__|.*\.egg-info|\..*_cache|\.venv|\.env")
"""Pattern of the names of files and folders in the template that are not copied, such as caches left by tools."""


def command(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", type=_free_name, help="name of the provider, in snake case")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(),
        help="folder in which the provider's folder is made; the current one by default",
    )
    parser.add_argument("--into", type=Path, help="folder for the provider's files, in place of one with its name")
    parser.set_defaults(command=_new)


def _free_name(name: str) -> str:
    if objection := objection_to(name):
        raise argparse.ArgumentTypeError(f"{name}: {objection}")
    return name


def _new(arguments: argparse.Namespace) -> int:
    target: Path = arguments.into or arguments.folder / arguments.name
    try:
        write_provider(arguments.name, target)
    except FileExistsError as error:
        sys.stderr.write(f"{error.filename} exists already\n")
        return 1
    sys.stdout.write(f"{target} is written: its README names the next steps\n")
    return 0


def objection_to(name: str) -> str:
    """Returns the reason why a new provider cannot have this name; "" if it can."""
    if not PROVIDER_NAME.fullmatch(name) or len(name) > MAX_LENGTH:
        return f"a name has lower case letters, digits and single underscores, {MAX_LENGTH} characters at most"
    if name.partition("_")[0].upper() in RESERVED_WORDS or keyword.iskeyword(name):
        return "this name is reserved"
    if find_spec(f"bouquet_{name}"):
        return "a package of this name is installed"
    for other in sorted(entry.name for entry in entry_points(group=WORKERS)):
        if f"{name}_".startswith(f"{other}_") or f"{other}_".startswith(f"{name}_"):
            return f"the names of its settings would begin like those of {other}"
    return ""


def write_provider(name: str, target: Path) -> None:
    """Copies the template into the folder `target`, with the provider's name in place of `acme`. Raises
    `FileExistsError`, and writes nothing, if `target` already contains one of the files."""
    template = files("bouquet_worker") / "template" / "bouquet-acme"
    copies = {target / renamed(path, name): renamed(content, name) for path, content in _files(template)}
    if existing := next(filter(Path.exists, copies), None):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(existing))
    for copy, content in copies.items():
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(content, encoding="utf-8")


def _files(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yields the path and the text of each file that is to be copied. The path is relative to `folder`, with `prefix`
    in front of it."""
    for entry in folder.iterdir():
        if NOT_COPIED.fullmatch(entry.name):
            continue
        if entry.is_dir():
            yield from _files(entry, f"{prefix}{entry.name}/")
        else:
            yield prefix + entry.name, entry.read_text(encoding="utf-8")


def renamed(text: str, name: str) -> str:
    """Returns the text with every `acme` replaced by the provider's name, in the same letter case."""
    # After a hyphen, as in names of distributions, images and teams, underscores of the name become hyphens.
    spellings = {
        "-acme": "-" + name.replace("_", "-"),
        "Acme": name.title().replace("_", ""),
        "ACME": name.upper(),
        "acme": name,
    }
    return re.sub("|".join(spellings), lambda found: spellings[found[0]], text)
