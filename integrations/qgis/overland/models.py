"""The models that a user can choose: the pretrained ones with their cards, and folders of his own."""

import json
import subprocess

from .command import environment, find_command

LIST_TIMEOUT_S = 60
_found = {}


def pretrained_models():
    """List the pretrained models of the installed Overland; asked once for each installation.

    Returns:
        Their entries as `overland models --json` prints them: a list of dicts with `name`, `classes`, `score`, ...;
        empty where Overland is not installed.
    """
    command = find_command()
    if command is None:
        return []
    if command not in _found:
        try:
            done = subprocess.run(
                [command, "models", "--json"],
                env=environment(),
                capture_output=True,
                text=True,
                encoding="utf-8",
                timeout=LIST_TIMEOUT_S,
            )
            _found[command] = json.loads(done.stdout).get("models", [])
        except (OSError, ValueError, subprocess.TimeoutExpired):
            return []
    return _found[command]


def card_of(model):
    """Return the card of a model as HTML for a dialog's help.

    Args:
        model: An entry of `pretrained_models`.

    Returns:
        A heading and one line for each fact that the entry has.
    """
    facts = [(key, model.get(key)) for key in ("description", "imagery", "score", "classes", "terms", "credit")]
    rows = [f"<b>{key}</b>: {_text(value)}" for key, value in facts if value]
    return f"<h3>{model.get('title') or model.get('name')}</h3>" + "<br>".join(rows)


def _text(value):
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
