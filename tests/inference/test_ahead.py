import threading

import pytest

from overland.inference.ahead import read_ahead, write_behind


def test_items_come_in_order_and_one_is_made_ahead():
    made = []
    is_ahead = threading.Event()

    def items():
        for number in range(4):
            made.append(number)
            if number == 1:
                is_ahead.set()
            yield number

    with read_ahead(items()) as ahead:
        assert next(ahead) == 0
        assert is_ahead.wait(5)
        assert made == [0, 1]
        assert list(ahead) == [1, 2, 3]


def test_an_error_of_the_reader_arrives_where_its_item_is_asked_for():
    def items():
        yield 1
        raise ValueError("damaged")

    with read_ahead(items()) as ahead:
        assert next(ahead) == 1
        with pytest.raises(ValueError, match="damaged"):
            next(ahead)


def test_leaving_early_ends_the_reader():
    with read_ahead(iter(range(1000))) as ahead:
        next(ahead)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("overland-")]


def test_calls_are_made_in_order_and_are_done_at_the_end():
    written = []
    with write_behind() as submit:
        for number in range(5):
            submit(written.append, number)
    assert written == [0, 1, 2, 3, 4]


def test_no_more_than_one_call_waits():
    may_go, calls = threading.Event(), []

    def slow(number):
        assert may_go.wait(5)
        calls.append(number)

    with write_behind() as submit:
        submit(slow, 0)
        second = threading.Thread(target=submit, args=(slow, 1))
        second.start()
        second.join(0.05)
        assert second.is_alive()
        may_go.set()
        second.join(5)
    assert calls == [0, 1]


def test_an_error_of_the_writer_is_raised():
    def fail():
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"), write_behind() as submit:
        submit(fail)
