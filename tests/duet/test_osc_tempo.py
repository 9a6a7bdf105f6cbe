import struct

import numpy as np
import pytest

from duet.osc_tempo import OscTempo, messages
from duet.tempo_override import TEMPO_RANGE_BPM


def text(value: str) -> bytes:
    raw = value.encode() + b"\0"
    return raw + b"\0" * (-len(raw) % 4)


def osc(address: str, tag: str, number: float) -> bytes:
    return text(address) + text("," + tag) + struct.pack({"f": ">f", "i": ">i", "d": ">d", "h": ">q"}[tag], number)


def bundle(*datagrams: bytes) -> bytes:
    return text("#bundle") + b"\0" * 8 + b"".join(struct.pack(">i", len(d)) + d for d in datagrams)


@pytest.mark.parametrize(("tag", "number"), [("f", 174.5), ("d", 174.5), ("i", 174), ("h", 174)])
def test_numbers_of_every_kind_are_read(tag, number):
    assert list(messages(osc("/tempo", tag, number))) == [("/tempo", number)]


def test_tempo_and_beat_make_a_pulse():
    sender = OscTempo()
    assert sender.receive(osc("/tempo", "f", 120.0), 1.0) is None
    pulse = sender.receive(osc("/beat", "i", 2), 4.0)
    assert pulse.tempo_bpm == 120.0
    assert pulse.beats_at(5.0) == pytest.approx(4.0)
    assert OscTempo().receive(osc("/beat", "i", 2), 4.0) is None


def test_either_may_come_first_and_a_bundle_may_hold_both():
    both = OscTempo().receive(bundle(osc("/beat", "i", 0), bundle(osc("/tempo", "f", 90.0))), 3.0)
    assert (both.time_s, both.beats, both.tempo_bpm) == (3.0, 0.0, 90.0)


def test_a_new_tempo_goes_on_from_where_the_beat_is():
    sender = OscTempo()
    sender.receive(osc("/tempo", "f", 120.0), 0.0)
    sender.receive(osc("/beat", "i", 0), 0.0)
    pulse = sender.receive(osc("/tempo", "f", 60.0), 0.75)
    assert pulse.beats_at(0.75) == pytest.approx(1.5)
    assert pulse.beats_at(1.25) == pytest.approx(2.0)


@pytest.mark.parametrize(
    "datagram",
    [
        b"", b"\0", b"/tempo", text("/tempo"), text("/tempo") + text(",f"), osc("/tempo", "f", float("nan")),
        osc("/tempo", "f", -5.0), osc("/volume", "f", 100.0), bundle(b"")[:18], osc("/beat", "f", 0.5),
        text("#bundle") + b"\0" * 8 + struct.pack(">i", 2**31 - 1), b"\xff" * 40,
    ],
)  # fmt: skip
def test_what_is_malformed_or_meant_for_others_changes_nothing(datagram):
    sender = OscTempo()
    sender.receive(osc("/tempo", "f", 100.0), 0.0)
    known = sender.receive(osc("/beat", "i", 1), 0.0)
    assert sender.receive(datagram, 1.0) == known


def test_bundles_without_end_are_given_up():
    nested = osc("/tempo", "f", 100.0)
    for _ in range(500):
        nested = bundle(nested)
    assert list(messages(nested)) == []


def test_any_bytes_are_survived():
    rng, sender = np.random.default_rng(0), OscTempo()
    for k in range(500):
        assert sender.receive(rng.bytes(int(rng.integers(0, 60))), float(k)) is None
        assert sender.receive(b"#bundle\0" + rng.bytes(40), float(k)) is None


def test_any_arguments_leave_a_tempo_that_can_be_danced_to():
    rng, sender = np.random.default_rng(0), OscTempo()
    tempi = set()
    for k in range(1000):
        address, tag = (("/tempo", "f"), ("/beat", "f"), ("/tempo", "d"), ("/beat", "d"))[k % 4]
        head = osc(address, tag, 0.0)
        sender.receive(head[: -struct.calcsize(tag)] + rng.bytes(struct.calcsize(tag)), float(k))
        sender.receive(osc("/tempo", "f", float(rng.uniform(-100.0, 1000.0))), float(k))
        pulse = sender.receive(osc("/beat", "i", k), float(k))
        if pulse is not None:
            tempi.add(pulse.tempo_bpm)
            assert TEMPO_RANGE_BPM[0] <= pulse.tempo_bpm <= TEMPO_RANGE_BPM[1]
            assert pulse.beats == k and pulse.time_s == k
    assert len(tempi) > 100
