"""A tuned model that is asked about one message at a time, such as whether it can be understood without its history.

    gate = Gate.load("data/adapters/smollm2_135m")
    gate([("ann", "My board arrived."), ("bob", "Nice!")], "How do I flash it?")

gives `Decision(needed=True, probability=0.97, question="How do I flash it?")`. Where params.yaml names a model as
`gate.resolve`, `question` is its rewrite: "How do I flash the board?".
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import click

from stages.gating.resolution import load_resolver, resolve
from stages.gating.threshold import Threshold
from stages.judging.metrics import sigmoid
from stages.judging.predictions import has_probability, log_odds_of
from stages.llm import prompts
from stages.llm.answer_cache import Engine
from stages.llm.catalogue import engine
from stages.llm.no_answers import NoAnswer
from stages.llm.predictions import Question, chosen_answers, combine_logprobs, questions_in_all_orders
from stages.pipeline.files import read_json
from stages.pipeline.params import Params, params
from stages.pipeline.window import with_window

THRESHOLDS = Path("data/gate.json")
OTHER_SPEAKER = "\0"  # of a message whose speaker isn't named
Turn = tuple[str, str]  # speaker and text


class Decision(NamedTuple):
    """Whether a message needs its history, the probability of that, and the question to go on with: the message, or a
    rewrite where it needs its history and a model resolves. For another question of questions/, `needed` is whether
    its answer is the positive one.

    `probability` is None where the model gave no answer. The message then counts as needed, since a rewrite loses
    nothing.
    """

    needed: bool
    probability: float | None
    question: str


def project_of(adapter: Path) -> Path:
    """The project that an adapter, data/adapters/NAME, lies in."""
    return adapter.resolve().parent.parent.parent


def check_question(project: Path, p: Params) -> None:
    """Raises click.ClickException where a project has thresholds of models that answer another question than p's."""
    file = project / THRESHOLDS
    if (
        file.exists() and read_json(file).get("question") != p.question.name
    ):  # an earlier version of this code named none
        raise click.ClickException(
            f"{file} is not of the question {p.question.name}, which params.yaml has: run dvc repro gate"
        )


class Gate:
    """Decides for one message at a time. Threads may share a gate; their messages wait for each other.

    `resolver` rewrites messages that need their history; without one they stay as they are.
    """

    def __init__(self, engine: Engine, p: Params, threshold: Threshold, resolver: Engine | None = None) -> None:
        if p.evaluate.protocol != "choice":
            raise click.ClickException("a gate compares the options' probabilities: set evaluate.protocol to choice")
        self.engine, self.p, self.threshold, self.resolver = engine, p, threshold, resolver
        question = p.question.definition
        self.template, self.has_history = prompts.load(question, p.question.prompt), question.history
        self.lock = Lock()

    @classmethod
    def load(cls, adapter: str | Path, project: str | Path | None = None) -> "Gate":
        """The gate of a tuned model, data/adapters/NAME in a project that has run.

        `project` is the folder with params.yaml, by default the one that data/adapters lies in. Settings and engine
        are those of its params.yaml, the threshold that of its data/gate.json; the model of `gate.resolve` lies in its
        data/base. Raises click.ClickException where one is missing.
        """
        adapter = Path(adapter).resolve()
        name = adapter.name
        root = Path(project).resolve() if project else project_of(adapter)
        p = with_window(params(root / "params.yaml"), root)
        is_served = p.named(name).endpoint is not None
        if not (root / THRESHOLDS).exists():
            raise click.ClickException(f"{root / THRESHOLDS} is missing: run dvc repro gate")
        check_question(root, p)
        thresholds = read_json(root / THRESHOLDS)["thresholds"]
        if name not in thresholds:
            raise click.ClickException(f"{root / THRESHOLDS} has no threshold of {name}: run dvc repro gate")
        base = root / "data/base"
        for folder in (base / name, adapter):
            if not is_served and not folder.is_dir():
                raise click.ClickException(f"{folder} is missing: run dvc repro gate, or dvc pull")
        model = engine(name, base / name, p, None if is_served else adapter)
        gate = cls(model, p, Threshold(**thresholds[name]), load_resolver(p, base))
        gate.keep_prefix()
        return gate

    def __call__(self, history: Sequence[Turn], message: str, speaker: str | None = None) -> Decision:
        """Whether `message` needs the turns before it, `history`, oldest first: pairs of speaker and text.

        `speaker` says who wrote the message; without it, somebody who doesn't speak in the history. Raises ValueError
        for a blank message, click.ClickException for one that is too long for the model and for a server that fails.
        """
        if not message.strip():
            raise ValueError("the message is blank")
        item = {
            "id": 0,
            "sender": OTHER_SPEAKER if speaker is None else speaker,
            "text": message,
            "cr_window": [{"sender": name, "text": text} for name, text in history] if self.has_history else [],
        }
        prediction = self.predict(item)
        if not has_probability(prediction):
            return Decision(needed=True, probability=None, question=self._resolved(item))
        log_odds = log_odds_of(prediction)
        needed = log_odds >= self.threshold.log_odds
        return Decision(
            needed=needed,
            probability=float(sigmoid(log_odds / self.threshold.temperature)),
            question=self._resolved(item) if needed else message,
        )

    def _resolved(self, item: Mapping[str, Any]) -> str:
        """An item's message, rewritten where there is a model for it and its rewrite is sound."""
        if not self.resolver:
            return item["text"]
        with self.lock:
            return resolve(item, self.resolver, self.p.filter.window).text

    def keep_prefix(self) -> None:
        """Have the model compute once what all questions begin with, where it runs in this process."""
        from stages.llm.transformers import Transformers

        if isinstance(self.engine, Transformers):
            turn = {"sender": "b", "text": "-"}
            examples = [{"id": 0, "sender": "a", "text": "-", "cr_window": window} for window in ([], [turn])]
            self.engine.keep_prefix(
                [question.chat for item in examples for question in self._questions(item)], prompts.LETTERS
            )

    def predict(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """The model's prediction for an item, as the stage evaluate makes it."""
        answers: dict[int, list[float | None] | NoAnswer] = {}
        with self.lock:
            questions = self._questions(item)
            chats = [question.chat for question in questions]
            self.engine.choose(chats, list(prompts.LETTERS), {}, answers.update, "gate")
        return combine_logprobs(chosen_answers(questions, [answers[i] for i in range(len(questions))]))

    def _questions(self, item: Mapping[str, Any]) -> list[Question]:
        return questions_in_all_orders(dict(item), self.template, self.p, self.engine)
