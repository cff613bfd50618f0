"""What is kept in the user's cache folder, and for how long."""

from __future__ import annotations

import os
import time
from pathlib import Path

from vsj4r.cached import remove_old

_DAY_SECONDS = 86400


def test_what_was_not_used_for_a_month_is_removed(tmp_path: Path) -> None:
    for days in (1, 20, 40):
        (tmp_path / f"{days}").write_bytes(bytes(10))
        used = time.time() - days * _DAY_SECONDS
        os.utime(tmp_path / f"{days}", (used, used))
    remove_old(tmp_path, most_bytes=1000)
    assert sorted(kept.name for kept in tmp_path.iterdir()) == ["1", "20"]
    remove_old(tmp_path, most_bytes=15)
    assert [kept.name for kept in tmp_path.iterdir()] == ["1"]


def test_a_folder_that_another_has_removed_is_nothing_to_fail_for(tmp_path: Path) -> None:
    remove_old(tmp_path / "gone", most_bytes=1000)
