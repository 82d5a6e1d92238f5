from overland.output import fsync_file, held_lock, replace_atomically


def test_a_file_is_replaced_whole(tmp_path):
    (tmp_path / "new").write_text("b")
    (tmp_path / "old").write_text("a")
    fsync_file(tmp_path / "new")
    replace_atomically(tmp_path / "new", tmp_path / "old")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["b"]


def test_a_lock_is_held_once_and_released_at_the_end(tmp_path):
    for _ in range(2):
        with held_lock(tmp_path / "lock") as first, held_lock(tmp_path / "lock") as second:
            assert (first, second) == (True, False)
