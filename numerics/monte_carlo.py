r"""Finite-size simulations of in-context linear regression and of its Bayes estimators.

Ratios are rounded to whole numbers of tokens, tasks and prompts, and every result carries the
ratios it really had: :math:`\alpha = l/d`, :math:`\kappa = k/d`, :math:`\tau = n/d^2`.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from numerics.bayes_estimators import discrete_bayes_errors, ridge_bayes_errors
from numerics.errors import DomainError
from numerics.khatri_rao import KhatriRaoFeatures
from numerics.population import new_task_moments, training_task_moments
from numerics.prompts import sample_fresh_prompts, sample_prompts
from numerics.ridge import ridge_estimator
from numerics.sampling import (
    FloatArray,
    TaskLaw,
    balanced_assignment,
    check_counts,
    check_noise,
    check_task_law,
    covariance_root,
    draw_tasks,
    uniform_assignment,
)
from numerics.simulation import (
    Estimate,
    Progress,
    SeedOutcome,
    SimulationResult,
    Workers,
    run_over_seeds,
    worker_processes,
)


def realised_count(name: str, ratio: float, scale: int, power: int = 1) -> int:
    r"""Round a ratio times a power of the dimension to a whole number of things.

    Parameters
    ----------
    name : str
        The letter of the ratio, for the error.
    ratio : float
        ``tau``, ``alpha`` or ``kappa``, above 0 and finite.
    scale : int
        Dimension ``d``.
    power : int
        1 for :math:`l, k`; 2 for :math:`n = \tau d^2`.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    DomainError
        If the ratio is not positive and finite, or rounds to nothing, or the dimension is below 1.

    Examples
    --------
    >>> realised_count("tau", 1.5, 10, 2)
    150
    """
    call = f"realised_count({name!r}, {ratio!r}, {scale!r}, {power!r})"
    if not (math.isfinite(ratio) and ratio > 0):
        raise DomainError(
            call,
            f"{name} = {ratio!r} is outside {name} > 0",
            "it is a ratio of counts",
            f"write {name}=1.0",
        )
    if scale < 1:
        raise DomainError(
            call,
            f"the dimension {scale!r} is below 1",
            "a matrix has so many rows",
            "size=64",
        )
    count = round(ratio * scale**power)
    if count < 1:
        raise DomainError(
            call,
            f"{name} = {ratio!r} leaves nothing at dimension {scale}",
            f"{name} * {scale}**{power} = {ratio * scale**power:.3g} rounds to 0",
            f"write {name}={1 / scale**power:.3g} or more",
        )
    return count


def _in_context_seed(
    child: np.random.SeedSequence,
    *,
    d: int,
    length: int,
    k: int | None,
    n: int,
    rho: float,
    lam: float,
    tasks: TaskLaw,
    balanced: bool,
    training_covariance: FloatArray | None,
    test_covariance: FloatArray | None,
    test_length: int,
    test_rho: float,
) -> SeedOutcome:
    # one stream for each part, so that changing one part leaves the others' numbers alone
    task_stream, use_stream, prompt_stream = child.spawn(3)
    if k is None:
        prompts = sample_fresh_prompts(
            n, d, length, rho, prompt_stream, law=tasks, covariance=training_covariance
        )
        known = new_task_moments(d, length, rho, law=tasks, covariance=training_covariance)
    else:
        drawn = draw_tasks(k, d, task_stream, law=tasks, covariance=training_covariance)
        assign = balanced_assignment if balanced else uniform_assignment
        prompts = sample_prompts(drawn, assign(n, k, use_stream), length, rho, prompt_stream)
        known = training_task_moments(drawn, length, rho)
    new = new_task_moments(d, test_length, test_rho, law=tasks, covariance=test_covariance)
    features = KhatriRaoFeatures(prompts.queries, prompts.contexts)
    solution = ridge_estimator(features, prompts.labels, lam)
    if solution.report.converged:
        icl, idg = new.error(solution.gamma), known.error(solution.gamma)
    else:
        icl = idg = math.nan
    return SeedOutcome({"icl": icl, "idg": idg, "g_task": icl - idg}, solution.report)


def in_context_errors(
    d: int,
    tau: float,
    alpha: float,
    kappa: float,
    rho: float,
    lam: float,
    *,
    seeds: int = 8,
    seed: int = 0,
    tasks: TaskLaw = "gaussian",
    balanced: bool = False,
    training_covariance: FloatArray | None = None,
    test_covariance: FloatArray | None = None,
    test_alpha: float | None = None,
    test_rho: float | None = None,
    workers: Workers = 1,
    progress: Progress | None = None,
) -> SimulationResult:
    r"""Simulate the test errors of linear attention pretrained by ridge regression.

    Each seed draws tasks and prompts, solves for :math:`\hat\Gamma`, and averages the squared
    error over tests by exact formulas, so the spread over seeds is that of the training set alone.

    Parameters
    ----------
    d : int
        Token dimension.
    tau, alpha : float
        :math:`n/d^2` and :math:`l/d`, above 0.
    kappa : float
        :math:`k/d`, above 0; ``inf`` gives every prompt a task of its own.
    rho, lam : float
        Label-noise variance and ridge, at least 0.
    seeds, seed : int
        Number of seeds, and the seed of the whole run.
    tasks : {"gaussian", "spherical"}
        Law of the tasks.
    balanced : bool
        Use each task equally often (up to one) rather than let prompts pick at random.
    training_covariance, test_covariance : ndarray, optional
        Second moment of pretraining and of new tasks: eigenvalues (d,) or a matrix (d, d).
    test_alpha, test_rho : float, optional
        Context length and noise of the test on new tasks; those of training if absent.
    workers : int or pool of worker_processes
        Processes; the numbers do not depend on them.
    progress : callable, optional
        Called as ``progress(done, seeds)``.

    Returns
    -------
    SimulationResult
        Quantities ``icl`` (new tasks), ``idg`` (pretraining tasks; for ``kappa = inf`` a fresh
        task of the training law) and ``g_task = icl - idg``, at the realised ratios.

    Raises
    ------
    ArgumentsError, DomainError
        For arguments outside these ranges, or ratios that round to nothing.

    Validity
    --------
    Exact at finite size; the distance to the limit is of order ``1/d`` and not small (5 to 10
    per cent at ``d = 64``): compare with :func:`numerics.extrapolation.compare` over several
    sizes.

    References
    ----------
    arXiv:2405.11751, sections "Model" and "Results"; defaults differ from the authors' numerics,
    which are ``tasks="spherical", balanced=True``.

    Examples
    --------
    >>> result = in_context_errors(12, 2.0, 1.0, 0.5, 0.1, 0.1, seeds=4)
    >>> result.counts["n"], result.parameters["kappa"], result.reports[0].converged
    (288, 0.5, True)
    """
    call = f"in_context_errors({d!r}, {tau!r}, {alpha!r}, {kappa!r}, {rho!r}, {lam!r})"
    check_counts(call, d=d)
    check_task_law(tasks)
    length, n = realised_count("alpha", alpha, d), realised_count("tau", tau, d, 2)
    k = None if kappa == math.inf else realised_count("kappa", kappa, d)
    test_length = length if test_alpha is None else realised_count("test_alpha", test_alpha, d)
    noise = rho if test_rho is None else test_rho
    check_noise(call, rho)
    check_noise(call, noise)
    if not (math.isfinite(lam) and lam >= 0):
        raise DomainError(
            call,
            f"lam = {lam!r} is outside lam >= 0",
            "a negative ridge has no minimum",
            "write lam=0.1",
        )
    for covariance in (training_covariance, test_covariance):
        covariance_root(covariance, d)
    one_seed = partial(
        _in_context_seed,
        d=d,
        length=length,
        k=k,
        n=n,
        rho=rho,
        lam=lam,
        tasks=tasks,
        balanced=balanced,
        training_covariance=training_covariance,
        test_covariance=test_covariance,
        test_length=test_length,
        test_rho=noise,
    )
    parameters = {
        "tau": n / d**2,
        "alpha": length / d,
        "kappa": math.inf if k is None else k / d,
        "rho": float(rho),
        "lam": float(lam),
    }
    counts = {"l": length, "n": n} if k is None else {"l": length, "k": k, "n": n}
    if test_alpha is not None:
        parameters["alpha_te"], counts["l_te"] = test_length / d, test_length
    if test_rho is not None:
        parameters["rho_te"] = float(test_rho)
    outcomes = run_over_seeds(
        one_seed, seeds=seeds, seed=seed, size=d, workers=workers, progress=progress
    )
    return _record(f"in-context errors, {tasks} tasks", d, parameters, counts, outcomes, seed)


def _record(
    name: str,
    size: int,
    parameters: dict[str, float],
    counts: dict[str, int],
    outcomes: list[SeedOutcome],
    seed: int,
) -> SimulationResult:
    per_seed = {
        quantity: np.array([outcome.values[quantity] for outcome in outcomes])
        for quantity in outcomes[0].values
    }
    reports = tuple(outcome.report for outcome in outcomes if outcome.report is not None)
    return SimulationResult(name, size, parameters, counts, per_seed, seed, reports)


def _ridge_bayes_seed(
    child: np.random.SeedSequence, *, d: int, length: int, rho: float, trials: int
) -> SeedOutcome:
    return SeedOutcome({"ridge": float(ridge_bayes_errors(trials, d, length, rho, child).mean())})


def ridge_bayes(
    d: int,
    alpha: float,
    rho: float,
    *,
    trials: int = 100,
    seeds: int = 8,
    seed: int = 0,
    workers: Workers = 1,
    progress: Progress | None = None,
) -> SimulationResult:
    r"""Simulate the Bayes error for Gaussian tasks: ridge regression on the context itself.

    Parameters
    ----------
    d : int
        Token dimension.
    alpha, rho : float
        :math:`l/d` above 0 and label-noise variance at least 0.
    trials : int
        Contexts per seed.
    seeds, seed, workers, progress
        As in :func:`in_context_errors`.

    Returns
    -------
    SimulationResult
        Quantity ``ridge``, the same for new and for pretraining tasks.

    Raises
    ------
    DomainError
        For arguments outside these ranges.

    References
    ----------
    arXiv:2405.11751, section on the Bayes-optimal ridge estimator.

    Examples
    --------
    >>> ridge_bayes(32, 2.0, 0.1, seeds=4).quantities
    ('ridge',)
    """
    check_counts(f"ridge_bayes({d!r}, {alpha!r}, {rho!r})", d=d, trials=trials)
    check_noise(f"ridge_bayes({d!r}, {alpha!r}, {rho!r})", rho)
    length = realised_count("alpha", alpha, d)
    one_seed = partial(_ridge_bayes_seed, d=d, length=length, rho=rho, trials=trials)
    outcomes = run_over_seeds(
        one_seed, seeds=seeds, seed=seed, size=d, workers=workers, progress=progress
    )
    parameters = {"alpha": length / d, "rho": float(rho)}
    return _record("Bayes ridge error", d, parameters, {"l": length}, outcomes, seed)


def _discrete_bayes_seed(
    child: np.random.SeedSequence,
    *,
    d: int,
    length: int,
    k: int,
    rho: float,
    trials: int,
    tasks: TaskLaw,
) -> SeedOutcome:
    task_stream, truth_stream, use_stream, context_stream = child.spawn(4)
    known = draw_tasks(k, d, task_stream, law=tasks)
    new = draw_tasks(trials, d, truth_stream, law=tasks)
    truths = uniform_assignment(trials, k, use_stream)
    icl, idg = (
        float(errors.mean())
        for errors in discrete_bayes_errors(known, new, truths, length, rho, context_stream)
    )
    return SeedOutcome({"icl": icl, "idg": idg, "g_task": icl - idg})


def discrete_bayes(
    d: int,
    alpha: float,
    kappa: float,
    rho: float,
    *,
    trials: int = 100,
    seeds: int = 10,
    seed: int = 0,
    tasks: TaskLaw = "gaussian",
    workers: Workers = 1,
    progress: Progress | None = None,
) -> SimulationResult:
    r"""Simulate the dMMSE estimator, Bayes-optimal for the finite list of pretraining tasks.

    Parameters
    ----------
    d : int
        Token dimension.
    alpha, kappa, rho : float
        :math:`l/d`, :math:`k/d` and label-noise variance, above 0.
    trials : int
        Contexts per seed; the list of tasks is drawn once a seed.
    seeds, seed, workers, progress
        As in :func:`in_context_errors`.
    tasks : {"gaussian", "spherical"}
        Law of the pretraining and of the new tasks.

    Returns
    -------
    SimulationResult
        Quantities ``icl``, ``idg`` and ``g_task``.

    Raises
    ------
    ArgumentsError, DomainError
        For arguments outside these ranges.

    Validity
    --------
    At fixed ``kappa`` the limit is ``idg -> rho``, ``icl -> rho + 2``, but the deficit of ``icl``
    is about :math:`2\sqrt{\log k/d}` from ``d = 32`` to ``512``: do not extrapolate in ``1/d``.

    References
    ----------
    arXiv:2405.11751, section on the dMMSE estimator; A. Raventos et al., arXiv:2306.15063.

    Examples
    --------
    >>> discrete_bayes(16, 2.0, 2.0, 0.1, trials=20, seeds=4).quantities
    ('icl', 'idg', 'g_task')
    """
    call = f"discrete_bayes({d!r}, {alpha!r}, {kappa!r}, {rho!r})"
    check_counts(call, d=d, trials=trials)
    check_noise(call, rho)
    check_task_law(tasks)
    length, k = realised_count("alpha", alpha, d), realised_count("kappa", kappa, d)
    one_seed = partial(
        _discrete_bayes_seed, d=d, length=length, k=k, rho=rho, trials=trials, tasks=tasks
    )
    outcomes = run_over_seeds(
        one_seed, seeds=seeds, seed=seed, size=d, workers=workers, progress=progress
    )
    parameters = {"alpha": length / d, "kappa": k / d, "rho": float(rho)}
    counts = {"l": length, "k": k}
    return _record(f"dMMSE errors, {tasks} tasks", d, parameters, counts, outcomes, seed)


__all__ = [
    "Estimate",
    "SeedOutcome",
    "SimulationResult",
    "discrete_bayes",
    "in_context_errors",
    "realised_count",
    "ridge_bayes",
    "run_over_seeds",
    "worker_processes",
]
