"""Runs on the Hugging Face Hub: a finished run pushed with a model card, and fetched again."""

import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from deadpan.data.corpora import CORPORA
from deadpan.data.corpora.corpus import Corpus
from deadpan.errors import DeadpanError
from deadpan.extraction.timeline import NOTICE
from deadpan.training.environment import Environment
from deadpan.training.opened import RunDirectory
from deadpan.training.scores import RunScores
from deadpan.training.settings import Settings

SCHEME = "hf://"
CARD = "README.md"
"""What the Hub shows of a repository."""
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
OPEN_DATA = ("controlled",)
"""Data sets of deadpan itself: weights that are trained on them are as free as it is."""


def push_run(
    run: RunDirectory, repository: str, *, licence: str | None = None, private: bool = False
) -> str:
    """Push a finished run with a model card; predictions of clips and checkpoints stay here.

    Args:
        run: a finished run.
        repository: OWNER/NAME on the Hub; made where it is not there.
        licence: of the weights, as the Hub names it (``apache-2.0``, ``cc-by-nc-4.0``): that they
            may be shared is for those to say who may share the data. Not needed, and
            ``apache-2.0``, for generated data.
        private: whether a repository that is made is private.

    Returns:
        The address of the commit.

    Raises:
        DeadpanError: the run has not finished, its corpus must not be passed on, no licence was
            given, the Hub refused, or huggingface_hub is not installed.
    """
    if not REPOSITORY.fullmatch(repository):
        raise DeadpanError(f"wanted OWNER/NAME on the Hub; got '{repository}'")
    if not run.finished:
        raise DeadpanError(f"{run.path}: has not finished; train it to its end before")
    settings, environment = run.settings(), run.environment()
    licence = _licence(run, settings, environment, licence)
    files = [
        run.config_file,
        run.environment_file,
        run.epochs_file,
        run.gate_file,
        run.uncertainty_file,
        run.weights_file,
        run.scores_file,
    ]
    scores = run.scores() if run.scores_file.is_file() else None
    card = model_card(repository, settings, environment, scores, licence=licence)
    with _hub() as hub:
        service = _service(hub)
        service.create_repo(repository, private=private, exist_ok=True)
        additions = [
            hub.CommitOperationAdd(path_in_repo=file.name, path_or_fileobj=str(file))
            for file in files
            if file.is_file()
        ]
        additions.append(hub.CommitOperationAdd(path_in_repo=CARD, path_or_fileobj=card.encode()))
        commit = service.create_commit(
            repository, additions, commit_message=f"deadpan {version('deadpan')}"
        )
    return str(commit.commit_url)


def fetch_run(address: str) -> Path:
    """Fetch a run from the Hub, or find it where it was fetched to before.

    Args:
        address: ``hf://OWNER/NAME``, or ``hf://OWNER/NAME@REVISION``.

    Returns:
        The run's directory.

    Raises:
        DeadpanError: no such repository or revision, no run in it, the Hub cannot be reached, or
            huggingface_hub is not installed.
    """
    repository, _, revision = address.removeprefix(SCHEME).partition("@")
    if not address.startswith(SCHEME) or not REPOSITORY.fullmatch(repository):
        raise DeadpanError(f"wanted hf://OWNER/NAME or hf://OWNER/NAME@REVISION; got '{address}'")
    with _hub() as hub:
        found = _service(hub).snapshot_download(repository, revision=revision or None)
    folder = Path(found)
    if not RunDirectory.is_run(folder):
        raise DeadpanError(f"{address}: holds no run of deadpan; one is made by 'deadpan push'")
    return folder


def _service(hub: Any) -> Any:  # noqa: ANN401 - huggingface_hub's
    return hub.HfApi(endpoint=os.environ.get("HF_ENDPOINT"))


@contextmanager
def _hub() -> Generator[Any, None, None]:
    """The library, its errors as ours."""
    try:
        import huggingface_hub
    except ModuleNotFoundError as error:
        raise DeadpanError(
            "the Hub needs huggingface_hub; run: pip install 'deadpan[hub]'"
        ) from error
    try:
        yield huggingface_hub
    except Exception as error:  # its HTTP library is another in each version, and so are the errors
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DeadpanError(
            f"the Hub refused, or cannot be reached: {reason} (`hf auth login` signs in; "
            "HF_ENDPOINT names another Hub)"
        ) from error


def corpus_of(settings: Settings, environment: Environment) -> Corpus | None:
    """The corpus on whose data a run was trained, by the names of its data; None for none known."""
    names = [environment.dataset.name, *Path(settings.data).parts]
    parts = [re.findall("[a-z]+", name.lower()) for name in names]
    for corpus in CORPORA.values():
        plain = "".join(re.findall("[a-z]+", corpus.name.lower()))
        # Of short names whole words count: POM is not in "pompeii".
        if any(plain in words or (len(plain) > 3 and plain in "".join(words)) for words in parts):
            return corpus
    return None


def _licence(
    run: RunDirectory, settings: Settings, environment: Environment, licence: str | None
) -> str:
    """The licence of the weights; DeadpanError where they are not to be shared."""
    if settings.data in OPEN_DATA:
        return licence or "apache-2.0"
    if corpus := corpus_of(settings, environment):
        raise DeadpanError(
            f"{run.path}: was trained on {corpus.title}, whose terms do not let weights be passed "
            f"on ({corpus.licence}); share its config.yaml and scores.json, from which others who "
            "have the data train the same"
        )
    if not licence:
        raise DeadpanError(
            f"{run.path}: was trained on {settings.data}: may its weights be shared? Say under "
            "which licence: --licence cc-by-nc-4.0"
        )
    return licence


def model_card(
    repository: str,
    settings: Settings,
    environment: Environment,
    scores: RunScores | None,
    *,
    licence: str,
) -> str:
    """The card of a run: what it is, how it was made, what it scored, what it is not for."""
    facts = environment.dataset
    head = {
        "license": licence,
        "library_name": "deadpan",
        "tags": ["deadpan", "multimodal-sentiment-analysis", settings.model],
    }
    recipes = [f"- {name}: {recipe}" for name, recipe in facts.recipes.items()]
    splits = ", ".join(f"{count:,} {split}" for split, count in facts.splits.items())
    lines = [
        f"---\n{yaml.safe_dump(head, sort_keys=False)}---",
        f"# {repository}",
        f"{settings.model}, {environment.parameters:,} parameters, reads "
        f"{', '.join(environment.modalities)} and predicts {', '.join(environment.labels)} "
        f"({environment.task}). Trained by [deadpan](https://pypi.org/project/deadpan) "
        f"{environment.deadpan}.",
        f'```python\nimport deadpan\n\nrun = deadpan.load_run("{SCHEME}{repository}")\n```',
        "## Data",
        f"{facts.name}: {splits} clips, fingerprint `{facts.fingerprint}`.",
        *(["Features, by recipe:", "\n".join(recipes)] if recipes else []),
        "## Training",
        f"`{environment.command}`, seed {settings.seed}, commit {environment.commit_name}, torch "
        f"{environment.torch}. All settings are in `config.yaml`, every epoch in `epochs.csv`.",
        "## Scores",
        _score_lines(scores),
        "## Intended use and limits",
        "For research on people who agreed to it, in data like the above: other languages, other "
        "cultures, other recordings and other features were not tried. The scores are of one seed "
        "where no others are named.",
        NOTICE,
    ]
    return "\n\n".join(lines) + "\n"


def _score_lines(scores: RunScores | None) -> str:
    """The scores beside those of the baselines, as a table."""
    if scores is None:
        return "The test split has not been opened."
    lines = [
        f"The {scores.split} split, {scores.clips:,} clips; shares in percent.",
        "",
        f"| system | {' | '.join(column.title for column in scores.columns)} |",
        f"|---|{'---:|' * len(scores.columns)}",
    ]
    for row in scores.rows:
        cells = [column.format(row.metrics[column.key]) for column in scores.columns]
        lines.append(f"| {row.system} | {' | '.join(cells)} |")
    return "\n".join(lines)
