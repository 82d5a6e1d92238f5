import numpy as np
import onnxruntime
import pytest

torch = pytest.importorskip("torch")

from overland.models import build_model, graph_from_model, model_settings, size_divisor_of


@pytest.mark.parametrize(
    "settings",
    [
        {"architecture": "PlainUnet", "width": 8, "depth": 2, "stem_stride": 2},
        {"architecture": "PlainUnet", "width": 4, "depth": 2, "stem_stride": 4, "stem_up": "bilinear"},
        {
            "architecture": "PlainUnet",
            "width": 4,
            "depth": 2,
            "norm": "none",
            "second_activation": "clipped_relu(0.2)",
            "up": "resize",
            "concat": "skip_up",
            "input_stage": "grey_l2",
        },
        {"architecture": "DeepLabV3Plus", "encoder": "resnet18"},
        {"architecture": "PSPNet", "encoder": "resnet18"},
        {"architecture": "UPerNet", "encoder": "resnet18", "decoder_channels": 16},
    ],
)
def test_the_graph_gives_what_the_network_gives_at_any_size(settings):
    torch.manual_seed(0)
    network = build_model(model_settings(settings, in_channels=3, classes=2)).eval()
    divisor = size_divisor_of(network)
    session = onnxruntime.InferenceSession(graph_from_model(network, in_channels=3, size_divisor=divisor))
    for batch, rows, cols in ((1, 2, 5), (3, 4, 2)):
        chips = torch.randn(batch, 3, rows * divisor, cols * divisor)
        with torch.no_grad():
            expected = network(chips).numpy()
        (found,) = session.run(None, {"image": chips.numpy()})
        np.testing.assert_allclose(found, expected, atol=1e-4)
