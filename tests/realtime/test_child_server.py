"""The server that forks sound processes is gone once the application is."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import runs

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="nothing is forked from a server here")

_PARENT = """
import sys
from multiprocessing import forkserver
from pathlib import Path
from realtime.sound.sound_port import SoundPort
from realtime.sound.virtual_sound import VirtualSound
port = SoundPort("usb", "input", VirtualSound(Path(sys.argv[1])), waits=True)
port.stop()
print(forkserver._forkserver._forkserver_pid, flush=True)
sys.stdin.readline()
if sys.argv[2] == "interrupted":
    raise KeyboardInterrupt
"""


@pytest.mark.parametrize("how", ["done", "interrupted"])
def test_the_server_that_forks_ends_before_its_application(tmp_path: Path, how: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(tmp_path), how], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, env=environment,
    ) as parent:  # fmt: skip
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        # As slow as on the busiest machine: it does nothing by itself.
        os.kill(pid, signal.SIGSTOP)
        parent.communicate("\n", timeout=20.0)
    try:
        assert not runs(pid)
    finally:
        if runs(pid):
            os.kill(pid, signal.SIGKILL)
