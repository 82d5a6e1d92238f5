"""The picture of the web app in the docs: the example as the app opens with it, in Chromium.

    python runs/app_picture.py docs/images/app.jpg [--chromium /usr/bin/chromium]

Needs the extra web and playwright.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

PORT, SIZE, QUALITY = 8599, {"width": 1360, "height": 940}, 84
URL = f"http://127.0.0.1:{PORT}"


def main() -> None:
    """Start the app, look at it, write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    arguments = parser.parse_args()
    command = [sys.executable, "-c", "from overland.cli import main; main()", "app", "--port", str(PORT)]
    with tempfile.TemporaryDirectory() as folder, subprocess.Popen(command, cwd=folder) as server:
        try:
            wait_for_server()
            picture = picture_of_page(arguments.chromium)
        finally:
            server.terminate()
    picture.save(arguments.output, quality=QUALITY, optimize=True)
    print(f"{arguments.output}: {arguments.output.stat().st_size / 1000:.0f} kB")


def wait_for_server() -> None:
    """Wait until the app answers."""
    for _ in range(200):
        try:
            urllib.request.urlopen(f"{URL}/_stcore/health", timeout=1).close()
        except OSError:
            time.sleep(0.3)
        else:
            return
    raise SystemExit("The app does not start.")


def picture_of_page(chromium: str) -> Image.Image:
    """The page with the roads of the example drawn on top."""
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport=SIZE)
        page.set_default_timeout(60_000)
        page.goto(URL)
        page.wait_for_selector(".viewer canvas")
        page.get_by_role("radio", name="Roads", exact=True).click()
        page.wait_for_timeout(8000)
        shot = page.screenshot()
        browser.close()
    return Image.open(io.BytesIO(shot)).convert("RGB")


if __name__ == "__main__":
    main()
