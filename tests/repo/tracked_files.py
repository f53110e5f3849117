"""Files of the repository that git tracks."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def tracked(*patterns: str) -> list[Path]:
    """Returns the tracked files that match one of the patterns of `git ls-files` and exist."""
    command = ["git", "ls-files", "-z", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).exists()]


PAGES = tracked(":(glob)*.md", "docs/*.md", ":(glob)bench/*.md")
DOCUMENTATION = tracked("*.md", ":(exclude)services/portal/bouquet_portal/content")
"""All Markdown files except the portal's content, where each paragraph is one line and links lead to pages of the
portal."""
