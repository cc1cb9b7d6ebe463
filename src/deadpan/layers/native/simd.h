// Vectors of eight floats, a matrix product and 2^x: what encoder_layer.c and gru.c are built from.
//
// Every matrix is stored by rows. The right factor and the result of a product have rows of a
// multiple of eight floats (the leading dimension, ld), so no row needs a tail. GCC's vector types
// compile to what the target has. build.py compiles each source for several: AVX-512, AVX2 and the
// least of x86-64; NEON on ARM.
#pragma once
#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef _WIN32
#define long long long // sizes and offsets need 64 bits, of which Windows' long has 32
#endif

typedef float vec __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t veci __attribute__((vector_size(32), aligned(4), may_alias));
typedef uint32_t vecu __attribute__((vector_size(32), aligned(4), may_alias));

#define LANES 8
#define MAX_THREADS 64 // library.py never asks for more
// The name of a function that Python calls ends with its target: encoder_layer_run_avx2.
#define JOIN(name, target) name##_##target
#define JOIN_EXPANDED(name, target) JOIN(name, target)
#define EXPORT(name) JOIN_EXPANDED(name, INSTRUCTIONS)
#define INLINE static inline __attribute__((always_inline))
#ifdef __AVX512VL__
#define WIDE 5 // vectors of a result row in registers: 4 rows of 5 take 20 of 32 registers
#else
#define WIDE 3
#endif

INLINE long padded(long n) { return (n + LANES - 1) / LANES * LANES; }
INLINE vec splat(float x) { return (vec){x, x, x, x, x, x, x, x}; }
INLINE vec load(const float *p) { return *(const vec *)p; }
INLINE void store(float *p, vec x) { *(vec *)p = x; }
INLINE vec blend(veci mask, vec yes, vec no) { return (vec)(((veci)yes & mask) | ((veci)no & ~mask)); }

// n floats; without any, the address may be NULL, as memset and memcpy do not allow.
INLINE void zero(float *p, long n) {
  if (n) memset(p, 0, n * sizeof(float));
}
INLINE void copy(float *to, const float *from, long n) {
  if (n) memcpy(to, from, n * sizeof(float));
}

// What a product adds to: zero, what the result already holds, or one row (a bias) for every row.
enum start { ZERO, ITSELF, ROW };

// A block of the product below, out[rows, 8 wide], held in registers while k runs.
INLINE void matmul_block(const int rows, const int wide, long k, const float *a, long a_row, long a_col,
                         const float *b, long ldb, float *out, long ldo, enum start start,
                         const float *bias) {
  vec sum[rows][wide];
#pragma GCC unroll 8
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
    for (int j = 0; j < wide; j++)
      sum[i][j] = start == ITSELF ? load(out + i * ldo + j * LANES)
                  : start == ROW  ? load(bias + j * LANES)
                                  : splat(0);
  for (long l = 0; l < k; l++, a += a_col, b += ldb)
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
      vec x = splat(a[i * a_row]);
#pragma GCC unroll 8
      for (int j = 0; j < wide; j++) sum[i][j] += x * load(b + j * LANES);
    }
#pragma GCC unroll 8
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
    for (int j = 0; j < wide; j++) store(out + i * ldo + j * LANES, sum[i][j]);
}

// matmul_stripeW: the product for 8 W columns of the result, `high` rows at a time.
#define STRIPE(wide, high)                                                                         \
  static void matmul_stripe##wide(long m, long k, const float *a, long a_row, long a_col,          \
                                  const float *b, long ldb, float *out, long ldo,                  \
                                  enum start start, const float *bias) {                           \
    long i = 0;                                                                                    \
    for (; i + high <= m; i += high)                                                               \
      matmul_block(high, wide, k, a + i * a_row, a_row, a_col, b, ldb, out + i * ldo, ldo, start,  \
                   bias);                                                                          \
    for (; i < m; i++)                                                                             \
      matmul_block(1, wide, k, a + i * a_row, a_row, a_col, b, ldb, out + i * ldo, ldo, start,    \
                   bias);                                                                          \
  }
STRIPE(1, 8)
STRIPE(2, 6)
STRIPE(3, 4)
#if WIDE == 5
STRIPE(4, 4)
STRIPE(5, 4)
#endif

// out[m, n] = start + a[m, k] b[k, n]
//
// Element (i, l) of a is a[i * a_row + l * a_col], so a may be transposed; rows of b and out are ldb
// and ldo floats apart. bias[n] is read with start == ROW. n is a multiple of LANES.
static void matmul(long m, long n, long k, const float *a, long a_row, long a_col, const float *b,
                   long ldb, float *out, long ldo, enum start start, const float *bias) {
  for (long left = n / LANES, wide; left > 0; left -= wide) {
    wide = left <= WIDE ? left : left < 2 * WIDE ? (left + 1) / 2 : WIDE;
#define CASE(w)                                                                                    \
  case w:                                                                                          \
    matmul_stripe##w(m, k, a, a_row, a_col, b, ldb, out, ldo, start, bias);                        \
    break;
    switch (wide) {
      CASE(1)
      CASE(2)
      CASE(3)
#if WIDE == 5
      CASE(4)
      CASE(5)
#endif
    }
    b += wide * LANES, out += wide * LANES, bias += start == ROW ? wide * LANES : 0;
  }
}

// 2^x with a relative error of 2e-7. x below -100 counts as -100, so that products of results stay
// normal numbers; x above 127 counts as 127; NaN stays NaN.
INLINE vec exp2_of(vec x) {
  x = blend(x < splat(-100), splat(-100), x);
  x = blend(x > splat(127), splat(127), x);
  const vec magic = splat(12582912.0f); // 1.5 * 2^23: adding it rounds to a whole number
  vec whole = (x + magic) - magic, f = x - whole;
  vec p = splat(1.535336188319500e-4f);
  p = p * f + splat(1.339887440266574e-3f);
  p = p * f + splat(9.618437357674640e-3f);
  p = p * f + splat(5.550332471162809e-2f);
  p = p * f + splat(2.402264791363012e-1f);
  p = p * f + splat(6.931472028550421e-1f);
  p = p * f + splat(1.0f);
  veci exponent = __builtin_convertvector(whole, veci) + 127;
  return p * (vec)(exponent << 23);
}

// Number of real steps of one clip from its mask[steps]; -1 if a real step follows padding.
static long real_steps(const uint8_t *mask, long steps) {
  long n = 0;
  while (n < steps && mask[n]) n++;
  for (long i = n; i < steps; i++)
    if (mask[i]) return -1;
  return n;
}

// thread[b]: the thread that computes clip b, each time the one with the least cost[b] so far. The
// result depends on the costs alone, so every call with the same masks sums in the same order.
static void assign_clips(long clips, long threads, const int64_t *cost, int32_t *thread) {
  int64_t load[MAX_THREADS] = {0};
  for (long b = 0; b < clips; b++) {
    long least = 0;
    for (long t = 1; t < threads; t++)
      if (load[t] < load[least]) least = t;
    load[least] += cost[b];
    thread[b] = (int32_t)least;
  }
}
