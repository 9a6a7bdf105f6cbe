import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from duet.contract import (
    CONTRACT_FILE,
    FollowerContract,
    GraphSpec,
    TensorSpec,
    contract_from_json,
    load_contract,
    sha256_of,
)
from duet.errors import FollowerError, InputError
from duet.features import FOLLOWER_SIZE, LAYOUT_VERSION, LEADER_SIZE
from duet.music import MUSIC_LAYOUT
from duet.skeleton import BODY

TICK = b"not really a graph"
BANK = b"not really a bank"


def contract(folder: Path) -> FollowerContract:
    """A contract of a folder that holds one graph and a bank."""
    (folder / "tick.onnx").write_bytes(TICK)
    (folder / "bank.npz").write_bytes(BANK)
    leader = TensorSpec("leader", (1, 32, 4 * LEADER_SIZE))
    inputs = (
        leader, TensorSpec("leader_flag", (1, 32, 3)), TensorSpec("music", (1, 32, 32)), TensorSpec("place", (1, 8)),
        TensorSpec("noise", (1, 8, 96)), TensorSpec("style", (1, 2)),
    )  # fmt: skip
    past, new_past = TensorSpec("past", (1, 24, 96)), TensorSpec("new_past", (1, 24, 96))
    frames = TensorSpec("frames", (1, 32, FOLLOWER_SIZE))
    graph = GraphSpec("tick", "tick.onnx", sha256_of(folder / "tick.onnx"), (leader, past), (frames, new_past))
    return FollowerContract(
        name="test", fps=30.0, token_frames=4, window_tokens=32, plan_tokens=8, latent_size=96, style_size=2,
        joint_names=BODY.names, skeleton_fingerprint=BODY.fingerprint, feature_layout=LAYOUT_VERSION,
        music_layout=MUSIC_LAYOUT,
        inputs=inputs, outputs=(frames,), states=(past,), graphs=(graph,), style=(1.0, 0.0),
        observed_delay_frames=5, root_leak=0.05, distance_m=0.85, weights_sha256="0" * 64, parity_max_abs=1e-5,
        training_data="none", licence="CC0-1.0", bank="bank.npz", bank_sha256=sha256_of(folder / "bank.npz"),
        notes={"purpose": "tests"},
    )  # fmt: skip


def store(folder: Path, fields: FollowerContract, **changes: Any) -> Path:
    """Write the contract; ``changes`` go into the JSON as they are, None removes a field."""
    raw = json.loads(fields.to_json()) | changes
    (folder / CONTRACT_FILE).write_text(json.dumps({k: v for k, v in raw.items() if v is not None}))
    return folder


def refused(folder: Path) -> str:
    with pytest.raises(FollowerError) as caught:
        load_contract(folder)
    message = str(caught.value)
    assert str(folder) in message
    assert ": expected " in message
    assert "\n" not in message
    assert message[-1] in ".?"
    return message


def test_json_gives_the_same_contract_back(tmp_path: Path) -> None:
    original = contract(tmp_path)
    text = original.to_json()
    back = contract_from_json(text, "here")
    assert back == original
    assert back.to_json() == text
    assert list(json.loads(text)) == sorted(json.loads(text))


def test_a_whole_folder_loads(tmp_path: Path) -> None:
    original = contract(tmp_path)
    (tmp_path / CONTRACT_FILE).write_text(original.to_json())
    loaded = load_contract(str(tmp_path))
    assert loaded == original
    assert (loaded.past_tokens, loaded.plan_frames) == (24, 32)
    assert loaded.timeline.token_s == pytest.approx(4 / 30)


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    assert "got no such folder. Give one with --follower" in refused(tmp_path / "absent")
    assert f"expected {CONTRACT_FILE} in it, got none" in refused(tmp_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "expected JSON"),
        ("{", "expected JSON"),
        ("[]", "expected schema 'duet-follower/1', got 'list'"),
        ("{}", "got None"),
        ('{"schema": "duet-follower/9"}', "got 'duet-follower/9'. Export the follower with this version"),
        ('{"schema": "duet-follower/1"}', "expected a complete contract, got no 'name'"),
    ],
)
def test_what_is_no_contract_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / CONTRACT_FILE).write_text(text)
    assert reason in refused(tmp_path)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"fps": "30"}, "got '30' as fps"),
        ({"fps": True}, "got True as fps"),
        ({"fps": 0}, "4 frames at 0 fps"),
        ({"plan_tokens": 4.5}, "got 4.5 as plan_tokens"),
        ({"plan_tokens": 32}, "got 32 of 32 tokens"),
        ({"token_frames": 0}, "tokens of 0 frames"),
        ({"weights": "x"}, "got the unknown field 'weights'"),
        ({"states": None}, "got no 'states'"),
        ({"graphs": [{"role": "tick"}]}, "got no 'inputs'"),
        ({"graphs": 5}, "expected a complete contract"),
        ({"style": ["loud"]}, "could not convert string to float"),
        ({"skeleton_fingerprint": "f" * 64}, "trained on another body"),
        ({"joint_names": ["hips", *BODY.names[1:]]}, "trained on another body"),
        ({"feature_layout": "0"}, "expected feature layout '1', got '0'"),
        ({"window_tokens": 16}, "expected tensor 'leader' of shape (1, 16, 288), got (1, 32, 288)"),
        ({"outputs": []}, "expected tensor 'frames' of shape (1, 32, 145), got None"),
        ({"music_layout": "loudness"}, "expected music layout"),
        ({"style": [1.0]}, "expected a style of 2 numbers, got 1"),
    ],
)
def test_a_contract_that_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    assert reason in refused(store(tmp_path, contract(tmp_path), **changes))


def test_a_state_that_does_not_come_out_anew_is_refused(tmp_path: Path) -> None:
    original = contract(tmp_path)
    deaf = replace(original, graphs=(replace(original.graphs[0], outputs=original.graphs[0].outputs[:1]),))
    assert "expected a graph that gives 'new_past', got none" in refused(store(tmp_path, deaf))


def test_a_graph_that_wants_what_nobody_gives_is_refused(tmp_path: Path) -> None:
    original = contract(tmp_path)
    wants = (*original.graphs[0].inputs, TensorSpec("weather", (1,)))
    greedy = replace(original, graphs=(replace(original.graphs[0], inputs=wants),))
    assert "expected a source for tensor 'weather'" in refused(store(tmp_path, greedy))


def test_an_input_that_no_stage_gives_is_refused(tmp_path: Path) -> None:
    original = contract(tmp_path)
    greedy = replace(original, inputs=(*original.inputs, TensorSpec("weather", (1,))))
    assert "expected inputs that a stage gives, got 'weather'" in refused(store(tmp_path, greedy))


@pytest.mark.parametrize("name", ["leader", "past"])
def test_tensors_of_other_numbers_are_refused(tmp_path: Path, name: str) -> None:
    original = contract(tmp_path)

    def wider(specs: tuple[TensorSpec, ...]) -> tuple[TensorSpec, ...]:
        return tuple(replace(spec, dtype="float64") if spec.name == name else spec for spec in specs)

    wide = replace(original, inputs=wider(original.inputs), states=wider(original.states))
    assert f"expected tensors of float32, got float64 for '{name}'" in refused(store(tmp_path, wide))


@pytest.mark.parametrize("name", ["tick.onnx", "bank.npz"])
def test_altered_and_missing_files_are_refused(tmp_path: Path, name: str) -> None:
    store(tmp_path, contract(tmp_path))
    load_contract(tmp_path)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[:-1] + b"!")
    message = refused(tmp_path)
    assert name in message
    assert "The file was altered" in message
    (tmp_path / name).unlink()
    assert f"expected {name}, got no such file" in refused(tmp_path)


@pytest.mark.parametrize("name", ["../outside.onnx", "/etc/hostname", "sub/tick.onnx"])
def test_no_file_outside_the_folder_is_opened(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "follower"
    folder.mkdir()
    fields = contract(folder)
    (tmp_path / "outside.onnx").write_bytes(TICK)
    graph = replace(fields.graphs[0], file=name)
    assert f"expected plain file names, got {name!r}" in refused(store(folder, replace(fields, graphs=(graph,))))
    assert f"expected plain file names, got {name!r}" in refused(store(folder, replace(fields, bank=name)))


def test_without_a_bank_none_is_looked_for(tmp_path: Path) -> None:
    fields = replace(contract(tmp_path), bank="", bank_sha256="")
    (tmp_path / "bank.npz").unlink()
    assert load_contract(store(tmp_path, fields)) == fields


def test_the_checksum_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_styles_are_chosen_by_name(tmp_path: Path) -> None:
    named = replace(contract(tmp_path), notes={"styles": "recorded, choreographed"})
    assert named.styles == ("recorded", "choreographed")
    assert named.style_named("choreographed") == (0.0, 1.0)
    with pytest.raises(InputError, match=r"expected one of this follower's \(recorded, choreographed\), got 'tango'"):
        named.style_named("tango")
    with pytest.raises(InputError, match="none by name"):
        contract(tmp_path).style_named("recorded")
