import numpy as np
import onnxruntime
import pytest

torch = pytest.importorskip("torch")
from torch import nn

from overland.models.build import graph_from_model
from overland.models.published import AnySizePool, make_pools_exportable


@pytest.mark.parametrize("side", [1, 2, 3, 6])
@pytest.mark.parametrize("size", [(6, 12), (7, 5), (4, 33)])
def test_it_is_adaptive_average_pooling(side, size):
    features = torch.randn(2, 3, *size)
    torch.testing.assert_close(AnySizePool(side)(features), nn.AdaptiveAvgPool2d(side)(features))


def test_a_graph_pools_inputs_of_any_size():
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.AdaptiveAvgPool2d(3))
    make_pools_exportable(network)
    graph = graph_from_model(network, in_channels=1, size_divisor=8)
    session = onnxruntime.InferenceSession(graph)
    for size in ((5, 9), (40, 31)):
        image = torch.randn(2, 1, *size)
        (found,) = session.run(None, {"image": image.numpy()})
        np.testing.assert_allclose(found, network(image).detach().numpy(), atol=1e-5)


def test_other_pools_stay():
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.AdaptiveAvgPool2d((2, 3)), nn.AdaptiveAvgPool2d((2, 2)))
    make_pools_exportable(network)
    assert [type(layer) for layer in network] == [nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool2d, AnySizePool]


def test_a_psp_network_keeps_its_names_and_its_answer():
    smp = pytest.importorskip("segmentation_models_pytorch")
    network = smp.PSPNet("resnet18", encoder_weights=None).eval()
    names, image = list(network.state_dict()), torch.randn(1, 3, 72, 104)
    with torch.no_grad():
        expected = network(image)
        make_pools_exportable(network)
        torch.testing.assert_close(network(image), expected)
    assert list(network.state_dict()) == names
