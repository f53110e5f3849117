"""Tests of `tls_error_of`, which finds a TLS failure among an exception and its causes."""

from __future__ import annotations

import ssl

from bouquet_mesh.tls.context import tls_error_of


def test_the_tls_error_is_found_in_openssls_words_at_any_depth() -> None:
    deep = ConnectionError()
    deep.__cause__ = OSError()
    deep.__cause__.__context__ = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    assert tls_error_of(deep) == "SSLError"


def test_errors_that_cause_each_other_are_searched_once_for_a_tls_error() -> None:
    """Tests that the search for a TLS failure ends even if two errors are each other's context."""
    # aiormq makes such pairs, because it raises the error that closed a connection in every task that waits for the
    # connection.
    one, other = ConnectionError(), ConnectionResetError()
    one.__context__, other.__context__ = other, one
    assert tls_error_of(one) == ""


def test_the_tls_error_of_a_library_s_certificate_error_is_that_of_its_cause() -> None:
    own = ssl.SSLCertVerificationError(1, "certificate verify failed")
    own.verify_message = "certificate has expired, in English"
    of_library = ssl.SSLCertVerificationError("cannot connect")
    of_library.__cause__ = own
    assert tls_error_of(of_library) == "certificate has expired"
    assert tls_error_of(ssl.SSLCertVerificationError("cannot connect")) == ""
