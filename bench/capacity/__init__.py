"""Unit costs (of a token, a cached answer, a journal row …), from which docs/capacity.md computes larger loads."""
