"""Numbers of parameters that the stage fetch_models counted, for models that state none in params.yaml."""

from pathlib import Path

from stages.pipeline.files import read_json
from stages.pipeline.params import Params

MODELS = Path("data/models.json")


def with_sizes(p: Params) -> Params:
    """The parameters with the number that was counted for each model that states none."""
    if not MODELS.exists():
        return p
    parameters = {name: model["parameters"] for name, model in read_json(MODELS).items()}
    models = {
        name: model.model_copy(update={"parameters": model.parameters or parameters.get(name)})
        for name, model in p.models.items()
    }
    return p.model_copy(update={"models": models})
