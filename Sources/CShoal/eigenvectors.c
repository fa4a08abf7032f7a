// The leading eigenvectors of a symmetric matrix: Householder's tridiagonal form, bisection, inverse iteration. See Golub
// and Van Loan, Matrix Computations, chapter 8.
#include "shoal_spectral.h"
#include "spectral_vectors.inc"

#include <float.h>
#include <math.h>
#include <string.h>

// a -= x y' + y x' for one row of a; returns its product with u. One pass through the matrix serves both.
SHOAL_CLONES
static double update_row(double *a, const double *x, const double *y, double own_x, double own_y, const double *u,
                         int64_t count) {
  lanes sums = {0};
  for (int64_t j = 0; j < count; j += LANES) {
    lanes row = *(const lanes *)(a + j);
    row -= own_x * *(const lanes *)(y + j) + own_y * *(const lanes *)(x + j);
    *(lanes *)(a + j) = row;
    sums += row * *(const lanes *)(u + j);
  }
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

// a becomes Q T Q' with T tridiagonal: diagonal d, e beside it. Row k of a keeps the vector of reflection k from column
// k + 1 on, and factors[k] its factor.
static void tridiagonalize(double *a, int64_t row, int64_t n, double *d, double *e, double *factors, double *x, double *y,
                           double *u) {
  memset(x, 0, (size_t)row * sizeof(double));
  memset(y, 0, (size_t)row * sizeof(double));
  memset(u, 0, (size_t)row * sizeof(double));
  for (int64_t k = 0; k < n; k++) {
    double *own = a + k * row;
    const int64_t first = k / LANES * LANES, count = row - first;
    update_row(own + first, x + first, y + first, x[k], y[k], u + first, count);
    d[k] = own[k];
    if (k == n - 1) break;
    memset(u + first, 0, (size_t)(k + 1 - first) * sizeof(double));
    memcpy(u + k + 1, own + k + 1, (size_t)(row - k - 1) * sizeof(double));
    const double head = u[k + 1];
    u[k + 1] = 0;
    const double below = dot(u + first, u + first, count);
    factors[k] = 0;
    e[k] = head;
    if (below > 0) {
      e[k] = -copysign(sqrt(head * head + below), head);
      u[k + 1] = head - e[k];
      factors[k] = 2 / (u[k + 1] * u[k + 1] + below);
    }
    // The step before changes the rest, and this step's reflection is multiplied by what results.
    memcpy(own + k + 1, u + k + 1, (size_t)(row - k - 1) * sizeof(double));
    double half = 0;
    for (int64_t i = k + 1; i < n; i++) {
      // x[i] and y[i] are of no use after their row.
      const double sum =
          factors[k] * update_row(a + i * row + first, x + first, y + first, x[i], y[i], u + first, count);
      // Room for the products until e gets there.
      e[i] = sum;
      half += sum * u[i];
    }
    half *= factors[k] / 2;
    memset(x + first, 0, (size_t)(k + 1 - first) * sizeof(double));
    memset(y + first, 0, (size_t)(k + 1 - first) * sizeof(double));
    for (int64_t i = k + 1; i < n; i++) {
      x[i] = factors[k] == 0 ? 0 : u[i];
      y[i] = factors[k] == 0 ? 0 : e[i] - half * u[i];
    }
  }
}

// How many eigenvalues of T are below x (Sturm's sequence).
static int64_t count_below(const double *d, const double *squares, int64_t n, double x, double tiny) {
  int64_t count = 0;
  double pivot = d[0] - x;
  for (int64_t i = 0;; i++) {
    if (fabs(pivot) < tiny) pivot = -tiny;
    count += pivot < 0;
    if (i == n - 1) return count;
    pivot = d[i + 1] - x - squares[i] / pivot;
  }
}

// Solves (T - shift) x = x by Gaussian elimination with row exchanges; pivots below `tiny` are replaced.
static void solve(double *x, const double *d, const double *e, int64_t n, double shift, double tiny, double *pivots,
                  double *beside, double *second) {
  double pivot = d[0] - shift, next = n > 1 ? e[0] : 0;
  for (int64_t i = 0; i < n - 1; i++) {
    const double below = e[i], diagonal = d[i + 1] - shift, right = i + 2 < n ? e[i + 1] : 0;
    if (fabs(pivot) >= fabs(below)) {
      if (fabs(pivot) < tiny) pivot = copysign(tiny, pivot);
      const double factor = below / pivot;
      pivots[i] = pivot, beside[i] = next, second[i] = 0;
      pivot = diagonal - factor * next, next = right;
      x[i + 1] -= factor * x[i];
    } else {
      const double factor = pivot / below, upper = x[i];
      pivots[i] = below, beside[i] = diagonal, second[i] = right;
      pivot = next - factor * diagonal, next = -factor * right;
      x[i] = x[i + 1];
      x[i + 1] = upper - factor * x[i];
    }
  }
  pivots[n - 1] = fabs(pivot) < tiny ? copysign(tiny, pivot) : pivot;
  for (int64_t i = n - 1; i >= 0; i--) {
    if (i < n - 1) x[i] -= beside[i] * x[i + 1];
    if (i < n - 2) x[i] -= second[i] * x[i + 2];
    x[i] /= pivots[i];
  }
}

static void normalize(double *x, int64_t row, int64_t n) {
  double largest = 0;
  for (int64_t i = 0; i < n; i++) largest = fmax(largest, fabs(x[i]));
  if (!(largest > 0)) return;
  for (int64_t i = 0; i < n; i++) x[i] /= largest;
  const double norm = sqrt(dot(x, x, row));
  for (int64_t i = 0; i < n; i++) x[i] /= norm;
}

// A number in -1..1 that depends on its place (SplitMix64).
static double scattered(uint64_t place) {
  uint64_t z = (place + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return (double)(int64_t)(z ^ z >> 31) * 0x1p-63;
}

void shoal_spectral_eigenvectors(double *values, double *vectors, double *a, int64_t row, int64_t n, int64_t count,
                                 double *scratch) {
  double *d = scratch, *e = d + row, *factors = e + row, *squares = factors + row, *work = squares + row;
  tridiagonalize(a, row, n, d, e, factors, work, work + row, work + 2 * row);
  double norm = 0;
  for (int64_t i = 0; i < n; i++)
    norm = fmax(norm, fabs(d[i]) + (i > 0 ? fabs(e[i - 1]) : 0) + (i < n - 1 ? fabs(e[i]) : 0));
  for (int64_t i = 0; i < n - 1; i++) squares[i] = e[i] * e[i];
  const double tiny = fmax(norm * DBL_EPSILON, DBL_MIN);
  double shift = INFINITY;
  for (int64_t j = 0; j < count; j++) {
    double low = -norm - tiny, high = norm + tiny;
    for (int32_t k = 0; k < 128 && high - low > 2 * DBL_EPSILON * fmax(fabs(low), fabs(high)); k++) {
      const double middle = low + (high - low) / 2;
      if (count_below(d, squares, n, middle, DBL_MIN / DBL_EPSILON) < n - j) low = middle;
      else high = middle;
    }
    values[j] = low + (high - low) / 2;
    // Equal eigenvalues need different shifts, or all iterations find the same vector.
    shift = fmin(values[j], shift - 10 * tiny);
    double *z = vectors + j * row;
    memset(z, 0, (size_t)row * sizeof(double));
    for (int64_t i = 0; i < n; i++) z[i] = scattered((uint64_t)(j * n + i));
    for (int32_t round = 0; round < 4; round++) {
      normalize(z, row, n);
      solve(z, d, e, n, shift, tiny, work, work + row, work + 2 * row);
      normalize(z, row, n);
      for (int64_t i = 0; i < j; i++) subtract(z, vectors + i * row, dot(z, vectors + i * row, row), row);
    }
    for (int64_t i = 0; i < j; i++) subtract(z, vectors + i * row, dot(z, vectors + i * row, row), row);
    normalize(z, row, n);
  }
  for (int64_t j = 0; j < count; j++)
    for (int64_t k = n - 2; k >= 0; k--) {
      double *z = vectors + j * row + k + 1;
      const double *u = a + k * row + k + 1;
      subtract(z, u, factors[k] * dot(z, u, n - k - 1), n - k - 1);
    }
}
