from __future__ import annotations

from pathlib import Path

import pytest

from overland.datasets.download.unpack import check_space, full_disk_as_error
from overland.errors import ResourceError


def test_room_is_looked_for_where_the_folder_will_be(tmp_path: Path) -> None:
    check_space(tmp_path / "not/yet/there", 1, "This")
    with pytest.raises(ResourceError, match=r"This needs about 1e\+09 GB .*Make room, or choose"):
        check_space(tmp_path / "not/yet/there", 1e18, "This")


def test_only_a_full_disk_is_translated(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="run this again to go on"), full_disk_as_error(tmp_path):
        raise OSError(28, "No space left on device")
    with pytest.raises(PermissionError), full_disk_as_error(tmp_path):
        raise PermissionError(13, "no")
