"""The answer of a run on one screen: what the labels are worth, what the models reach, what to do next."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from stages.judging.ladder import HOLDS, INCONCLUSIVE, TOO_FEW_LABELS, VIOLATED
from stages.pipeline.definition import POSITIVE, Definition
from stages.pipeline.markdown import plural
from stages.pipeline.params import Model
from stages.reporting.few_labels import few_labels_in_words, has_few_labels
from stages.reporting.figures import size
from stages.reporting.law_text import NEXT, VERDICTS, in_brief
from stages.reporting.run import Rows, Run, Scores
from stages.reporting.tables import has_seeds

DOUBTS = ("annotators_disagree", "biggest_models_disagree", "model_disagrees")  # what speaks against a label
TONES = {HOLDS: "good", VIOLATED: "bad"}  # of verdicts; the others leave the question open
LABEL = "`python -m stages.labels label NAME`"
Metrics = Mapping[str, Any]  # of a stage; empty where it has not run


class Finding(NamedTuple):
    """A question about the labels, its answer in a word or a number, what it rests on, and the tone of a verdict."""

    question: str
    answer: str
    detail: str
    tone: str = ""


def baseline_names(question: Definition) -> dict[str, str]:
    return {
        "always_positive": f"always “{question.words(POSITIVE)}”",
        "tfidf_lr": "words alone (TF-IDF)",
        "probe": "a probe of hidden states",
    }


def findings(
    laws: Mapping[str, Metrics], annotate: Metrics, agreement: Metrics, question: Definition
) -> list[Finding]:
    """What the labels are worth; `laws` are the law's metrics by the models that it judged, vanilla and tuned."""
    of_filter = [filter_finding(annotate)] if question.judges_filter else []
    of_law = [law_finding(models, law, question) for models, law in laws.items()]
    return [*of_law, agreement_finding(agreement), *of_filter]


def law_finding(models: str, law: Metrics, definition: Definition) -> Finding:
    question = f"The law on {models} models"
    if not law:
        return Finding(question, "not judged yet", f"{models} models have not been asked", "open")
    others = [f"prompt {prompt}: {VERDICTS[verdict['verdict']]}" for prompt, verdict in law.get("prompts", {}).items()]
    detail = "; ".join([in_brief(law, definition), *others])
    return Finding(question, VERDICTS[law["verdict"]], detail, TONES.get(law["verdict"], "open"))


def agreement_finding(agreement: Metrics) -> Finding:
    question = "Agreement of the annotators"
    if "agreement" not in agreement:
        return Finding(question, "not measured", "no two annotators labelled the same items with different labels")
    low, high = agreement["agreement_low"], agreement["agreement_high"]
    detail = (
        f"{agreement['statistic']}, 95% bounds {low:.2f} to {high:.2f}; 1 is full agreement, 0 is chance;"
        f" n = {agreement['n']:,}"
    )
    return Finding(question, f"{agreement['agreement']:.2f}", detail)


def filter_finding(annotate: Metrics) -> Finding:
    question = "Precision of the question filter"
    if "filter_precision" not in annotate:
        return Finding(question, "not measured", "nothing is labelled yet")
    low, high = annotate["filter_precision_low"], annotate["filter_precision_high"]
    detail = (
        f"of what passed it, so many are questions, 95% bounds {100 * low:.1f} to {100 * high:.1f}%;"
        f" n = {annotate['filter_precision_n']:,}"
    )
    return Finding(question, f"{100 * annotate['filter_precision']:.1f}%", detail)


def next_steps(laws: Mapping[str, Metrics], annotate: Metrics, doubts: Metrics) -> list[str]:
    """What to do next, in Markdown: as the verdicts say, and what waits for annotators; `doubts` are the metrics of
    reannotate. A verdict without signal only counts where no other says more, one of too few labels always.
    """
    verdicts = {models: law["verdict"] for models, law in laws.items() if law}
    telling = (HOLDS, INCONCLUSIVE, VIOLATED)
    has_answer = any(verdict in telling for verdict in verdicts.values())
    models_by_step: dict[str, list[str]] = {}
    for models, verdict in verdicts.items():
        if has_answer and verdict not in (*telling, TOO_FEW_LABELS):
            continue
        models_by_step.setdefault(f"**{VERDICTS[verdict]}**: {NEXT[verdict]}", []).append(models)
    steps = [f"The law on {' and '.join(models)} models, {step}" for step, models in models_by_step.items()]
    if unlabelled := annotate.get("unlabelled", 0):
        steps.append(f"{plural(unlabelled, 'item')} without a label: {LABEL}.")
    contradicting = annotate.get("rejected", {}).get("contradicting_labels", 0)
    outdated = annotate.get("older_guideline", 0)
    if contradicting or outdated:
        steps.append(
            f"{plural(contradicting, 'item')} with contradicting labels, {outdated} with labels under another"
            f" guideline: {LABEL[:-1]} --queue data/queue.jsonl`."
        )
    if suspects := sum(doubts.get(reason, 0) for reason in DOUBTS):
        steps.append(
            f"{plural(suspects, 'label')} that annotators or models contradict, the likeliest wrong first:"
            f" {LABEL[:-1]} --queue data/reannotate.jsonl`."
        )
    return steps


def reached(run: Run, split: str, question: Definition) -> str:
    """The F1 of the best tuned model beside the same model untrained and the best baseline, in a sentence; or why
    nothing can be said of the evaluated split.
    """
    state, scores = ("tuned", run.tuned) if run.tuned else ("vanilla", run.vanilla)
    if not scores:
        return "No model has been evaluated yet."
    best = max(scores, key=lambda name: scores[name]["f1"])
    if has_few_labels(scores[best]):
        return few_labels_in_words(split, scores[best], question)
    parts = [f"The best {state} model, {best}, has F1 {in_points(scores[best])}"]
    if run.tuned and best in run.vanilla:
        parts.append(f"the same model before tuning {in_points(run.vanilla[best])}")
    if floors := run.floors:
        baseline = max(floors, key=lambda name: floors[name]["f1"])
        parts.append(f"the best baseline, {baseline_names(question)[baseline]}, {in_points(floors[baseline])}")
        if run.tuned and scores[best]["f1"] <= floors[baseline]["f1"]:
            parts.append("tuning doesn't beat it")
    return "; ".join(parts) + f". n = {scores[best]['n']:,}."


def in_points(scores: Scores) -> str:
    """F1 with its bounds, and the least and the largest of several seeds."""
    seeds = f"; seeds {100 * scores['f1_least']:.1f} to {100 * scores['f1_most']:.1f}" if has_seeds(scores) else ""
    return f"{100 * scores['f1']:.1f} ({100 * scores['f1_low']:.1f} to {100 * scores['f1_high']:.1f}{seeds})"


def picture_points(run: Run, models: Mapping[str, Model], question: Definition) -> Rows:
    """What the picture of the answer draws: F1 in percent with bounds, models by size and then the baselines."""
    points = [point for point in size(run, models) if point["score"] == "F1 score"]
    names = baseline_names(question)
    for point in points:
        point["name"] = names.get(point["model"], point["model"])
        point["state"] = "baseline" if point["state"] == "floor" else point["state"]
    return sorted(points, key=lambda point: point["parameters"] or float("inf"))
