"""Tests of blank or malformed texts and dates in upstreams' answers."""

from __future__ import annotations

import msgspec
import pytest

from bouquet_worker.blank_and_dates import IsoDate, IsoDateOrBlank, day_of, day_or_none, none_if_blank


@pytest.mark.parametrize(
    ("text", "shown"),
    [("RUE DU PRAT", "RUE DU PRAT"), (" A ", " A "), ("", None), (" ", None), ("\n\t", None), (None, None)],
)
def test_a_blank_text_becomes_none(text: str | None, shown: str | None) -> None:
    assert none_if_blank(text) == shown


@pytest.mark.parametrize("moment", ["1980-11-14T00:00:00+01:00", "1980-11-14T00:00:00Z", "1980-11-14"])
def test_the_day_of_a_date_is_the_written_one_whatever_its_time_zone(moment: str) -> None:
    assert (
        day_of(msgspec.convert(moment, IsoDate)) == day_or_none(msgspec.convert(moment, IsoDateOrBlank)) == "1980-11-14"
    )


@pytest.mark.parametrize("text", ["14/11/1980", "1980-11", "1980-11-14 00:00", "1980-11-14\n", "le 1980-11-14"])
def test_a_date_in_another_form_is_refused(text: str) -> None:
    for model in (IsoDate, IsoDateOrBlank):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(text, model)


def test_only_a_field_of_type_iso_date_or_blank_may_be_blank() -> None:
    assert day_or_none(msgspec.convert(" ", IsoDateOrBlank)) is day_or_none(None) is None
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(" ", IsoDate)
