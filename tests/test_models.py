import pickle

import pytest
import timm
import torch
import torchvision
from test_complexity import PUBLISHED_DECONV, count, hrnet_extra, stage
from torch import nn
from torch.nn import functional as F

from fidip.errors import ConfigError, WeightsError
from fidip.models import DOMAIN_CLASSIFIERS, POSE_NETS, export_weights, reverse_gradient
from fidip.models.domain import BatchNormAnyBatch

TINY_HRNET = hrnet_extra(4, modules=(1, 1, 2), blocks=1)
TINY_RESNET = {"NUM_LAYERS": 18, "NUM_DECONV_FILTERS": [8, 8, 8], "NUM_DECONV_KERNELS": [4, 4, 4]}
TINY_MOBILE = {"WIDTH_MULT": 0.25, "HEAD_CHANNELS": 16}


def randomise_statistics(module):
    """Give every BatchNorm other statistics than 0 and 1, so that a swapped or skipped one shows."""
    generator = torch.Generator().manual_seed(0)
    for name, buffer in module.named_buffers():
        if name.endswith("running_mean"):
            buffer.copy_(torch.randn(buffer.shape, generator=generator) * 0.1)
        elif name.endswith("running_var"):
            buffer.copy_(torch.rand(buffer.shape, generator=generator) + 0.5)
    return module.eval()


def test_tiny_nets_run_and_export_their_own_tensors():
    for name, extra in (("hrnet", TINY_HRNET), ("resnet", TINY_RESNET), ("mobile", TINY_MOBILE)):
        net = POSE_NETS[f"pose_{name}"](5, (64, 96), extra)
        features, heatmaps = net(torch.randn(2, 3, 96, 64))
        width, height = net.feature_size((64, 96))
        assert features.shape == (2, net.feature_channels, height, width)
        assert heatmaps.shape == (2, 5, 24, 16)
        assert list(export_weights(net)) == list(net.state_dict())
        heatmaps.square().sum().backward()
        unused = [name for name, parameter in net.named_parameters() if parameter.grad is None]
        assert unused == []  # every parameter has a part in the heatmaps


def test_exported_tensors_are_copies():
    net = POSE_NETS["pose_mobile"](5, (64, 64), TINY_MOBILE).to(memory_format=torch.channels_last)
    exported = export_weights(net)
    assert all(tensor.is_contiguous() and not tensor.requires_grad for tensor in exported.values())
    exported["hm_conv.weight"].fill_(7)
    assert net.hm_conv.weight.abs().max() < 1


def test_hrnet_features_equal_timm_bit_for_bit():
    theirs = timm.create_model("hrnet_w18", features_only=True, feature_location="")
    randomise_statistics(theirs)
    net = POSE_NETS["pose_hrnet"](17, (64, 64), hrnet_extra(18)).eval()
    ours = net.state_dict()
    wanted = {name: tensor for name, tensor in theirs.state_dict().items() if name in ours}
    assert set(ours) - set(wanted) == {"final_layer.weight", "final_layer.bias"}
    net.load_state_dict(wanted, strict=False)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(net(images)[0], theirs(images)[1])


@pytest.mark.parametrize("depth", [18, 50])
def test_resnet_features_equal_torchvision_bit_for_bit(depth):
    theirs = randomise_statistics(getattr(torchvision.models, f"resnet{depth}")())
    net = POSE_NETS["pose_resnet"](17, (64, 64), {"NUM_LAYERS": depth}).eval()
    net.load_state_dict(
        {k: v for k, v in theirs.state_dict().items() if not k.startswith("fc.")}, strict=False
    )
    images = torch.randn(1, 3, 64, 64)
    layers = nn.Sequential(*list(theirs.children())[:-2])
    assert torch.equal(net(images)[0], layers(images))


def test_mobile_features_equal_torchvision_bit_for_bit():
    theirs = randomise_statistics(torchvision.models.mobilenet_v2().features)
    net = POSE_NETS["pose_mobile"](17, (64, 64), {}).eval()
    ours = list(net.features.state_dict())
    net.features.load_state_dict(dict(zip(ours, theirs.state_dict().values(), strict=True)))
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        features, heatmaps = net(images)
        assert torch.equal(features, theirs(images))
    torch.testing.assert_close(heatmaps.sum((2, 3)), torch.ones(2, 17))
    assert heatmaps.min() > 0


def test_head_weights_start_small_and_trunk_batchnorm_at_one():
    for name, layers in (("resnet", ("deconv_layers", "final_layer")), ("mobile", ("duc1", "hm_conv"))):
        net = POSE_NETS[f"pose_{name}"](17, (64, 64), {"NUM_LAYERS": 18})
        for layer in layers:
            for parameter_name, parameter in net.get_submodule(layer).named_parameters():
                if parameter.dim() == 4:
                    assert parameter.std().item() == pytest.approx(0.001, rel=0.1)
                else:
                    assert torch.all(parameter == (0 if parameter_name.endswith("bias") else 1))
        norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
        assert all(norm.momentum == 0.1 for norm in norms)


@pytest.mark.parametrize("backbone", ["resnet18", "mobilenetv3_small_050", "vit_tiny_patch16_224"])
def test_timm_trunks(backbone):
    net = POSE_NETS["pose_timm"](5, (96, 128), {"BACKBONE": backbone, "HEAD_CHANNELS": 32}).eval()
    images = torch.randn(2, 3, 128, 96)
    with torch.no_grad():
        features, heatmaps = net(images)
    stride = 16 if backbone.startswith("vit") else 32
    assert features.shape == (2, net.feature_channels, 128 // stride, 96 // stride)
    assert net.feature_size((96, 128)) == (96 // stride, 128 // stride)
    assert heatmaps.shape == (2, 5, 32, 24)
    assert count(net.head) < 60_000
    classifier = DOMAIN_CLASSIFIERS[net.domain_classifier]
    assert classifier(net.feature_channels, net.feature_size((96, 128)))(features).shape == (2,)


def test_timm_trunk_with_channels_last_output_is_turned():
    with torch.device("meta"):
        net = POSE_NETS["pose_timm"](5, (224, 224), {"BACKBONE": "swin_tiny_patch4_window7_224"})
        assert net(torch.empty(1, 3, 224, 224))[0].shape == (1, 768, 7, 7)


@pytest.mark.parametrize("preset", ["res1-3", "res1-4", "transition2"])
def test_freeze_presets_name_submodules(preset):
    name, extra = ("hrnet", TINY_HRNET) if preset == "transition2" else ("resnet", TINY_RESNET)
    with torch.device("meta"):
        net = POSE_NETS[f"pose_{name}"](5, (64, 64), extra)
    names = net.freeze_presets[preset]
    children = [
        child for child, _ in net.named_children() if any(True for _ in net.get_submodule(child).parameters())
    ]
    assert list(names) == children[: len(names)]  # a preset is the beginning of the net, without a gap
    assert {"res1-3": "layer2", "res1-4": "layer3", "transition2": "transition2"}[preset] == names[-1]


@pytest.mark.parametrize(
    ("name", "size", "extra", "words"),
    [
        ("pose_hrnet", (64, 64), {**TINY_HRNET, "STAGES2": 1}, ("STAGES2", "STAGE2")),
        ("pose_hrnet", (64, 64), {}, ("STAGE2", "missing")),
        (
            "pose_hrnet",
            (64, 64),
            {**TINY_HRNET, "STAGE3": {"BLOCK": "BASIC"}},
            ("STAGE3", "lacks", "NUM_BLOCKS"),
        ),
        (
            "pose_hrnet",
            (64, 64),
            {**TINY_HRNET, "STAGE3": stage(1, [4, 8, 16]) | {"NUM_BRANCHES": 2}},
            ("STAGE3", "NUM_BRANCHES is 2", "3"),
        ),
        (
            "pose_hrnet",
            (64, 64),
            {**TINY_HRNET, "STAGE2": stage(1, [4, 8]) | {"BLOCK": "B"}},
            ("BASIC", "BOTTLENECK"),
        ),
        (
            "pose_hrnet",
            (64, 64),
            {**TINY_HRNET, "STAGE2": stage(1, [4, 8]) | {"FUSE_METHOD": "CAT"}},
            ("SUM",),
        ),
        (
            "pose_hrnet",
            (64, 64),
            {**TINY_HRNET, "STAGE2": stage(1, [4, 8]) | {"BLOKC": "B"}},
            ("BLOKC", "BLOCK"),
        ),
        ("pose_hrnet", (72, 96), TINY_HRNET, ("72x96", "32")),
        ("pose_hrnet", (64, 64), {**TINY_HRNET, "FINAL_CONV_KERNEL": 5}, ("FINAL_CONV_KERNEL", "1 or 3")),
        ("pose_resnet", (64, 64), {"NUM_LAYERS": 19}, ("NUM_LAYERS is 19", "50")),
        ("pose_resnet", (64, 64), {"NUM_LAYER": 18}, ("NUM_LAYER ", "NUM_LAYERS")),
        ("pose_resnet", (64, 64), {"NUM_LAYERS": 18, "BACKBONE": "resnet18"}, ("BACKBONE", "pose_resnet")),
        (
            "pose_resnet",
            (64, 64),
            {"NUM_LAYERS": 18, "NUM_DECONV_LAYERS": 2},
            ("NUM_DECONV_LAYERS is 2", "3"),
        ),
        ("pose_resnet", (64, 64), {"NUM_LAYERS": 18, "NUM_DECONV_FILTERS": [8, 8]}, ("2", "stride 32")),
        ("pose_resnet", (64, 64), {"NUM_LAYERS": 18, "NUM_DECONV_KERNELS": [4]}, ("NUM_DECONV_KERNELS 1",)),
        ("pose_resnet", (64, 64), {"NUM_LAYERS": 18, "NUM_DECONV_KERNELS": [4, 4, 5]}, ("has 5", "2, 3, 4")),
        ("pose_mobile", (64, 64), {"HEAD_CHANNELS": 20}, ("HEAD_CHANNELS", "multiple of 8")),
        ("pose_mobile", (64, 64), {"WIDTH_MULT": 0}, ("WIDTH_MULT", "positive")),
        ("pose_timm", (64, 64), {}, ("BACKBONE", "missing")),
        ("pose_timm", (64, 64), {"BACKBONE": "resnet19"}, ("resnet19", "did you mean", "resnet18")),
        ("pose_timm", (64, 64), {"BACKBONE": "resnet18", "HEAD_CHANNELS": 0}, ("HEAD_CHANNELS",)),
        ("pose_timm", (140, 140), {"BACKBONE": "vit_small_patch14_dinov2"}, ("14", "power of two")),
        ("pose_timm", (96, 128), {"BACKBONE": "efficientformer_l1"}, ("efficientformer_l1", "96x128")),
        ("pose_timm", (96, 128), {"BACKBONE": "mvitv2_tiny"}, ("mvitv2_tiny", "trunk")),
    ],
)
def test_wrong_extra_is_explained(name, size, extra, words):
    with torch.device("meta"), pytest.raises(ConfigError) as caught:
        POSE_NETS[name](5, size, extra)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert "\n" not in str(caught.value)


def test_keys_of_other_published_files_are_let_through():
    with torch.device("meta"):
        POSE_NETS["pose_hrnet"](5, (64, 64), {**TINY_HRNET, **PUBLISHED_DECONV, "TARGET_TYPE": "gaussian"})


def test_download_failure_names_the_remedy(monkeypatch):
    def no_network(*args, **kwargs):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(torchvision.models.MobileNet_V2_Weights, "get_state_dict", no_network)
    with pytest.raises(WeightsError, match=r"mobilenet_v2.*no route to host.*MODEL\.PRETRAINED"):
        POSE_NETS["pose_mobile"](5, (64, 64), {}, "imagenet")
    monkeypatch.setattr(timm, "create_model", no_network)
    with pytest.raises(WeightsError, match=r"resnet18.*MODEL\.PRETRAINED"):
        POSE_NETS["pose_timm"](5, (64, 64), {"BACKBONE": "resnet18"}, "imagenet")
    with pytest.raises(ConfigError, match="width 4"):
        POSE_NETS["pose_hrnet"](5, (64, 64), TINY_HRNET, "imagenet")
    with pytest.raises(ConfigError, match="load_weights"):
        POSE_NETS["pose_mobile"](5, (64, 64), {}, "models/some.pth")


def test_imagenet_weights_fill_the_trunk(monkeypatch):
    theirs = torchvision.models.resnet18()
    monkeypatch.setattr(
        torchvision.models.ResNet18_Weights, "get_state_dict", lambda *args, **kwargs: theirs.state_dict()
    )
    net = POSE_NETS["pose_resnet"](5, (64, 64), {"NUM_LAYERS": 18}, "imagenet")
    assert torch.equal(net.layer4[1].conv2.weight, theirs.layer4[1].conv2.weight)


def test_reverse_gradient_equals_hand_written():
    torch.manual_seed(0)
    features = torch.randn(3, 4, 6, 5, requires_grad=True)
    classifier = DOMAIN_CLASSIFIERS["pooled"](4, (5, 6)).eval()
    target = torch.tensor([0.0, 1.0, 1.0])

    loss = F.binary_cross_entropy_with_logits(classifier(reverse_gradient(features, 0.3)), target)
    found = torch.autograd.grad(loss, [features, *classifier.parameters()])
    plain = F.binary_cross_entropy_with_logits(classifier(features), target)
    expected = torch.autograd.grad(plain, [features, *classifier.parameters()])
    assert torch.equal(loss, plain)
    torch.testing.assert_close(found[0], -0.3 * expected[0])
    for reversed_side, plain_side in zip(found[1:], expected[1:], strict=True):
        assert torch.equal(
            reversed_side, plain_side
        )  # the classifier itself learns to tell the domains apart


@pytest.mark.parametrize("name", ["hrnet", "mobile", "pooled"])
@pytest.mark.parametrize("size", [(72, 96), (16, 24), (10, 10), (7, 7), (96, 72)])
def test_classifier_takes_any_feature_size(name, size):
    if name == "hrnet" and min(size) < 10:
        with pytest.raises(ConfigError, match=r"'hrnet'.*10x10.*7x7.*IMAGE_SIZE"):
            DOMAIN_CLASSIFIERS[name](6, size)
        return
    classifier = DOMAIN_CLASSIFIERS[name](6, size)
    assert classifier(torch.randn(2, 6, size[1], size[0])).shape == (2,)


def test_published_size_needs_no_pooling():
    """At the published size the classifier is the plain chain of layers; the pool must not move a bit."""
    for name, channels, size in (("hrnet", 5, (72, 96)), ("mobile", 5, (7, 7))):
        classifier = DOMAIN_CLASSIFIERS[name](channels, size).eval()
        features = torch.randn(2, channels, size[1], size[0])
        x = classifier.conv_layer(features)
        assert x.shape[2:] == classifier.grid[::-1]
        assert torch.equal(classifier(features), classifier.layer(x.flatten(1))[:, 0])
        assert torch.equal(F.adaptive_avg_pool2d(x, classifier.grid[::-1]), x)


@pytest.mark.parametrize(("name", "size"), [("hrnet", (16, 16)), ("mobile", (2, 2)), ("pooled", (1, 1))])
def test_batch_of_one_in_train_mode(name, size):
    classifier = DOMAIN_CLASSIFIERS[name](6, size).train()
    classifier(torch.randn(4, 6, size[1], size[0]))  # gives the running statistics values
    logits = classifier(torch.randn(1, 6, size[1], size[0]))
    logits.sum().backward()
    assert logits.shape == (1,)
    assert all(parameter.grad.isfinite().all() for parameter in classifier.parameters())


def test_batch_of_one_uses_running_statistics_and_keeps_them():
    ours, theirs = BatchNormAnyBatch(5), nn.BatchNorm1d(5)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    batch = torch.randn(6, 5) * 2 + 3
    assert torch.equal(ours(batch), theirs(batch))
    before = {name: tensor.clone() for name, tensor in ours.state_dict().items()}
    one = torch.randn(1, 5)
    torch.testing.assert_close(ours.train()(one), theirs.eval()(one))
    for name, tensor in ours.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_nets_survive_pickling():
    net = POSE_NETS["pose_mobile"](5, (64, 64), TINY_MOBILE).eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(pickle.loads(pickle.dumps(net))(images)[1], net(images)[1])  # noqa: S301
