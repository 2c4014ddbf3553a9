"""Training with the real embedded model's first ten layers."""

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from stages.evaluate import main as evaluate
from stages.llm.loss import IGNORED, answer_loss
from stages.llm.training import _readable_errors, _use_one_gpu, last_complete_checkpoint, train
from stages.llm.training_examples import TrainingRows, encode_row, load_examples
from stages.llm.training_settings import process_batch_size
from stages.pipeline.params import params
from stages.pipeline.schemas import Item
from stages.pipeline.tables import from_rows, write
from stages.train import main
from tests.clones import call, commit, contents, cut, environment
from tests.conftest import ROOT, Row, change_params, run
from tests.synthetic_chat import items

NAME = "smollm2_135m_10"


@pytest.fixture(scope="module")
def tokenizer(base: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(base / NAME, trust_remote_code=False)


def rows(file: Path, n: int) -> Path:
    """`n` alpaca rows, every second one needed."""
    task = "Does it need its context?\nA. not needed\nB. needed\n"
    answers = ("A:not needed", "B:needed")
    examples: list[Row] = [
        {"id": item["id"], "instruction": task + item["text"], "input": "", "output": answers[i % 2]}
        for i, item in enumerate(items(n))
    ]
    file.write_text(json.dumps(examples))
    return file


def test_the_answer_alone_bears_loss(tmp_path: Path, tokenizer: Any) -> None:
    file = tmp_path / "train.json"
    file.write_text(json.dumps([{"id": 1, "instruction": "Ask<|im_end|>", "input": "more", "output": "B:needed"}]))
    [row] = load_examples(file, tokenizer, 1400)
    borne = [token for token, label in zip(row["input_ids"], row["labels"], strict=True) if label != IGNORED]
    assert tokenizer.decode(borne) == "B:needed<|im_end|>\n"
    assert row["labels"][-len(borne) :] == borne
    assert tokenizer.decode(row["input_ids"]).endswith(
        "<|im_start|>user\nAsk<|im_end|>\nmore<|im_end|>\n<|im_start|>assistant\nB:needed<|im_end|>\n"
    )
    assert row["input_ids"].count(tokenizer.convert_tokens_to_ids("<|im_end|>")) == 3  # system, user, assistant


def test_a_row_that_does_not_fit_is_an_error(tmp_path: Path, tokenizer: Any) -> None:
    file = tmp_path / "train.json"
    file.write_text(json.dumps([{"id": 7, "instruction": "long " * 100, "input": "", "output": "B:needed"}]))
    assert len(load_examples(file, tokenizer, 1400)) == 1
    with pytest.raises(click.ClickException, match=r"row 1 \(id 7\) has 1[0-9]{2} tokens, max_length is 60"):
        load_examples(file, tokenizer, 60)


@pytest.mark.parametrize("texts", [["hi", "what is mmpose and how do I use it?", "怎么部署"], ["alone"], ["a", "a"]])
def test_the_loss_and_its_gradient_are_those_of_a_plain_pass(base: Path, tokenizer: Any, texts: list[str]) -> None:
    """Over the answers' tokens alone, whatever the sequences have in common."""
    import torch
    from peft import LoraConfig, get_peft_model

    from stages.llm.weights import load

    torch.manual_seed(0)
    config = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    model = get_peft_model(load(base / NAME, torch.float32)[0], config).double()  # less rounding than float32
    sequences, labels = [], []
    for text in texts:
        question = [{"role": "user", "content": f"Is the context needed?\nB. needed\n{text}"}]
        prompt = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_dict=True)["input_ids"]
        ids = tokenizer.apply_chat_template(
            [*question, {"role": "assistant", "content": "B:needed"}], return_dict=True
        )["input_ids"]
        sequences.append(torch.tensor(ids))
        labels.append(torch.tensor([IGNORED] * len(prompt) + ids[len(prompt) :]))
    ids = torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True)
    attention_mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in sequences], batch_first=True)
    targets = torch.nn.utils.rnn.pad_sequence(labels, batch_first=True, padding_value=IGNORED)

    def gradients() -> dict[str, Any]:
        return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}

    ours = answer_loss(model.get_base_model(), ids, attention_mask, targets)
    ours.backward()
    loss_gradients = gradients()
    model.zero_grad()
    logprobs = [
        torch.log_softmax(model(input_ids=row[None]).logits[0, position - 1], -1)[row[position]]
        for row, marked in zip(sequences, labels, strict=True)
        for position in range(len(row))
        if marked[position] != IGNORED
    ]
    plain = -torch.stack(logprobs).mean()
    plain.backward()
    assert ours.item() == pytest.approx(plain.item(), abs=1e-5)
    assert loss_gradients.keys() == gradients().keys()
    assert len(loss_gradients) == 2 * 10 * 7
    for name, gradient in gradients().items():
        assert torch.allclose(loss_gradients[name], gradient, rtol=1e-3, atol=1e-5 * float(gradient.abs().max())), name


def losses(curve: Path) -> list[float]:
    lines = (curve / "plots" / "metrics" / "loss.tsv").read_text().splitlines()
    return [float(line.split("\t")[1]) for line in lines[1:]]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_eight_items_are_learned_and_the_same_seed_gives_the_same_adapter(
    project: Path, base: Path, set_params: Callable[..., None], monkeypatch: pytest.MonkeyPatch, dtype: str
) -> None:
    from safetensors.torch import load_file

    from stages.llm.transformers import Transformers

    monkeypatch.setenv("LABELS_CACHE", str(project / "cache"))
    set_params(**{"epochs": 20, "batch_size": 4, f"models.{NAME}.dtype": dtype})
    file = rows(project / "train.json", 8)
    for out in ("once", "again"):
        train(NAME, base / NAME, TrainingRows(file), params(), 0, project / out / "adapter", project / out / "curve")
    assert contents(project / "once") == contents(project / "again")
    learned = losses(project / "once" / "curve")
    assert len(learned) == 40
    assert learned[-1] < 0.05 < learned[0]
    assert not list((project / "cache" / "checkpoints").iterdir())
    weights = load_file(project / "once" / "adapter" / "adapter_model.safetensors")
    assert {str(weight.dtype) for weight in weights.values()} == {"torch.float32"}  # whatever the base's
    engine = Transformers(base / NAME, 8192, project / "once" / "adapter", dtype)
    answers: dict[int, Any] = {}
    chats = [[{"role": "user", "content": row["instruction"]}] for row in json.loads(file.read_text())]
    engine.generate(chats, 8, {}, answers.update, "learned")
    assert [answers[i] for i in range(8)] == [row["output"] for row in json.loads(file.read_text())]


def test_few_items_are_trained_for_min_steps_and_the_best_checkpoint_is_kept(
    project: Path, base: Path, set_params: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A learning rate that is too high spoils the model in the end; the checkpoint that knew most of dev is kept."""
    import torch

    from stages.llm.transformers import Transformers

    monkeypatch.setenv("LABELS_CACHE", str(project / "cache"))
    settings = {"epochs": 1, "min_steps": 20, "batch_size": 4, "warmup_steps": 15, "lr_decay": 0}
    set_params(**settings, **{"lr": 0.01, "max_grad_norm": 10, "train.keep": "best"})
    file = rows(project / "train.json", 8)
    with pytest.raises(click.ClickException, match="there are no items of dev to choose by"):
        train(NAME, base / NAME, TrainingRows(file), params(), 0, project / "adapter", project / "curve")
    train(NAME, base / NAME, TrainingRows(file, dev=file), params(), 0, project / "adapter", project / "curve")
    assert len(losses(project / "curve")) == 20
    lines = (project / "curve" / "plots" / "metrics" / "validation_accuracy.tsv").read_text().splitlines()[1:]
    accuracies = [float(line.split("\t")[1]) for line in lines]
    assert len(accuracies) == 10
    assert accuracies[-1] < max(accuracies)  # otherwise this shows nothing
    engine = Transformers(base / NAME, 8192, project / "adapter")
    right = tokens = 0
    for row in json.loads(file.read_text()):
        prompt, answer = encode_row(row, engine.tokenizer)
        logits = engine.model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
        right += int((logits.argmax(-1) == torch.tensor(answer)).sum())
        tokens += len(answer)
    assert right / tokens == pytest.approx(max(accuracies), abs=0.05)  # which is the mean of batches' shares


def test_merged_or_not_the_answers_are_the_same(
    project: Path, base: Path, set_params: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tokenizer: Any
) -> None:
    import torch
    from peft import PeftModel

    from stages.llm.transformers import Transformers
    from stages.llm.weights import load

    monkeypatch.setenv("LABELS_CACHE", str(project / "cache"))
    set_params(epochs=1)
    labelled = rows(project / "train.json", 8)
    train(NAME, base / NAME, TrainingRows(labelled), params(), 0, project / "adapter", project / "curve")
    engine = Transformers(base / NAME, 8192, project / "adapter")
    chats = [[{"role": "user", "content": item["text"]}] for item in items(6)]
    merged: dict[int, Any] = {}
    engine.choose(chats, ["A", "B", "C"], {}, merged.update, "merged")
    model = PeftModel.from_pretrained(load(base / NAME, torch.float32)[0], project / "adapter").eval()
    letters = [tokenizer.encode(letter)[0] for letter in "ABC"]
    for i, chat in enumerate(chats):
        ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=True, return_tensors="pt")
        with torch.inference_mode():
            plain = torch.log_softmax(model(input_ids=ids["input_ids"]).logits[0, -1], -1)[letters]
        assert merged[i] == pytest.approx(plain.tolist(), abs=1e-3)


def test_a_killed_run_ends_with_the_adapter_and_the_curve_of_an_undisturbed_one(
    project: Path, base: Path, set_params: Callable[..., None]
) -> None:
    set_params(epochs=3, lora_dropout=0.1)
    file = rows(project / "train.json", 24)

    def start(out: str, cache: str) -> subprocess.Popen[bytes]:
        command = ["stages.train", NAME, str(base / NAME), str(file), f"{out}/adapter", f"{out}/curve"]
        environment = os.environ | {"LABELS_CACHE": str(project / cache), "TQDM_DISABLE": "1"}
        return subprocess.Popen([sys.executable, "-m", *command], env=environment)

    def latest() -> int:
        checkpoints = (project / "cache_killed").glob("checkpoints/*/checkpoint-*")
        return max((int(path.name.split("-")[1]) for path in checkpoints), default=0)

    assert start("once", "cache_once").wait() == 0
    rng = random.Random(0)
    for _ in range(5):
        process, before = start("killed", "cache_killed"), latest()
        while latest() == before:
            assert process.poll() is None, "it was done before it was killed"
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.5))  # while a checkpoint is written, or at some step after it
        process.kill()
        assert process.wait() != 0
    assert start("killed", "cache_killed").wait() == 0
    assert contents(project / "once") == contents(project / "killed")


def test_a_run_that_was_killed_between_two_seeds_trains_the_second_alone(
    project: Path, base: Path, set_params: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its outputs are gone, as DVC leaves them. It ends with those of an undisturbed run, and both adapters answer."""
    settings = {"epochs": 2, "lora_dropout": 0.1, "warmup_steps": 1, "evaluate.split": "dev", "question.window": 1}
    file = rows(project / "train.json", 8)

    def start(out: str, seeds: list[int]) -> subprocess.Popen[str]:
        set_params(seeds=seeds, **settings)
        command = ["stages.train", NAME, str(base / NAME), str(file), f"{out}/adapter", f"{out}/curve"]
        variables = os.environ | {"LABELS_CACHE": str(project / f"cache_{out}"), "TQDM_DISABLE": "1"}
        return subprocess.Popen([sys.executable, "-m", *command], env=variables, stderr=subprocess.PIPE, text=True)

    assert start("alone", [1]).wait() == 0
    killed = start("killed", [0, 1])
    while not list((project / "cache_killed").glob("seeds/*/0/done")):
        assert killed.poll() is None, "it was done before it was killed"
        time.sleep(0.01)
    killed.kill()
    assert killed.wait() != 0
    assert not (project / "killed").exists()
    [weights] = (project / "cache_killed").glob("seeds/*/0/adapter/adapter_model.safetensors")
    trained_at = weights.stat().st_mtime_ns
    for out in ("killed", "once"):
        process = start(out, [0, 1])
        assert f"{NAME}, seed 1 (2 of 2)" in process.communicate()[1]
        assert process.returncode == 0
        assert not list((project / f"cache_{out}").glob("*/*"))  # neither checkpoints nor adapters
    assert contents(project / "killed") == contents(project / "once")
    assert (project / "killed" / "adapter" / weights.name).stat().st_mtime_ns == trained_at
    assert contents(project / "once" / "adapter" / "seed_1") == contents(project / "alone" / "adapter")
    assert losses(project / "once" / "curve") != losses(project / "alone" / "curve")

    monkeypatch.setenv("LABELS_CACHE", str(project / "cache"))
    asked = [item | {"split": "dev"} for item in items(4)]
    write(project / "items.jsonl", from_rows(asked, Item), Item)
    positive = []  # [runs, items]: over both seeds, of each alone
    for seeds, adapter in ([0, 1], "once"), ([0], "once"), ([1], "alone"):
        set_params(seeds=seeds, **settings)
        files = [project / name for name in ("items.jsonl", "predictions.jsonl", "metrics.json", "details.json")]
        result = run(evaluate, NAME, base / NAME, *files, "--adapter", project / adapter / "adapter")
        assert result.exit_code == 0, result.output
        predictions = sorted(map(json.loads, files[1].read_text().splitlines()), key=lambda row: row["id"])
        positive.append([math.exp(row["positive"]) for row in predictions])
    both, first, second = positive
    assert first != pytest.approx(second, rel=0.01)
    assert both == pytest.approx([(a + b) / 2 for a, b in zip(first, second, strict=True)], rel=1e-4)


def test_a_killed_dvc_repro_goes_on(project: Path, base: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The whole of it, DVC included, at a random moment after the first checkpoint."""
    folder = cut(tmp_path_factory.mktemp("killed"), {})
    file = rows(folder / "train.json", 24)
    command = f"python -m stages.train {NAME} {base / NAME} train.json adapter curve"
    call(folder, "dvc", "stage", "add", "--name", "train", "--deps", "train.json", "--outs", "adapter", command)
    change_params(folder, {"epochs": 2})
    commit(folder, "to be trained")
    variables = {"LABELS_CACHE": str(folder / "cache"), "TQDM_DISABLE": "1"}
    repro = ["dvc", "repro", "train"]
    process = subprocess.Popen(repro, cwd=folder, env=environment(**variables), start_new_session=True)
    while not list((folder / "cache").glob("checkpoints/*/checkpoint-*/trainer_state.json")):
        assert process.poll() is None, "it was done before it was killed"
        time.sleep(0.01)
    time.sleep(random.Random(0).uniform(0, 0.5))
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() != 0
    assert not (folder / "adapter" / "adapter_model.safetensors").exists()
    call(folder, *repro, variables=variables)
    undisturbed = environment(LABELS_CACHE=str(project / "cache"), TQDM_DISABLE="1")
    once = ["stages.train", NAME, base / NAME, file, project / "adapter", project / "curve"]
    subprocess.run([sys.executable, "-m", *map(str, once)], cwd=folder, check=True, env=undisturbed)
    assert contents(folder / "adapter") == contents(project / "adapter")
    assert losses(folder / "curve") == losses(project / "curve")


def test_two_processes_have_the_loss_curve_of_one(
    project: Path, base: Path, set_params: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELS_CACHE", str(project / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    set_params(epochs=3, batch_size=4)
    file = rows(project / "train.json", 16)
    for out, launcher, config in (
        ("one", None, None),
        ("two", "accelerate", str(ROOT / "tests" / "fixtures" / "ddp_cpu.yaml")),
    ):
        set_params(**{"train.launcher": launcher, "train.launcher_config": config})
        command = ["stages.train", NAME, base / NAME, file, f"{out}/adapter", f"{out}/curve"]
        subprocess.run([sys.executable, "-m", *map(str, command)], check=True)
    one_process, two_processes = losses(project / "one" / "curve"), losses(project / "two" / "curve")
    assert len(one_process) == 12
    assert two_processes == pytest.approx(one_process, rel=2e-3, abs=2e-3)


def test_packed_rows_do_not_see_each_other(
    project: Path, base: Path, set_params: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tokenizer: Any
) -> None:
    """The first loss is that of the base over all answers' tokens, each row by itself."""
    import torch

    from stages.llm.weights import load

    monkeypatch.setenv("LABELS_CACHE", str(project / "cache"))
    set_params(**{"epochs": 1, "batch_size": 1, "max_length": 1400, "train.packing": True})
    file = rows(project / "train.json", 8)
    train(NAME, base / NAME, TrainingRows(file), params(), 0, project / "adapter", project / "curve")
    assert len(losses(project / "curve")) == 1  # all eight in one row
    model, _ = load(base / NAME, torch.float32)
    token_logprobs = []
    for row in load_examples(file, tokenizer, 1400):
        ids, labels = torch.tensor([row["input_ids"]]), torch.tensor(row["labels"])
        with torch.inference_mode():
            logprobs = torch.log_softmax(model(ids).logits[0, :-1], -1)
        token_logprobs += [float(logprobs[i, token]) for i, token in enumerate(labels[1:]) if token != IGNORED]
    assert losses(project / "curve")[0] == pytest.approx(-sum(token_logprobs) / len(token_logprobs), rel=1e-3)


@pytest.mark.parametrize(
    ("visible", "processes", "left"), [(None, None, "0"), ("2,3", None, "2"), ("", None, ""), ("2,3", "2", "2,3")]
)
def test_one_of_several_gpus_trains_unless_a_launcher_says_otherwise(
    visible: str | None, processes: str | None, left: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("CUDA_VISIBLE_DEVICES", visible), ("WORLD_SIZE", processes)):
        monkeypatch.setenv(name, value or "")  # so that the test's end takes back what the function sets
        if value is None:
            monkeypatch.delenv(name)
    _use_one_gpu()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == left


def test_a_batch_that_processes_cannot_share_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert process_batch_size(6) == 2
    with pytest.raises(click.ClickException, match="a batch of 4 sequences can't be shared by 3 processes"):
        process_batch_size(4)


@pytest.mark.parametrize(
    ("count", "epochs", "warmup", "refused"),
    [
        (20, 1, 10, True),  # ten steps of two items
        (21, 1, 10, False),
        (4, 5.5, 10, False),  # eleven
        (4, 5, 10, True),
        (20, 1, 9.9, False),  # nine, as the Trainer counts
        (20, 1, 0.95, True),  # all ten
        (20, 1, 0.5, False),
        (1, 1, 0, False),
        (0, 1, 0, True),
    ],
)
def test_a_training_that_ends_while_it_warms_up_is_refused_before_a_model_is_loaded(
    project: Path, set_params: Callable[..., None], count: int, epochs: float, warmup: float, refused: bool
) -> None:
    """The base here is an empty folder, which is the next error."""
    set_params(epochs=epochs, warmup_steps=warmup, batch_size=2)
    (project / "base").mkdir()
    file = project / "train.json"
    file.write_text(json.dumps([{"id": i, "instruction": "", "input": "", "output": ""} for i in range(count)]))
    result = run(main, NAME, project / "base", file, project / "adapter", project / "curve")
    message = f"{file}: {count} items in batches of 2 for {epochs:g} epochs are"
    assert (message in result.output) is refused, result.output
    assert result.exit_code == 1


def test_too_little_memory_and_a_full_disk_are_said_plainly() -> None:
    import torch

    with pytest.raises(click.ClickException, match=r"^out of memory: lower batch_size"), _readable_errors():
        torch.empty(2**50)
    full = r"no space is left; make room, .*; training goes on from its last checkpoint$"
    with pytest.raises(click.ClickException, match=full), _readable_errors():
        Path("/dev/full").write_text("too much")
    with pytest.raises(ZeroDivisionError), _readable_errors():
        raise ZeroDivisionError
    with pytest.raises(click.ClickException, match=r"^a row$"), _readable_errors():
        raise click.ClickException("a row")


def test_a_half_written_checkpoint_is_not_taken(tmp_path: Path) -> None:
    assert last_complete_checkpoint(tmp_path) is None
    for step, state in ((9, "{}"), (10, '{"global'), (11, None)):
        (tmp_path / f"checkpoint-{step}").mkdir()
        if state:
            (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(state)
    assert last_complete_checkpoint(tmp_path) == str(tmp_path / "checkpoint-9")
