"""The gate between the law and training, as DVC runs it."""

from pathlib import Path

from ruamel.yaml import YAML

from tests.clones import call, cut, output_hashes
from tests.conftest import ROOT, change_params


def test_a_violated_law_ends_dvc_repro_before_training_with_a_line_and_keeps_its_verdict(tmp_path: Path) -> None:
    """The real gate behind a stand-in for the law and before one for training."""
    gate = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text())["stages"]["law_gate"]
    law = {"cmd": "echo '{\"verdict\": 0}' > metrics/law.json", "outs": [{"metrics/law.json": {"cache": False}}]}
    train = {"cmd": "touch trained", "deps": ["data/law_gate.json"], "outs": ["trained"]}
    folder = cut(tmp_path, {"law": law, "law_gate": gate, "train": train})
    (folder / "metrics").mkdir()
    change_params(folder, {"law.gate": "stop"})
    output = call(folder, "dvc", "repro", fails=True)
    assert sum("the law is violated" in line for line in output.splitlines()) == 1
    assert "Traceback" not in output
    assert not (folder / "trained").exists()
    assert (folder / "metrics" / "law.json").exists()
    assert {"law"} <= output_hashes(folder).keys() and not {"law_gate", "train"} & output_hashes(folder).keys()
    change_params(folder, {"law.gate": "warn"})
    assert "warning: the law is violated" in call(folder, "dvc", "repro")
    assert (folder / "trained").exists()
