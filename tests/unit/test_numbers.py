"""One phone number is one subscriber, in whatever form it comes in."""

from __future__ import annotations

from typing import Any

import pytest

from streamproc.contracts.numbers import (
    Address,
    NumberError,
    Numbering,
    UnknownRegionError,
    check_region,
    smpp_address,
    subscriber_key,
)
from streamproc.core.subscribers import CANARY_PREFIX, foreign_form, is_canary
from streamproc.lab.oracle.reading import spells_a_number
from streamproc.producer import InvalidEventError, build, usage
from streamproc.producing.events import with_keys_in

KEY = "8613800000001"
CHINA = Numbering("CN")


@pytest.mark.parametrize(
    "text",
    [
        *(KEY, "+8613800000001", "008613800000001", "86-138-0000-0001", "+86 138 0000 0001"),
        *(
            "tel:+8613800000001",
            "TEL:+86-138-0000-0001",
            "(+86) 13800000001"[1:-12] + "13800000001",
        ),
        *(" 8613800000001 ", "86.138.0000.0001", "８６１３８０００００００１"),
        *("msisdn:8613800000001", "MSISDN=+8613800000001", "sms:+8613800000001"),
        *("smsto:8613800000001", "callto:+8613800000001", "SMS:+8613800000001?body=STOP"),
        *("8,613,800,000,001", "8'613'800'000'001", "msisdn-8613800000001"),
        *("sip:+8613800000001@ims.example.com", "sips:8613800000001@h;transport=tcp;user=phone"),
    ],
)
@pytest.mark.parametrize("numbering", [Numbering(), CHINA, Numbering("DE"), Numbering("US")])
def test_a_number_with_country_code_is_one_key_in_every_form(
    text: str, numbering: Numbering
) -> None:
    assert subscriber_key(text, numbering) == KEY


@pytest.mark.parametrize(
    ("text", "region", "key"),
    [
        ("13800000001", "CN", KEY),
        ("013800000001", "CN", KEY),
        ("138-0000-0001", "CN", KEY),
        ("13803334444", "CN", "8613803334444"),  # a number of the United States, too
        ("0151 12345678", "DE", "4915112345678"),
        ("15112345678", "DE", "4915112345678"),
        ("416-555-0123", "CA", "14165550123"),
        ("8613800000001", "DE", KEY),  # a landline of Germany, too
        ("447700900123", "GB", "447700900123"),  # of a range that is not in use
    ],
)
def test_a_national_number_is_of_the_region(text: str, region: str, key: str) -> None:
    assert subscriber_key(text, Numbering(region)) == key


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("8.6138E+12", "in exponent form"),
        ("8.6138e12", "in exponent form"),
        ("8,6138E+12", "in exponent form"),
        ("8613800000001.0", "with a fraction"),
        ("8613800000001F", "the filler F of a BCD number"),
        ("011-86-138-0000-0001", "not a phone number with country code"),
        ("13800000001", "name the region"),
        ("013800000001", "name the region"),
        ("tel:13800000001;phone-context=example.com", "not a phone number with country code"),
        ("+8613800000001;ext=5", "has an extension"),
        ("+86 138 0000 OOO1", "has letters"),
        ("tel:+8613800000001;ext=5", "has an extension"),
        ("+86138", "not a phone number with country code"),
        ("001234567", "not a phone number with country code"),
    ],
)
def test_what_is_no_number_that_can_be_told_is_refused(text: str, says: str) -> None:
    with pytest.raises(NumberError, match=says) as caught:
        subscriber_key(text)
    assert text not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        *("sub-001", "acct:77-4410", "460001234567890", "1001", "C-9", "a1B2"),
        *("00-11-22-33-44-55", "89860012345678901234", "861380", "8E12", "user@example.org"),
        *("8613800000001-2", "8613800000001.7", "86138000000012F", "sip:alice@example.com"),
        *("sip:8613800000001@example.com", "msisdn-", "imsi-460001234567890"),
        *("10.0.0.1", "192.168.10.15"),
    ],
)
@pytest.mark.parametrize("numbering", [Numbering(), CHINA])
def test_ids_that_are_no_phone_numbers_stay_as_they_are(text: str, numbering: Numbering) -> None:
    assert subscriber_key(text, numbering) == text


def test_where_all_are_ids_nothing_is_read_into_them() -> None:
    for text in ("2024-000123", "13800000001", "tel:5", "0012345678"):
        assert subscriber_key(text, Numbering(kind="ids")) == text
        assert foreign_form(text, "ids") is None


def test_where_all_are_numbers_an_id_is_refused() -> None:
    for text in ("sub-001", "1001", "460001234567890"):
        with pytest.raises(NumberError, match="is not a phone number"):
            subscriber_key(text, Numbering(kind="numbers"))


def test_where_all_are_numbers_a_canary_is_taken_nevertheless() -> None:
    canary = f"{CANARY_PREFIX}20260105-3-0"
    for kind in ("any", "numbers", "ids"):
        assert foreign_form(canary, kind) is None
        assert not spells_a_number(canary, kind)
    assert is_canary(canary)
    assert not is_canary("streamproc-1")
    assert not is_canary(KEY)


def test_an_unknown_region_is_told() -> None:
    assert check_region("cn") == "CN"
    with pytest.raises(UnknownRegionError, match="no region 'XX'"):
        check_region("XX")


def test_events_take_numbers_in_every_form() -> None:
    event = usage("+86 138 0000 0001", source="s", total_bytes=1, member="138-0000-0002"
                  , numbering=CHINA)  # fmt: skip

    assert (event.subscriber, event.member) == (KEY, "8613800000002")


@pytest.mark.parametrize("field", ["subscriber", "member"])
def test_a_refusal_names_the_field(field: str) -> None:
    given: dict[str, Any] = {"subscriber": KEY, field: "8.6138E+12"}
    with pytest.raises(InvalidEventError, match=f"^{field}: is a number in exponent form"):
        usage(**given, source="s", total_bytes=1)


def test_events_in_json_are_changed_only_where_they_must() -> None:
    same = b'{ "subscriber":"8613800000001" , "total_bytes":1}'
    assert with_keys_in(same, Numbering()) is same
    other = with_keys_in(b'{"subscriber":"0086-138-0000-0001","total_bytes":1}', Numbering())
    assert other == b'{"subscriber":"8613800000001","total_bytes":1}'


def test_no_event_is_built_from_a_struct_with_a_foreign_form() -> None:
    from streamproc.core.state.events import AccountClosed
    from streamproc.producing.events import checked

    good = build(AccountClosed, subscriber=KEY, source="s")
    with pytest.raises(InvalidEventError, match="subscriber: begins with a dialling prefix"):
        checked(AccountClosed(good.id, good.source, "008613800000001", good.time))


@pytest.mark.parametrize(
    ("text", "region", "address"),
    [
        (KEY, None, Address(1, 1, KEY)),
        ("tel:+8613800000001", None, Address(1, 1, KEY)),
        ("13800000001", "CN", Address(1, 1, KEY)),
        ("13800000001", None, Address(0, 1, "13800000001")),
        ("10086", "CN", Address(0, 1, "10086")),
        ("460001234567890", None, Address(0, 1, "460001234567890")),
        ("Operator", None, Address(5, 0, "Operator")),
        ("O2", None, Address(5, 0, "O2")),
    ],
)
def test_smpp_addresses_follow_the_form_of_the_number(
    text: str, region: str | None, address: Address
) -> None:
    assert smpp_address(text, region) == address
