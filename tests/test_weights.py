import builtins
import logging
import os
import pickle
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
import torchvision
from test_complexity import hrnet_extra
from torch import nn

from fidip.errors import WeightsError
from fidip.models import DOMAIN_CLASSIFIERS, POSE_NETS, export_weights, load_weights

MOBILE = {"WIDTH_MULT": 0.25, "HEAD_CHANNELS": 16}


def mobile(num_joints=5):
    """A small net whose every tensor differs from a fresh one's."""
    net = POSE_NETS["pose_mobile"](num_joints, (64, 64), MOBILE).eval()
    with torch.no_grad():
        for tensor in net.state_dict().values():
            tensor.copy_(torch.rand(tensor.shape) + 0.5 if tensor.is_floating_point() else tensor + 7)
    return net


def resnet(depth=18):
    return POSE_NETS["pose_resnet"](
        5, (64, 64), {"NUM_LAYERS": depth, "NUM_DECONV_FILTERS": [8, 8, 8]}
    ).eval()


def assert_same(found, expected):
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        for ours, theirs in zip(found(images), expected(images), strict=True):
            assert torch.equal(ours, theirs)
    theirs = expected.state_dict()
    for name, tensor in export_weights(found).items():
        assert torch.equal(tensor, theirs[name]), name


def with_module_prefix(tensors):
    return OrderedDict((f"module.{name}", tensor) for name, tensor in tensors.items())


@pytest.mark.parametrize("wrapper", ["", "state_dict", "best_state_dict", "model"])
@pytest.mark.parametrize("prefixed", [False, True])
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".pth.tar"])
def test_round_trip(tmp_path, caplog, wrapper, prefixed, suffix):
    net, path = mobile(), tmp_path / f"weights{suffix}"
    tensors = with_module_prefix(export_weights(net)) if prefixed else export_weights(net)
    torch.save({wrapper: tensors, "epoch": 3} if wrapper else tensors, path)
    fresh = POSE_NETS["pose_mobile"](5, (64, 64), MOBILE).eval()
    with caplog.at_level(logging.INFO, logger="fidip"):
        report = load_weights(fresh, path)
    assert_same(fresh, net)
    assert report.matched == list(net.state_dict())
    assert report.missing == report.unexpected == report.mismatched == []
    assert caplog.messages == [f"weights file {path}: 332 of 332 tensors matched"]


def test_round_trip_safetensors_and_legacy_format(tmp_path):
    net = mobile()
    safetensors.torch.save_file(export_weights(net), tmp_path / "weights.safetensors")
    torch.save(export_weights(net), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    for name in ("weights.safetensors", "old.pth"):
        fresh = POSE_NETS["pose_mobile"](5, (64, 64), MOBILE).eval()
        assert load_weights(fresh, str(tmp_path / name)).complete
        assert_same(fresh, net)


def test_classifier_round_trip(tmp_path):
    classifier = DOMAIN_CLASSIFIERS["mobile"](8, (4, 4))
    torch.save(export_weights(classifier), tmp_path / "classifier.pth")
    fresh = DOMAIN_CLASSIFIERS["mobile"](8, (4, 4))
    assert load_weights(fresh, tmp_path / "classifier.pth").complete
    assert all(torch.equal(a, b) for a, b in zip(fresh.parameters(), classifier.parameters(), strict=True))


def test_checkpoint_of_a_training_run_with_numpy_score(tmp_path):
    """Published training code keeps the score as a numpy number and the network's name under "model"."""
    net = mobile()
    checkpoint = {
        "epoch": 3,
        "model": "pose_mobile",
        "state_dict": with_module_prefix(export_weights(net)),
        "perf": np.float64(0.9),
        "optimizer": torch.optim.Adam(net.parameters()).state_dict(),
    }
    torch.save(checkpoint, tmp_path / "new.pth")
    with zipfile.ZipFile(tmp_path / "new.pth") as new, zipfile.ZipFile(tmp_path / "old.pth", "w") as old:
        for entry in new.infolist():  # numpy 1 spelled the module differently
            data = new.read(entry).replace(b"cnumpy._core.multiarray", b"cnumpy.core.multiarray")
            old.writestr(entry.filename, data)
    for name in ("new.pth", "old.pth"):
        fresh = POSE_NETS["pose_mobile"](5, (64, 64), MOBILE).eval()
        assert load_weights(fresh, tmp_path / name).complete
        assert_same(fresh, net)


def torchvision_tensors(net, prefix):
    """The net's trunk tensors in torchvision's naming."""
    names = torchvision.models.mobilenet_v2(width_mult=0.25).features.state_dict()
    values = [tensor for name, tensor in export_weights(net).items() if name.startswith("features.")]
    return {f"{prefix}{name}": value for name, value in zip(names, values, strict=True)}


@pytest.mark.parametrize("naming", ["torchvision", "torchvision bare", "flat bare"])
def test_mobile_trunk_namings(tmp_path, naming):
    net = mobile()
    if naming == "flat bare":
        tensors = net.features.state_dict()
    else:
        tensors = torchvision_tensors(net, "features." if naming == "torchvision" else "")
    if naming == "torchvision":
        tensors["classifier.1.weight"] = torch.ones(10, 4)
    torch.save(tensors, tmp_path / "trunk.pth")
    fresh = POSE_NETS["pose_mobile"](5, (64, 64), MOBILE).eval()
    report = load_weights(fresh, tmp_path / "trunk.pth", allow_partial=True)
    assert len(report.matched) == 312
    assert len(report.missing) == 332 - 312 - 3  # the head without its num_batches_tracked
    assert report.unexpected == (["classifier.1.weight"] if naming == "torchvision" else [])
    expected = net.features.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in fresh.features.state_dict().items())
    with pytest.raises(
        WeightsError, match=r"312 of 329 .* 17 missing .*conv_compress\.weight.*PRETRAINED_TRUNK"
    ):
        load_weights(fresh, tmp_path / "trunk.pth")


def test_whole_mobile_net_with_torchvision_trunk_names(tmp_path):
    net = mobile()
    head = {name: value for name, value in export_weights(net).items() if not name.startswith("features.")}
    torch.save(torchvision_tensors(net, "features.") | head, tmp_path / "net.pth")
    fresh = POSE_NETS["pose_mobile"](5, (64, 64), MOBILE).eval()
    assert load_weights(fresh, tmp_path / "net.pth").complete
    assert_same(fresh, net)


def test_imagenet_files_of_torchvision_and_timm(tmp_path):
    torch.save(torchvision.models.resnet50().state_dict(), tmp_path / "resnet50.pth")
    report = load_weights(resnet(50), tmp_path / "resnet50.pth", allow_partial=True)
    assert (len(report.matched), report.unexpected) == (318, ["fc.weight", "fc.bias"])
    assert all(name.startswith(("deconv_layers.", "final_layer.")) for name in report.missing)

    trunk = timm.create_model("convnext_atto")
    torch.save(trunk.state_dict(), tmp_path / "convnext.pth")
    net = POSE_NETS["pose_timm"](5, (64, 64), {"BACKBONE": "convnext_atto", "HEAD_CHANNELS": 8})
    report = load_weights(net, tmp_path / "convnext.pth", allow_partial=True)
    assert set(report.matched) == {f"trunk.{name}" for name in net.trunk.state_dict()}
    assert torch.equal(net.trunk.body.stem_0.weight, trunk.stem[0].weight)


def test_imagenet_file_of_hrnet_with_its_classification_head(tmp_path):
    theirs = timm.create_model("hrnet_w18")
    torch.save(theirs.state_dict(), tmp_path / "hrnet_w18.pth")
    net = POSE_NETS["pose_hrnet"](5, (64, 64), hrnet_extra(18))
    report = load_weights(net, tmp_path / "hrnet_w18.pth", allow_partial=True)
    assert report.missing == ["final_layer.weight", "final_layer.bias"]
    assert {"classifier.weight", "incre_modules.0.0.conv1.weight", "final_layer.0.weight"} <= set(
        report.unexpected
    )


def test_half_precision_is_cast_and_old_files_lack_batch_counters(tmp_path):
    net = mobile()
    half = {k: v.half() for k, v in export_weights(net).items() if not k.endswith("num_batches_tracked")}
    torch.save(half, tmp_path / "half.pth")
    fresh = POSE_NETS["pose_mobile"](5, (64, 64), MOBILE)
    report = load_weights(fresh, tmp_path / "half.pth")
    assert report.complete
    assert len(report.matched) == 332 - 55
    assert torch.equal(fresh.hm_conv.weight, net.hm_conv.weight.half().float())
    assert fresh.hm_conv.weight.dtype == torch.float32


def test_mismatched_shapes_and_kinds(tmp_path):
    tensors = export_weights(mobile(num_joints=4))
    tensors["conv_compress.weight"] = torch.ones(tensors["conv_compress.weight"].shape, dtype=torch.int8)
    torch.save(tensors, tmp_path / "four.pth")
    fresh = POSE_NETS["pose_mobile"](5, (64, 64), MOBILE)
    before = export_weights(fresh)
    with pytest.raises(
        WeightsError, match=r"330 of 332 .* 2 of another shape \(conv_compress\.weight, hm_conv"
    ):
        load_weights(fresh, tmp_path / "four.pth")
    assert all(torch.equal(tensor, before[name]) for name, tensor in export_weights(fresh).items())
    report = load_weights(fresh, tmp_path / "four.pth", allow_partial=True)
    assert report.mismatched == ["conv_compress.weight", "hm_conv.weight"]
    assert torch.equal(fresh.hm_conv.weight, before["hm_conv.weight"])


@pytest.mark.parametrize("allow_partial", [False, True])
def test_file_of_another_net(tmp_path, allow_partial):
    torch.save({"encoder.weight": torch.ones(3, 3)}, tmp_path / "other.pth")
    with pytest.raises(
        WeightsError, match=r"other\.pth.* 0 of .*encoder\.weight.*another network.*MODEL\.NAME"
    ):
        load_weights(mobile(), tmp_path / "other.pth", allow_partial)
    torch.save(export_weights(resnet()), tmp_path / "resnet.pth")
    with pytest.raises(WeightsError, match="another network"):
        load_weights(mobile(), tmp_path / "resnet.pth", allow_partial)


def test_extra_tensors_are_not_a_full_match(tmp_path):
    net = mobile()
    torch.save(export_weights(net) | {"extra.weight": torch.ones(1)}, tmp_path / "more.pth")
    with pytest.raises(WeightsError, match=r"332 of 332 .* 1 unexpected \(extra\.weight\)"):
        load_weights(net, tmp_path / "more.pth")


def test_numbers_that_are_not_finite(tmp_path):
    net = mobile()
    tensors = export_weights(net)
    tensors["duc1.bn.running_var"][0] = torch.inf
    torch.save(tensors, tmp_path / "nan.pth")
    with pytest.raises(WeightsError, match=r"NaN or infinite values \(duc1\.bn\.running_var\)"):
        load_weights(net, tmp_path / "nan.pth")


class Malicious:
    def __init__(self, call, argument):
        self.call, self.argument = call, argument

    def __reduce__(self):
        return self.call, (self.argument,)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("form", ["zip", "legacy", "plain pickle"])
@pytest.mark.parametrize("call", [os.mkdir, builtins.eval])
def test_pickled_code_is_refused_and_not_run(tmp_path, form, call):
    path, trace = tmp_path / "weights.pth", tmp_path / "executed"
    argument = str(trace) if call is os.mkdir else f"__import__('os').mkdir({str(trace)!r})"
    content = {"state_dict": {"conv1.weight": torch.ones(1)}, "extra": Malicious(call, argument)}
    if form == "plain pickle":
        path.write_bytes(pickle.dumps(content["extra"]))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(
        WeightsError, match=r"weights\.pth not loaded: holds objects other than tensors"
    ) as caught:
        load_weights(mobile(), path)
    assert "\n" not in str(caught.value)
    assert not trace.exists()


def unreadable(folder):
    """Write files that are no weights; return (path, words of the message)."""
    tensors = {"weight": torch.randn(1000), "bias": torch.randn(3)}
    torch.save(tensors, folder / "whole.pth")
    torch.save(tensors, folder / "legacy.pth", _use_new_zipfile_serialization=False)
    safetensors.torch.save_file(tensors, folder / "whole.safetensors")
    cases = [(folder, "is a directory"), (folder / "absent.pth", "does not exist")]
    for name in ("whole.pth", "legacy.pth", "whole.safetensors"):
        data = (folder / name).read_bytes()
        for size in (1, 10, 200, len(data) // 2, len(data) - 5):
            cut = folder / f"{size}_{name}"
            cut.write_bytes(data[:size])
            cases.append((cut, ""))
    for name, data, words in (
        ("empty.pth", b"", "is empty"),
        ("text.pth", b"just a text\n", "cannot be read"),
        ("text.safetensors", b"just a text, long enough for a header\n", "cannot be read"),
        ("page.pth", b"<!DOCTYPE html><html>sign in</html>", "cannot be read"),
    ):
        (folder / name).write_bytes(data)
        cases.append((folder / name, words))
    with zipfile.ZipFile(folder / "zip.pth", "w") as archive:
        archive.writestr("notes/readme.txt", "not weights")
    cases.append((folder / "zip.pth", "cannot be read"))
    others = {"list": [torch.ones(2)], "tensor": torch.ones(2), "number": {"epoch": 1}, "none": {}}
    for name, content in (others | {"model": nn.Linear(2, 2)}).items():
        torch.save(content, folder / f"{name}.pth")
        words = (
            "other than tensors (torch.nn.modules.linear.Linear)" if name == "model" else "no named tensors"
        )
        cases.append((folder / f"{name}.pth", words))
    return cases


def test_unreadable_files_give_one_line_with_their_name(tmp_path):
    net = mobile()
    for path, words in unreadable(tmp_path):
        with pytest.raises(WeightsError) as caught:
            load_weights(net, path, allow_partial=True)
        message = str(caught.value)
        assert str(path) in message
        assert words in message
        assert "\n" not in message
        assert len(message) < 300 + len(str(path)), message
