"""How far annotators agree: Cohen's kappa for two, Fleiss' kappa and Krippendorff's alpha for all."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

from stages.judging.metrics import rounded_bounds, wilson
from stages.pipeline.markdown import markdown_table
from stages.pipeline.params import Params

Votes = Mapping[int, Mapping[str, str]]  # labels by item and annotator
LabelPairs = Sequence[tuple[str, str]]  # two annotators' labels of each item

COHEN, FLEISS, KRIPPENDORFF = "Cohen's kappa", "Fleiss' kappa", "Krippendorff's alpha"


def label_counts(votes: Votes) -> Any:
    """How many annotators gave each label that occurs, [items, labels], for items with two labels or more, by id."""
    import numpy as np

    labels = sorted({label for votes_by_annotator in votes.values() for label in votes_by_annotator.values()})
    counts = []
    for _, votes_by_annotator in sorted(votes.items()):
        labels_of_item = list(votes_by_annotator.values())
        if len(labels_of_item) > 1:
            counts.append([labels_of_item.count(label) for label in labels])
    return np.array(counts).reshape(-1, len(labels))


def krippendorff_alpha(counts: Any) -> float:
    """Krippendorff's alpha (2011) for nominal labels, with any number of labels for each item."""
    import krippendorff

    return krippendorff.alpha(value_counts=counts, level_of_measurement="nominal")


def fleiss_kappa(counts: Any) -> float:
    """Fleiss' kappa (1971), over items with the same number of labels each."""
    from statsmodels.stats import inter_rater

    return inter_rater.fleiss_kappa(counts)


def cohen_kappa(codes: Any) -> float:
    """Cohen's kappa (1960) of two annotators' label numbers, [items, 2]."""
    from sklearn.metrics import cohen_kappa_score

    return cohen_kappa_score(codes[:, 0], codes[:, 1])


def least_of_full_agreement(counts: Any, n: int) -> float:
    """The lower 95% bound of kappa or alpha where all labels of each of n items agree.

    Wilson's bound takes the place of the observed agreement. `counts` [labels] say how often each label occurs, and so
    how often chance would agree.
    """
    chance = ((counts / counts.sum()) ** 2).sum()
    return float((wilson(n, n)[0] - chance) / (1 - chance))


def bootstrap_estimate(
    name: str, statistic: Callable[[Any], float], items: Any, counts: Any, resamples: int, seed: int
) -> dict[str, float]:
    """A statistic over items, [items, ...], with 95% bounds by bootstrap, and n. `counts` [labels] say how often
    each label occurs.

    Where all labels of each item agree, every resample would, and the lower bound is Wilson's. Where only one label
    occurs, n stands alone: chance agreement is then undefined, and so is the statistic.
    """
    import warnings

    import numpy as np

    def statistic_or_nan(sample: Any) -> float:
        try:
            return float(statistic(sample))
        except ValueError:  # krippendorff raises for a single label, the other libraries return NaN
            return float("nan")

    count: dict[str, float] = {"n": len(items)}
    if not len(items):
        return count
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        estimate = statistic_or_nan(items)
        if np.isnan(estimate):
            return count
        rng = np.random.default_rng(seed)
        samples = rng.integers(0, len(items), (resamples, len(items)))
        low, high = np.nanpercentile([statistic_or_nan(items[indices]) for indices in samples], [2.5, 97.5])
    if low == high == 1:
        low = least_of_full_agreement(counts, len(items))
    return rounded_bounds(name, estimate, low, high) | count


def majority(labels: Iterable[str]) -> str | None:
    """The label that more than half of the labels are."""
    counts = Counter(labels)
    if not counts:
        return None
    label, count = counts.most_common(1)[0]
    return label if 2 * count > counts.total() else None


def agreement_without_adjudicator(votes: Votes, p: Params) -> dict[str, Any]:
    """Agreement of all annotators but the adjudicator, who has seen the others' labels."""
    annotators = {annotator for votes_by_annotator in votes.values() for annotator in votes_by_annotator}
    independent = sorted(annotators - {p.annotate.adjudicator or ""})
    return measure_agreement(votes, independent, p.evaluate.bootstrap, p.seed)


def measure_agreement(votes: Votes, annotators: Sequence[str], resamples: int, seed: int) -> dict[str, Any]:
    """The contents of metrics/details/agreement.json.

    The headline, and in `pairs` the agreement of each two annotators. With three or more annotators there are also
    `fleiss` (items that all of them labelled), `krippendorff` (items that two or more labelled) and `rest` (each
    annotator against the majority of the others). The order of the items in `votes` changes no bound.
    """
    votes_of_annotators = {id: {a: votes[id][a] for a in annotators if a in votes[id]} for id in sorted(votes)}
    annotator_count = len(annotators)
    agreement = {
        "annotators": annotator_count,
        "pairs": agreement_of_pairs(votes_of_annotators, annotators, resamples, seed),
    }
    if annotator_count > 2:
        agreement |= agreement_of_all(votes_of_annotators, annotator_count, resamples, seed)
        agreement["rest"] = agreement_with_majority(votes_of_annotators, annotators, resamples, seed)
    return headline(agreement) | agreement


def agreement_of_pairs(votes: Votes, annotators: Sequence[str], resamples: int, seed: int) -> dict[str, Any]:
    """The agreement of each two annotators with items in common, under both names: `ann / bob`."""
    pairs = {}
    for first, second in combinations(annotators, 2):
        label_pairs = [(item[first], item[second]) for item in votes.values() if {first, second} <= item.keys()]
        if label_pairs:
            pairs[f"{first} / {second}"] = pair_agreement(label_pairs, resamples, seed)
    return pairs


def agreement_of_all(votes: Votes, annotator_count: int, resamples: int, seed: int) -> dict[str, Any]:
    """Fleiss' kappa over the items that all annotators labelled, Krippendorff's alpha over those that two did."""
    by_all = label_counts({id: item for id, item in votes.items() if len(item) == annotator_count})
    by_two = label_counts(votes)
    return {
        "fleiss": bootstrap_estimate("kappa", fleiss_kappa, by_all, by_all.sum(axis=0), resamples, seed),
        "krippendorff": bootstrap_estimate("alpha", krippendorff_alpha, by_two, by_two.sum(axis=0), resamples, seed),
    }


def agreement_with_majority(votes: Votes, annotators: Sequence[str], resamples: int, seed: int) -> dict[str, Any]:
    """The agreement of each annotator with the majority of the others, where there is one."""
    pairs_by_annotator = {annotator: labels_beside_majority(votes, annotator) for annotator in annotators}
    return {
        annotator: pair_agreement(label_pairs, resamples, seed)
        for annotator, label_pairs in pairs_by_annotator.items()
        if label_pairs
    }


def pair_agreement(label_pairs: LabelPairs, resamples: int, seed: int) -> dict[str, Any]:
    """Cohen's kappa of two annotators with bounds, the share of equal labels, and their confusion."""
    import numpy as np

    labels = sorted({label for pair in label_pairs for label in pair})
    codes = np.array([[labels.index(first), labels.index(second)] for first, second in label_pairs])
    counts = Counter(label_pairs)
    return bootstrap_estimate("kappa", cohen_kappa, codes, np.bincount(codes.ravel()), resamples, seed) | {
        "observed": round(float((codes[:, 0] == codes[:, 1]).mean()), 4),
        "confusion": {first: {second: counts[first, second] for second in labels} for first in labels},
    }


def headline(agreement: Mapping[str, Any]) -> dict[str, Any]:
    """The `agreement` that a reviewer reads, the `statistic` that it is, and n.

    Krippendorff's alpha of three annotators or more, otherwise Cohen's kappa of two. Empty where neither is defined.
    """
    kappas = [pair for pair in agreement["pairs"].values() if "kappa" in pair]
    if "alpha" in agreement.get("krippendorff", {}):
        name, statistic, estimate = KRIPPENDORFF, "alpha", agreement["krippendorff"]
    elif kappas:
        name, statistic, estimate = COHEN, "kappa", kappas[0]
    else:
        return {}
    return {
        "statistic": name,
        "agreement": estimate[statistic],
        "agreement_low": estimate[f"{statistic}_low"],
        "agreement_high": estimate[f"{statistic}_high"],
        "n": estimate["n"],
    }


def labels_beside_majority(votes: Votes, annotator: str) -> list[tuple[str, str]]:
    """An annotator's label of each item and the majority of the others', where there is one."""
    label_pairs = []
    for votes_by_annotator in votes.values():
        if annotator not in votes_by_annotator:
            continue
        majority_of_others = majority(label for other, label in votes_by_annotator.items() if other != annotator)
        if majority_of_others:
            label_pairs.append((votes_by_annotator[annotator], majority_of_others))
    return label_pairs


def agreement_table(agreement: Mapping[str, Any]) -> str:
    """What `measure_agreement` returns as Markdown: a table of the statistics, then each pair's confusion; or that
    there is no pair.
    """
    if not agreement["pairs"]:
        return "nobody has labelled what another has"
    rows = [_statistic_row(pair, COHEN, "kappa", values) for pair, values in agreement["pairs"].items()]
    for annotator, values in agreement.get("rest", {}).items():
        rows.append(_statistic_row(f"{annotator} against the rest", COHEN, "kappa", values))
    if "fleiss" in agreement:
        rows.append(_statistic_row("all", FLEISS, "kappa", agreement["fleiss"]))
    if "krippendorff" in agreement:
        rows.append(_statistic_row("all", KRIPPENDORFF, "alpha", agreement["krippendorff"]))
    paragraphs = [markdown_table(["who", "statistic", "value", "95%", "items"], rows)]
    for pair, values in agreement["pairs"].items():
        confusion = values["confusion"]
        counts = [[first, *(str(count) for count in of_first.values())] for first, of_first in confusion.items()]
        paragraphs += [f"{pair}, rows the first:", markdown_table(["", *confusion], counts)]
    return "\n\n".join(paragraphs)


def _statistic_row(who: str, statistic: str, key: str, values: Mapping[str, Any]) -> list[str]:
    """A row of the table; values that aren't defined are left out."""
    if key not in values:
        return [who, statistic, "not defined", "", str(values["n"])]
    bounds = f"{values[f'{key}_low']:.3f} to {values[f'{key}_high']:.3f}"
    return [who, statistic, f"{values[key]:.3f}", bounds, str(values["n"])]
