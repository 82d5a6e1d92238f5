"""Run the command line of Overland from QGIS: found or installed, followed line by line, cancelled on request.

Nothing of Overland is imported into QGIS: its GDAL and its numpy are not QGIS's, and a crash there must not end QGIS.
"""

import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

from qgis.core import QgsApplication, QgsProcessingException, QgsSettings

COMMAND_SETTING = "overland/command"
PACKAGE_SETTING = "overland/package"
PROGRESS = re.compile(r": (?P<done>[\d.e+]+) of (?P<total>[\d.e+]+) \S+,")
# QGIS sets these for its own Python, GDAL and PROJ; those of Overland must not see them.
FOREIGN_VARIABLES = ("PYTHONHOME", "PYTHONPATH", "GDAL_DATA", "GDAL_DRIVER_PATH", "PROJ_LIB", "PROJ_DATA")
POLL_S = 0.2
STOP_S = 10


def own_environment():
    """Return the folder of the environment that the plugin installs Overland into: below the user's QGIS profile."""
    return Path(QgsApplication.qgisSettingsDirPath()) / "overland-env"


def _programs(environment):
    return environment / ("Scripts" if os.name == "nt" else "bin")


def find_command():
    """Find the program `overland`.

    Returns:
        Its path, as text: the one that was set, else the plugin's own environment's, else the one on the search path;
        None where there is none.
    """
    remembered = str(QgsSettings().value(COMMAND_SETTING, "") or "")
    places = [remembered, str(_programs(own_environment()) / "overland"), "overland"]
    return next((found for place in places if place and (found := shutil.which(str(Path(place).expanduser())))), None)


def require_command():
    """Return the path of the program `overland`. Raises `QgsProcessingException` where it is not installed."""
    found = find_command()
    if found is None:
        raise QgsProcessingException(
            "Overland is not installed yet. Choose Raster > Overland > Install or find Overland, or the algorithm "
            "'Install Overland' in the Processing toolbox."
        )
    return found


def find_python():
    """Find a Python that can hold Overland, 3.11 or newer. Returns its path, or None."""
    names = ["python3.13", "python3.12", "python3.11", "python3.14", "python3", "python"]
    if os.name == "nt":  # QGIS's own interpreter lies beside it; sys.executable is QGIS itself
        names.insert(0, str(Path(sys.exec_prefix) / "python.exe"))
    for name in names:
        found = shutil.which(name)
        if found and _is_new_enough(found):
            return found
    return None


def _is_new_enough(python):
    code = "import sys, venv, ensurepip; raise SystemExit(sys.version_info < (3, 11))"
    try:
        return subprocess.run([python, "-c", code], env=environment(), capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def install(package, feedback):
    """Install Overland into an environment of its own.

    Args:
        package: What pip installs: a name on the package index, a wheel, or a folder with the source.
        feedback: QGIS's feedback, which shows pip's lines and may cancel.

    Returns:
        The path of the program `overland`.

    Raises:
        QgsProcessingException: There is no Python of 3.11 or newer, or pip failed.
    """
    python = find_python()
    if python is None:
        raise QgsProcessingException(
            "No Python of version 3.11 or newer was found. Install one (python.org, or your system's packages), "
            "and run this again."
        )
    folder = own_environment()
    run([python, "-m", "venv", "--clear", str(folder)], feedback, 0, 10)
    program = _programs(folder)
    run([str(program / "python"), "-m", "pip", "install", "--disable-pip-version-check", package], feedback, 10, 95)
    found = shutil.which(str(program / "overland"))
    if found is None:
        raise QgsProcessingException(f"{package} was installed, and has no program overland. Is it the right package?")
    QgsSettings().setValue(COMMAND_SETTING, found)
    return found


def run_overland(arguments, feedback, first=0, last=100):
    """Run a command of Overland with --json.

    Args:
        arguments: The words after `overland`.
        feedback: QGIS's feedback: it gets the lines and the progress, and may cancel.
        first: Percent of QGIS's bar at the start.
        last: Percent of QGIS's bar at the end.

    Returns:
        What the command printed, as a dict.

    Raises:
        QgsProcessingException: The command failed, with Overland's own message, or was cancelled.
    """
    returncode, printed = run([require_command(), *arguments, "--json"], feedback, first, last, check=False)
    try:
        values = json.loads(printed)
    except ValueError:
        raise QgsProcessingException(f"overland ended with code {returncode} and printed no result.") from None
    if returncode or "error" in values:
        raise QgsProcessingException(values.get("error", f"overland ended with code {returncode}."))
    return values


def run(command, feedback, first, last, check=True):
    """Run a program, show its lines and follow its progress; cancelling in QGIS ends it.

    Returns:
        Its exit code, and what it printed on stdout.

    Raises:
        QgsProcessingException: It was cancelled; or, with `check`, it failed.
    """
    feedback.pushCommandInfo(" ".join(map(str, command)))
    process = subprocess.Popen(
        list(map(str, command)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=environment(),
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
    output, lines = _read_in_background(process.stdout), _read_in_background(process.stderr)
    last_lines = _follow(process, lines, feedback, first, last)
    printed = "".join(_drain(output))
    returncode = process.wait()
    if feedback.isCanceled():
        raise QgsProcessingException("Cancelled; the output was not written.")
    if check and returncode:
        raise QgsProcessingException(" ".join(last_lines[-3:]) or f"{command[0]} ended with code {returncode}.")
    return returncode, printed


def environment():
    """Return the variables for programs outside QGIS, without those that QGIS sets for its own libraries."""
    return {key: value for key, value in os.environ.items() if key not in FOREIGN_VARIABLES}


def _read_in_background(stream):
    lines = queue.Queue()

    def read():
        with stream:
            for line in stream:
                lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines


def _follow(process, lines, feedback, first, last):
    seen = []
    while not feedback.isCanceled():
        try:
            line = lines.get(timeout=POLL_S)
        except queue.Empty:
            continue
        if line is None:
            return seen
        progress = PROGRESS.search(line)
        if progress:
            done = float(progress["done"]) / float(progress["total"])
            feedback.setProgress(first + (last - first) * min(done, 1))
        feedback.pushInfo(line.rstrip())
        seen.append(line.strip())
    _stop(process)
    return seen


def _stop(process):
    if os.name == "nt":
        process.terminate()
    else:
        process.send_signal(signal.SIGINT)  # as Ctrl-C does: Overland then keeps what is needed to go on, and no more
    try:
        process.wait(timeout=STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()


def _drain(lines):
    while (line := lines.get()) is not None:
        yield line
