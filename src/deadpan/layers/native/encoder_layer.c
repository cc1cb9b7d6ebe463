// MulT's pre-norm encoder layer (Tsai et al. 2019), forward and backward, one clip at a time:
//
//   mid = x + dropout(attention(LN(x), LN(source)) W_o^T + b_o)
//   out = mid + dropout(dropout(relu(LN'(mid) W_e^T + b_e)) W_c^T + b_c)
//
// Only the real steps of a clip are computed, and its matrices stay in the caches of one core. The
// attention weights are never stored: they are computed for a tile of target steps at a time, and once
// more in the backward pass, from queries, keys, and the maximum and the sum of each softmax.
//
// The plain reference is `encoder` in tests/parity/reference.py: numpy, loops, one clip.
// tests/parity/test_layers.py holds this file to it, and tests/layers/native/test_encoder_layer.py
// holds outputs and gradients to torch in double precision.
#include "simd.h"

#define TILE 64 // target steps whose attention weights exist at one time
#define EPSILON 1e-5f
#define LN2 0.6931471805599453f

// ---- Arguments, sizes, weights ------------------------------------------------------------------

enum { NORM_W, NORM_B, Q_W, Q_B, KV_W, KV_B, O_W, O_B, NORM2_W, NORM2_B, E_W, E_B, C_W, C_B, PARTS };

// Arguments from Python; EncoderLayerArguments in encoder_layer.py has the same fields in this order.
struct layer {
  int64_t clips, steps, source_steps, width, heads, hidden, threads;
  int64_t self_attention; // the source is x itself
  int64_t mask_future;    // MulT's offset mask
  int64_t seed;           // of dropout
  int64_t attention_dropout, residual_dropout, relu_dropout; // rates, in units of 1 / 65536
  const float *x, *source;           // [clip, step, width], [clip, source step, width]
  const uint8_t *mask, *source_mask; // [clip, step], [clip, source step]; padding last
  const float *parameters[PARTS];    // in torch's layout: weights [out, in]
  float *out;                        // [clip, step, width]; zeros in padding
  float *saved;                      // activations of every clip for the backward pass, or NULL
  float *workspace;
  const float *dout;   // [clip, step, width]
  float *dx, *dsource; // as x and source; dsource is NULL for self-attention
  float *dparameters;  // the gradients of all parameters, one after the other
};

// Channels, capitals padded to whole vectors: d, D of x; part, P of one head; E = heads P; f, F of the
// hidden layer of the feed-forward part; T8: padded target steps.
struct widths {
  long d, D, heads, part, P, E, f, F, T8;
};
static struct widths widths_of(const struct layer *l) {
  long part = l->width / l->heads, P = padded(part);
  return (struct widths){.d = l->width, .D = padded(l->width), .heads = l->heads, .part = part, .P = P,
                         .E = P * l->heads, .f = l->hidden, .F = padded(l->hidden),
                         .T8 = padded(l->steps)};
}

// offset[i]: where parameter i starts among the packed ones (and its gradient among the packed
// gradients), in floats; offset[PARTS] is the size of all.
static void packed_offsets(struct widths w, long offset[PARTS + 1]) {
  const long size[PARTS] = {w.D, w.D, w.E * w.D, w.E, 2 * w.E * w.D, 2 * w.E, w.D * w.E,
                            w.D, w.D, w.D,       w.F * w.D, w.F,     w.D * w.F,       w.D};
  offset[0] = 0;
  for (int i = 0; i < PARTS; i++) offset[i + 1] = offset[i] + size[i];
}

// What the axes of a parameter run over, (out, in) for a weight. Heads are padded one by one.
enum axis { STREAM, HEADS, TWO_HEADS, HIDDEN };
static const enum axis AXES[PARTS][2] = {
    [Q_W] = {HEADS, STREAM},  [KV_W] = {TWO_HEADS, STREAM}, [O_W] = {STREAM, HEADS},
    [E_W] = {HIDDEN, STREAM}, [C_W] = {STREAM, HIDDEN},     [Q_B] = {HEADS},
    [KV_B] = {TWO_HEADS},     [E_B] = {HIDDEN}};
static long true_size(struct widths w, enum axis a) {
  return a == HIDDEN ? w.f : a == TWO_HEADS ? 2 * w.d : w.d;
}
static long padded_size(struct widths w, enum axis a) {
  return a == STREAM ? w.D : a == HEADS ? w.E : a == TWO_HEADS ? 2 * w.E : w.F;
}
// Index of channel i of an axis once the axis is padded.
INLINE long padded_index(struct widths w, enum axis a, long i) {
  return a == STREAM || a == HIDDEN || w.part == w.P ? i : i / w.part * w.P + i % w.part;
}
static int is_matrix(int part) {
  return part == Q_W || part == KV_W || part == O_W || part == E_W || part == C_W;
}

// Parameters -> packed: padded with zeros; weights transposed to [in, out] for the forward pass, left
// as [out, in] for the backward pass. The forward query projection carries the factor
// log2(e) / sqrt(part): scores are then exponents of 2.
static void pack(const struct layer *l, struct widths w, float *packed, int transposed) {
  long offset[PARTS + 1];
  packed_offsets(w, offset);
  if (w.d % LANES || w.part % LANES || w.f % LANES)
    zero(packed, offset[PARTS]);
  float scale = 1.0f / (sqrtf((float)w.part) * LN2);
  for (int part = 0; part < PARTS; part++) {
    const float *from = l->parameters[part];
    float *to = packed + offset[part], gain = transposed && (part == Q_W || part == Q_B) ? scale : 1;
    enum axis outer = AXES[part][0], inner = AXES[part][1];
    long rows = true_size(w, outer), columns = is_matrix(part) ? true_size(w, inner) : 1;
    long ld = padded_size(w, transposed ? outer : inner);
    if (!is_matrix(part)) {
      for (long i = 0; i < rows; i++) to[padded_index(w, outer, i)] = gain * from[i];
    } else if (!transposed) {
      for (long i = 0; i < rows; i++, from += columns)
        for (long j = 0; j < columns; j++)
          to[padded_index(w, outer, i) * ld + padded_index(w, inner, j)] = from[j];
    } else {
      for (long i0 = 0; i0 < rows; i0 += 16) // a few rows at a time stay in the cache
        for (long j = 0; j < columns; j++)
          for (long i = i0; i < rows && i < i0 + 16; i++)
            to[padded_index(w, inner, j) * ld + padded_index(w, outer, i)] =
                gain * from[i * columns + j];
    }
  }
}

// dparameters = sum over threads of their packed gradients [thread, packed], without the padding.
static void unpack_gradients(const struct layer *l, struct widths w, float *packed) {
  long offset[PARTS + 1];
  packed_offsets(w, offset);
  for (long t = 1; t < l->threads; t++)
    for (long c = 0; c < offset[PARTS]; c += LANES)
      store(packed + c, load(packed + c) + load(packed + t * offset[PARTS] + c));
  float *to = l->dparameters;
  for (int part = 0; part < PARTS; part++) {
    enum axis outer = AXES[part][0], inner = AXES[part][1];
    long rows = true_size(w, outer), columns = is_matrix(part) ? true_size(w, inner) : 1;
    long ld = is_matrix(part) ? padded_size(w, inner) : 1;
    for (long i = 0; i < rows; i++)
      for (long j = 0; j < columns; j++)
        *to++ = packed[offset[part] + padded_index(w, outer, i) * ld + padded_index(w, inner, j)];
  }
}

// The activations of one clip that the backward pass reads, in this order.
struct activations {
  float *q;        // [step, E]
  float *kv;       // [source step, 2 E]: keys, then values
  float *max;      // [head, T8]: maximum of each row of scores
  float *rsum;     // [head, T8]: 1 / sum of 2^(score - max) of each row
  float *attended; // [step, E]
  float *mid;      // [step, D]
  float *hidden;   // [step, F], after ReLU and dropout
};
static long activations_size(const struct layer *l, struct widths w) {
  return l->steps * (2 * w.E + w.D + w.F) + l->source_steps * 2 * w.E + 2 * w.heads * w.T8;
}
static struct activations activations_at(float *p, const struct layer *l, struct widths w) {
  struct activations a;
  a.q = p, p += l->steps * w.E;
  a.kv = p, p += l->source_steps * 2 * w.E;
  a.max = p, p += w.heads * w.T8;
  a.rsum = p, p += w.heads * w.T8;
  a.attended = p, p += l->steps * w.E;
  a.mid = p, p += l->steps * w.D;
  a.hidden = p;
  return a;
}

// ---- Dropout ------------------------------------------------------------------------------------
//
// The mask is a function of the seed, the row and the channel, so the backward pass draws the same mask
// and the number of threads does not matter.

struct dropout {
  uint32_t threshold; // in units of 1 / 65536, the rate
  float scale;        // 1 / (1 - rate)
};
INLINE struct dropout dropout_of(long rate) {
  return (struct dropout){(uint32_t)rate, 65536.0f / (float)(65536 - rate)};
}

// Key of a row's random numbers: splitmix64 (Steele et al. 2014).
INLINE uint32_t row_key(uint64_t seed, uint64_t row) {
  uint64_t z = seed + row * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return (uint32_t)((z ^ (z >> 31)) >> 16);
}

// The factors of channels [channel, channel + 8) of a row: 0 with probability `rate`, else the scale.
INLINE vec dropout_mask(struct dropout d, uint32_t key, long channel) {
  const vecu lanes = {0, 1, 2, 3, 4, 5, 6, 7};
  vecu x = (lanes + (uint32_t)channel) * 0x9E3779B9u + key;
  x = (x ^ (x >> 16)) * 0x7FEB352Du;
  x = (x ^ (x >> 15)) * 0x846CA68Bu;
  x = (x ^ (x >> 16)) >> 16;
  return blend((veci)x >= (int32_t)d.threshold, splat(d.scale), splat(0));
}

// First row of random numbers of clip b. Attention weights have a row for each [clip, head, source
// step], the three others a row for each [clip, step].
enum use { ATTENTION_WEIGHTS, ATTENTION_OUTPUT, HIDDEN_LAYER, FEEDFORWARD_OUTPUT };
static uint64_t first_row(const struct layer *l, long b, enum use use) {
  uint64_t attention = (uint64_t)l->clips * l->heads * l->source_steps, rows = l->clips * l->steps;
  return use == ATTENTION_WEIGHTS ? (uint64_t)b * l->heads * l->source_steps
                                  : attention + (use - 1) * rows + (uint64_t)b * l->steps;
}

// out += dropout(y);  y, out: [rows, n]
static void add_dropout(const float *y, long rows, long n, struct dropout rate, uint64_t seed,
                        uint64_t first, float *out) {
  for (long t = 0; t < rows; t++, y += n, out += n) {
    uint32_t key = rate.threshold ? row_key(seed, first + t) : 0;
    for (long c = 0; c < n; c += LANES) {
      vec v = load(y + c);
      if (rate.threshold) v *= dropout_mask(rate, key, c);
      store(out + c, load(out + c) + v);
    }
  }
}

// dy = dropout mask * dout;  dout, dy: [rows, n]
static void dropout_backward(const float *dout, long rows, long n, struct dropout rate, uint64_t seed,
                             uint64_t first, float *dy) {
  if (rate.threshold) {
    zero(dy, rows * n);
    add_dropout(dout, rows, n, rate, seed, first, dy);
  } else {
    copy(dy, dout, rows * n);
  }
}

// ---- Rows: padding, layer norm, linear ----------------------------------------------------------

// x[steps, d] -> buffer[steps, D], padded with zeros; x itself where d == D.
static const float *pad_rows(const float *x, long steps, long d, long D, float *buffer) {
  if (d == D) return x;
  for (long t = 0; t < steps; t++) {
    copy(buffer + t * D, x + t * d, d);
    zero(buffer + t * D + d, D - d);
  }
  return buffer;
}
// x[steps, D] -> out[steps, d]
static void unpad_rows(const float *x, long steps, long d, long D, float *out) {
  for (long t = 0; t < steps; t++) copy(out + t * d, x + t * D, d);
}

// x[rows, columns] with rows ld floats apart -> out[columns, ldo], zeros beyond `rows`
static void transpose(const float *x, long rows, long columns, long ld, float *out, long ldo) {
  for (long j = 0; j < columns; j++) {
    for (long i = 0; i < rows; i++) out[j * ldo + i] = x[i * ld + j];
    for (long i = rows; i < ldo; i++) out[j * ldo + i] = 0;
  }
}

INLINE float lane_sum(vec x) {
  return ((x[0] + x[4]) + (x[1] + x[5])) + ((x[2] + x[6]) + (x[3] + x[7]));
}

// Mean and 1 / sqrt(variance + EPSILON) of a row x[D] of which d numbers are real, the rest 0.
INLINE void moments(const float *x, long d, long D, float *mean, float *rstd) {
  const veci lanes = {0, 1, 2, 3, 4, 5, 6, 7};
  vec sum = splat(0), square = splat(0);
  for (long c = 0; c < D; c += LANES) sum += load(x + c);
  *mean = lane_sum(sum) / (float)d;
  for (long c = 0; c < D; c += LANES) {
    vec y = load(x + c) - splat(*mean);
    if (c + LANES > d) y = blend(lanes < (int32_t)(d - c), y, splat(0));
    square += y * y;
  }
  *rstd = 1.0f / sqrtf(lane_sum(square) / (float)d + EPSILON);
}

// out = (x - mean) rstd weight + bias, row by row;  x, out: [steps, D]; weight, bias: [D]
static void layernorm_forward(const float *x, long steps, long d, long D, const float *weight,
                              const float *bias, float *out) {
  for (long t = 0; t < steps; t++, x += D, out += D) {
    float mean, rstd;
    moments(x, d, D, &mean, &rstd);
    for (long c = 0; c < D; c += LANES)
      store(out + c, (load(x + c) - splat(mean)) * splat(rstd) * load(weight + c) + load(bias + c));
  }
}

// dx += rstd (g - mean(g) - n mean(g n)),  g = dout weight,  n = (x - mean) rstd
// dweight += sum over steps of dout n,  dbias += sum over steps of dout
//
// dout, x, dx: [steps, D]; weight, dweight, dbias: [D]
static void layernorm_backward(const float *dout, const float *x, long steps, long d, long D,
                               const float *weight, float *dweight, float *dbias, float *dx) {
  for (long t = 0; t < steps; t++, x += D, dout += D, dx += D) {
    float mean, rstd;
    moments(x, d, D, &mean, &rstd);
    vec sum = splat(0), dot = splat(0);
    for (long c = 0; c < D; c += LANES) {
      vec g = load(dout + c), n = (load(x + c) - splat(mean)) * splat(rstd);
      store(dweight + c, load(dweight + c) + g * n);
      store(dbias + c, load(dbias + c) + g);
      g *= load(weight + c);
      sum += g, dot += g * n;
    }
    float mean_g = lane_sum(sum) / (float)d, mean_gn = lane_sum(dot) / (float)d;
    for (long c = 0; c < D; c += LANES) {
      vec n = (load(x + c) - splat(mean)) * splat(rstd);
      vec g = load(dout + c) * load(weight + c) - splat(mean_g) - n * splat(mean_gn);
      store(dx + c, load(dx + c) + g * splat(rstd));
    }
  }
}

// Gradients of out = x weight^T + bias:
// dx = dout weight,  dweight += dout^T x,  dbias += sum over steps of dout
//
// dout: [steps, n]; x, dx: [steps, m]; weight, dweight: [n, m]; dbias: [n]
static void linear_backward(const float *dout, const float *x, long steps, long n, long m,
                            const float *weight, float *dweight, float *dbias, float *dx) {
  for (long t = 0; t < steps; t++)
    for (long c = 0; c < n; c += LANES) store(dbias + c, load(dbias + c) + load(dout + t * n + c));
  matmul(n, m, steps, dout, 1, n, x, m, dweight, m, ITSELF, NULL);
  matmul(steps, m, n, dout, n, 1, weight, m, dx, m, ZERO, NULL);
}

// ---- Attention ----------------------------------------------------------------------------------

// tile[s, t] = k[s] . q[t0 + t], the score of one head as an exponent of 2; -1e30 where the future is
// masked, s > t0 + t + |T - S|
//
// k: [S, part] with rows 2 E apart; qT: [part, T8]; tile: [S, TILE], of which n columns are written
static void attention_scores(const struct layer *l, struct widths w, const float *k, const float *qT,
                             long T, long S, long t0, long n, float *tile) {
  matmul(S, n, w.part, k, 2 * w.E, 1, qT + t0, w.T8, tile, TILE, ZERO, NULL);
  if (!l->mask_future) return;
  long offset = T > S ? T - S : S - T;
  for (long s = 0; s < S; s++)
    for (long t = 0; t < n && t0 + t + offset < s; t++) tile[s * TILE + t] = -1e30f;
}

// attended[t] = sum over s of dropout(p)[t, s] v[s],  p[t] = softmax over s of q[t] . k[s] / sqrt(part)
//
// For each head of clip b, from a.q [T, E] and a.kv [S, 2 E] into a.attended [T, E]; a.max and a.rsum
// are left for the backward pass.
static void attention_forward(const struct layer *l, struct widths w, struct activations a, long b,
                              long T, long S, float *work) {
  float *qT = work, *tile = qT + w.E * w.T8, *outT = tile + l->source_steps * TILE;
  struct dropout rate = dropout_of(l->attention_dropout);
  transpose(a.q, T, w.E, w.E, qT, w.T8);
  for (long h = 0; h < w.heads; h++)
    for (long t0 = 0; t0 < T; t0 += TILE) {
      long real = T - t0 < TILE ? T - t0 : TILE, n = padded(real);
      attention_scores(l, w, a.kv + h * w.P, qT + h * w.P * w.T8, T, S, t0, n, tile);
      for (long c = 0; c < n; c += LANES) {
        vec max = splat(-INFINITY), sum = splat(0);
        for (long s = 0; s < S; s++) {
          vec x = load(tile + s * TILE + c);
          max = blend(x > max, x, max);
        }
        for (long s = 0; s < S; s++) {
          vec p = exp2_of(load(tile + s * TILE + c) - max);
          sum += p;
          store(tile + s * TILE + c, p);
        }
        store(a.max + h * w.T8 + t0 + c, max);
        store(a.rsum + h * w.T8 + t0 + c, splat(1) / sum);
      }
      if (rate.threshold)
        for (long s = 0; s < S; s++) {
          uint64_t row = first_row(l, b, ATTENTION_WEIGHTS) + h * l->source_steps + s;
          uint32_t key = row_key(l->seed, row);
          for (long c = 0; c < n; c += LANES)
            store(tile + s * TILE + c, load(tile + s * TILE + c) * dropout_mask(rate, key, t0 + c));
        }
      matmul(w.P, n, S, a.kv + w.E + h * w.P, 1, 2 * w.E, tile, TILE, outT, TILE, ZERO, NULL);
      for (long c = 0; c < n; c += LANES)
        for (long i = 0; i < w.P; i++)
          store(outT + i * TILE + c, load(outT + i * TILE + c) * load(a.rsum + h * w.T8 + t0 + c));
      for (long t = 0; t < real; t++)
        for (long i = 0; i < w.P; i++)
          a.attended[(t0 + t) * w.E + h * w.P + i] = outT[i * TILE + t];
    }
}

// Gradients of attention_forward, with m the dropout mask of the weights:
// dp[t, s] = m[t, s] dattended[t] . v[s]
// dscore[t, s] = p[t, s] (dp[t, s] - sum over s' of p[t, s'] dp[t, s'])
// dv[s] = sum over t of m[t, s] p[t, s] dattended[t]
// dk[s] = sum over t of dscore[t, s] q[t] / sqrt(part)
// dq[t] = sum over s of dscore[t, s] k[s] / sqrt(part)
//
// dattended, dq: [T, E]; dkv: [S, 2 E], keys, then values
static void attention_backward(const struct layer *l, struct widths w, struct activations a, long b,
                               long T, long S, const float *dattended, float *dq, float *dkv,
                               float *work) {
  float *qT = work, *dattendedT = qT + w.E * w.T8, *weights = dattendedT + w.E * w.T8; // [S, TILE]: m p
  float *dscores = weights + l->source_steps * TILE;                                   // [S, TILE]
  float *softmax = dscores + l->source_steps * TILE;                                   // [S, LANES]: p
  float *dqT = softmax + l->source_steps * LANES;                                      // [P, TILE]
  uint32_t *row_keys = (uint32_t *)(dqT + w.P * TILE);
  struct dropout rate = dropout_of(l->attention_dropout);
  transpose(a.q, T, w.E, w.E, qT, w.T8);
  transpose(dattended, T, w.E, w.E, dattendedT, w.T8);
  zero(dkv, S * 2 * w.E);
  for (long h = 0; h < w.heads; h++)
    for (long t0 = 0; t0 < T; t0 += TILE) {
      long real = T - t0 < TILE ? T - t0 : TILE, n = padded(real);
      const float *k = a.kv + h * w.P, *v = k + w.E;
      for (long s = 0; rate.threshold && s < S; s++)
        row_keys[s] = row_key(l->seed, first_row(l, b, ATTENTION_WEIGHTS) + h * l->source_steps + s);
      attention_scores(l, w, k, qT + h * w.P * w.T8, T, S, t0, n, weights);
      matmul(S, n, w.part, v, 2 * w.E, 1, dattendedT + h * w.P * w.T8 + t0, w.T8, dscores, TILE, ZERO,
             NULL);
      for (long c = 0; c < n; c += LANES) {
        vec max = load(a.max + h * w.T8 + t0 + c), rsum = load(a.rsum + h * w.T8 + t0 + c);
        vec dot = splat(0);
        for (long s = 0; s < S; s++) {
          vec p = exp2_of(load(weights + s * TILE + c) - max) * rsum;
          vec dp = load(dscores + s * TILE + c), dropped = p;
          if (rate.threshold) {
            vec mask = dropout_mask(rate, row_keys[s], t0 + c);
            dropped = p * mask, dp *= mask;
          }
          dot += p * dp;
          store(weights + s * TILE + c, dropped);
          store(dscores + s * TILE + c, dp);
          store(softmax + s * LANES, p);
        }
        for (long s = 0; s < S; s++)
          store(dscores + s * TILE + c,
                load(softmax + s * LANES) * (load(dscores + s * TILE + c) - dot));
      }
      matmul(S, w.P, real, weights, TILE, 1, dattended + t0 * w.E + h * w.P, w.E, dkv + w.E + h * w.P,
             2 * w.E, ITSELF, NULL);
      matmul(S, w.P, real, dscores, TILE, 1, a.q + t0 * w.E + h * w.P, w.E, dkv + h * w.P, 2 * w.E,
             ITSELF, NULL);
      matmul(w.P, n, S, k, 1, 2 * w.E, dscores, TILE, dqT, TILE, ZERO, NULL);
      float scale = 1.0f / sqrtf((float)w.part);
      for (long t = 0; t < real; t++)
        for (long i = 0; i < w.P; i++)
          dq[(t0 + t) * w.E + h * w.P + i] = scale * dqT[i * TILE + t];
    }
  for (long s = 0; s < S; s++) // a.q carries log2(e) / sqrt(part): log2(e) is undone here
    for (long c = 0; c < w.E; c += LANES)
      store(dkv + s * 2 * w.E + c, load(dkv + s * 2 * w.E + c) * splat(LN2));
}

// ---- One clip -----------------------------------------------------------------------------------

// Floats of workspace that a thread needs.
static long forward_work(const struct layer *l, struct widths w) {
  long longest = l->steps > l->source_steps ? l->steps : l->source_steps;
  return 3 * longest * w.D + w.E * w.T8 + (l->source_steps + w.P) * TILE + activations_size(l, w);
}

// The formulas at the head of this file, for clip b of T real target steps and S real source steps.
// packed: parameters with weights [in, out]; without source steps nothing is attended.
static void forward_clip(const struct layer *l, struct widths w, const float *packed, long b, long T,
                         long S, float *work) {
  long offset[PARTS + 1];
  packed_offsets(w, offset);
  const float *p[PARTS];
  for (int i = 0; i < PARTS; i++) p[i] = packed + offset[i];
  long longest = l->steps > l->source_steps ? l->steps : l->source_steps;
  float *rows = work, *normed = rows + longest * w.D, *y = normed + longest * w.D;
  float *attention_work = y + longest * w.D;
  float *unsaved = attention_work + w.E * w.T8 + (l->source_steps + w.P) * TILE;
  struct activations a =
      activations_at(l->saved ? l->saved + b * activations_size(l, w) : unsaved, l, w);
  struct dropout residual = dropout_of(l->residual_dropout), relu = dropout_of(l->relu_dropout);

  if (S) {
    const float *source = pad_rows(l->source + b * l->source_steps * w.d, S, w.d, w.D, rows);
    layernorm_forward(source, S, w.d, w.D, p[NORM_W], p[NORM_B], normed);
    matmul(S, 2 * w.E, w.D, normed, w.D, 1, p[KV_W], 2 * w.E, a.kv, 2 * w.E, ROW, p[KV_B]);
  }
  const float *x = pad_rows(l->x + b * l->steps * w.d, T, w.d, w.D, rows);
  layernorm_forward(x, T, w.d, w.D, p[NORM_W], p[NORM_B], normed);
  matmul(T, w.E, w.D, normed, w.D, 1, p[Q_W], w.E, a.q, w.E, ROW, p[Q_B]);
  if (S)
    attention_forward(l, w, a, b, T, S, attention_work);
  else
    zero(a.attended, T * w.E);
  matmul(T, w.D, w.E, a.attended, w.E, 1, p[O_W], w.D, y, w.D, ROW, p[O_B]);
  copy(a.mid, x, T * w.D);
  add_dropout(y, T, w.D, residual, l->seed, first_row(l, b, ATTENTION_OUTPUT), a.mid);

  layernorm_forward(a.mid, T, w.d, w.D, p[NORM2_W], p[NORM2_B], normed);
  matmul(T, w.F, w.D, normed, w.D, 1, p[E_W], w.F, a.hidden, w.F, ROW, p[E_B]);
  for (long t = 0; t < T; t++) {
    uint32_t key = relu.threshold ? row_key(l->seed, first_row(l, b, HIDDEN_LAYER) + t) : 0;
    for (long c = 0; c < w.F; c += LANES) {
      vec h = load(a.hidden + t * w.F + c);
      h = blend(h < splat(0), splat(0), h);
      if (relu.threshold) h *= dropout_mask(relu, key, c);
      store(a.hidden + t * w.F + c, h);
    }
  }
  matmul(T, w.D, w.F, a.hidden, w.F, 1, p[C_W], w.D, y, w.D, ROW, p[C_B]);
  copy(normed, a.mid, T * w.D);
  add_dropout(y, T, w.D, residual, l->seed, first_row(l, b, FEEDFORWARD_OUTPUT), normed);
  float *out = l->out + b * l->steps * w.d;
  unpad_rows(normed, T, w.d, w.D, out);
  zero(out + T * w.d, (l->steps - T) * w.d);
}

static long backward_work(const struct layer *l, struct widths w) {
  long longest = l->steps > l->source_steps ? l->steps : l->source_steps;
  return longest * (5 * w.D + w.F + 4 * w.E) + 2 * w.E * w.T8 +
         padded(l->source_steps * (2 * TILE + LANES + 1)) + w.P * TILE;
}

// dx and dsource of clip b from dout, and its share of the parameters' gradients, added to dpacked.
// packed: parameters with weights [out, in]; dpacked in the same places.
static void backward_clip(const struct layer *l, struct widths w, const float *packed, float *dpacked,
                          long b, long T, long S, float *work) {
  long offset[PARTS + 1];
  packed_offsets(w, offset);
  const float *p[PARTS];
  float *dp[PARTS];
  for (int i = 0; i < PARTS; i++) p[i] = packed + offset[i], dp[i] = dpacked + offset[i];
  long longest = l->steps > l->source_steps ? l->steps : l->source_steps, area = longest * w.D;
  // dx holds the gradient of the residual stream: of out, then mid, then x.
  float *dx = work, *dy = dx + area, *normed = dy + area, *rows = normed + area, *dnormed = rows + area;
  float *dhidden = dnormed + area, *dq = dhidden + longest * w.F, *dkv = dq + longest * w.E;
  float *dattended = dkv + longest * 2 * w.E, *attention_work = dattended + longest * w.E;
  struct activations a = activations_at(l->saved + b * activations_size(l, w), l, w);
  struct dropout residual = dropout_of(l->residual_dropout), relu = dropout_of(l->relu_dropout);

  const float *dout = pad_rows(l->dout + b * l->steps * w.d, T, w.d, w.D, dx);
  if (dout != dx) copy(dx, dout, T * w.D);
  dropout_backward(dx, T, w.D, residual, l->seed, first_row(l, b, FEEDFORWARD_OUTPUT), dy);
  linear_backward(dy, a.hidden, T, w.D, w.F, p[C_W], dp[C_W], dp[C_B], dhidden);
  for (long i = 0; i < T * w.F; i += LANES) // 0 where ReLU or dropout left 0
    store(dhidden + i,
          blend(load(a.hidden + i) > splat(0), load(dhidden + i) * splat(relu.scale), splat(0)));
  layernorm_forward(a.mid, T, w.d, w.D, p[NORM2_W], p[NORM2_B], normed);
  linear_backward(dhidden, normed, T, w.F, w.D, p[E_W], dp[E_W], dp[E_B], dnormed);
  layernorm_backward(dnormed, a.mid, T, w.d, w.D, p[NORM2_W], dp[NORM2_W], dp[NORM2_B], dx);

  dropout_backward(dx, T, w.D, residual, l->seed, first_row(l, b, ATTENTION_OUTPUT), dy);
  linear_backward(dy, a.attended, T, w.D, w.E, p[O_W], dp[O_W], dp[O_B], dattended);
  float *dsource = l->self_attention ? NULL : l->dsource + b * l->source_steps * w.d;
  if (S) {
    attention_backward(l, w, a, b, T, S, dattended, dq, dkv, attention_work);
    const float *x = pad_rows(l->x + b * l->steps * w.d, T, w.d, w.D, rows);
    layernorm_forward(x, T, w.d, w.D, p[NORM_W], p[NORM_B], normed);
    linear_backward(dq, normed, T, w.E, w.D, p[Q_W], dp[Q_W], dp[Q_B], dnormed);
    layernorm_backward(dnormed, x, T, w.d, w.D, p[NORM_W], dp[NORM_W], dp[NORM_B], dx);
    float *dkv_input = l->self_attention ? dx : dy;
    if (!l->self_attention) {
      x = pad_rows(l->source + b * l->source_steps * w.d, S, w.d, w.D, rows);
      layernorm_forward(x, S, w.d, w.D, p[NORM_W], p[NORM_B], normed);
      zero(dy, S * w.D);
    }
    linear_backward(dkv, normed, S, 2 * w.E, w.D, p[KV_W], dp[KV_W], dp[KV_B], dnormed);
    layernorm_backward(dnormed, x, S, w.d, w.D, p[NORM_W], dp[NORM_W], dp[NORM_B], dkv_input);
    if (dsource) unpad_rows(dy, S, w.d, w.D, dsource);
  }
  if (dsource) zero(dsource + S * w.d, (l->source_steps - S) * w.d);
  float *out = l->dx + b * l->steps * w.d;
  unpad_rows(dx, T, w.d, w.D, out);
  zero(out + T * w.d, (l->steps - T) * w.d);
}

// ---- All clips: what Python calls ---------------------------------------------------------------

// Where things stand in the workspace.
struct plan {
  struct widths w;
  long parts, work; // floats of packed parameters, and of one thread's work
  int32_t *lengths, *source_lengths, *thread; // of each clip
  int64_t *cost;                              // of each clip
  float *packed;  // parameters
  float *dpacked; // [thread, parts], their gradients; backward only
  float *works;   // [thread, work]
  long floats;    // of the whole workspace
};
static struct plan plan_of(const struct layer *l, int backward) {
  struct plan p = {.w = widths_of(l)};
  long offset[PARTS + 1], n = padded(l->clips);
  packed_offsets(p.w, offset);
  p.parts = offset[PARTS];
  p.work = backward ? backward_work(l, p.w) : forward_work(l, p.w);
  float *start = l->workspace;
  p.cost = (int64_t *)start;
  p.lengths = (int32_t *)start + 2 * n, p.source_lengths = p.lengths + n, p.thread = p.lengths + 2 * n;
  p.packed = start + 5 * n;
  p.dpacked = p.packed + p.parts;
  p.works = p.dpacked + (backward ? l->threads * p.parts : 0);
  p.floats = 5 * n + p.parts * (1 + (backward ? l->threads : 0)) + l->threads * p.work;
  return p;
}

// Bytes of the arguments; floats of `saved`; floats of `workspace`.
int64_t EXPORT(encoder_layer_size)(void) { return sizeof(struct layer); }
int64_t EXPORT(encoder_layer_saved)(const struct layer *l) {
  return l->clips * activations_size(l, widths_of(l));
}
int64_t EXPORT(encoder_layer_workspace)(const struct layer *l, int32_t backward) {
  return plan_of(l, backward).floats;
}

// The forward or the backward pass of all clips. Returns 0, or 1 where a mask has a real step behind
// padding: nothing is written then.
int32_t EXPORT(encoder_layer_run)(const struct layer *l, int32_t backward) {
  struct plan p = plan_of(l, backward);
  for (long b = 0; b < l->clips; b++) {
    p.lengths[b] = (int32_t)real_steps(l->mask + b * l->steps, l->steps);
    p.source_lengths[b] = (int32_t)real_steps(l->source_mask + b * l->source_steps, l->source_steps);
    if (p.lengths[b] < 0 || p.source_lengths[b] < 0) return 1;
    p.cost[b] = p.lengths[b] * (12 * p.w.d + p.source_lengths[b] + 8) + 4 * p.w.d * p.source_lengths[b];
  }
  assign_clips(l->clips, l->threads, p.cost, p.thread);
  pack(l, p.w, p.packed, !backward);
#pragma omp parallel for num_threads(l->threads) schedule(static, 1) if (l->threads > 1)
  for (long t = 0; t < l->threads; t++) {
    float *work = p.works + t * p.work, *dpacked = p.dpacked + t * p.parts;
    if (backward) zero(dpacked, p.parts);
    for (long b = 0; b < l->clips; b++) {
      if (p.thread[b] != t) continue;
      if (backward)
        backward_clip(l, p.w, p.packed, dpacked, b, p.lengths[b], p.source_lengths[b], work);
      else
        forward_clip(l, p.w, p.packed, b, p.lengths[b], p.source_lengths[b], work);
    }
  }
  if (backward) unpack_gradients(l, p.w, p.dpacked);
  return 0;
}
