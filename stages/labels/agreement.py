"""How far annotators agree: Cohen's kappa for two, Fleiss' kappa and Krippendorff's alpha for all."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import combinations
from typing import Any

from stages.params import Params
from stages.schemas import LABELS

Votes = Mapping[int, Mapping[str, str]]


def counts(votes: Votes, annotators: list[str]) -> Any:
    """How many annotators gave each item each label; [items][labels], of items that two or more labelled."""
    import numpy as np

    given = [[by[a] for a in annotators if a in by] for _, by in sorted(votes.items())]
    return np.array([[labels.count(label) for label in LABELS] for labels in given if len(labels) > 1]).reshape(-1, 3)


def krippendorff_alpha(table: Any) -> float:
    """Krippendorff's alpha (2011) for nominal labels, with any number of labels for each item."""
    import krippendorff

    return krippendorff.alpha(value_counts=table, level_of_measurement="nominal")


def fleiss_kappa(table: Any) -> float:
    """Fleiss' kappa (1971), over items that equally many annotators labelled."""
    from statsmodels.stats.inter_rater import fleiss_kappa

    return fleiss_kappa(table)


def cohen_kappa(pairs: Any) -> float:
    """Cohen's kappa (1960) of two annotators; pairs is [items][2]."""
    from sklearn.metrics import cohen_kappa_score

    return cohen_kappa_score(pairs[:, 0], pairs[:, 1])


def bounded(name: str, statistic: Callable[[Any], float], sample: Any, resamples: int, seed: int) -> dict[str, float]:
    """A statistic over items with n and its 95% bounds by bootstrap; nothing where only one label occurs, since then
    agreement by chance, and so the statistic, is not defined.
    """
    import warnings

    import numpy as np

    def value(chosen: Any) -> float:
        try:
            return float(statistic(chosen))
        except ValueError:  # what krippendorff says of a single label; the others give NaN
            return float("nan")

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        if not len(sample) or np.isnan(found := value(sample)):
            return {}
        rng = np.random.default_rng(seed)
        drawn = [value(sample[chosen]) for chosen in rng.integers(0, len(sample), (resamples, len(sample)))]
        low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return {
        name: round(found, 4),
        f"{name}_low": round(float(low), 4),
        f"{name}_high": round(float(high), 4),
        "n": len(sample),
    }


def majority(labels: Iterable[str]) -> str | None:
    """The label that more than half have given."""
    given = Counter(labels)
    label, most = given.most_common(1)[0] if given else ("", 0)
    return label if 2 * most > given.total() else None


def agreed(votes: Votes, p: Params) -> dict[str, Any]:
    """Agreement of all annotators but the adjudicator, who has seen the others' labels."""
    annotators = sorted({name for by in votes.values() for name in by} - {p.annotate.adjudicator or ""})
    return measure(votes, annotators, p.evaluate.bootstrap, p.seed)


def measure(votes: Votes, annotators: list[str], resamples: int, seed: int) -> dict[str, Any]:
    """Everything that metrics/agreement.json holds.

    `pairs`: each two annotators, with the confusion between their labels; with three or more annotators also
    `fleiss` (items that all of them labelled), `krippendorff` (items that two or more labelled) and `rest`: each
    annotator against the majority of the others.
    """
    import numpy as np

    def pair(these: list[tuple[str, str]]) -> dict[str, Any]:
        codes = np.array([[LABELS.index(a), LABELS.index(b)] for a, b in these]).reshape(-1, 2)
        confusion = Counter(these)
        return bounded("kappa", cohen_kappa, codes, resamples, seed) | {
            "n": len(these),
            "observed": round(float((codes[:, 0] == codes[:, 1]).mean()), 4),
            "confusion": {a: {b: confusion[a, b] for b in LABELS} for a in LABELS},
        }

    found: dict[str, Any] = {"annotators": len(annotators), "pairs": {}}
    for a, b in combinations(annotators, 2):
        if both := [(by[a], by[b]) for by in votes.values() if {a, b} <= by.keys()]:
            found["pairs"][f"{a}_{b}"] = pair(both)
    if len(annotators) > 2:
        every = {id: by for id, by in votes.items() if set(annotators) <= by.keys()}
        found["fleiss"] = bounded("kappa", fleiss_kappa, counts(every, annotators), resamples, seed)
        found["krippendorff"] = bounded("alpha", krippendorff_alpha, counts(votes, annotators), resamples, seed)
        found["rest"] = {}
        for a in annotators:
            others = {id: majority(by[o] for o in by if o != a and o in annotators) for id, by in votes.items()}
            if against := [(by[a], other) for id, by in votes.items() if a in by and (other := others[id])]:
                found["rest"][a] = pair(against)
    return found


def table(found: Mapping[str, Any]) -> str:
    """Agreement in Markdown, for people."""
    lines = ["| who | statistic | value | 95% | items |", "|---|---|---|---|---|"]
    named = [(name.replace("_", " "), "kappa", "Cohen's kappa", one) for name, one in found["pairs"].items()]
    named += [
        (f"{name} against the rest", "kappa", "Cohen's kappa", one) for name, one in found.get("rest", {}).items()
    ]
    named += [("all", "kappa", "Fleiss' kappa", found["fleiss"])] if "fleiss" in found else []
    named += [("all", "alpha", "Krippendorff's alpha", found["krippendorff"])] if "krippendorff" in found else []
    for who, key, statistic, one in named:
        if key in one:
            bounds = f"{one[key + '_low']:.3f} to {one[key + '_high']:.3f}"
            lines.append(f"| {who} | {statistic} | {one[key]:.3f} | {bounds} | {one['n']} |")
        else:
            lines.append(f"| {who} | {statistic} | not defined | | {one.get('n', 0)} |")
    for name, one in found["pairs"].items():
        lines += ["", f"{name}, rows the first:", "", f"| | {' | '.join(LABELS)} |", "|---" * (len(LABELS) + 1) + "|"]
        lines += [f"| {a} | {' | '.join(str(one['confusion'][a][b]) for b in LABELS)} |" for a in LABELS]
    return "\n".join(lines)
