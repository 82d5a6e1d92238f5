"""The Processing provider: the algorithms under Overland in the toolbox."""

from pathlib import Path

from qgis.core import QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from .algorithms import Areas, Install, MapLayer, Vectorize


class OverlandProvider(QgsProcessingProvider):
    """The algorithms of Overland."""

    def id(self):
        """Return the id, as in `overland:map`."""
        return "overland"

    def name(self):
        """Return the heading in the toolbox."""
        return "Overland"

    def icon(self):
        """Return the icon in the toolbox."""
        return QIcon(str(Path(__file__).with_name("icon.svg")))

    def loadAlgorithms(self):  # noqa: N802
        """Add the algorithms."""
        for algorithm in (MapLayer, Vectorize, Areas, Install):
            self.addAlgorithm(algorithm())
