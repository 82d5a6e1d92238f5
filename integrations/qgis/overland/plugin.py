"""The plugin: menu entries under Raster > Overland, and the Processing provider."""

from pathlib import Path

from qgis import processing
from qgis.core import QgsApplication, QgsRasterLayer, QgsSettings
from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtWidgets import QAction, QFileDialog, QMessageBox

from .command import COMMAND_SETTING, find_command
from .provider import OverlandProvider

MENU = "&Overland"


class OverlandPlugin:
    """Overland in QGIS.

    Args:
        iface: QGIS's interface.
    """

    def __init__(self, iface):
        self.iface = iface
        self.provider = None
        self.actions = []

    def initProcessing(self):  # noqa: N802
        """Register the algorithms; QGIS calls this alone where it has no window."""
        self.provider = OverlandProvider()
        QgsApplication.processingRegistry().addProvider(self.provider)

    def initGui(self):  # noqa: N802
        """Add the menu entries and the toolbar button."""
        self.initProcessing()
        icon = QIcon(str(Path(__file__).with_name("icon.svg")))
        self._add("Map this layer...", self.map_layer, icon)
        self._add("Install or find Overland...", self.set_up)
        self.iface.addToolBarIcon(self.actions[0])

    def _add(self, text, called, icon=None):
        action = QAction(icon or QIcon(), text, self.iface.mainWindow())
        action.triggered.connect(called)
        self.iface.addPluginToRasterMenu(MENU, action)
        self.actions.append(action)

    def unload(self):
        """Take everything away again."""
        for action in self.actions:
            self.iface.removePluginRasterMenu(MENU, action)
            self.iface.removeToolBarIcon(action)
        self.actions = []
        if self.provider is not None:
            QgsApplication.processingRegistry().removeProvider(self.provider)
            self.provider = None

    def map_layer(self):
        """Open the dialog that maps a layer, with the active raster layer chosen."""
        if find_command() is None and not self.set_up():
            return
        layer = self.iface.activeLayer()
        chosen = {"INPUT": layer.id()} if isinstance(layer, QgsRasterLayer) else {}
        processing.execAlgorithmDialog("overland:map", chosen)

    def set_up(self):
        """Ask whether to install Overland or to use an installation. Returns whether it is there now."""
        found = find_command()
        box = QMessageBox(self.iface.mainWindow())
        box.setWindowTitle("Overland")
        box.setText(f"Overland is installed: {found}" if found else "Overland is not installed yet.")
        box.setInformativeText("It lives in an environment of its own, so nothing is installed into QGIS.")
        install = box.addButton("Install...", QMessageBox.AcceptRole)
        choose = box.addButton("Choose the program...", QMessageBox.ActionRole)
        box.addButton(QMessageBox.Close)
        box.exec_()
        if box.clickedButton() is install:
            processing.execAlgorithmDialog("overland:install", {})
        elif box.clickedButton() is choose:
            path, _ = QFileDialog.getOpenFileName(self.iface.mainWindow(), "The program overland")
            if path:
                QgsSettings().setValue(COMMAND_SETTING, path)
        return find_command() is not None
