import hashlib

import pytest
import torch
from torch import nn

from fidip.models import DOMAIN_CLASSIFIERS, POSE_NETS, complexity
from fidip.models.pose import meta_copy


def stage(modules, channels, blocks=4):
    return {
        "NUM_MODULES": modules,
        "NUM_BRANCHES": len(channels),
        "BLOCK": "BASIC",
        "NUM_BLOCKS": [blocks] * len(channels),
        "NUM_CHANNELS": channels,
        "FUSE_METHOD": "SUM",
    }


def hrnet_extra(width, modules=(1, 4, 3), blocks=4):
    channels = [width, 2 * width, 4 * width, 8 * width]
    tables = {f"STAGE{i}": stage(modules[i - 2], channels[:i], blocks) for i in (2, 3, 4)}
    return {**tables, "FINAL_CONV_KERNEL": 1, "PRETRAINED_LAYERS": ["*"]}


PUBLISHED_DECONV = {
    "NUM_DECONV_LAYERS": 3,
    "NUM_DECONV_FILTERS": [256, 256, 256],
    "NUM_DECONV_KERNELS": [4, 4, 4],
    "DECONV_WITH_BIAS": False,
    "FINAL_CONV_KERNEL": 1,
}
# (name, EXTRA, image size, tensors, sha256 of the "name shape" lines, parameters): the published networks
PUBLISHED = {
    "hrnet": (
        hrnet_extra(48),
        (288, 384),
        1754,
        "f0e89ca79e714d97f32f1f2fd3ae4313f6165da5d1d63750b57b7319a88a8ce8",
        63_595_745,
    ),
    "resnet": (
        {"NUM_LAYERS": 50, **PUBLISHED_DECONV},
        (288, 384),
        338,
        "789f3a10546bdaea8f4e8fdc64c624e874bc7fbeaa764eca721c8a66cea16eb1",
        33_999_697,
    ),
    "mobile": (
        PUBLISHED_DECONV,
        (224, 224),
        332,
        "248e1af63d5acc5439ac6dfce81fafcbb3bf7ffdca7e1e963c950fe31f598476",
        4_102_176,
    ),
}
# feature channels, feature size (w, h), tensors, sha256, parameters
PUBLISHED_CLASSIFIERS = {
    "hrnet": (48, (72, 96), 30, "0e9d93f1f10e4e8096b76f58ca524e3466385bc12562a260a93a38043b9cab12", 754_553),
    "resnet": (
        2048,
        (9, 12),
        16,
        "82c63e584b72cfcdf820e064e0206b886c6497afed9f0d26f49473df81799d90",
        454_041_601,
    ),
    "mobile": (1280, (7, 7), 37, "1a8591708712c61ba3f0a77984e2b14d14a2ade4a5fc2f6bde94c252d8c855f7", 847_153),
}


def listing_hash(tensors):
    lines = "\n".join(f"{name} {list(tensor.shape)}" for name, tensor in tensors.items())
    return hashlib.sha256(lines.encode()).hexdigest()


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("prefix", ["", "adaptive_"])
def test_published_net_has_the_published_tensors_in_order(name, prefix):
    extra, size, tensors, digest, params = PUBLISHED[name]
    with torch.device("meta"):
        net = POSE_NETS[f"{prefix}pose_{name}"](17, size, extra)
        features, heatmaps = net(torch.empty(2, 3, size[1], size[0]))
    state = net.state_dict()
    assert (len(state), listing_hash(state), count(net)) == (tensors, digest, params)
    channels, feature_size, *_ = PUBLISHED_CLASSIFIERS[name]
    assert (net.feature_channels, net.feature_size(size), net.stride) == (channels, feature_size, 4)
    assert features.shape == (2, channels, *feature_size[::-1])
    assert heatmaps.shape == (2, 17, size[1] // 4, size[0] // 4)


@pytest.mark.parametrize("name", PUBLISHED_CLASSIFIERS)
def test_published_classifier_has_the_published_tensors_in_order(name):
    channels, (width, height), tensors, digest, params = PUBLISHED_CLASSIFIERS[name]
    with torch.device("meta"):
        classifier = DOMAIN_CLASSIFIERS[name](channels, (width, height))
        logits = classifier(torch.empty(2, channels, height, width))
    state = classifier.state_dict()
    assert (len(state), listing_hash(state), count(classifier)) == (tensors, digest, params)
    assert logits.shape == (2,)


@pytest.mark.parametrize(
    ("name", "printed", "gmacs"),
    [
        ("hrnet", ("60.65", "32.88"), 35.306606592),
        ("resnet", ("32.42", "20.23"), 12.2093568),
        ("mobile", ("3.91", "0.46"), 0.490664832),
    ],
)
def test_published_numbers(name, printed, gmacs):
    extra, size, _, _, params = PUBLISHED[name]
    with torch.device("meta"):
        net = POSE_NETS[f"pose_{name}"](17, size, extra)
    found = complexity(net, size)
    assert found.params == params
    assert (f"{found.params_m_published:.2f}", f"{found.gmacs_published:.2f}") == printed
    assert found.gmacs == pytest.approx(gmacs, rel=1e-12)


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.deconv = nn.ConvTranspose2d(8, 4, 4, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.tokens = nn.Linear(4, 5)

    def forward(self, x):
        x = self.norm(self.deconv(self.depthwise(self.conv(x))))
        return self.tokens(x.flatten(2).transpose(1, 2))


def test_counts_by_hand():
    found = complexity(Small(), (16, 8))
    inner, outer = 8 * 4, 16 * 8  # positions before and after the transposed convolution
    conv, depthwise, deconv, tokens = 3 * 8 * 9, 8 * 9, 8 * 4 * 16, 4 * 5
    assert found.macs == conv * inner + depthwise * inner + deconv * inner + tokens * outer
    assert found.published_macs == conv * inner + depthwise * inner + deconv * outer + tokens * outer
    assert found.params == conv + 8 + depthwise + 8 + deconv + 4 + 8 + tokens + 5


def test_model_is_left_untouched():
    net = Small().train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    complexity(net, (16, 8))
    assert all(module.training and not module._forward_hooks for module in net.modules())
    assert all(parameter.requires_grad and parameter.device.type == "cpu" for parameter in net.parameters())
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_meta_copy_shares_nothing_and_holds_nothing():
    net = Small()
    copy = meta_copy(net)
    assert list(copy.state_dict()) == list(net.state_dict())
    assert all(tensor.is_meta for tensor in copy.state_dict().values())
