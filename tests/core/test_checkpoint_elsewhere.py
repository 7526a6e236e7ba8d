"""Checkpoints are written where they stay: a temporary folder on another disk plays no part in it."""

import shutil
import tempfile
import threading
from pathlib import Path

import pytest
from checkpoints import assert_nothing_superfluous, content, same

from cifar_core import checkpoint

MEMORY = Path("/dev/shm")


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder on another file system than the temporary folder, which cannot even be used."""
    if not MEMORY.is_dir() or MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system here")
    folder = Path(tempfile.mkdtemp(dir=MEMORY))
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(name, str(tmp_path / "missing"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield folder
    shutil.rmtree(folder)


def test_on_another_file_system_saving_stays_atomic(elsewhere):
    checkpoint.save(elsewhere, content(1), step=1)
    ended = threading.Event()
    seen, wrong = set(), []

    def load():
        while not ended.is_set():
            loaded = checkpoint.load(elsewhere)
            seen.add(loaded.step)
            if loaded.fell_back is not None or not same(loaded.state, content(loaded.step)):
                wrong.append(loaded)

    reader = threading.Thread(target=load)
    reader.start()
    for step in range(2, 200):
        checkpoint.save(elsewhere, content(step), step=step)
    ended.set()
    reader.join()
    assert not wrong
    assert len(seen) > 1
    assert_nothing_superfluous(elsewhere)
