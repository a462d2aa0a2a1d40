"""The command line: what it makes of words, what every command says of itself, old names and spellings."""

import argparse
import importlib
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from fidip import cli
from fidip.commands import compare, convert, domain_gap, export, predict
from fidip.commands.options import free_overrides
from fidip.errors import ConfigError

TOOLS = Path(__file__).parents[1] / "tools"
COMMANDS = {**cli.COMMANDS, "demo": ("infantsynth.commands.demo", "")}
CONFIG = "--cfg a.yaml --modelDir out --logDir log --dataDir data"
# script -> the command that it runs, and every option that it had when commands were scripts
OLD = {
    "audit_dataset": ("audit", "a b --root r --labels l i --skeleton s --output o --page p --page-limit 1 --examples 2 "
                      "--ignore no_person --near 0.2 --fix f --fix-split a --disjoint-from b --drop no_person "
                      "--grow-boxes --place copy"),
    "benchmark": ("benchmark step", f"{CONFIG} --steps 3 --warmup 1 --batch 4 --classifier-passes 3 --output o SEED 1"),
    "benchmark_backends": ("benchmark backends", "--cfg a b --batch 2 --turns 3 --warmup 1 --threads 2 --output o"),
    "compare": ("compare", "--annotations a r x=s --area bbox --skeleton s --unit picture --resamples 9 --seed 1 "
                "--metrics AP --output o"),
    "convert_annotations": ("convert", "--from coco a --to cvat b --skeleton s --images i --drop-unknown "
                            "--url-prefix u --setup cvat o --overwrite"),
    "demo": ("demo", "--root r --scenes 1 --renders 1 --adults 1 --videos 1 --frames 1 --workers 1 TRAIN.END_STEP 2"),
    "domain_gap": ("domain-gap", f"{CONFIG} --weights a b=c --splits s --adults t --names x y --pool grid --embedding "
                   "umap --limit 9 --folds 3 --repeats 1 --permutations 9 --seed 1 --output o SEED 1"),
    "evaluate": ("evaluate", "--annotations a --results r --area bbox --skeleton s --output o --boxes gt --bootstrap 9 "
                 "--seed 1 --details"),
    "export_model": ("export", "--cfg a --weights w --format onnx --output o SEED 1"),
    "make_train_pre": ("prepare pretraining", "--real a b --synthetic c d --root r --split s --num-real 1 "
                       "--num-synthetic 2 --seed 1 --skeleton s"),
    "movement": ("movement", "p --out o --window 1 --order 3 --min-score 0.1 --max-lag 2 --body-length 9"),
    "predict": ("predict", "a b --out o --overwrite --export csv --smooth savgol --movement --blur-faces --threshold 0.1 "
                "--rate 5 --skip-bad --model m --cfg c --weights w --set SEED 1 --bundle b --backend onnxruntime --device "
                "cpu --batch 2 --no-flip --boxes j --box 1,2,3,4 --region 1,2,3,4 --detector d --detector-weights w "
                "--detector-score 0.1 --detect-every 2 --choose largest"),
    "prepare_adults": ("prepare adults", "--lspet l --coco a b --coco c d --coco-split s --val-split v --root r --split s "
                       "--min-joints 3 --drop-pseudo-face --link"),
    "prepare_mini_rgbd": ("prepare mini-rgbd", "--source s --root r --split s --every 2 --sequences 1 2 --hard-link"),
    "prepare_syrip": ("prepare syrip", "a b --root r --password-file p --limit-gb 2 --test-set 100 --check-only"),
    "report": ("report", "a x=b --output o --pictures 2 --resamples 9 --root r --title t"),
    "reproduce_tables": ("tables", "--table cpu --seeds 2 --only a b --out o --workers 2 --threads 1 --slurm p --hours 2 "
                         "--show --resamples 9 SEED 1"),
    "serve": ("serve", "--model m --bundle b --backend torch --cfg c --weights w --device cpu --flip --detector-weights w "
              "--detector d --host h --port 1 --minutes 2 --max-mb 1 --max-megapixels 2 --max-seconds 3 --max-frames 4"),
    "test": ("test", f"{CONFIG} --save-features f TEST.MODEL_FILE m"),
    "test_adaptive_model": ("test", f"{CONFIG} --save-features f TEST.MODEL_FILE m"),
    "train": ("train", f"{CONFIG} TRAIN.LR 1e-4"),
    "train_adaptive_model": ("train", CONFIG),
    "train_adaptive_model_hrnet": ("train", CONFIG),
    "train_adaptive_model_mobile": ("train", CONFIG),
    "train_adaptive_model_resnet": ("train", CONFIG),
}  # fmt: skip


def parser_of(name):
    """The parser of a command, without description."""
    parser = argparse.ArgumentParser(prog=name)
    importlib.import_module(COMMANDS[name][0]).register(parser)
    return parser


def parsed(name, words):
    return parser_of(name).parse_intermixed_args(words.split())


@pytest.mark.parametrize(
    ("rows", "opts", "expected"),
    [
        (["start", "real", "DATASET.ROOT", "data", "SEED", "3"], [], ["DATASET.ROOT", "data", "SEED", "3"]),
        (["start", "real"], ["SEED", "3"], ["SEED", "3"]),
        (["start", "real", "SEED", "3"], ["WORKERS", "0"], ["SEED", "3", "WORKERS", "0"]),
    ],
)
def test_an_option_with_many_words_leaves_the_overrides_alone(rows, opts, expected):
    arguments = free_overrides(argparse.Namespace(only=rows, opts=opts), "only")
    assert arguments.only == ["start", "real"] and arguments.opts == expected


def test_a_file_whose_name_looks_like_a_key_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("TEST.MP4").touch()
    arguments = free_overrides(argparse.Namespace(source=["TEST.MP4", "SEED", "3"]), "source")
    assert arguments.source == ["TEST.MP4"] and arguments.opts == ["SEED", "3"]


def test_overrides_may_stand_before_between_and_after_options():
    arguments = parsed("train", "SEED 1 --cfg a.yaml WORKERS 0 --device cpu TRAIN.LR 1")
    assert arguments.opts == ["SEED", "1", "WORKERS", "0", "TRAIN.LR", "1"] and arguments.DEVICE == "cpu"


def test_predict_takes_overrides_behind_its_sources(monkeypatch):
    given = []
    monkeypatch.setattr("fidip.commands.predict_run.predict", lambda args: given.append(args) or 0)
    assert cli.main(["predict", "a.mp4", "--cfg", "x.yaml", "SEED", "3", "--set", "WORKERS", "0"]) == 0
    assert given[0].source == ["a.mp4"] and given[0].opts == ["WORKERS", "0", "SEED", "3"]
    with pytest.raises(ConfigError, match="KEY VALUE need --cfg"):
        cli.main(["predict", "a.mp4", "SEED", "3"])
    with pytest.raises(ConfigError, match="name what to predict in"):
        cli.main(["predict", "SEED", "3", "--cfg", "x.yaml"])


def test_report_takes_overrides_behind_its_runs(monkeypatch, tmp_path):
    given = []
    monkeypatch.setattr("fidip.report.read_runs", lambda runs: given.append(runs))
    monkeypatch.setattr(
        "fidip.report.write_report", lambda out, runs, options: given.append((out.touch(), options))
    )
    words = ["a", "x=b", "DATASET.ROOT", "data", "--root", "other", "--out", str(tmp_path / "page.html")]
    assert cli.main(["report", *words]) == 0
    assert given[0] == ["a", "x=b"]
    assert given[1][1].overrides == ["DATASET.ROOT", "other", "DATASET.ROOT", "data"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.run(COMMANDS[name][0], ["--help"], prog=f"fidip {name}")
    shown = capsys.readouterr().out
    assert stop.value.code == 0
    assert shown.startswith(f"usage: fidip {name} ")
    description, _, examples = shown.partition("\nexamples:\n")
    assert f"fidip {name}" in examples and "Examples" not in description
    first = importlib.import_module(COMMANDS[name][0]).__doc__.splitlines()[0]
    assert len(first) <= 80 and first.endswith(".")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_names_its_default(name):
    with_values = [
        action
        for action in parser_of(name)._actions
        if action.option_strings and action.nargs != 0 and not action.required
    ]
    assert [action.dest for action in with_values if "(default: " not in (action.help or "")] == []
    assert [action.dest for action in parser_of(name)._actions if not action.help] == []


def test_nothing_heavy_is_loaded_for_the_help_of_any_command():
    modules = [module for module, _ in cli.COMMANDS.values()]
    code = (
        f"import argparse, importlib, sys\nfor name in {modules}:\n"
        "    importlib.import_module(name).register(argparse.ArgumentParser())\n"
        "sys.exit(', '.join({'torch', 'cv2', 'scipy', 'matplotlib', 'accelerate'} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stderr == ""


@pytest.mark.parametrize("path", sorted(TOOLS.glob("*.py")), ids=lambda path: path.stem)
def test_every_script_runs_a_command_with_the_options_of_old(path, monkeypatch):
    if path.stem == "build_movenet_weights":
        pytest.skip("a script of its own")
    name, words = OLD[path.stem]
    given = []
    monkeypatch.setattr(f"{COMMANDS[name][0]}.run", lambda args: given.append(args) or 0)
    monkeypatch.setattr(sys, "argv", [str(path), *words.split()])
    with pytest.raises(SystemExit) as stop:
        exec(compile(path.read_text(), str(path), "exec"), {"__name__": "__main__"})  # noqa: S102 - our own file
    assert stop.value.code == 0
    (args,) = given
    if name == "train":
        kind = path.stem.removeprefix("train").removeprefix("_adaptive_model").removeprefix("_")
        assert (args.net, args.adaptive) == (kind, path.stem != "train")


def test_old_spellings_say_the_same():
    for name, old, new in (
        ("train", CONFIG, "--cfg a.yaml --out out --log-dir log --data-dir data"),
        ("evaluate", "--annotations a --results r --bootstrap 9 --output o",
         "--annotations a --results r --resamples 9 --out o"),
        ("movement", "p --min-score 0.1", "p --threshold 0.1"),
        ("report", "a --pictures 2 --output o", "a --examples 2 --out o"),
        ("test", "--cfg a --modelDir m", "--cfg a --out m"),
        ("prepare adults", "--coco a b --root r", "--coco a b --out r"),
        ("demo", "--root r", "--out r"),
    ):  # fmt: skip
        assert parsed(name, old) == parsed(name, new)
    assert compare.UNITS["picture"] == compare.UNITS["image"]


def test_choices_and_defaults_are_those_of_the_library():
    from fidip.audit.duplicates import NEAR
    from fidip.audit.page import LIMIT
    from fidip.data.adult import MIN_JOINTS
    from fidip.data.pretrain_set import PUBLISHED_REAL, PUBLISHED_SYNTHETIC
    from fidip.data.syrip import DEFAULT_LIMIT, GIGABYTE
    from fidip.deploy.model_files import FORMATS, NAMES
    from fidip.domain_gap import EMBEDDINGS, POOLS, GapOptions
    from fidip.labels import LOCAL_FILES
    from fidip.motion.movement import MovementOptions
    from fidip.packaged import DEFAULT as MODEL
    from fidip.page.analysis import Limits
    from fidip.predict.export import EXPORTS
    from fidip.predict.finder import DEFAULT
    from fidip.predict.poses import MIN_SCORE, RULES
    from fidip.predict.smoothing import METHODS
    from fidip.statistics.table import SHOWN

    assert tuple(sorted(EXPORTS)) == predict.EXPORTS and ("none", *sorted(METHODS)) == predict.SMOOTHING
    assert ("auto", *NAMES) == predict.BACKENDS and predict.RULES == RULES and predict.DETECTOR == DEFAULT
    assert tuple(FORMATS) == export.FORMATS and convert.LOCAL_FILES == LOCAL_FILES
    assert tuple(POOLS) == domain_gap.POOLS and tuple(EMBEDDINGS) == domain_gap.EMBEDDINGS
    assert ",".join(SHOWN) == compare.SHOWN
    assert f"(default: {MODEL})" in " ".join(parser_of("predict").format_help().split())
    predicted, moved = parsed("predict", "a"), parsed("movement", "p")
    assert predicted.threshold == moved.threshold == MIN_SCORE
    assert MovementOptions(moved.window, moved.order, moved.threshold, moved.max_lag) == MovementOptions()
    audited, gap = parsed("audit", "a"), parsed("domain-gap", "--cfg a")
    assert (audited.near, audited.page_limit) == (NEAR, LIMIT)
    assert GapOptions(gap.seed, gap.folds, gap.repeats, gap.permutations) == GapOptions()
    assert parsed("prepare adults", "--coco a b").min_joints == MIN_JOINTS
    assert parsed("prepare syrip", "a").limit_gb * GIGABYTE == DEFAULT_LIMIT
    pretraining = parsed("prepare pretraining", "--real a b --synthetic-folder c")
    assert (pretraining.num_real, pretraining.num_synthetic) == (PUBLISHED_REAL, PUBLISHED_SYNTHETIC)
    served = parsed("serve", "")
    assert Limits(served.max_mb, served.max_megapixels, served.max_seconds, served.max_frames) == Limits()


def test_a_group_lists_its_commands(capsys):
    assert cli.main(["prepare"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("usage: fidip prepare ") and "mini-rgbd" in shown and "predict" not in shown
    with pytest.raises(SystemExit) as stop:
        cli.main(["prepare", "nothing"])
    assert stop.value.code == 2 and "choose from 'syrip'" in capsys.readouterr().err


def test_another_package_adds_commands(monkeypatch, capsys):
    entry = SimpleNamespace(load=lambda: {"dream": ("fidip.commands.weights", "dream of infants")})
    monkeypatch.setattr(cli, "entry_points", lambda group: [entry] if group == "fidip.commands" else [])
    cli.main([])
    assert "dream of infants" in capsys.readouterr().out
    assert cli.main(["dream"]) == 0 and "movenet_thunder" in capsys.readouterr().out


@pytest.mark.parametrize("shell", cli.SHELLS)
def test_completion_knows_commands_options_and_choices(shell, capsys):
    pytest.importorskip("shtab")
    with pytest.raises(SystemExit) as stop:
        cli.main(["--print-completion", shell])
    shown = capsys.readouterr().out
    assert stop.value.code == 0
    assert all(word in shown for word in ("predict", "mini-rgbd", "smooth", "one-euro", "data-dir"))


def test_completion_says_what_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(ConfigError, match="pip install shtab"):
        cli.main(["--print-completion", "bash"])
