"""A show's file: what one part keeps leaves the others' lines as they are."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duet.errors import InputError
from realtime.show_file import check_keepable, keep_section, read_show, section

HAND_WRITTEN = """\
# Saturday, main hall
[cues]   # of the light desk
start = "freeze"

[panel]
distance = 0.5   # ours: written anew

[panel.midi]
"cc 1 7" = "distance"

[[cue]]
at_s = 12.5
"""
COMMENTED = """\
["panel"]   # in quotes it is the same
# ours: written anew
distance = 0.5

# When the light goes out,
# and the saxophone begins:

[[cue]]
at = nan   # a number that is none is no reason
[ panel . keys ]
x = "panic"
# the end, in the technician's hand\u2028on one line
"""
COMMENTED_AND_KEPT = """\
# When the light goes out,
# and the saxophone begins:

[[cue]]
at = nan   # a number that is none is no reason
# the end, in the technician's hand\u2028on one line

[panel]
distance = 1.5
"""


def test_one_part_writes_its_own_sections_and_no_other_line(tmp_path: Path) -> None:
    path = tmp_path / "show.toml"
    path.write_text(HAND_WRITTEN)
    keep_section(path, "panel", {"distance": 1.25, "mirror": True, "midi": {"note 1 60": "tap"}, "keys": {}})
    show = read_show(path)
    assert section(show, "panel", path) == {"distance": 1.25, "mirror": True, "midi": {"note 1 60": "tap"}}
    assert show["cues"] == {"start": "freeze"} and show["cue"] == [{"at_s": 12.5}]
    text = path.read_text()
    assert "# Saturday, main hall" in text and "[cues]   # of the light desk" in text
    keep_section(path, "panel", section(show, "panel", path))
    assert path.read_text() == text, "kept again, it is the same"


def test_comments_above_another_section_are_the_others(tmp_path: Path) -> None:
    path = tmp_path / "show.toml"
    path.write_text(COMMENTED)
    keep_section(path, "panel", {"distance": 1.5})
    assert path.read_text() == COMMENTED_AND_KEPT
    keep_section(path, "panel", {"distance": 1.5})
    assert path.read_text() == COMMENTED_AND_KEPT


@pytest.mark.parametrize(
    "text",
    [
        "panel.distance = 0.6\n",
        "panel = { distance = 0.6 }\n",
        '[panel]\ndistance = 0.6\n[kiosk.words]\ninvite = """\n[panel]\nStep in"""\n',
    ],
)
def test_a_section_that_cannot_be_told_from_the_rest_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "show.toml"
    path.write_text(text)
    for refuse in (lambda: check_keepable(path, "panel"), lambda: keep_section(path, "panel", {"distance": 1.0})):
        with pytest.raises(InputError, match=r"expected a line \[panel\] and its keys below it") as error:
            refuse()
        assert len(str(error.value).splitlines()) == 1
    assert path.read_text() == text


def test_a_file_is_made_where_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "new.toml"
    keep_section(path, "panel", {"stage": "club"})
    assert read_show(path) == {"panel": {"stage": "club"}}


@given(
    text=st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=30), number=st.floats(-9, 9)
)
def test_whatever_is_kept_is_read_again(tmp_path_factory: pytest.TempPathFactory, text: str, number: float) -> None:
    path = tmp_path_factory.mktemp("show") / "show.toml"
    keep_section(path, "panel", {"word": text, "number": number, "many": [1, 2.5], "keys": {text: "tap"}})
    kept = read_show(path)["panel"]
    assert kept["word"] == text and kept["keys"] == {text: "tap"} and kept["many"] == [1, 2.5]
    assert kept["number"] == pytest.approx(number, abs=1e-6)


def test_what_is_no_show_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "show.toml"
    with pytest.raises(InputError, match="expected a show's file"):
        read_show(path)
    path.write_bytes(b"[panel\n\xff")
    with pytest.raises(InputError, match="expected TOML"):
        read_show(path)
    with pytest.raises(InputError, match="expected TOML"):
        keep_section(path, "panel", {})
    assert path.read_bytes() == b"[panel\n\xff", "a file that is not understood is not touched"
    path.write_text("panel = 3\n")
    with pytest.raises(InputError, match="to be a table"):
        section(read_show(path), "panel", path)
