"""Gaussian averages: the data model of in-context regression, by cubature and by sampling."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import dblquad

from derive.errors import ArgumentsError, ConditionError, DomainError
from derive.gaussian import (
    GaussianLaw,
    expectation,
    gaussian_average,
    gaussian_integral,
    gaussian_moment,
    pairings,
)
from derive.index_notation import Field, Space
from derive.index_tensor import delta, ones

d, l, rho, v_w, s = sp.symbols("d l rho v_w s", positive=True)  # noqa: E741
component, token = Space("component", d), Space("token", l)
a, b, c, e = component.indices("a b c e")
(i,) = token.indices("i")
x, w = Field("x", (token, component)), Field("w", (component,))
epsilon = Field("epsilon", (token,))
TOKENS, NOISE = GaussianLaw(x, 1 / d), GaussianLaw(epsilon, rho)
TASK = GaussianLaw(w, s)
norm = (w(c) * w(c)).sum(c)

y = (x(i, c) * w(c)).sum(c) + epsilon(i)
h1 = (y * x(i, a)).sum(i) * (d / l)
h2 = (y * y).sum(i) / l


def given_task(tensor):
    """Average over tokens and noise, |w|^2 written with the label variance v_w."""
    return expectation(tensor, TOKENS, NOISE).with_invariant(norm, d * (v_w - rho))


def test_moments_of_one_token():
    assert expectation(x(i, a) * x(i, b), TOKENS).equals(delta(a, b) * ones(i) / d)
    assert given_task(y * x(i, a)).equals(w(a) * ones(i) / d)
    square = given_task(y * y * x(i, a) * x(i, b))
    assert square.equals((delta(a, b) * (v_w / d) + w(a) * w(b) * (2 / d**2)) * ones(i))
    assert not square.equals((delta(a, b) * (v_w / d) + w(a) * w(b) / d**2) * ones(i))


def test_second_moment_of_the_context_statistics():
    other = h1.rename({a: b})
    assert given_task(h1).equals(w(a))
    assert given_task(h2).scalar() == v_w
    expected = delta(a, b) * (d / l * v_w) + w(a) * w(b) * (1 + 1 / l)
    assert given_task(h1 * other).equals(expected)
    assert given_task(h1 * h2).equals(w(a) * ((1 + 2 / l) * v_w))
    assert sp.cancel(given_task(h2 * h2).scalar() - (1 + 2 / l) * v_w**2) == 0


def test_average_over_gaussian_tasks():
    # w ~ N(0, s I): at s = 1 these are the exact finite-d moments of the ICL test task.
    second = expectation(expectation(h1 * h1.rename({a: b}), TOKENS, NOISE), TASK)
    assert second.equals(delta(a, b) * (d / l * (s + rho) + s * (1 + 1 / l)))
    last = expectation(expectation(h2 * h2, TOKENS, NOISE), TASK).scalar()
    assert sp.cancel(last - (1 + 2 / l) * ((s + rho) ** 2 + 2 * s**2 / d)) == 0


def test_feature_of_the_query_has_a_kronecker_covariance():
    query, (j,) = Space("query", sp.Integer(1)), Space("query", sp.Integer(1)).indices("j")
    x_query = Field("xq", (query, component))
    context = h1.rename({a: b})
    product = x_query(j, a) * context * x_query(j, c) * context.rename({b: e})
    law = GaussianLaw(x_query, 1 / d)
    covariance = expectation(expectation(product, law, TOKENS, NOISE).sum(j), TASK)
    level = d / l * (s + rho) + s * (1 + 1 / l)
    assert covariance.equals(delta(a, c) * delta(b, e) * (level / d))


def test_average_record_is_inspectable():
    record = gaussian_average(y * y, TOKENS, NOISE)
    assert record.before.equals(y * y)
    assert record.laws == (TOKENS, NOISE)
    assert record.pairings == 2  # (x.w)^2 and epsilon^2; the cross term has none


def test_averages_equal_the_mean_over_an_exact_cubature():
    # Gauss-Hermite with 5 nodes is exact to degree 9 in each variable: no sampling error.
    nodes, weights = np.polynomial.hermite_e.hermegauss(5)
    weights = weights / weights.sum()
    size, context, noise = 2, 1, 0.37
    task = np.array([1.3, -0.4])
    parameters = {d: size, l: context, rho: noise}
    before = h1 * h1.rename({a: b}) * h2
    total = np.zeros((size, size))
    for point in itertools.product(range(5), repeat=size * context + context):
        z = nodes[list(point)]
        arrays = {
            x: z[: size * context].reshape(context, size) / math.sqrt(size),
            epsilon: math.sqrt(noise) * z[size * context :],
            w: task,
        }
        total += np.prod(weights[list(point)]) * before.evaluate(arrays, parameters)
    after = expectation(before, TOKENS, NOISE).evaluate({w: task}, parameters)
    np.testing.assert_allclose(after, total, rtol=1e-12)


def test_averages_agree_with_sampling():
    rng = np.random.default_rng(5)
    size, context, noise, samples = 3, 4, 0.6, 40_000
    task = rng.normal(size=size)
    tokens = rng.normal(size=(samples, context, size)) / math.sqrt(size)
    labels = tokens @ task + math.sqrt(noise) * rng.normal(size=(samples, context))
    first = size / context * np.einsum("si,sia->sa", labels, tokens)
    last = (labels**2).mean(axis=1)
    drawn = np.einsum("sa,s,s->sa", first, last, last)
    tensor = h1 * h2 * h2
    value = expectation(tensor, TOKENS, NOISE).evaluate(
        {w: task}, {d: size, l: context, rho: noise}
    )
    z = (drawn.mean(axis=0) - value) / (drawn.std(axis=0) / math.sqrt(samples))
    assert np.abs(z).max() < 4


def test_correlated_fields_and_traces():
    sigma = Field("Sigma", (component, component), symmetric=True)
    law = GaussianLaw(x, s, (None, sigma))
    j, k = token.indices("j k")
    gram = (x(i, a) * x(i, b)).sum(i)
    square = (gram * gram.rename({a: b, b: c})).sum(b).rename({c: a}).sum(a)
    result = expectation(square, law)
    trace = sigma(a, a).sum(a)
    trace2 = (sigma(a, b) * sigma(a, b)).sum(a, b)
    assert result.equals(trace * trace * (s**2 * l) + trace2 * (s**2 * l * (l + 1)))
    # The same trace written with other summed indices, in another order, is the same tensor.
    again = (x(j, a) * x(k, a) * x(k, b) * x(j, b)).sum(j, k, a, b)
    assert square.equals(again)
    matrix = np.array([[2.0, 0.5], [0.5, 1.0]])
    value = result.evaluate({sigma: matrix}, {d: 2, l: 3, s: 0.7})
    root, rng = np.linalg.cholesky(matrix), np.random.default_rng(2)
    drawn = math.sqrt(0.7) * rng.normal(size=(60_000, 3, 2)) @ root.T
    powers = np.einsum("sia,sja->sij", drawn, drawn)
    samples = (powers**2).sum(axis=(1, 2))
    assert abs(samples.mean() - value) < 4 * samples.std() / math.sqrt(samples.size)


def test_odd_moments_vanish_and_pairings_count():
    assert not expectation(epsilon(i), NOISE).terms
    assert not expectation(x(i, a) * x(i, b) * x(i, c), TOKENS).terms
    assert [len(list(pairings(range(n)))) for n in (0, 2, 4, 6, 8)] == [1, 1, 3, 15, 105]
    assert list(pairings(range(3))) == []


@settings(max_examples=25, derandomize=True, deadline=None)
@given(
    powers=st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 2)),
    root=st.lists(st.integers(-2, 2), min_size=9, max_size=9),
    shift=st.tuples(st.integers(-2, 2), st.integers(-2, 2), st.integers(-2, 2)),
)
def test_scalar_moments_equal_hermite_cubature(powers, root, shift):
    variables = sp.symbols("u:3")
    factor = np.array(root).reshape(3, 3)
    covariance = factor @ factor.T
    table = {
        (variables[m], variables[n]): int(covariance[m, n]) for m in range(3) for n in range(m, 3)
    }
    monomial = sp.prod([u**p for u, p in zip(variables, powers, strict=True)])
    means = dict(zip(variables, shift, strict=True))
    value = gaussian_moment(monomial, table, means)
    nodes, weights = np.polynomial.hermite_e.hermegauss(6)
    grid = np.array(list(itertools.product(nodes, repeat=3)))
    mass = np.prod(list(itertools.product(weights / weights.sum(), repeat=3)), axis=1)
    points = grid @ factor.T + np.array(shift)
    total = float(mass @ np.prod(points ** np.array(powers), axis=1))
    assert float(value) == pytest.approx(total, rel=1e-9, abs=1e-7)


def test_gaussian_integral_is_the_completed_square():
    u, t = sp.symbols("u t", real=True)
    p, q, r, g, k = sp.symbols("p q r g k", positive=True)
    form = -(p + q) * u**2 / 2 - (p + r) * t**2 / 2 - p * u * t + g * u - k * t + 3
    record = gaussian_integral(form, [u, t])
    assert [sp.expand(m) for m in record.conditions] == [p + q, sp.expand(p * q + p * r + q * r)]
    point = {p: 0.5, q: 0.8, r: 1.1, g: 0.3, k: 0.7}
    value, _ = dblquad(
        lambda tt, uu: math.exp(
            -1.3 * uu**2 / 2 - 1.6 * tt**2 / 2 - 0.5 * uu * tt + 0.3 * uu - 0.7 * tt + 3
        ),
        -9,
        9,
        -9,
        9,
    )
    assert float(record.value.subs(point)) == pytest.approx(value, rel=1e-9)
    assert sp.simplify(record.mean[0] - sp.diff(sp.log(record.value), g)) == 0


def test_latex_writes_every_sum():
    second = given_task(h1 * h1.rename({a: b}))
    assert sp.latex(second) == second.latex()
    assert second.latex() == r"\frac{d v_{w}}{l} \delta_{a b} + \frac{l + 1}{l} w_{a} w_{b}"
    assert norm.latex() == r"\sum_{c} w_{c} w_{c}"
    query = Field("x_query", (component,))
    assert query(a).latex() == "{x_{query}}_{a}"


def test_refusals():
    z = sp.Symbol("z", real=True)
    with pytest.raises(ConditionError, match="diverges"):
        gaussian_integral(z**2, [z])
    with pytest.raises(ArgumentsError, match="quadratic"):
        gaussian_integral(-(z**4), [z])
    with pytest.raises(ArgumentsError, match="polynomial"):
        gaussian_moment(sp.exp(z), {z: 1})
    with pytest.raises(ArgumentsError, match="floating-point"):
        gaussian_moment(sp.Float(0.5) * z**2, {z: 1})
    with pytest.raises(DomainError, match="negative"):
        GaussianLaw(x, sp.Integer(-1))
    with pytest.raises(ArgumentsError, match="not a number"):
        x(i, a) * object()
    with pytest.raises(ArgumentsError, match="free indices"):
        x(i, a) + w(a)
    with pytest.raises(ArgumentsError, match="not a free index"):
        w(a).sum(b)
    with pytest.raises(ArgumentsError, match="two laws"):
        expectation(x(i, a), TOKENS, TOKENS)
    with pytest.raises(ArgumentsError, match="lives on"):
        w(i)
    with pytest.raises(ArgumentsError, match="compares two values"):
        delta(a, i)
    with pytest.raises(ArgumentsError, match="remain"):
        w(a).scalar()
    with pytest.raises(ArgumentsError, match="symmetric"):
        GaussianLaw(x, s, (None, Field("A", (component, component))))
    with pytest.raises(ArgumentsError, match="connected"):
        norm.with_invariant(norm * norm, d)
    # A decimal number is the rational it prints as.
    assert (w(a) * Fraction(1, 3)).equals(w(a) / 3)
    assert (w(a) * 0.1).equals(w(a) / 10)


U, W = sp.symbols("u w")


@pytest.mark.parametrize(
    ("covariance", "match"),
    [
        ({(U, U): 1, (W, W): 1, (U, W): 2}, "negative eigenvalue"),
        ({(U, U): -1}, "variance of u is -1"),
        ({(U, U): 1, (U, W): sp.Rational(1, 2)}, "w has a covariance and no variance"),
    ],
)
def test_covariances_of_no_gaussian_are_refused(covariance, match):
    with pytest.raises(DomainError, match=match):
        gaussian_moment(U**2 * W**2, covariance)
    assert gaussian_moment(U**2 * W**2, {(U, U): 1, (W, W): 4, (U, W): 2}) == 12
