"""What is measured of the finished runs of the study, clip by clip, and kept beside each run."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from clip_statistics import OUTVOTED
from plan import Plan

from deadpan.analysis.attention import Method
from deadpan.analysis.contributions import contributions, subset_outputs
from deadpan.analysis.latent import latent_incongruity
from deadpan.analysis.salience import saliences
from deadpan.benchmarking.evidence import Columns, Evidence, MeasuredRun
from deadpan.benchmarking.grid import Case
from deadpan.benchmarking.runner import finished
from deadpan.benchmarking.verdicts import Finding
from deadpan.data.dataset import Clip
from deadpan.errors import RunError
from deadpan.files import read_json, write_json
from deadpan.metrics.incongruity import disagreement, localisation, pointing, sign_flips
from deadpan.models.base import Model
from deadpan.options import typed
from deadpan.tasks import Regression, Task
from deadpan.training.evaluation import labels_of
from deadpan.training.history import EpochHistory, GateHistory
from deadpan.training.loop import seed_everything
from deadpan.training.opened import OpenedRun, RunDirectory, build, open_run
from deadpan.training.scores import RunScores
from deadpan.types import TEXT, Modality

VERSION = 4
"""Version of the measures; a run with a file of another version is measured again."""

METHODS: Mapping[Method, int] = {"attention": 1_000_000, "gradient": 48}
"""Ways of reading salience, and on how many clips at most: the first ones, for a gradient costs."""

TEXT_COLUMNS = ("id", "kind")

REPAIR = "remove it and go on with 'python studies/claims/run.py --resume'"


@dataclasses.dataclass(frozen=True)
class Measuring:
    """Measures a finished run and writes the columns: what a grid does after each run."""

    leaves: str = f"measures-{VERSION}.json"

    def __call__(self, run: RunDirectory) -> None:
        """Measure, unless that was done; the file is written whole or not at all."""
        if (run.path / self.leaves).is_file():
            return
        opened = open_run(run.path)
        columns = measure(opened.model, opened.task, opened.data["test"])
        columns |= {
            f"untrained_{name}": values
            for name, values in _localised(
                untrained(opened), opened.data["test"], {"attention": METHODS["attention"]}
            ).items()
        }
        write_json(run.path / self.leaves, {name: x.tolist() for name, x in columns.items()})

    def read(self, run: RunDirectory) -> Columns:
        """Read the columns of a measured run; RunError if the file is missing or damaged."""
        path = run.path / self.leaves
        try:
            columns = {
                name: np.array(values, dtype=object if name in TEXT_COLUMNS else np.float64)
                for name, values in typed(str(path), read_json(path, REPAIR), dict).items()
            }
        except (TypeError, ValueError) as error:
            raise RunError(f"{path}: damaged ({error}); {REPAIR}") from error
        if len({len(x) for x in columns.values()}) != 1 or "error" not in columns:
            raise RunError(f"{path}: damaged; {REPAIR}")
        return columns


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClaimRun(MeasuredRun):
    """One finished run of the study.

    Attributes:
        epochs: losses and times of its epochs.
        gate: weights of its gate; None without a gate.
        parameters: number of parameters of the model.
        patience: epochs without a better validation that end it; None: it never ends so.
        commit: commit of the code that trained it.
        place: its directory below ``runs``.
    """

    epochs: EpochHistory
    gate: GateHistory | None
    parameters: int
    patience: int | None
    commit: str
    place: str

    @property
    def at_the_cap(self) -> bool:
        """Whether it ended before its patience did: more epochs might have been better."""
        since = int(self.epochs.epochs[-1]) - (self.epochs.best_epoch or 0)
        return since < (self.patience or 1)

    @property
    def primary(self) -> str | None:
        """The primary modality in the weights that are kept; None without a gate."""
        if self.gate is None:
            return None
        return self.gate.primary_in(self.epochs.best_epoch or int(self.gate.epochs[-1]))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClaimRuns(Evidence):
    """All finished runs of the study.

    Attributes:
        plan: plan of the study.
    """

    plan: Plan

    @property
    def real(self) -> list[str]:
        """Data sets whose truth nobody knows."""
        return [data for data in self.plan.grid.data if self.plan.rate(data) is None]

    @property
    def rates(self) -> dict[str, float]:
        """The share of incongruent clips of each generated data set whose text carries, rising."""
        rates = {
            data: self.plan.rate(data)
            for data in self.plan.grid.data
            if self.plan.carrier(data) == TEXT
        }
        generated = {data: rate for data, rate in rates.items() if rate is not None}
        return dict(sorted(generated.items(), key=lambda item: item[1]))

    @property
    def carriers(self) -> dict[str, str]:
        """Data sets that differ in the modality that carries alone, with that modality.

        The headline's and those of its rate whose carrier is another one; none without a headline.
        """
        headline = self.plan.headline
        rate = self.plan.rate(headline) if headline else None
        carriers = {
            data: self.plan.carrier(data)
            for data in self.plan.grid.data
            if data == headline
            or (self.plan.carrier(data) not in (None, TEXT) and self.plan.rate(data) == rate)
        }
        return {data: name for data, name in carriers.items() if name is not None and rate}

    def lost(self, finding: Finding) -> str:
        """Which planned runs of a finding gave no result, in words; "" where all are there."""
        places = {
            (data, system): [
                seed
                for seed in self.plan.seeds(data, system)
                if seed not in self.by_seed(data, system)
            ]
            for data in finding.data
            for system in finding.systems
        }
        return "; ".join(
            f"no result of {system} on {data}, seed {', '.join(map(str, seeds))}"
            for (data, system), seeds in places.items()
            if seeds
        )


def gather(plan: Plan, cases: Sequence[Case], runs: Path, measuring: Measuring) -> ClaimRuns:
    """Read the runs that have finished; the others are left out.

    Raises:
        RunError: a file is damaged, with what to do.
    """
    by_system: dict[tuple[str, str], dict[int, ClaimRun]] = {}
    for case in cases:
        if finished(case, runs, measuring):
            run = _read_run(case, RunDirectory(runs / case.directory), measuring)
            by_system.setdefault((case.data, case.system), {})[run.seed] = run
    return claim_runs(plan, by_system)


def claim_runs(plan: Plan, runs: Mapping[tuple[str, str], Mapping[int, ClaimRun]]) -> ClaimRuns:
    """Put the runs of a plan together; on real data the seeds share their test clips."""
    shared = [data for data in plan.grid.data if plan.rate(data) is None]
    return ClaimRuns(plan=plan, runs=runs, shared_clips=shared)


def _read_run(case: Case, run: RunDirectory, measuring: Measuring) -> ClaimRun:
    facts, scores, epochs = run.environment(), run.scores(), run.epochs()
    return ClaimRun(
        seed=case.settings.seed,
        columns=measuring.read(run),
        valid_loss=float(np.nanmin(epochs.valid_loss)),
        constant_error=_mae(scores, Regression.constant_name),
        epochs=epochs,
        gate=run.gate(),
        parameters=facts.parameters,
        patience=case.settings.patience,
        ridge_error=_mae(scores, "ridge"),
        commit=facts.commit_name,
        place=str(case.directory),
    )


def _mae(scores: RunScores, system: str) -> float:
    return next((r.metrics.get("mae", np.nan) for r in scores.rows if r.system == system), np.nan)


def measure(model: Model, task: Task, clips: Sequence[Clip]) -> Columns:
    """Compute every measure of every clip; NaN where one does not apply.

    =====================  =========================================================================
    id, kind               name and kind of the clip; ``kind`` is "" where no truth is known
    incongruity            share of what is shown that is against what is meant, where known
    error                  how far the decision is from the label, on average over labels
    label, prediction      regression only
    flip                   1 where the sign is wrong, NaN for a label of 0; regression only
    disagreement           between predictions from single modalities; regression only
    gain_MODALITY          Shapley value of a modality in lowering the error, in the label's unit
    moved_MODALITY         Shapley value of a modality in the prediction; regression only
    before_M, after_M      latent incongruity of target M around self-attention, where it has two
                           views; ``before_primary`` where M is the only such target; NaN where M
                           itself is outvoted by the two that it sees
    auc_METHOD_M           localisation of the steps known to matter in modality M
    auc_METHOD_sources     the mean over the modalities that crossmodal attention attends to, if any
    points_METHOD_M        the pointing game there
    =====================  =========================================================================

    Args:
        model: a trained model.
        task: the task of its labels.
        clips: at least one clip, already normalised.
    """
    labels = labels_of(clips).astype(np.float64)
    columns: dict[str, np.ndarray] = {
        "id": np.array([clip.id for clip in clips], dtype=object),
        "kind": np.array([clip.truth.kind if clip.truth else "" for clip in clips], dtype=object),
        "incongruity": np.array(
            [clip.truth.incongruity if clip.truth else np.nan for clip in clips]
        ),
    }
    outputs = subset_outputs(model, clips)
    errors = {which: _errors(task, output, labels) for which, output in outputs.items()}
    columns["error"] = errors[frozenset(model.modalities)]
    for name, gain in contributions({which: -x[:, None] for which, x in errors.items()}).items():
        columns[f"gain_{name}"] = gain[:, 0]
    if isinstance(task, Regression):
        prediction = outputs[frozenset(model.modalities)][:, 0].astype(np.float64)
        columns |= {"label": labels[:, 0], "prediction": prediction}
        columns["flip"] = sign_flips(prediction, labels[:, 0])
        single = np.stack([outputs[frozenset([m])][:, 0] for m in model.modalities])
        columns["disagreement"] = disagreement(single).astype(np.float64)
        for name, moved in contributions(outputs).items():
            columns[f"moved_{name}"] = moved[:, 0].astype(np.float64)
    return columns | _latent(model, clips) | _localised(model, clips, METHODS)


def untrained(opened: OpenedRun) -> Model:
    """A model as a run began, but for the gate, which is the trained one.

    Its weights are drawn from the run's seed. It has the same primary modality.
    """
    seed_everything(opened.settings.seed)
    widths = {name: opened.model.widths[name] for name in opened.model.modalities}
    model = build(opened.settings, widths, opened.task.outputs)
    state = model.state_dict()
    trained = opened.model.state_dict()
    model.load_state_dict(
        {key: trained[key] if key.startswith("gate") else x for key, x in state.items()}
    )
    return model.eval()


def _errors(task: Task, outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.abs(task.decisions(outputs) - labels).mean(axis=1)


def _latent(model: Model, clips: Sequence[Clip]) -> dict[str, np.ndarray]:
    by_target = latent_incongruity(model, clips)
    columns: dict[str, np.ndarray] = {}
    for name, latent in by_target.items():
        outvoted = np.array([_is_outvoted(clip, name) for clip in clips])
        before, after = (np.where(outvoted, np.nan, x) for x in (latent.before, latent.after))
        for key in [name, "primary"] if len(by_target) == 1 else [name]:
            columns |= {f"before_{key}": before, f"after_{key}": after}
    return columns


def _is_outvoted(clip: Clip, modality: Modality) -> bool:
    """Whether two modalities agree against this one."""
    truth = clip.truth
    return truth is not None and truth.kind == OUTVOTED and modality not in truth.right


def _localised(
    model: Model, clips: Sequence[Clip], methods: Mapping[Method, int]
) -> dict[str, np.ndarray]:
    """How well the salience of each method finds the steps known to matter."""
    if not model.attention_paths() or any(clip.truth is None for clip in clips):
        return {}
    columns: dict[str, np.ndarray] = {}
    sources = {path.source for path in model.attention_paths() if path.stage == "crossmodal"}
    for method, most in methods.items():
        first = clips[:most]
        weights = saliences(model, first, method=method)
        rest = np.full(len(clips) - len(first), np.nan)
        for name in model.modalities:
            pairs = [
                (x[name], _salient(clip, name)) for clip, x in zip(first, weights, strict=True)
            ]
            for key, metric in (("auc", localisation), ("points", pointing)):
                # A modality that shows nothing has no step to find.
                values = np.array([metric(*pair) if pair[1] else np.nan for pair in pairs])
                columns[f"{key}_{method}_{name}"] = np.concatenate([values, rest])
        # What LMF-MulT attends to is fused from all, and has no steps of its own to find.
        if found := [columns[f"auc_{method}_{x}"] for x in model.modalities if x in sources]:
            columns[f"auc_{method}_sources"] = _mean_of_known(found)
    return columns


def _mean_of_known(columns: Sequence[np.ndarray]) -> np.ndarray:
    """The mean of what is known of each clip; NaN where nothing is."""
    known = np.ma.masked_invalid(np.array(columns))
    return np.ma.filled(known.mean(axis=0), np.nan)


def _salient(clip: Clip, modality: Modality) -> Sequence[int]:
    return clip.truth.salient.get(modality, ()) if clip.truth else ()
