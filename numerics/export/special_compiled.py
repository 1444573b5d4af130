"""Special functions for C and Julia, which have them in no library that everyone has.

The sum over a power law is that of :mod:`numerics.power_law_series`, zeta an Euler-Maclaurin sum
over twelve terms, gamma Stirling's series.
"""

from __future__ import annotations

C99 = {
    "zeta": """\
static double special_zeta(double s) {
    static const double b[8] = {1.0 / 12.0, -1.0 / 720.0, 1.0 / 30240.0, -1.0 / 1209600.0,
                                1.0 / 47900160.0, -691.0 / 1307674368000.0, 1.0 / 74724249600.0,
                                -3617.0 / 10670622842880000.0};
    if (!(s >= 0.0)) return NAN;
    double total = 0.0;
    for (int n = 1; n < 12; n++) total += pow(n, -s);
    const double last = pow(12.0, -s);
    total += last * 12.0 / (s - 1.0) + 0.5 * last;
    double factor = s * last / 12.0;
    for (int k = 0; k < 8; k++) {
        total += b[k] * factor;
        factor *= (s + 2.0 * k + 1.0) * (s + 2.0 * k + 2.0) / 144.0;
    }
    return s == INFINITY ? 1.0 : total;
}
""",
    "power_law_sum": """\
/* Integral of v^(a-1) (1 + u v)^-m from 0 to 1, as a series of positive terms. */
static double special_near(double a, double m, double u) {
    const double w = u / (1.0 + u);
    double term = 1.0, total = 1.0;
    for (int j = 0; j < 20000; j++) {
        const double ratio = w * (m + j) / (a + 1.0 + j);
        term *= ratio;
        total += term;
        if (ratio < 1.0) {
            double rest = m <= a ? 1.0 + u : 1.0 / (1.0 - ratio);
            if (a > m + 1.0 && (a + j + 1.0) / (a - m) < rest) rest = (a + j + 1.0) / (a - m);
            if (term * rest < 1e-17 * total) return total * pow(1.0 + u, -m) / a;
        }
    }
    return NAN;
}

/* The same from cut/u to 1, as powers of 1/(1 + u v). */
static double special_far(double a, double m, double u, double cut) {
    const double length = log((1.0 + u) / (1.0 + cut));
    double near = pow(u / (1.0 + u), -a) * pow(1.0 + u, -m);
    double far = pow(u, -a) * pow(1.0 + cut, a - m);
    double coefficient = 1.0, total = 0.0;
    for (int j = 0; j < 400; j++) {
        const double s = m - a + j, y = fabs(s) * length;
        const double mean = y > 0.0 ? -expm1(-y) / y : 1.0;
        const double part = coefficient * (s < 0.0 ? near : far) * length * mean;
        total += part;
        coefficient *= (j + 1.0 - a) / (j + 1.0);
        near /= 1.0 + u;
        far /= 1.0 + cut;
        if (coefficient == 0.0 || (j > a && s > 0.0 && fabs(part) < 1e-17 * fabs(total)))
            return total;
    }
    return NAN;
}

/* Half a mode and ten Euler-Maclaurin corrections, from Taylor coefficients g. */
static double special_corrections(double p, double q, double m, double u, double first) {
    static const double b[10] = {1.0 / 12.0, -1.0 / 120.0, 1.0 / 252.0, -1.0 / 240.0, 1.0 / 132.0,
                                 -691.0 / 32760.0, 1.0 / 12.0, -3617.0 / 8160.0,
                                 43867.0 / 14364.0, -174611.0 / 6600.0};
    const double w = u / (1.0 + u);
    double mode[20], slope[20], g[20], one = (q * m - p) * w, two = w;
    for (int n = 1; n < 20; n++) {
        one *= (1.0 - n - q) / n;
        two *= (2.0 - n - q) / n;
        mode[n] = one;
        slope[n] = two;
    }
    mode[0] = q * m * w - p;
    slope[1] = 1.0 - q * w;
    g[0] = 1.0;
    for (int n = 0; n < 19; n++) {
        double sum = 0.0;
        for (int i = 0; i <= n; i++) sum += (mode[n - i] - i * slope[n + 1 - i]) * g[i];
        g[n + 1] = sum / (n + 1.0);
    }
    double total = 0.5, scale = 1.0 / first;
    for (int j = 0; j < 10; j++) {
        total -= b[j] * g[2 * j + 1] * scale;
        scale /= first * first;
    }
    return total;
}

/* Sum of k^-p (1 + x k^-q)^-m over all k >= 1. */
static double special_power_law_sum(double p, double q, double m, double x) {
    if (!(p > 1.0 && q > 0.0 && m > 0.0 && x >= 0.0 && x < INFINITY && p + q + m < INFINITY))
        return NAN;
    const double pi = 3.141592653589793;
    double power = fabs(q * m - p) > p ? fabs(q * m - p) : p;
    power = m > power ? m : power;
    double first = (60.0 + 4.0 * power) / (2.0 * pi);
    if (q > 2.0 && x > 0.0) { /* far from the zeros of 1 + x k^-q */
        const double height = exp(log(x) / q), side = height * sin(pi / q);
        const double beyond = height * cos(pi / q) + sqrt(first * first - side * side);
        if (side < first && beyond > first) first = beyond;
    }
    if (!(first < 4096.0)) return NAN;
    first = floor(first) + 1.0;
    const double u = x * pow(first, -q), a = (p - 1.0) / q;
    const double cut = a < 1.0 ? 1.0 : (a < 100.0 ? a : 100.0);
    const double integral = u <= 2.0 * cut || a >= 100.0 ? special_near(a, m, u)
        : pow(u / cut, -a) * special_near(a, m, cut) + special_far(a, m, u, cut);
    const double corner = pow(1.0 + u, -m) * special_corrections(p, q, m, u, first);
    double total = 0.0;
    for (double k = first - 1.0; k >= 1.0; k--) total += pow(k, -p) * pow(1.0 + x * pow(k, -q), -m);
    return total + pow(first, -p) * (first / q * integral + corner);
}
""",
}

JULIA = {
    "gamma": """\
# Stirling's series from 10 on, and ten steps down to smaller numbers.
function special_gamma(x)
    x > 171.7 && return Inf
    (isnan(x) || (x <= 0 && floor(x) == x)) && return NaN
    x < 0.5 && return pi / (sin(pi * x) * special_gamma(1.0 - x))
    y = x < 10.0 ? x + 10.0 : x
    total, power = 0.0, 1.0 / y
    for b in (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
        total += b * power
        power /= y * y
    end
    half = y^(0.5 * y - 0.25) * exp(-0.5 * y)
    found = 2.5066282746310002 * half * exp(total) * half
    x < 10.0 || return found
    product = 1.0
    for k in 0:9
        product *= x + k
    end
    lost = x - (y - 10.0)  # by rounding y
    return found * (1.0 + lost * log(y)) / product
end
""",
    "zeta": """\
function special_zeta(s)
    s >= 0 || return NaN
    s == Inf && return 1.0
    total = 0.0
    for n in 1:11
        total += Float64(n)^(-s)
    end
    last = 12.0^(-s)
    total += last * 12.0 / (s - 1.0) + 0.5 * last
    factor = s * last / 12.0
    for (k, b) in enumerate((1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160,
            -691 / 1307674368000, 1 / 74724249600, -3617 / 10670622842880000))
        total += b * factor
        factor *= (s + 2k - 1) * (s + 2k) / 144.0
    end
    return total
end
""",
    "power_law_sum": """\
# Integral of v^(a-1) (1 + u v)^-m from 0 to 1, as a series of positive terms.
function special_near(a, m, u)
    w = u / (1.0 + u)
    term, total = 1.0, 1.0
    for j in 0:19999
        ratio = w * (m + j) / (a + 1.0 + j)
        term *= ratio
        total += term
        if ratio < 1.0
            rest = m <= a ? 1.0 + u : 1.0 / (1.0 - ratio)
            a > m + 1.0 && (rest = min(rest, (a + j + 1.0) / (a - m)))
            term * rest < 1e-17 * total && return total * (1.0 + u)^(-m) / a
        end
    end
    return NaN
end

# The same from cut/u to 1, as powers of 1/(1 + u v).
function special_far(a, m, u, cut)
    length = log((1.0 + u) / (1.0 + cut))
    near = (u / (1.0 + u))^(-a) * (1.0 + u)^(-m)
    far = u^(-a) * (1.0 + cut)^(a - m)
    coefficient, total = 1.0, 0.0
    for j in 0:399
        s = m - a + j
        y = abs(s) * length
        mean = y > 0.0 ? -expm1(-y) / y : 1.0
        part = coefficient * (s < 0.0 ? near : far) * length * mean
        total += part
        coefficient *= (j + 1.0 - a) / (j + 1.0)
        near /= 1.0 + u
        far /= 1.0 + cut
        if coefficient == 0.0 || (j > a && s > 0.0 && abs(part) < 1e-17 * abs(total))
            return total
        end
    end
    return NaN
end

# Half a mode and ten Euler-Maclaurin corrections, from Taylor coefficients g.
function special_corrections(p, q, m, u, first)
    w = u / (1.0 + u)
    mode, slope, g = zeros(20), zeros(20), zeros(20)
    one, two = (q * m - p) * w, w
    for n in 1:19
        one *= (1.0 - n - q) / n
        two *= (2.0 - n - q) / n
        mode[n + 1], slope[n + 1] = one, two
    end
    mode[1], slope[2], g[1] = q * m * w - p, 1.0 - q * w, 1.0
    for n in 0:18
        sum = 0.0
        for i in 0:n
            sum += (mode[n - i + 1] - i * slope[n - i + 2]) * g[i + 1]
        end
        g[n + 2] = sum / (n + 1.0)
    end
    total, scale = 0.5, 1.0 / first
    for (j, b) in enumerate((1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12,
            -3617 / 8160, 43867 / 14364, -174611 / 6600))
        total -= b * g[2j] * scale
        scale /= first * first
    end
    return total
end

# Sum of k^-p (1 + x k^-q)^-m over all k >= 1.
function special_power_law_sum(p, q, m, x)
    (p > 1 && q > 0 && m > 0 && 0 <= x < Inf && p + q + m < Inf) || return NaN
    first = (60.0 + 4.0 * max(p, abs(q * m - p), m)) / (2.0 * pi)
    if q > 2.0 && x > 0.0  # far from the zeros of 1 + x k^-q
        height = exp(log(x) / q)
        side = height * sin(pi / q)
        if side < first
            first = max(first, height * cos(pi / q) + sqrt(first * first - side * side))
        end
    end
    first < 4096.0 || return NaN
    first = floor(first) + 1.0
    u, a = x * first^(-q), (p - 1.0) / q
    cut = clamp(a, 1.0, 100.0)
    if u <= 2.0 * cut || a >= 100.0
        integral = special_near(a, m, u)
    else
        integral = (u / cut)^(-a) * special_near(a, m, cut) + special_far(a, m, u, cut)
    end
    corner = (1.0 + u)^(-m) * special_corrections(p, q, m, u, first)
    total = 0.0
    for n in Int(first) - 1:-1:1
        k = Float64(n)
        total += k^(-p) * (1.0 + x * k^(-q))^(-m)
    end
    return total + first^(-p) * (first / q * integral + corner)
end
""",
}
