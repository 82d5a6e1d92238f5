import threading
import time

import pytest

from overland.inference.threads import (
    StalledError,
    Watchdog,
    map_in_threads,
    prefetch,
    thread_report,
    worker_threads,
    write_in_background,
)


def no_threads_left():
    return not [thread for thread in threading.enumerate() if thread.name.startswith("overland-")]


def test_items_come_in_order_and_only_so_many_are_made_ahead():
    made = []
    are_ahead = threading.Event()

    def items():
        for number in range(5):
            made.append(number)
            if number == 2:
                are_ahead.set()
            yield number

    with prefetch(items(), depth=2) as ahead:
        assert next(ahead) == 0
        assert are_ahead.wait(5)
        assert made == [0, 1, 2]
        assert list(ahead) == [1, 2, 3, 4]
        assert list(ahead) == []


def failing_items(count):
    yield from range(count)
    raise ValueError("damaged")


def test_an_error_of_the_reader_arrives_where_its_item_is_asked_for():
    with prefetch(failing_items(1)) as ahead:
        assert next(ahead) == 0
        with pytest.raises(ValueError, match="damaged"):
            next(ahead)


def test_an_error_of_the_reader_can_be_seen_ahead():
    with prefetch(failing_items(2), depth=3) as ahead:
        ahead._waiting[-1].exception(5)  # waits until all is made
        with pytest.raises(ValueError, match="damaged"):
            ahead.check()


def test_leaving_early_ends_the_reader():
    with prefetch(iter(range(1000)), depth=4) as ahead:
        next(ahead)
        ahead.check()
    assert no_threads_left()


def test_calls_are_made_in_order_and_are_done_at_the_end():
    written = []
    with write_in_background() as writer:
        for number in range(5):
            writer.submit(written.append, number)
    assert written == [0, 1, 2, 3, 4]
    assert no_threads_left()


def test_no_more_than_one_call_waits():
    may_go, calls = threading.Event(), []

    def slow(number):
        assert may_go.wait(5)
        calls.append(number)

    with write_in_background() as writer:
        writer.submit(slow, 0)
        second = threading.Thread(target=writer.submit, args=(slow, 1))
        second.start()
        second.join(0.05)
        assert second.is_alive()
        may_go.set()
        second.join(5)
    assert calls == [0, 1]


def fail():
    raise OSError("disk full")


def test_an_error_of_the_writer_is_raised():
    with pytest.raises(OSError, match="disk full"), write_in_background() as writer:
        writer.submit(fail)


def test_an_error_of_the_writer_is_seen_without_another_call():
    failed = threading.Event()

    def fail_soon():
        failed.set()
        fail()

    with pytest.raises(OSError, match="disk full"), write_in_background() as writer:  # noqa: PT012
        writer.check()
        writer.submit(fail_soon)
        assert failed.wait(5)
        while True:
            writer.check()


def test_results_come_in_the_order_of_the_items_whichever_is_ready_first():
    second_is_done = threading.Event()

    def square(number):
        if number == 1:
            second_is_done.set()
        assert second_is_done.wait(5)
        return number**2

    with worker_threads(2) as threads:
        results = list(map_in_threads(square, range(6), threads, busy=2))
    assert results == [(number, number**2) for number in range(6)]


def test_light_items_are_done_on_the_spot_and_stay_in_order():
    main, places = threading.current_thread(), []

    def negative(number):
        places.append((number, threading.current_thread() is main))
        return -number

    with worker_threads(1) as threads:
        results = map_in_threads(negative, range(6), threads, busy=1, is_light=lambda n: n % 3 != 0)
        assert list(results) == [(number, -number) for number in range(6)]
    assert sorted(places) == [(number, number % 3 != 0) for number in range(6)]


@pytest.mark.parametrize(("is_light", "held"), [(lambda n: False, 3), (lambda n: n > 0, 4)])
def test_calls_and_items_ahead_are_bounded(is_light, held):
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    with worker_threads(2) as threads:
        next(map_in_threads(lambda n: n, items(), threads, busy=2, queued=3, is_light=is_light))
    assert len(taken) == held


def test_an_error_of_a_worker_is_raised_and_what_has_not_begun_is_dropped():
    begun = []

    def fail_at_two(number):
        begun.append(number)
        if number == 2:
            raise ValueError("no memory")

    with pytest.raises(ValueError, match="no memory"), worker_threads(1) as threads:
        list(map_in_threads(fail_at_two, range(100), threads, busy=1))
    assert len(begun) <= 4
    assert no_threads_left()


def test_a_call_that_hangs_ends_the_run_and_is_told_with_its_place():
    may_go = threading.Event()

    def hang_here(item):
        may_go.wait(30)

    started = time.monotonic()
    with (
        pytest.raises(StalledError, match=r"Nothing was finished for .*compute-0 in .*hang_here") as raised,
        worker_threads(2, watchdog=Watchdog(0.5)) as threads,
    ):
        list(map_in_threads(hang_here, range(4), threads, busy=2))
    assert time.monotonic() - started < 10
    assert raised.value.exit_code == 1
    assert "same command continues" in str(raised.value)
    may_go.set()


def test_a_run_in_which_something_is_finished_now_and_then_goes_on():
    watchdog = Watchdog(1.0)
    with worker_threads(1, watchdog=watchdog) as threads:
        results = list(map_in_threads(lambda n: time.sleep(0.3), range(6), threads, busy=1))
    assert len(results) == 6


def test_the_limit_can_be_set_from_outside(monkeypatch):
    monkeypatch.setenv("OVERLAND_STALLED_AFTER", "7")
    assert Watchdog().limit_s == 7


def test_an_error_of_a_call_that_is_a_timeout_is_raised_as_it_is():
    def fail(item):
        raise TimeoutError("the server")

    with pytest.raises(TimeoutError, match="the server"), worker_threads(1) as threads:
        list(map_in_threads(fail, range(2), threads, busy=1))


def test_the_report_names_each_thread_and_where_it_is():
    assert "MainThread in test_threads.py" in thread_report()


def test_ctrl_c_does_not_wait_for_a_window_under_way():
    may_go = threading.Event()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), worker_threads(1) as threads:  # noqa: PT012
        threads.submit(may_go.wait, 30)
        raise KeyboardInterrupt
    assert time.monotonic() - started < 5
    may_go.set()
