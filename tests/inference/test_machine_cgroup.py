import pytest

from overland.inference.machine import cpu_quota, memory_left_bytes


def write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(f"{text}\n")


@pytest.fixture
def member(tmp_path):
    path = tmp_path / "membership"
    path.write_text("0::/batch/job\n")
    return path


def test_no_group_is_no_limit(tmp_path):
    assert cpu_quota(tmp_path, tmp_path / "none") is None
    assert memory_left_bytes(tmp_path, tmp_path / "none") is None


def test_the_tightest_group_above_counts(tmp_path, member):
    write(tmp_path / "batch", cpu__max="150000 100000", memory__max=1000, memory__current=100)
    write(tmp_path / "batch" / "job", cpu__max="max 100000", memory__max="max", memory__current=90)
    assert cpu_quota(tmp_path, member) == 1.5
    assert memory_left_bytes(tmp_path, member) == 900


def test_cached_files_do_not_count_as_used(tmp_path, member):
    write(tmp_path / "batch", memory__max=1000, memory__current=800, memory__stat="anon 100\ninactive_file 600")
    assert memory_left_bytes(tmp_path, member) == 800


def test_a_group_beyond_its_limit_has_nothing_left(tmp_path, member):
    write(tmp_path / "batch", memory__max=1000, memory__current=1200)
    assert memory_left_bytes(tmp_path, member) == 0


def test_version_1_inside_a_container_sees_its_own_group_at_the_top(tmp_path, member):
    member.write_text("4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n")
    write(tmp_path / "cpu", cpu__cfs_quota_us=200_000, cpu__cfs_period_us=100_000)
    write(tmp_path / "memory", memory__limit_in_bytes=5000, memory__usage_in_bytes=2000)
    assert cpu_quota(tmp_path, member) == 2
    assert memory_left_bytes(tmp_path, member) == 3000


def test_version_1_without_a_quota(tmp_path, member):
    member.write_text("3:cpu,cpuacct:/\n")
    write(tmp_path / "cpu", cpu__cfs_quota_us=-1, cpu__cfs_period_us=100_000)
    assert cpu_quota(tmp_path, member) is None
