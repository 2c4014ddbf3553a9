"""The commands in blocks and sentences of README.md, CONTRIBUTING.md and docs/: the test that runs each, or the reason
why none can.
"""

import json
from typing import NamedTuple


class Runs(NamedTuple):
    """A command that is run in a copy of the repository: after others, with files, and what it must print."""

    prints: str = ""
    after: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    status: int = 0


class RunBy(NamedTuple):
    """A command that a test runs, with files and names of its own; `variant` says what it runs where it runs another
    command.
    """

    test: str
    variant: str = ""


class NotRun(NamedTuple):
    """A command that no test runs, and why."""

    reason: str


TURN = {"usr": {"transcript": "and the phone?", "transcript_complete": "phone of Kymmoy?"}, "sys": {"sent": "01223"}}
ROOM = "data/room.jsonl"
REMOTE = "dvc remote add --default storage s3://bucket/path"
ENDPOINT = "dvc remote modify storage endpointurl https://s3.example.org"
WHOLE_RUN = "test_a_chat_of_ones_own_from_end_to_end"
GROWING = RunBy("test_a_growing_log_under_version_control")
EXPERIMENT = RunBy("test_experiments_by_hand")
TERMINAL = RunBy("test_500_items_and_ten_kills_lose_and_double_nothing", "tests.labelling, which presses the keys")
PUBLISHING = "test_publishing_says_first_what_would_go_where_and_nothing_goes_where_all_can_read"
CHANGED_RATE = "test_an_ablation_reruns_training_and_what_follows"
TRAINS = NotRun("trains the real model, or asks it hundreds of questions, for minutes to hours")
MEASURES = NotRun("measures speed for minutes, beside tools in environments of their own")
INSTALLS = NotRun("installs packages")
GATE = NotRun("the gate runs it, and it runs tests itself")
SECRET = NotRun("handles a secret in the user's own shell")
GITLAB = NotRun("needs a runner of GitLab; test_the_comment_on_a_branch has its comment")
PAGE = RunBy("test_the_commands_of_the_page", "this, on another port")
SHORT = NotRun("names a command that stands elsewhere with its arguments")

COMMANDS: dict[str, Runs | RunBy | NotRun] = {
    "source .venv/bin/activate": NotRun("tests run in the environment"),
    "make setup": GATE,
    "PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make setup": INSTALLS,
    "make help": Runs("make help-development"),
    "make repro": RunBy(WHOLE_RUN, "dvc repro"),
    "/usr/bin/time -v make repro": NotRun("measures a run of 25 minutes"),
    "make test": GATE,
    "time make test": GATE,
    "make test-all": GATE,
    "make lint": GATE,
    "make test-servers": GATE,
    "make .venv-litellm/.ready .venv-llama-cpp-python/.ready": INSTALLS,
    "make test-downloads": NotRun("downloads 500 MB, and is a test itself"),
    "make test-spark": GATE,
    "python -m pytest tests/unit/test_labels.py": GATE,
    'python -m pytest -m "not slow and not external"': GATE,
    "FUZZ_EXAMPLES=20000 python -m pytest -k escapes": NotRun("is what the gate runs, with more examples"),
    "make help-development": Runs("test-servers"),
    "make own CHAT=data/room.jsonl": Runs("params.yaml reads data/room.jsonl", files=((ROOM, "{}\n"),)),
    "make figures": Runs(),
    "make next": RunBy("test_the_page_has_the_line_and_the_figure", "stages.reporting.next_page"),
    "python -m stages.concat --help": Runs("Usage"),
    "make verify": RunBy(
        "test_what_is_committed_comes_out_again", "stages.tools.verify, with ingest and concat alone"
    ),
    "python -m stages.tools.verify concat": RunBy(
        "test_other_code_that_nobody_ran_shows", "python -m stages.tools.verify ingest"
    ),
    "make serve": SHORT,
    "make paper MODELS=…": SHORT,
    "make paper": NotRun("needs a GPU and a model hub"),
    "make paper MODELS=qwen1_5_0_5b,qwen1_5_1_8b": NotRun("needs a GPU and a model hub"),
    "make report": RunBy("test_what_it_says", "stages.reporting.page"),
    'make report REVISIONS="main slow"': RunBy(
        "test_makes_variables_are_data", "this, with a program that notes its arguments in the place of Python"
    ),
    "make publish MODEL=smollm2_135m REPOSITORY=you/needs-context": RunBy(PUBLISHING, "stages.tools.publish"),
    "make constraints": INSTALLS,
    "make upgrade": INSTALLS,
    "make licences": INSTALLS,
    "pip install -c constraints-gpu.txt -e '.[gpu,vllm]'": RunBy(
        "test_the_line_in_the_docs_installs_pinned_packages_for_cuda", "uv pip install --dry-run"
    ),
    "sky jobs launch recipes/sky.yaml --secret AWS_ACCESS_KEY_ID --secret AWS_SECRET_ACCESS_KEY": RunBy(
        "test_skypilot_reads_the_recipe", "sky.Task.from_yaml_config, which the command begins with"
    ),
    "sky gpus list H100": NotRun("asks clouds for prices"),
    "make test-rent": GATE,
    "make test-gpu": NotRun("needs a GPU, and is a test itself"),
    "GPU_TEST_DEVICE=cpu make test-gpu": NotRun("trains and asks models for minutes, and is a test itself"),
    "pip install -c constraints.txt -e '.[spark]'": INSTALLS,
    "make bench": MEASURES,
    "pip install -c constraints.txt -e '.[bench]'": INSTALLS,
    "pip install .": INSTALLS,
    "python -m tests.benchmarks.scale 58000 5800000": MEASURES,
    "python -m tests.benchmarks.training": MEASURES,
    "python -m tests.benchmarks.irc_questions irc irc.jsonl": NotRun("needs data that is not in the repository"),
    "python -m tests.benchmarks.gates smollm2_135m gecor.jsonl irc.jsonl": TRAINS,
    "python -m tests.benchmarks.first_label 58000": MEASURES,
    "python -m tests.benchmarks.scale --one make 58000000 log log": MEASURES,
    "python -m tests.benchmarks.scale --one stages concat log turns": MEASURES,
    "python -m tests.benchmarks.scale --one stages windows turns windows": MEASURES,
    "python -m tests.benchmarks.signal > metrics/signal.md": TRAINS,
    "python -m tests.benchmarks.cross_tuned smollm2_135m --asked 2": TRAINS,
    "python -m tests.benchmarks.masking LOG.jsonl": Runs(
        "detect-secrets", files=(("LOG.jsonl", '{"sender": "ann", "text": "hi"}\n'),)
    ),
    "python -m tests.benchmarks.gecor CamRest676_annotated.json gecor.jsonl": Runs(
        files=(("CamRest676_annotated.json", json.dumps([{"dial": [TURN, TURN]}])),)
    ),
    "python -m tests.benchmarks.query_strategies": NotRun("takes ten minutes, and small-text of the extra bench"),
    "python -m tests.benchmarks.rewriting CamRest676_annotated.json --models smollm2_135m": TRAINS,
    "python -m tests.benchmarks.rewriting CamRest676_annotated.json --turns 20 --steps 20": TRAINS,
    "python -m stages.train smollm2_135m data/base/smollm2_135m data/rewrites.json data/resolver/adapter"
    " data/resolver/curve": RunBy("test_a_model_learns_to_resolve"),
    "python -m stages.tools.merge data/base/smollm2_135m data/resolver/adapter models/resolver": RunBy(
        "test_a_model_learns_to_resolve"
    ),
    "dvc repro fetch_models": RunBy("test_dvc_sees_a_model_in_a_folder"),
    "python -m stages.tools.predict data/chat.jsonl data/answers.jsonl smollm2_135m"
    " --adapter data/adapters/smollm2_135m": RunBy("test_answers_for_a_chat_log"),
    "make serve MODEL=smollm2_135m": RunBy("test_the_command", "stages.tools.serve, on another port"),
    "python -m stages.tools.serve data/adapters/smollm2_135m": RunBy("test_the_command", "this, on another port"),
    "python -m stages.tools.serve data/adapters/smollm2_135m --host 0.0.0.0": RunBy(
        "test_other_machines_need_a_token", "this, until the model is loaded"
    ),
    "export LABELS_SERVE_TOKEN=$(openssl rand -hex 32)": SECRET,
    'curl --silent http://127.0.0.1:8765/decide -H "Content-Type: application/json"'
    """ -d '{"history": [{"speaker": "ann", "text": "My board arrived."}], "message": "How do I flash it?"}'""": PAGE,
    "curl --silent http://127.0.0.1:8765/version": PAGE,
    'curl --silent http://127.0.0.1:8765/version -H "Authorization: Bearer $LABELS_SERVE_TOKEN"': PAGE,
    "python -m tests.benchmarks.question_filters smollm2_135m --tuned": MEASURES,
    "python -m tests.benchmarks.busy": MEASURES,
    "OMP_NUM_THREADS=1 dvc repro": RunBy(WHOLE_RUN, "dvc repro"),
    "python -m tests.benchmarks.serving data/adapters/smollm2_135m": MEASURES,
    "make .venv-assistants/.ready": INSTALLS,
    "python -m stages.tools.merge data/base/smollm2_135m data/adapters/smollm2_135m data/merged/smollm2_135m": RunBy(
        "test_a_merged_model_is_base_and_update"
    ),
    "python -m stages.tools.relabel lead --first 50": NotRun(
        "waits for keys in a terminal; test_before_and_after has its parts"
    ),
    "python -m stages.tools.preflight recipes/paper.yaml qwen1_5_0_5b qwen1_5_1_8b": Runs(
        "this run needs what this machine lacks", status=1
    ),
    "python -m stages.tools.preflight recipes/paper.yaml qwen1_5_0_5b qwen1_5_1_8b -S batch_size=8": Runs(
        "this run needs what this machine lacks", status=1
    ),
    "python -m stages.tools.experiment recipes/paper.yaml paper": NotRun("needs a GPU and a model hub"),
    "python -m stages.tools.experiment recipes/paper.yaml small -S lora_rank=8": RunBy(
        "test_a_recipe_is_an_experiment_beside_the_workspace"
    ),
    "python -m stages.tools.experiment recipes/paper.yaml paper -S question.prompt=paper_en": RunBy(
        "test_a_recipe_is_an_experiment_beside_the_workspace"
    ),
    "python -m stages.tools.experiment recipes/paper.yaml paper-all -S evaluate.split=all": RunBy(
        "test_a_recipe_is_an_experiment_beside_the_workspace"
    ),
    "dvc exp apply paper": RunBy("test_a_recipe_is_an_experiment_beside_the_workspace", "dvc exp apply long"),
    "python -m stages.tools.compare metrics/tables.json metrics/ablation.json data/paper.yaml": Runs("paper: f1"),
    "python -m stages.reporting.comment main size.png > comment.md": RunBy("test_the_comment_on_a_branch"),
    "python -m stages.studies.law_power metrics/law_power.json metrics/plots/law_power.json": NotRun(
        "simulates for minutes; tests/unit/test_law_power.py has its parts"
    ),
    "python -m stages.studies.label_noise"
    " data/valid.jsonl metrics/label_noise.json metrics/plots/label_noise.json": TRAINS,
    "python -m stages.studies.label_noise gecor.jsonl gecor/label_noise.json gecor/plots/label_noise.json": TRAINS,
    "python -m stages.studies.full_rank smollm2_135m metrics/full_rank.json metrics/plots/full_rank.json": RunBy(
        "test_full_training_and_its_approximations"
    ),
    "python -m stages.studies.learning_curve smollm2_135m metrics/curve.json metrics/plots/curve.json": RunBy(
        "test_a_curve_that_was_killed_goes_on"
    ),
    "python -m stages.studies.label_order smollm2_135m_10"
    " metrics/label_order.json metrics/plots/label_order.json": NotRun("replays and trains for an hour"),
    "python -m stages.studies.ablation smollm2_135m metrics/ablation.md metrics/ablation.json": RunBy(
        "test_the_loop_the_table_and_going_on"
    ),
    "python -m stages.studies.ablation smollm2_135m_10 metrics/ablation.md metrics/ablation.json"
    " --grid lr_2e_5,rank_16 --seeds 0,1": RunBy("test_the_loop_the_table_and_going_on"),
    "python -m stages.labels label": SHORT,
    "python -m stages.labels label ann": TERMINAL,
    "python -m stages.labels label bob --like ann": TERMINAL,
    "python -m stages.labels label ann --next": RunBy(
        "test_a_session_goes_on_with_what_readers_choose", "the terminal annotator with the items of this command"
    ),
    "python -m stages.labels label lead --queue data/queue.jsonl": RunBy(
        "test_an_adjudicators_session", "the command with another queue, in a terminal of its own"
    ),
    "python -m stages.labels label ann --question is_question": RunBy(
        "test_random_turns_are_called_questions_or_not", "the terminal annotator with this question's labels"
    ),
    "python -m stages.labels agreement": Runs("kappa"),
    "python -m stages.labels tasks data/label_studio": RunBy("test_tasks_for_label_studio"),
    "python -m stages.labels import export.json --rename 1=ann --rename 2=bob": RunBy("test_label_studio_json"),
    "python -m stages.labels import labels.csv --column id=Nr --column label=verdict --column annotator=who": RunBy(
        "test_a_table_with_columns_of_its_own"
    ),
    "python -m stages.labels import admin.jsonl --annotator ann": RunBy("test_other_tools"),
    "python -m stages.labels import labels.csv --value yes=needed --value no=not_needed": RunBy("test_tables"),
    "python -m stages.labels export data/exported --to csv": RunBy("test_the_current_labels_go_out"),
    "python -m stages.labels export data/exported --to doccano": RunBy("test_the_current_labels_go_out"),
    "python -m stages.labels export data/exported --to label-studio --rename ann=ann@example.org": RunBy(
        "test_what_goes_out"
    ),
    "cp ~/export.jsonl data/room.jsonl && dvc add data/room.jsonl": GROWING,
    "mkdir -p questions/is_personal/prompts": RunBy("test_the_question_of_the_page_is_asked", "pathlib's mkdir"),
    "dvc add": SHORT,
    "dvc add models/qwen": RunBy("test_dvc_sees_a_model_in_a_folder"),
    "dvc import-url": RunBy("test_dvc_sees_a_model_in_a_folder"),
    "dvc repro": RunBy(WHOLE_RUN),
    "dvc repro ingest": RunBy("test_a_clone_without_the_key_is_refused_and_one_with_it_is_not"),
    "dvc repro filter": GROWING,
    "dvc repro states": RunBy(WHOLE_RUN, "dvc repro, all stages"),
    "dvc repro states && make next": RunBy("test_the_page_has_the_line_and_the_figure", "stages.reporting.next_page"),
    "dvc repro annotate": GROWING,
    "dvc repro judge_filter": RunBy(WHOLE_RUN, "dvc repro, all stages"),
    "dvc repro report": RunBy(WHOLE_RUN, "dvc repro, all stages"),
    'git add --all && git commit -m "The log up to February"': GROWING,
    "git switch -c march": GROWING,
    'git commit -am "The log up to March"': GROWING,
    "dvc diff main march": GROWING,
    "dvc metrics diff main march": GROWING,
    "git diff main march -- metrics/details/annotate.json": GROWING,
    "git switch main && dvc checkout --with-deps annotate": GROWING,
    "dvc doctor": Runs("DVC version"),
    "dvc metrics diff": Runs(),
    "dvc plots show": Runs("file://"),
    "dvc params diff && dvc metrics diff": RunBy(CHANGED_RATE, "both against HEAD"),
    "dvc exp run -S gate.recall=0.9": EXPERIMENT,
    "dvc exp run -S lr=2e-5 -n slow": RunBy(CHANGED_RATE),
    "dvc exp run -S question.name=is_question": TRAINS,
    "dvc exp run -S 'ladder=[smollm2_135m]' -S 'finetune=[smollm2_135m]'": EXPERIMENT,
    "dvc exp run -S 'seeds=[0,1,2]' -n seeds": TRAINS,
    "dvc exp run -S lora_rank=32 -n wide --queue && dvc exp run --run-all": EXPERIMENT,
    "dvc exp show --only-changed": EXPERIMENT,
    "dvc exp apply slow": EXPERIMENT,
    "dvc exp push origin slow": EXPERIMENT,
    "dvc exp pull origin slow": EXPERIMENT,
    "git checkout .": RunBy("test_experiments_by_hand"),
    "git checkout . && dvc checkout": RunBy("test_experiments_by_hand", "git checkout ."),
    "dvc plots diff HEAD slow": RunBy(CHANGED_RATE, "dvc plots diff HEAD"),
    "dvc exp run -S question.window=auto -S evaluate.split=dev": TRAINS,
    "dvc exp run -S question.option_order.training=shuffled -S evaluate.split=dev": TRAINS,
    "dvc exp run -S evaluate.split=dev -S evaluate.protocol=generate -S evaluate.max_tokens=64": TRAINS,
    "dvc exp run -S evaluate.split=dev -S evaluate.permutations=3": TRAINS,
    "dvc exp run -S train.launcher=accelerate -S train.launcher_config=recipes/ddp.yaml": RunBy(
        "test_two_processes_have_the_loss_curve_of_one",
        "stages.train in two processes on the CPU, with a config for it",
    ),
    "vllm serve data/base/smollm2_135m --served-model-name base --enable-lora --max-lora-rank 16"
    " --lora-modules needs_context=data/adapters/smollm2_135m": RunBy(
        "test_the_same_answer", "vllm.entrypoints.openai.api_server, which the command starts"
    ),
    REMOTE: Runs(),
    ENDPOINT: Runs(after=(REMOTE,)),
    'git commit -m "Where the data is" .dvc/config': Runs("Where the data is", after=(REMOTE, ENDPOINT)),
    "dvc push": RunBy("test_pushed_here_pulled_there"),
    "dvc pull": RunBy("test_pushed_here_pulled_there"),
    "dvc pull --allow-missing": RunBy("test_a_part_of_the_pipeline_is_pulled"),
    "git fetch --all && dvc gc --all-commits --cloud": RunBy(
        "test_gc_leaves_what_commits_name", "dvc gc --all-commits --cloud --force"
    ),
    "gto register smollm2_135m": Runs("smollm2_135m@v0.0.1"),
    "gto show": Runs("smollm2_135m", after=("gto register smollm2_135m",)),
    "git push --tags && dvc push": RunBy("test_other_projects_take_artifacts_by_name", "dvc push"),
    "dvc artifacts get https://git.example.org/labels smollm2_135m --rev v0.0.1": RunBy(
        "test_a_version_keeps_what_it_was"
    ),
    'git fetch origin "$CI_MERGE_REQUEST_TARGET_BRANCH_NAME"': GITLAB,
    "pip install -c constraints.txt -r requirements/comment.txt": INSTALLS,
    'python -m stages.reporting.comment "origin/$CI_MERGE_REQUEST_TARGET_BRANCH_NAME" size.png > comment.md': GITLAB,
    "cml comment update --target=pr --publish --publish-native comment.md": GITLAB,
    "cat .chat_key": SECRET,
    "export CHAT_KEY=…": SECRET,
    "(umask 077 && cat > .chat_key)": SECRET,
    "cp ../main/.chat_key .": SECRET,
    "git rm": SHORT,
    "git rm data/annotations/KEY_FINGERPRINT $(git ls-files 'data/annotations/*.jsonl')": SECRET,
    "rm .chat_key && dvc repro --force ingest": SECRET,
}
