"""The QGIS plugin of Overland: map a layer with a model, without a terminal."""


def classFactory(iface):  # noqa: N802 - QGIS asks for this name
    """Give QGIS the plugin.

    Args:
        iface: QGIS's interface, through which the plugin adds its actions.

    Returns:
        The plugin.
    """
    from .plugin import OverlandPlugin

    return OverlandPlugin(iface)
