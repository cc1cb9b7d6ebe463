// Products of small matrices, and the numbers that go with them, in vectors of eight floats.
//
// Every matrix is stored by rows; the right factor and the result have rows of a multiple of eight
// floats (the "leading dimension"), so no row needs a tail. GCC's vector types compile to what the
// machine has: AVX-512, AVX2, NEON, or plain numbers.
#pragma once
#include <stdint.h>
#include <string.h>

typedef float vec __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t veci __attribute__((vector_size(32), aligned(4), may_alias));
typedef uint32_t vecu __attribute__((vector_size(32), aligned(4), may_alias));

#define LANES 8
#define INLINE static inline __attribute__((always_inline))
#ifdef __AVX512VL__
#define WIDE 5 // vectors a row: 4 rows of 5 are kept in 20 of 32 registers
#else
#define WIDE 3
#endif

INLINE long padded(long n) { return (n + LANES - 1) / LANES * LANES; }
INLINE vec all(float x) { return (vec){x, x, x, x, x, x, x, x}; }
INLINE vec load(const float *p) { return *(const vec *)p; }
INLINE void store(float *p, vec x) { *(vec *)p = x; }
INLINE vec choose(veci yes, vec a, vec b) { return (vec)(((veci)a & yes) | ((veci)b & ~yes)); }

// What a result starts from: nothing, itself, or one row (a bias) that all rows share.
enum start { ZERO, ITSELF, ROW };

// rows x (8 wide) numbers of the result, kept in registers while k runs.
INLINE void block(const int rows, const int wide, long k, const float *a, long am, long ak,
                  const float *b, long ldb, float *c, long ldc, enum start start, const float *row) {
  vec sum[rows][wide];
#pragma GCC unroll 8
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
    for (int j = 0; j < wide; j++)
      sum[i][j] = start == ITSELF ? load(c + i * ldc + j * LANES)
                  : start == ROW  ? load(row + j * LANES)
                                  : all(0);
  for (long l = 0; l < k; l++, a += ak, b += ldb)
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
      vec x = all(a[i * am]);
#pragma GCC unroll 8
      for (int j = 0; j < wide; j++) sum[i][j] += x * load(b + j * LANES);
    }
#pragma GCC unroll 8
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
    for (int j = 0; j < wide; j++) store(c + i * ldc + j * LANES, sum[i][j]);
}

#define STRIPE(wide, high)                                                                         \
  static void stripe##wide(long m, long k, const float *a, long am, long ak, const float *b,       \
                           long ldb, float *c, long ldc, enum start start, const float *row) {     \
    long i = 0;                                                                                    \
    for (; i + high <= m; i += high)                                                               \
      block(high, wide, k, a + i * am, am, ak, b, ldb, c + i * ldc, ldc, start, row);              \
    for (; i < m; i++) block(1, wide, k, a + i * am, am, ak, b, ldb, c + i * ldc, ldc, start, row); \
  }
STRIPE(1, 8)
STRIPE(2, 6)
STRIPE(3, 4)
#if WIDE == 5
STRIPE(4, 4)
STRIPE(5, 4)
#endif

// c[m, n] = start + a[m, k] b[k, n]; a's element (i, l) is at a[i * am + l * ak]; n counts whole
// vectors, padding included.
static void product(long m, long n, long k, const float *a, long am, long ak, const float *b,
                    long ldb, float *c, long ldc, enum start start, const float *row) {
  for (long left = n / LANES, wide; left > 0; left -= wide) {
    wide = left <= WIDE ? left : left < 2 * WIDE ? (left + 1) / 2 : WIDE;
#define CASE(w)                                                                                    \
  case w:                                                                                          \
    stripe##w(m, k, a, am, ak, b, ldb, c, ldc, start, row);                                        \
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
    b += wide * LANES, c += wide * LANES, row += start == ROW ? wide * LANES : 0;
  }
}

// 2^x to 2e-7 of itself; never below 2^-100, whose products are still normal; NaN stays NaN.
INLINE vec power_of_2(vec x) {
  x = choose(x < all(-100), all(-100), x);
  x = choose(x > all(127), all(127), x);
  const vec magic = all(12582912.0f); // 1.5 * 2^23: adding it rounds to a whole number
  vec whole = (x + magic) - magic, f = x - whole;
  vec p = all(1.535336188319500e-4f);
  p = p * f + all(1.339887440266574e-3f);
  p = p * f + all(9.618437357674640e-3f);
  p = p * f + all(5.550332471162809e-2f);
  p = p * f + all(2.402264791363012e-1f);
  p = p * f + all(6.931472028550421e-1f);
  p = p * f + all(1.0f);
  veci exponent = __builtin_convertvector(whole, veci) + 127;
  return p * (vec)(exponent << 23);
}

// Random numbers as a function of where they stand, so that forwards and backwards agree and the
// number of threads does not matter. A row's key comes from splitmix64 (Steele et al. 2014); a
// place in the row is mixed with 32-bit multiplications and shifts.
INLINE uint32_t row_key(uint64_t seed, uint64_t row) {
  uint64_t z = seed + row * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return (uint32_t)((z ^ (z >> 31)) >> 16);
}

// 0 with probability dropped / 65536, else the scale that keeps the mean.
struct dropout {
  uint32_t dropped;
  float scale;
};
INLINE struct dropout dropout_of(long dropped) {
  return (struct dropout){(uint32_t)dropped, 65536.0f / (float)(65536 - dropped)};
}
INLINE vec keep(struct dropout d, uint32_t key, long place) {
  const vecu lanes = {0, 1, 2, 3, 4, 5, 6, 7};
  vecu x = (lanes + (uint32_t)place) * 0x9E3779B9u + key;
  x = (x ^ (x >> 16)) * 0x7FEB352Du;
  x = (x ^ (x >> 15)) * 0x846CA68Bu;
  x = (x ^ (x >> 16)) >> 16;
  return choose((veci)x >= (int32_t)d.dropped, all(d.scale), all(0));
}

// How many rows of a mask [clip, step] are real; -1 if a real step follows padding.
static long real_steps(const uint8_t *mask, long steps) {
  long n = 0;
  while (n < steps && mask[n]) n++;
  for (long i = n; i < steps; i++)
    if (mask[i]) return -1;
  return n;
}

// Give each clip to the thread with least to do so far: the same division every time.
static void divide(long clips, long threads, const int64_t *cost, int32_t *owner) {
  int64_t load[64] = {0};
  for (long b = 0; b < clips; b++) {
    long least = 0;
    for (long t = 1; t < threads; t++)
      if (load[t] < load[least]) least = t;
    load[least] += cost[b];
    owner[b] = (int32_t)least;
  }
}
