import threading

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from models_made import threshold_bundle
from overland.bundle import save_bundle
from overland.errors import DataError
from overland.inference import open_engine
from overland.inference.engines import graph
from overland.inference.engines.graph import warm_up
from overland.inference.engines.onnx_file import operators_of


def _graph(tmp_path, nodes, initializers=(), *, takes=("batch", 3, "height", "width"), gives=("n", 1, "h", "w")):
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, takes)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, gives)],
        list(initializers),
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    bundle = threshold_bundle(tmp_path / "m", bands=3)
    return save_bundle(bundle, tmp_path / "m", weights={}, graph=model.SerializeToString(), card="")


def _weights(shape=(1, 3, 1, 1)):
    return numpy_helper.from_array(np.ones(shape, np.float32), "w")


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_a_graph_of_another_stride_is_refused_before_it_maps(tmp_path, engine):
    conv = helper.make_node("Conv", ["x", "w"], ["y"], strides=[2, 2])
    bundle = _graph(tmp_path, [conv], [_weights()])
    with pytest.raises(DataError, match=r"64 x 96 pixels into an array of 1 x 1 x 32 x 48"):
        open_engine(bundle, engine)


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_a_graph_that_turns_its_chip_is_refused(tmp_path, engine):
    conv = helper.make_node("Conv", ["x", "w"], ["c"])
    turn = helper.make_node("Transpose", ["c"], ["y"], perm=[0, 1, 3, 2])
    bundle = _graph(tmp_path, [conv, turn], [_weights()])
    with pytest.raises(DataError, match="1 x 1 x 96 x 64"):
        open_engine(bundle, engine)


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_a_loop_is_refused_before_it_turns(tmp_path, engine):
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Add", ["state", "state"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
    )
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Loop", ["turns", "yes", "c"], ["y"], body=body),
    ]
    constants = [
        _weights(),
        numpy_helper.from_array(np.array(2**62, np.int64), "turns"),
        numpy_helper.from_array(np.array(True), "yes"),
    ]
    bundle = _graph(tmp_path, nodes, constants)
    assert ("", "Loop") in operators_of(bundle.graph_path)
    with pytest.raises(DataError, match="operator Loop, which may run for ever"):
        open_engine(bundle, engine)


def test_operators_of_subgraphs_are_found(tmp_path):
    inner = helper.make_graph(
        [helper.make_node("Scan", ["a"], ["b"], num_scan_inputs=1, body=helper.make_graph([], "n", [], []))],
        "inner",
        [],
        [helper.make_tensor_value_info("b", TensorProto.FLOAT, None)],
    )
    nodes = [helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)]
    bundle = _graph(tmp_path, nodes)
    assert operators_of(bundle.graph_path) == {("", "If"), ("", "Scan")}
    with pytest.raises(DataError, match="Scan"):
        open_engine(bundle, "onnx")


@pytest.mark.parametrize("content", [b"", b"garbage" * 100, b"\xff" * 64, b"\x3a\xff\xff\xff\x7f"])
def test_a_file_that_is_no_graph_is_one_error(tmp_path, content):
    bundle = save_bundle(threshold_bundle(tmp_path / "m"), tmp_path / "m", weights={}, graph=content, card="")
    with pytest.raises(DataError, match="cannot be loaded"):
        open_engine(bundle, "onnx")


def test_a_network_that_does_not_end_is_refused(tmp_path):
    may_go = threading.Event()
    cancelled = []
    bundle = threshold_bundle(tmp_path / "m")
    with pytest.raises(DataError, match="did not finish a chip of 64 x 96 pixels within"):
        warm_up(
            bundle,
            bundle.graph_path,
            lambda chips: may_go.wait(30),
            cancel=lambda: cancelled.append(True),
            limit_s=0.2,
        )
    assert cancelled
    may_go.set()


@pytest.mark.parametrize("name", ["onnx", "openvino"])
def test_the_first_run_is_over_when_an_engine_is_open(tmp_path, name, monkeypatch):
    runs = []
    real = graph.warm_up

    def watched(bundle, path, run, **options):
        real(bundle, path, lambda chips: runs.append(chips.shape) or run(chips), **options)

    module = pytest.importorskip(f"overland.inference.engines.{name}")
    monkeypatch.setattr(module, "warm_up", watched)
    open_engine(threshold_bundle(tmp_path / "m", bands=3), name)
    assert runs == [(1, 3, 64, 96)]
