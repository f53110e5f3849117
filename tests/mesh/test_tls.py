"""What TLS has against a connection, wherever in an exception it is."""

from __future__ import annotations

import ssl

from bouquet_mesh.tls.context import tls_error_of


def test_the_words_are_openssl_s_however_deep_they_are() -> None:
    deep = ConnectionError()
    deep.__cause__ = OSError()
    deep.__cause__.__context__ = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    assert tls_error_of(deep) == "SSLError"


def test_errors_that_are_each_other_s_cause_are_read_once() -> None:
    """aiormq raises what closed its connection to everybody who waits for it, and again as it closes."""
    one, other = ConnectionError(), ConnectionResetError()
    one.__context__, other.__context__ = other, one
    assert tls_error_of(one) == ""
