from concurrent.futures import ThreadPoolExecutor

import numpy as np

from overland.raster import Grid, create_raster, open_scene


def test_threads_open_scenes_that_lie_nowhere_without_a_warning(tmp_path):
    # Warnings are errors here; two threads that change the filters at once would let one through.
    with create_raster(tmp_path / "s.tif", Grid(height=8, width=8)) as writer:
        writer.write(np.ones((8, 8), np.uint8), Grid(height=8, width=8).window)

    def height_of(number):
        with open_scene(tmp_path / "s.tif") as scene:
            return scene.height

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(height_of, range(800))) == {8}
