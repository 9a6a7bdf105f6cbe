"""The panel's process as the dance sees it: a system without room for it costs no show."""

import errno
import os
import time

import pytest

from realtime import child
from realtime.health import Health
from realtime.supervisor import BACK_OFF_S, WardState
from ui.panel.channels import PanelChannels
from ui.panel.desk import opened
from ui.panel.port import PanelPort
from ui.panel.process import PanelTask


def test_a_panel_without_room_at_first_is_told_of_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried = []

    def no_room(name: str, *_: object) -> None:
        tried.append(name)
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(child, "spawn", no_room)
    port = PanelPort(PanelTask(), Health())
    try:
        port.open()
        port.begin(time.monotonic())
        assert tried == ["duet-panel"] and port.process.keeper.state is WardState.AWAY
        port.process.keeper.look(time.monotonic() + 2.0 * BACK_OFF_S[0])
        assert tried == ["duet-panel"] * 2
    finally:
        port.close()
    sentence = f"duet-panel: no room to start it ({os.strerror(errno.EAGAIN)}); it is tried again"
    assert [record.getMessage() for record in caplog.records] == [sentence]


def test_a_panel_without_room_for_what_it_is_told_by_is_done_without(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_room() -> PanelChannels:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(PanelChannels, "create", no_room)
    assert opened(PanelTask(), Health()) is None
    (told,) = caplog.records
    assert os.strerror(errno.ENOSPC) in told.getMessage() and "The dance goes on without." in told.getMessage()
