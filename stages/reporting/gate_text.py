"""The table of gates: what each keeps and what it saves."""

from collections.abc import Mapping

from stages.judging.metrics import too_few
from stages.pipeline.definition import POSITIVE, Definition
from stages.pipeline.markdown import in_percent, markdown_table, plural
from stages.reporting.few_labels import few_labels_in_words

NAMES = {
    "always": "always",
    "never": "never",
    "not_the_first_turn": "not the first turn",
    "at_most_12_words": "at most 12 words",
    "pointing_words": "pronouns and the like (regular expression)",
    "tfidf_lr": "TF-IDF, logistic regression",
    "probe": "a probe of hidden states",
}
HEAD = ("gate", "recall", "precision", "F1", "AUC", "saved")
Scores = Mapping[str, float]


def gate_rows(gates: Mapping[str, Scores]) -> list[list[str]]:
    """A row of the table for each gate. A rule without a threshold ranks nothing and has no AUC."""
    rows = []
    for name, scores in gates.items():
        shown = ["recall", "precision", "f1", "auc", "saved"]
        cells = [in_percent(scores[score], scores[f"{score}_low"], scores[f"{score}_high"]) for score in shown]
        if "threshold" not in scores:
            cells[shown.index("auc")] = ""
        rows.append([NAMES.get(name, f"`{name}`"), *cells])
    return rows


def gate_table(gates: Mapping[str, Scores], recall: float, split: str, dev_count: int, question: Definition) -> str:
    """The gates as Markdown, with what the columns mean; without scores where there are too few items of a label."""
    [n, *_] = [int(scores["n"]) for scores in gates.values()]
    label = question.words(POSITIVE)
    positives = round(gates["always"]["precision"] * n)
    if too_few(positives, n):
        return few_labels_in_words(split, {"positive_share": positives / n, "n": n}, question) + "\n"
    parts = [
        f"Gates on {plural(n, 'item')} of {split}, percent with 95% bounds. Recall is the share of the items with the"
        f" label {label} that a gate finds. Saved is the share of all items that it doesn't take for such, as of"
        " rewrites that are saved. Classifiers and models have the threshold that keeps"
        f" {100 * recall:g}% of the items of dev with this label (n = {dev_count:,})."
    ]
    parts.append(markdown_table(HEAD, gate_rows(gates)))
    calibrated = {name: scores for name, scores in gates.items() if "brier" in scores}
    if calibrated:
        parts.append(
            "Probabilities: Brier score and expected calibration error (ten bins), without a temperature and with it."
            " It is 1 unless dev's 95% bounds of it exclude 1."
        )
        rows = [
            [
                f"`{name}`",
                f"{scores['brier']:.3f}",
                f"{scores['calibration_error']:.3f}",
                f"{scores['temperature']:.2f} ({scores['temperature_low']:.2f} to {scores['temperature_high']:.2f})",
                f"{scores['brier_calibrated']:.3f}",
                f"{scores['calibration_error_calibrated']:.3f}",
            ]
            for name, scores in calibrated.items()
        ]
        head = [
            "model",
            "Brier",
            "calibration error",
            "temperature of dev",
            "Brier with it",
            "calibration error with it",
        ]
        parts.append(markdown_table(head, rows))
    return "\n\n".join(parts) + "\n"
