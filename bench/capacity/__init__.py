"""What one of each thing costs (a token, a cached answer, a journal row …), for docs/capacity.md to multiply."""
