"""The choice of a variant, with trials that are made up."""

import json

import pytest

from fidip.errors import ConfigError
from infantsynth.render import path


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Which variants work, and which were tried."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(path, "require_mitsuba", lambda: None)
    monkeypatch.setattr(path, "version", lambda package: "3.9")
    able, tried = set(), []

    def works(variant):
        tried.append(variant)
        return variant in able

    monkeypatch.setattr(path, "works", works)
    return able, tried


def test_the_fastest_that_works_is_taken_and_remembered(machine):
    able, tried = machine
    able.update({"llvm", "scalar"})
    assert path.choose_variant() == "llvm" and tried == ["cuda", "llvm"]
    assert path.choose_variant() == "llvm" and len(tried) == 2
    assert path.choose_variant("llvm") == "llvm" and len(tried) == 2


def test_another_llvm_library_is_another_question(machine, monkeypatch):
    able, _tried = machine
    able.add("scalar")
    assert path.choose_variant() == "scalar"
    able.add("llvm")
    assert path.choose_variant() == "scalar"
    monkeypatch.setenv("DRJIT_LIBLLVM_PATH", "libLLVM-other.so")
    assert path.choose_variant() == "llvm"


def test_old_or_broken_memories_are_not_believed(machine, tmp_path, monkeypatch):
    able, _tried = machine
    able.add("scalar")
    path.choose_variant()
    (file,) = tmp_path.rglob("renderer-*.json")
    able.add("cuda")
    for text in (
        "{",
        json.dumps({"variant": "scalar", "time": 0.0}),
        json.dumps({"variant": "x", "time": 1e18}),
        "[]",
    ):
        file.write_text(text)
        assert path.choose_variant() == "cuda"


def test_a_home_that_cannot_be_written_to_does_no_harm(machine, tmp_path, monkeypatch):
    able, _ = machine
    able.add("scalar")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert path.choose_variant() == "scalar"


def test_what_does_not_work_is_refused_with_a_remedy(machine):
    with pytest.raises(ConfigError, match="libllvm19"):
        path.choose_variant("llvm")
    with pytest.raises(ConfigError, match="NVIDIA"):
        path.choose_variant("cuda")
    with pytest.raises(ConfigError, match="auto, cuda, llvm, scalar"):
        path.choose_variant("vulkan")
    with pytest.raises(ConfigError, match="mode raster"):
        path.choose_variant()


def test_without_mitsuba_the_remedy_is_named(monkeypatch):
    monkeypatch.setattr(path.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'fidip\[synth\]'"):
        path.choose_variant()


def test_a_trial_that_kills_its_process_is_a_no(monkeypatch):
    monkeypatch.setattr(path, "_TRIAL", "import os; os.abort()")
    path.works.cache_clear()
    assert not path.works("llvm")
    monkeypatch.setattr(path, "_TRIAL", "")
    path.works.cache_clear()
    assert path.works("llvm")
    path.works.cache_clear()
