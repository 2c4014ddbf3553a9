"""What the page of a run says of the labels, the models and the next steps."""

from stages.judging.ladder import HOLDS, INCONCLUSIVE, NO_SIGNAL, TOO_FEW_LABELS, TOO_FEW_MODELS, VIOLATED
from stages.pipeline.params import params
from stages.reporting.law_text import NEXT
from stages.reporting.run import Run
from stages.reporting.summary import findings, next_steps, picture_points, reached
from tests.conftest import QUESTION, ROOT, Row


def law_metrics(verdict: int, **others: object) -> Row:
    metrics = {"verdict": verdict, "n": 1034, "models": 3, "counted": 3}
    return metrics | {"slope": 0.0685, "slope_low": 0.0093, "slope_high": 0.1285} | others


def test_what_the_labels_are_worth() -> None:
    laws = {
        "vanilla": law_metrics(NO_SIGNAL, counted=1),
        "tuned": law_metrics(VIOLATED, prompts={"zh": {"verdict": 2}}),
    }
    annotate = {"filter_precision": 0.886, "filter_precision_low": 0.8665, "filter_precision_high": 0.903}
    agreement = {"statistic": "Cohen's kappa", "agreement": 0.9354, "agreement_low": 0.9148, "agreement_high": 0.953}
    answers = findings(laws, annotate | {"filter_precision_n": 1167}, agreement | {"n": 1167}, QUESTION)
    assert [answer.answer for answer in answers] == ["no signal", "violated", "0.94", "88.6%"]
    assert [answer.tone for answer in answers] == ["open", "bad", "", ""]
    assert answers[0].detail == "1 of 3 models can tell needed from not needed; n = 1,034"
    assert answers[1].detail.startswith("with each doubling of parameters precision changes by +6.85 points")
    assert answers[1].detail.endswith("(95% bounds +0.93 to +12.85); n = 1,034; prompt zh: holds")
    assert "Cohen's kappa, 95% bounds 0.91 to 0.95" in answers[2].detail
    assert "86.7 to 90.3%; n = 1,167" in answers[3].detail
    too_few = findings(
        {"vanilla": law_metrics(TOO_FEW_MODELS, models=1), "tuned": {}}, {}, {"pairs": {"a / b": {"n": 3}}}, QUESTION
    )
    assert [answer.answer for answer in too_few] == [
        "too few models",
        "not judged yet",
        "not measured",
        "not measured",
    ]
    assert too_few[0].detail == "1 dense model, and a trend needs 3; n = 1,034"
    without_filter = QUESTION.model_copy(update={"asked_of": "turns"})
    assert [answer.question for answer in findings(laws, annotate, {}, without_filter)] == [
        "The law on vanilla models",
        "The law on tuned models",
        "Agreement of the annotators",
    ]
    few_labels = findings({"vanilla": law_metrics(TOO_FEW_LABELS, positive=1, n=8), "tuned": {}}, {}, {}, QUESTION)[0]
    assert (few_labels.answer, few_labels.tone) == ("too few labels", "open")
    assert few_labels.detail == "1 item with the label needed and 7 not needed, fewer than 20 of a label; n = 8"


def test_what_to_do_next() -> None:
    """A verdict without a signal says what to do only where no other does; what waits for people is counted."""
    both = next_steps({"vanilla": law_metrics(NO_SIGNAL), "tuned": law_metrics(INCONCLUSIVE)}, {}, {})
    assert both == [f"The law on tuned models, **inconclusive**: {NEXT[INCONCLUSIVE]}"]
    same = next_steps({"vanilla": law_metrics(HOLDS), "tuned": law_metrics(HOLDS)}, {}, {})
    assert len(same) == 1
    assert same[0].startswith("The law on vanilla and tuned models, **holds**: go on")
    alone = next_steps({"vanilla": law_metrics(NO_SIGNAL), "tuned": {}}, {}, {})
    assert "bigger models" in alone[0]
    annotate = {"unlabelled": 1, "older_guideline": 2, "rejected": {"contradicting_labels": 3}}
    doubts = {"annotators_disagree": 34, "biggest_models_disagree": 159, "model_disagrees": 164}
    assert [step.split(":")[0] for step in next_steps({}, annotate, doubts)] == [
        "1 item without a label",
        "3 items with contradicting labels, 2 with labels under another guideline",
        "357 labels that annotators or models contradict, the likeliest wrong first",
    ]
    assert next_steps({"vanilla": {}, "tuned": {}}, {"unlabelled": 0}, {}) == []
    few = next_steps({"vanilla": law_metrics(HOLDS), "tuned": law_metrics(TOO_FEW_LABELS, positive=2)}, {}, {})
    assert [step.split(": ")[0] for step in few] == [
        "The law on vanilla models, **holds**",
        "The law on tuned models, **too few labels**",
    ]
    none = next_steps({"vanilla": law_metrics(NO_SIGNAL), "tuned": law_metrics(TOO_FEW_LABELS, positive=2)}, {}, {})
    assert ["**no signal**" in none[0], "**too few labels**" in none[1]] == [True, True]


def test_what_the_models_reach() -> None:
    def f1(value: float, low: float, high: float) -> Row:
        shared = {f"precision{end}": 0.5 for end in ("", "_low", "_high")}
        return shared | {"f1": value, "f1_low": low, "f1_high": high, "n": 237, "positive_share": 0.4}

    models = params(ROOT / "params.yaml").models
    vanilla = {"qwen1_5_4b": f1(0.4, 0.3, 0.5), "qwen1_5_0_5b": f1(0.2, 0.1, 0.3)}
    tuned = {"qwen1_5_4b": f1(0.7, 0.6, 0.85), "qwen1_5_0_5b": f1(0.8, 0.74, 0.86)}
    floors = {"always_positive": f1(0.57, 0.5, 0.63), "tfidf_lr": f1(0.59, 0.51, 0.68)}
    run = Run(vanilla, tuned, floors, {}, {})
    text = reached(run, "test", QUESTION)
    assert text == (
        "The best tuned model, qwen1_5_0_5b, has F1 80.0 (74.0 to 86.0); the same model before tuning 20.0 (10.0 to"
        " 30.0); the best baseline, words alone (TF-IDF), 59.0 (51.0 to 68.0). n = 237."
    )
    better_floor = floors | {"probe": f1(0.81, 0.7, 0.9)}
    assert "; the best baseline, a probe of hidden states, 81.0 (70.0 to 90.0); tuning doesn't beat it. n" in reached(
        run._replace(floors=better_floor), "test", QUESTION
    )
    points = picture_points(run, models, QUESTION)
    assert [(point["name"], point["state"], point["low"], point["value"], point["high"]) for point in points] == [
        ("qwen1_5_0_5b", "vanilla", 10, 20, 30),
        ("qwen1_5_0_5b", "tuned", 74, 80, 86),
        ("qwen1_5_4b", "vanilla", 30, 40, 50),
        ("qwen1_5_4b", "tuned", 60, 70, 85),
        ("always “needed”", "baseline", 50, 57, 63),
        ("words alone (TF-IDF)", "baseline", 51, 59, 68),
    ]
    assert reached(run._replace(vanilla={}, tuned={}), "test", QUESTION) == "No model has been evaluated yet."
