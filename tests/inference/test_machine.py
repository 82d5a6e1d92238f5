import platform

import numpy as np

from overland.inference import machine
from overland.inference.machine import (
    available_memory_mb,
    cpu_count,
    cpu_features,
    cpu_workers,
    has_cuda,
    keep_freed_memory,
    peak_memory_mb,
)


def test_peak_memory_rises_with_what_is_used():
    before = peak_memory_mb()
    if before is None:
        return
    assert np.ones(40_000_000, np.uint8).sum() == 40_000_000
    assert before <= peak_memory_mb() < 100_000


def test_a_quota_is_not_exceeded(monkeypatch):
    monkeypatch.setattr(machine, "cpu_quota", lambda: 1.2)
    assert cpu_count() == 1
    monkeypatch.setattr(machine, "cpu_quota", lambda: 0.2)
    assert cpu_count() == 1


def test_no_more_processors_than_the_process_is_bound_to(monkeypatch):
    monkeypatch.setattr(machine, "cpu_quota", lambda: 1000.0)
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda pid: {0, 5, 7}, raising=False)
    assert cpu_count() == 3


def test_workers_are_threads_up_to_four():
    assert [cpu_workers(threads) for threads in (1, 2, 4, 16)] == [1, 2, 4, 4]


def test_the_tighter_of_system_and_container_is_available(monkeypatch, tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9000 kB\nMemAvailable:    5000 kB\n")
    monkeypatch.setattr(machine, "_MEMINFO", meminfo)
    monkeypatch.setattr(machine, "memory_left_bytes", lambda: None)
    assert available_memory_mb() == 5.1
    monkeypatch.setattr(machine, "memory_left_bytes", lambda: 2_000_000)
    assert available_memory_mb() == 2.0


def test_where_the_system_does_not_tell_half_of_all_memory_is_available(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "_MEMINFO", tmp_path / "none")
    monkeypatch.setattr(machine, "_total_memory_mb", lambda: 8000.0)
    assert available_memory_mb() == 4000
    monkeypatch.setattr(machine, "_total_memory_mb", lambda: None)
    assert available_memory_mb() is None


def test_features_are_read_from_the_first_processor(monkeypatch, tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nflags\t\t: fpu avx2 avx512_bf16\n\nprocessor\t: 1\nflags\t\t: fpu\n")
    monkeypatch.setattr(machine, "_CPUINFO", cpuinfo)
    assert cpu_features() == {"fpu", "avx2", "avx512_bf16"}
    monkeypatch.setattr(machine, "_CPUINFO", tmp_path / "none")
    assert cpu_features() == frozenset()


def test_no_driver_is_no_gpu(monkeypatch):
    def missing(name):
        raise OSError(name)

    monkeypatch.setattr(machine.ctypes, "CDLL", missing)
    assert has_cuda() is False


def test_glibc_is_asked_to_keep_memory():
    assert keep_freed_memory() == (platform.libc_ver()[0] == "glibc")
