"""Files that mean harm: each is refused in words, in bounded memory, and takes nothing with it."""

from __future__ import annotations

import gzip
import io
import json
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import zstandard

from streamproc.contracts.records.codec import DecodeFailure, decode_event
from streamproc.contracts.rules_file.load import RulesError, load_rulebook
from streamproc.contracts.rules_file.texts import read
from streamproc.core.schedule.calendar import zone as known_zone_file
from streamproc.dispatch.config import load_gateways
from streamproc.dispatch.gateways.entry import GatewaysError
from streamproc.kafka.unpacking import TooMuchError, unpacked
from streamproc.producing.readers import BadRecord, ReadEvent, open_reader
from streamproc.producing.readers.bounds import MAX_LINE_BYTES
from streamproc.producing.readers.files import read_open
from streamproc.producing.readers.mapping import MappingError, parse_mapping
from streamproc.producing.readers.record_results import UnreadableFileError

MIB = 1 << 20
EVENT = (
    b'{"type":"usage.recorded","id":"a","source":"s","subscriber":"8613800000001",'
    b'"time":"2026-01-05T08:30:00Z","total_bytes":5}\n'
)
RULES = """version: 1
currency: EUR
default_locale: en
plans: [{id: p, allowances: [{id: data, granted_bytes: 10}]}]
rules:
- {id: low, kind: usage_percent, category: balance, thresholds: [80], texts: {en: "{percent}"}}
"""
LETTERS = str.maketrans("0123456789", "bcdefghijk")
MAPPING = """source: s
delimiter: ";"
fields:
  subscriber: {column: msisdn}
  time: {column: at}
  total_bytes: {column: bytes}
"""
TABLE = "msisdn;at;bytes\n8613800000001;2026-01-05T08:30:00Z;1\n"


def records(form: str, content: bytes, mapping: Path | None = None) -> list[Any]:
    return list(read_open(io.BytesIO(content), "f", open_reader(form, mapping), "id"))


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    path = tmp_path / "map.yaml"
    path.write_text(MAPPING)
    return path


# ---- files of operators

ODD = {
    "a list for a word": ("kind: usage_percent", "kind: [usage_percent]"),
    "a list for an id": ("id: low", "id: [low]"),
    "a mapping for an id": ("id: p,", "id: {a: b},"),
    "half a character": ("{percent}", "\\ud800"),
    "half a character in a name": ("version: 1", '"\\ud800": 1\nversion: 1'),
    "no character": ("{percent}", "\\U00110000"),
    "no character by far": ("{percent}", "\\UFFFFFFFF"),
    "a version of very many digits": ("version: 1", f"%YAML {'1' * 5_000}.1\n---\nversion: 1"),
    "a zero byte": ("{percent}", "a\\0b"),
    "a huge number": ("[80]", "[" + "9" * 400 + "]"),
    "more digits than Python reads": ("[80]", "[" + "9" * 5_000 + "]"),
    "a number that is none": ("[80]", "[.nan]"),
    "a number without end": ("[80]", "[1e999]"),
    "nested": ("[80]", "[" * 5_000 + "]" * 5_000),
    "nested a little": ("[80]", "[" * 40 + "]" * 40),
    "aliases of aliases": (
        "version: 1",
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(
            f"{n}: &{n} [{','.join([f'*{m}'] * 9)}]\n"
            for m, n in zip("abcdef", "bcdefg", strict=True)
        )
        + "version: 1",
    ),
    "an alias within itself": ("[80]", "&a [*a]"),
}


@pytest.mark.parametrize("change", ODD.values(), ids=ODD)
def test_odd_rules_are_refused_in_words(change: tuple[str, str]) -> None:
    assert change[0] in RULES
    load_rulebook(RULES, "r.yaml")
    with pytest.raises(RulesError, match=r"^r\.yaml:\d+: ") as refused:
        load_rulebook(RULES.replace(*change), "r.yaml")
    assert str(refused.value).isprintable() or "\n" in str(refused.value)
    assert len(str(refused.value)) < 3_000


MANY = {
    "items": ("r.yaml", b"- a\n" * 3_000),
    "items in brackets": ("r.yaml", b"a: [" + b"1," * 3_000 + b"]\n"),
    "fields": ("r.yaml", b"".join(b"k%d: 1\n" % one for one in range(3_000))),
    "fields, read by the slower reader": ("r.yaml", b"a: '\t'\n" + b"b: 1\n" * 3_000),
    "toml: items": ("r.toml", b"a = [" + b"1," * 3_000 + b"]\n"),
    "toml: tables": ("r.toml", b"[[k]]\n" * 3_000),
}


@pytest.mark.parametrize(("name", "content"), MANY.values(), ids=MANY)
def test_fields_by_the_million_are_refused_before_they_take_memory(
    name: str, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = "streamproc.contracts.rules_file.read"
    monkeypatch.setattr(f"{reading}.yaml_reader._MAX_NODES", 2_000)
    monkeypatch.setattr(f"{reading}.toml_reader._MAX_MARKS", 2_000)
    # The end is wrong in each format, but it is not looked at any more.
    with pytest.raises(RulesError, match=rf"^{name}:\d+: more than 100000 fields$"):
        load_rulebook(content + b"[: ]:", name)


@pytest.mark.parametrize("content", [b"a." * 9_000 + b"a = 1\n", b'["a" . ' + b"'b'." * 9_000])
def test_names_that_dots_join_by_the_thousand_are_not_read(content: bytes) -> None:
    with pytest.raises(RulesError, match=r"^r\.toml:2: nested too deeply$"):
        load_rulebook(b"# a.b.c\n" + content, "r.toml")


def test_dots_in_texts_are_no_names() -> None:
    with pytest.raises(RulesError, match=r"\nr\.toml:2: x: unknown field"):
        load_rulebook(b"# " + b"...." * 9_000 + b"\nx = 'a.b. c.d'\n", "r.toml")


@pytest.mark.parametrize(
    "change", [("version: 1", "version: 1\n" + "".join(f"x{one}: 1\n" for one in range(1_000))),
               ("version: 1", f"version: 1\n{'x' * 100_000}: 1"),
               ("kind: usage_percent", f"kind: {'x' * 100_000}")]
)  # fmt: skip
def test_problems_by_the_thousand_and_names_of_a_page_are_told_in_short(
    change: tuple[str, str],
) -> None:
    with pytest.raises(RulesError) as refused:
        load_rulebook(RULES.replace(*change), "r.yaml")
    told = str(refused.value).splitlines()
    assert len(told) <= 101
    assert max(map(len, told)) < 2_100
    assert len(told) == 1 or told[-1] == "r.yaml:1: and 900 more problems"


BY_LOCALE = {
    "texts": ('texts: {en: "{percent}"}', "texts: {LOCALES}"),
    "names": ("version: 1", "version: 1\npacks: [{id: p, names: {LOCALES}}]"),
    "words of all texts": ("version: 1", "version: 1\nbrand: {LOCALES}"),
    "categories": ("version: 1", "version: 1\ncommands: {category_names: {safety: {LOCALES}}}"),
    "replies": ("version: 1", "version: 1\ncommands: {texts: {overview: {LOCALES}}}"),
}


@pytest.mark.parametrize("change", BY_LOCALE.values(), ids=BY_LOCALE)
def test_locales_by_the_hundred_are_refused_before_they_take_time(change: tuple[str, str]) -> None:
    """The formats of one locale take milliseconds: 17,000 took 36 seconds."""
    locales = ", ".join(f"a{one:05}: a".translate(LETTERS) for one in range(300))
    with pytest.raises(
        RulesError, match=r"^r\.yaml:\d+: .*: there are more than 256 locales in the"
    ):
        load_rulebook(RULES.replace(change[0], change[1].replace("LOCALES", locales)), "r.yaml")


def test_files_of_texts_by_the_hundred_are_not_opened(tmp_path: Path) -> None:
    (tmp_path / "r.texts").mkdir()
    (tmp_path / "r.yaml").write_text(RULES)
    for one in range(257):
        (tmp_path / "r.texts" / f"{one}.yaml").touch()
    with pytest.raises(OSError, match="more than 256 files of texts"):
        read(tmp_path / "r.yaml")


def test_a_text_of_more_parts_than_phones_join_is_refused_when_rules_are_loaded() -> None:
    load_rulebook(RULES.replace("{percent}", "{percent}" + "a" * 38_000), "r.yaml")
    long = RULES.replace("{percent}", "{percent}" + "a" * 40_000)
    with pytest.raises(RulesError, match=r"rules\[0\]\.texts\.en: needs 262 parts of an SMS"):
        load_rulebook(long, "r.yaml")


@pytest.mark.parametrize(
    "content",
    [RULES.encode("utf-16"), b"\xff\xfe\xff", b"\0" * 100, RULES.encode()[:-5] + b"\xed\xa0\x80"],
    ids=["utf-16", "no text", "zeros", "half a character"],
)
def test_bytes_that_are_no_text_are_refused_by_all_loaders(content: bytes) -> None:
    for load, error in (
        (load_rulebook, RulesError),
        (load_gateways, GatewaysError),
        (parse_mapping, MappingError),
    ):
        with pytest.raises(error, match=r"^f\.yaml:\d+: not (UTF-8|YAML)"):
            load(content, "f.yaml")


@pytest.mark.parametrize(
    "change",
    [
        ("source: s", "source: [s]"),
        ("column: at", "column: {a: b}"),
        ("column: at", "column: \x07"),
        ('delimiter: ";"', 'delimiter: "\\""'),
        ("source: s", "source: s\nencoding: base64"),
        ("source: s", "source: s\nencoding: undefined"),
        ("column: at", "column: at, zone: right/UTC"),
        ("column: at", "column: at, zone: posix/Asia/Tokyo"),
        ("column: at", "column: at, zone: ../../etc/passwd"),
        ("column: at", "column: at, zone: localtime"),
    ],
)
def test_odd_mappings_are_refused_in_words(change: tuple[str, str]) -> None:
    with pytest.raises(MappingError, match=r"^m\.yaml:\d+: "):
        parse_mapping(MAPPING.replace(*change), "m.yaml")


def test_a_mapping_has_all_its_problems_told_with_their_lines() -> None:
    wrong = MAPPING.replace("source: s", "sorce: s").replace("{column: bytes}", "[1]")
    with pytest.raises(MappingError) as refused:
        parse_mapping(wrong, "m.yaml")
    assert str(refused.value).splitlines() == [
        "m.yaml:1: sorce: unknown field; did you mean source?",
        "m.yaml:1: source: is missing",
        "m.yaml:6: fields.total_bytes: must be a mapping of fields, not a list",
    ]


# ---- files of usage


def test_a_forgotten_quote_does_not_eat_the_records_after_it(mapping: Path) -> None:
    row = TABLE.splitlines(keepends=True)[1]
    eaten = TABLE + '"' + row * 5
    with pytest.raises(UnreadableFileError, match="f: line 3: a quote is opened and never closed"):
        records("csv", eaten.encode(), mapping)
    long = TABLE + '"' + row * 5_000
    with pytest.raises(UnreadableFileError, match="f: line 3: a quote is opened"):
        records("csv", long.encode(), mapping)


@pytest.mark.parametrize("amount", ["1e1000000", "9" * 5_000, "NaN", "Infinity"])
def test_a_number_that_takes_minutes_is_one_bad_record(mapping: Path, amount: str) -> None:
    good, bad, again = records(
        "csv",
        (TABLE + TABLE.splitlines()[1][:-1] + amount + "\n" + TABLE.splitlines()[1]).encode(),
        mapping,
    )
    assert isinstance(bad, BadRecord)
    assert bad.reason == "total_bytes: is not a number"
    assert isinstance(good, ReadEvent)
    assert isinstance(again, ReadEvent)


def test_a_number_of_a_thousand_digits_in_any_field_is_one_bad_record(mapping: Path) -> None:
    mapping.write_text(MAPPING + "  rating_group: {column: group}\n")
    head, row = TABLE.splitlines()
    table = f"{head};group\n{row};10\n{row};{'9' * 5_000}\n{row};11\n"
    good, bad, again = records("csv", table.encode(), mapping)
    assert bad == BadRecord(3, "rating_group: is not a number")
    assert isinstance(good, ReadEvent)
    assert isinstance(again, ReadEvent)


def test_a_header_of_very_many_names_is_read_in_time(mapping: Path) -> None:
    """Found by the fuzzer: the names were compared with one another."""
    begun = time.process_time()
    header = "msisdn;at;bytes;" + ";".join("up" for _ in range(20_000))
    (bad,) = records("csv", f"{header}\n1;2;3\n".encode(), mapping)
    assert isinstance(bad, BadRecord)
    assert time.process_time() - begun < 2


def test_a_form_of_times_with_a_directive_twice_is_bad_records(mapping: Path) -> None:
    mapping.write_text(MAPPING.replace("column: at", 'column: at, zone: UTC, format: "%M%S%S"'))
    (bad,) = records("csv", TABLE.encode(), mapping)
    assert bad == BadRecord(2, "time: is not a time of the form %M%S%S")


@pytest.mark.parametrize("form", ["json", "tmf635", "ndjson"])
def test_deep_json_is_one_bad_record(mapping: Path, form: str) -> None:
    deep = b'{"a":' * 20_000 + b"1" + b"}" * 20_000 + b"\n"
    found = records(form, deep + EVENT, mapping if form == "json" else None)
    assert isinstance(found[0], BadRecord)
    assert len(found) == 2


def test_a_line_without_end_is_one_bad_record_in_bounded_memory() -> None:
    bomb = gzip.compress(EVENT + b"x" * (24 * MIB) + b"\n" + EVENT, 1)

    peak, found = _peak(lambda: records("ndjson", bomb))

    assert [type(one) for one in found] == [ReadEvent, BadRecord, ReadEvent]
    assert found[1] == BadRecord(2, "is longer than 1 MiB")
    assert peak < 16 * MIB


def test_a_line_of_exactly_the_bound_is_told_from_a_longer_one() -> None:
    for extra, lines in ((0, 2), (1, 2)):
        line = b" " * (MAX_LINE_BYTES - 1 + extra) + b"\n"
        assert len(records("ndjson", b"x\n" + line + b"x\n")) == lines + extra


@pytest.mark.parametrize("packer", ["gzip", "zstd"])
def test_what_unpacks_to_gigabytes_is_unpacked_in_pieces(packer: str) -> None:
    zeros = bytes(64 * MIB)
    bomb = gzip.compress(zeros, 1) if packer == "gzip" else zstandard.compress(zeros)
    assert packer == "gzip" or len(bomb) < 8_000

    def drained() -> int:
        content, size = unpacked(io.BytesIO(bomb)), 0
        while part := content.read(MIB):
            size += len(part)
        return size

    peak, size = _peak(drained)
    assert size >= 64 * MIB
    assert peak < 48 * MIB


def test_the_whole_content_has_a_bound() -> None:
    content = unpacked(io.BytesIO(gzip.compress(bytes(10_000))), max_bytes=9_999)
    with pytest.raises(TooMuchError, match="unpacks to more than 9999 bytes"):
        content.read()
    content = unpacked(io.BytesIO(gzip.compress(bytes(10_000))), max_bytes=10_000)
    assert len(content.read()) == 10_000


@pytest.mark.parametrize("packer", ["gzip", "zstd"])
def test_a_content_of_thousands_of_times_the_file_is_refused(
    packer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of 2 MB would keep a watched folder busy for hours."""
    lines = b"\n" * 150_000
    bomb = gzip.compress(lines, 9) if packer == "gzip" else zstandard.compress(lines)
    assert records("ndjson", bomb) == []  # small ones may have any ratio
    monkeypatch.setattr("streamproc.kafka.unpacking.ANY_RATIO_BYTES", 1 << 17)
    with pytest.raises(UnreadableFileError, match="f: it unpacks to more than 500 times its size"):
        records("ndjson", bomb)
    assert len(records("ndjson", gzip.compress(EVENT * 2_000))) == 2_000


def test_an_array_of_millions_of_values_is_refused(
    mapping: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamproc.producing.readers.formats.MAX_JSON_VALUES", 1_000)
    content = json.dumps([[]] * 2_000).encode()
    with pytest.raises(UnreadableFileError, match="write one object a line"):
        records("json", content, mapping)


@pytest.mark.parametrize("damage", [b"\x1f\x8b\x08\0\0\0\0\0\0\xff\xff", b"\x28\xb5\x2f\xfd\xff"])
def test_damaged_compression_is_refused(damage: bytes) -> None:
    with pytest.raises(UnreadableFileError, match="damaged or cut off"):
        records("ndjson", damage)


def _peak(work: Any) -> tuple[int, Any]:
    tracemalloc.start()
    try:
        result = work()
        return tracemalloc.get_traced_memory()[1], result
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("zone", ["right/UTC", "posix/Asia/Tokyo", "localtime", "posixrules"])
def test_zones_outside_the_list_of_iana_are_refused_in_events(zone: str) -> None:
    event = (
        b'{"type":"account.activated","id":"a","source":"s","subscriber":"8613800000001",'
        b'"time":"2026-01-01T00:00:00Z","plan":"p","time_zone":"%s","billing_anchor_day":1}'
    )
    decode_event(event % b"Asia/Tokyo", b"8613800000001")
    if known_zone_file(zone) is not None:
        with pytest.raises(DecodeFailure, match="unknown_time_zone: no such IANA time zone"):
            decode_event(event % zone.encode(), b"8613800000001")
