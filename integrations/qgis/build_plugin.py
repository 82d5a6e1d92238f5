"""Make the zip that QGIS installs: `python integrations/qgis/build_plugin.py dist/overland-qgis.zip [VERSION]`.

The zip holds the folder `overland` with the plugin's Python files, its icon, metadata and licence, and nothing else.
"""

import re
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
SUFFIXES = {".py", ".txt", ".svg"}
REQUIRED = ("name", "qgisMinimumVersion", "description", "version", "author", "email", "about", "icon")


def build(output: Path, version: str | None = None) -> list[str]:
    """Write the plugin's zip.

    Args:
        output: The zip to write.
        version: Version in the metadata in place of the one in the file.

    Returns:
        The names in the zip.

    Raises:
        ValueError: The metadata lacks something that the QGIS repository asks for.
    """
    metadata = (HERE / "overland" / "metadata.txt").read_text(encoding="utf-8")
    if version:
        metadata = re.sub(r"(?m)^version=.*$", f"version={version}", metadata)
    if missing := [key for key in REQUIRED if not re.search(rf"(?m)^{key}=\S", metadata)]:
        raise ValueError(f"metadata.txt lacks {', '.join(missing)}.")
    output.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((HERE / "overland").iterdir()):
            if path.suffix in SUFFIXES:
                text = metadata if path.name == "metadata.txt" else path.read_text(encoding="utf-8")
                archive.writestr(f"overland/{path.name}", text)
        archive.write(HERE.parents[1] / "LICENSE", "overland/LICENSE")
        return archive.namelist()


if __name__ == "__main__":
    print("\n".join(build(Path(sys.argv[1]), *sys.argv[2:3])))
