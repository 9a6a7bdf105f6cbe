"""Configurations: refused when impossible, read back as written."""

import dataclasses
import json
from pathlib import Path

import pytest

from duet.errors import InputError
from duet.features import FOLLOWER_SIZE
from models.config import (
    PRESETS,
    DenoiserConfig,
    FollowerConfig,
    ForecasterConfig,
    MemoryConfig,
    SamplerConfig,
    config_from_json,
    read_config,
)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_are_read_back_as_written(name: str):
    assert config_from_json(PRESETS[name].to_json()) == PRESETS[name]


def test_sizes_are_those_of_the_features():
    codec = PRESETS["S"].codec
    assert sum(codec.stream_widths) + codec.contacts == FOLLOWER_SIZE
    assert PRESETS["S"].latent_width == 96


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "expected JSON"),
        ("[]", "got list"),
        (PRESETS["S"].to_json().replace('"past"', '"passed"'), "'past'"),
        (PRESETS["S"].to_json().replace('"heads"', '"head_count"'), "DenoiserConfig: expected the fields"),
        (
            PRESETS["S"].to_json().replace('"past": 24', '"past": "24"'),
            "past: expected a whole number from 0 on, got '24'",
        ),
        (
            PRESETS["S"].to_json().replace('"past": 24', '"past": -24'),
            "past: expected a whole number from 0 on, got -24",
        ),
        (
            PRESETS["S"].to_json().replace('"ddim"', '"euler"'),
            "kind: expected one of ddim, dpm, pipelined, got 'euler'",
        ),
        ("[" * 100_000, "expected JSON"),
    ],
)
def test_anything_else_is_refused(text: str, message: str):
    with pytest.raises(InputError, match=message):
        config_from_json(text)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path):
    (tmp_path / "follower.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="follower.json: expected JSON, got a file that is no text"):
        read_config(tmp_path / "follower.json")


def test_impossible_sizes_are_refused():
    with pytest.raises(InputError, match="multiple of head"):
        MemoryConfig(width=100, head=64)
    with pytest.raises(InputError, match="even width per head"):
        DenoiserConfig(width=100, heads=8)
    with pytest.raises(InputError, match="follower.past: expected at least 1, got 0"):
        FollowerConfig(past=0)
    with pytest.raises(InputError, match="at least 1 call"):
        SamplerConfig(calls=0)
    with pytest.raises(InputError, match="ForecasterConfig.horizon: expected at least 1, got 0"):
        ForecasterConfig(horizon=0)


@pytest.mark.parametrize(
    ("group", "name", "value", "message"),
    [
        ("codec", "channels", [96, 48], "CodecConfig.channels: expected 3 numbers, one for each of upper, .* got 2"),
        ("codec", "stream_widths", [], "CodecConfig.stream_widths: expected 3 numbers, .* got 0"),
        ("codec", "channels", [96, 0, 48], "CodecConfig.channels: expected at least 1, got 96, 0, 48"),
        ("codec", "dilations", [], "CodecConfig.dilations: expected at least 1, got none"),
        ("codec", "levels", [15, 1], "CodecConfig.levels: expected at least 2, got 15, 1"),
        ("codec", "residuals", 0, "CodecConfig.residuals: expected at least 1, got 0"),
        ("memory", "head", 0, "MemoryConfig.head: expected at least 1, got 0"),
        ("memory", "kernel", 0, "MemoryConfig.kernel: expected at least 1, got 0"),
        ("denoiser", "heads", 0, "DenoiserConfig.heads: expected at least 1, got 0"),
        ("denoiser", "dropout", 3.0, "DenoiserConfig.dropout: expected at least 0 and at most 0.99, got 3"),
    ],
)
def test_sizes_that_no_network_can_have_are_refused_in_a_file(group: str, name: str, value: object, message: str):
    values = json.loads(PRESETS["S"].to_json())
    values[group][name] = value
    with pytest.raises(InputError, match=message):
        config_from_json(json.dumps(values))


def test_a_configuration_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        PRESETS["S"].past = 3  # type: ignore[misc]
