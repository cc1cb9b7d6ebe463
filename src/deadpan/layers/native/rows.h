// What is done to the rows of a matrix: norms, sums, dropout, linear maps; all rows are padded.
#pragma once
#include "products.h"
#include <math.h>

#define EPSILON 1e-5f

// Rows with padding: themselves if they need none.
static const float *padded_rows(const float *x, long steps, long d, long D, float *buffer) {
  if (d == D) return x;
  for (long t = 0; t < steps; t++) {
    memcpy(buffer + t * D, x + t * d, d * sizeof(float));
    memset(buffer + t * D + d, 0, (D - d) * sizeof(float));
  }
  return buffer;
}
static void plain_rows(const float *x, long steps, long d, long D, float *out) {
  for (long t = 0; t < steps; t++) memcpy(out + t * d, x + t * D, d * sizeof(float));
}

INLINE float total(vec x) { return ((x[0] + x[4]) + (x[1] + x[5])) + ((x[2] + x[6]) + (x[3] + x[7])); }

// Mean and inverse deviation of a row of d numbers among D.
INLINE void moments(const float *x, long d, long D, float *mean, float *inverse) {
  const veci lanes = {0, 1, 2, 3, 4, 5, 6, 7};
  vec sum = all(0), square = all(0);
  for (long c = 0; c < D; c += LANES) sum += load(x + c);
  *mean = total(sum) / (float)d;
  for (long c = 0; c < D; c += LANES) {
    vec y = load(x + c) - all(*mean);
    if (c + LANES > d) y = choose(lanes < (int32_t)(d - c), y, all(0));
    square += y * y;
  }
  *inverse = 1.0f / sqrtf(total(square) / (float)d + EPSILON);
}

static void norm(const float *x, long steps, long d, long D, const float *weight, const float *bias,
                 float *out) {
  for (long t = 0; t < steps; t++, x += D, out += D) {
    float mean, inverse;
    moments(x, d, D, &mean, &inverse);
    for (long c = 0; c < D; c += LANES)
      store(out + c, (load(x + c) - all(mean)) * all(inverse) * load(weight + c) + load(bias + c));
  }
}

// Adds to of_x what dy, the gradient of a norm's output, makes of its input; and to its parameters.
static void norm_back(const float *dy, const float *x, long steps, long d, long D,
                      const float *weight, float *of_weight, float *of_bias, float *of_x) {
  for (long t = 0; t < steps; t++, x += D, dy += D, of_x += D) {
    float mean, inverse;
    moments(x, d, D, &mean, &inverse);
    vec sum = all(0), along = all(0);
    for (long c = 0; c < D; c += LANES) {
      vec given = load(dy + c), normed = (load(x + c) - all(mean)) * all(inverse);
      store(of_weight + c, load(of_weight + c) + given * normed);
      store(of_bias + c, load(of_bias + c) + given);
      given *= load(weight + c);
      sum += given, along += given * normed;
    }
    float level = total(sum) / (float)d, slope = total(along) / (float)d;
    for (long c = 0; c < D; c += LANES) {
      vec normed = (load(x + c) - all(mean)) * all(inverse);
      vec given = load(dy + c) * load(weight + c) - all(level) - normed * all(slope);
      store(of_x + c, load(of_x + c) + given * all(inverse));
    }
  }
}

static void transpose(const float *x, long rows, long columns, long ld, float *out, long ldo) {
  for (long j = 0; j < columns; j++) {
    for (long i = 0; i < rows; i++) out[j * ldo + i] = x[i * ld + j];
    for (long i = rows; i < ldo; i++) out[j * ldo + i] = 0;
  }
}

static void add_columns(const float *x, long steps, long n, float *sum) {
  for (long t = 0; t < steps; t++, x += n)
    for (long c = 0; c < n; c += LANES) store(sum + c, load(sum + c) + load(x + c));
}

// to += y, a place dropped at its rate; backwards the same masks fall on the gradient.
static void add_dropped(const float *y, long rows, long n, struct dropout rate, uint64_t seed,
                        uint64_t first, float *to) {
  for (long t = 0; t < rows; t++, y += n, to += n) {
    uint32_t key = rate.dropped ? row_key(seed, first + t) : 0;
    for (long c = 0; c < n; c += LANES) {
      vec v = load(y + c);
      if (rate.dropped) v *= keep(rate, key, c);
      store(to + c, load(to + c) + v);
    }
  }
}
static void drop(const float *y, long rows, long n, struct dropout rate, uint64_t seed,
                 uint64_t first, float *to) {
  if (rate.dropped) {
    memset(to, 0, rows * n * sizeof(float));
    add_dropped(y, rows, n, rate, seed, first, to);
  } else {
    memcpy(to, y, rows * n * sizeof(float));
  }
}

// The gradients of a linear map's weight and bias from those of its output, and of its input.
static void map_back(const float *dy, const float *x, long steps, long n, long m, const float *weight,
                     float *of_weight, float *of_bias, float *of_x) {
  add_columns(dy, steps, n, of_bias);
  product(n, m, steps, dy, 1, n, x, m, of_weight, m, ITSELF, NULL);
  product(steps, m, n, dy, n, 1, weight, m, of_x, m, ZERO, NULL);
}
