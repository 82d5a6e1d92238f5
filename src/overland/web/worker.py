"""The worker process: the only one that opens what strangers send. One JSON object a line in, one or more out.

It is started as `python -m overland.web.worker` with the environment of `overland.web.hardening`, takes one request at
a time on stdin and ends when stdin does. Its answers are data, never code: the server trusts none of them further.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import traceback
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TextIO

from overland.errors import OverlandError, ResourceError
from overland.web.errors import RefusedError
from overland.web.hardening import harden_process, limit_memory
from overland.web.mapping import map_image
from overland.web.products import make_product

__all__ = ["main"]

_OUT_OF_MEMORY = 5

Values = dict[str, Any]


def main() -> None:
    """Serve requests until stdin ends."""
    harden_process()
    answers = _private_stdout()
    limit_memory(int(sys.argv[1]))
    requests = _requests_or_exit()
    _say(answers, {"ready": True})
    while True:
        try:
            _say(answers, _answer(requests.get(), answers))
        except MemoryError:
            # What is left of the memory is in pieces; a fresh process has all of it.
            _say(answers, {"refused": _out_of_memory().to_dict(), "is_last": True})
            os._exit(_OUT_OF_MEMORY)


def _private_stdout() -> TextIO:
    # C libraries print where they like; what they print must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    return answers


def _requests_or_exit() -> SimpleQueue[Values]:
    """Requests as they come; when the server is gone, in whatever way, so is this process."""
    requests: SimpleQueue[Values] = SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            requests.put(json.loads(line))
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    return requests


def _say(answers: TextIO, values: Values) -> None:
    answers.write(json.dumps(values) + "\n")
    answers.flush()


def _answer(request: Values, answers: TextIO) -> Values:
    folder = Path(request["folder"])
    try:
        values = _map(request, answers) if request["task"] == "map" else {}
        for name in request["products"]:
            make_product(folder, name)
        return {"done": values}
    except RefusedError as error:
        return {"refused": error.to_dict()}
    except ResourceError as error:
        if _is_of_memory(error):
            raise MemoryError from error
        return {"refused": RefusedError(503, "No room", "The server's disk is full; try again later.").to_dict()}
    except OverlandError as error:
        return {"refused": RefusedError(422, "Image cannot be mapped", _for_strangers(str(error), folder)).to_dict()}
    except MemoryError:
        raise
    except Exception as error:
        if _is_of_memory(error):
            raise MemoryError from error
        traceback.print_exc()
        return {"refused": RefusedError(500, "Fault", "A fault of the server; its log says more.").to_dict()}


def _map(request: Values, answers: TextIO) -> Values:
    return map_image(request, request["limits"], lambda done, total: _say(answers, {"progress": done / total}))


def _is_of_memory(error: Exception) -> bool:
    # Libraries say in many ways that they got no memory, for threads of theirs too; numpy at times says nothing.
    return isinstance(error, SystemError) or re.search("alloc|out of memory|PosixThread", str(error)) is not None


def _out_of_memory() -> RefusedError:
    return RefusedError(422, "Too much work", "The image needs more memory than is allowed here; send a part of it.")


def _for_strangers(message: str, folder: Path) -> str:
    """The message without our paths and without options of the command line."""
    message = re.sub(rf"{re.escape(str(folder))}/(upload|image\.tif)(, |: )?", _name_of, message)
    message = message.replace(f"{folder}/", "")
    return re.sub(r"-b (?=\d)", "bands=", message).replace("-b names", "bands names")


def _name_of(match: re.Match[str]) -> str:
    return "The image" + (match[2] or "")


if __name__ == "__main__":
    main()
