// An encoder layer's inputs, its widths with padding, its weights packed, and what it keeps.
#pragma once
#include "rows.h"

#define TILE 64
#define LN2 0.6931471805599453f

enum { NORM_W, NORM_B, Q_W, Q_B, KV_W, KV_B, O_W, O_B, NORM2_W, NORM2_B, E_W, E_B, C_W, C_B, PARTS };

// What Python fills in; encoder_layer.py has the same fields in the same order.
struct layer {
  int64_t clips, steps, source_steps, width, heads, hidden, threads;
  int64_t alone;         // the source is x itself
  int64_t mask_future;   // MulT's offset mask
  int64_t seed;          // of dropout
  int64_t attention_dropped, residual_dropped, relu_dropped; // of 65536
  const float *x, *source;
  const uint8_t *mask, *source_mask; // [clip, step], padding last
  const float *parameters[PARTS];    // as torch has them
  float *out;                        // [clip, step, width]
  float *saved;                      // for the gradient, or NULL
  float *workspace;
  const float *gradient; // of out
  float *of_x, *of_source;
  float *of_parameters; // one after the other, in their order
};

// Channels, capitals with padding: d, D of the stream; part, P of a head; E of all heads; f, F of the
// hidden layer; and the target's steps with padding, T8.
struct widths {
  long d, D, heads, part, P, E, f, F, T8;
};
static struct widths widths_of(const struct layer *l) {
  long part = l->width / l->heads, P = padded(part);
  return (struct widths){.d = l->width, .D = padded(l->width), .heads = l->heads, .part = part, .P = P,
                         .E = P * l->heads, .f = l->hidden, .F = padded(l->hidden),
                         .T8 = padded(l->steps)};
}

// Where each part stands among packed weights; gradients are gathered in the same places.
static void places(struct widths w, long at[PARTS + 1]) {
  const long size[PARTS] = {w.D, w.D, w.E * w.D, w.E, 2 * w.E * w.D, 2 * w.E, w.D * w.E,
                            w.D, w.D, w.D,       w.F * w.D, w.F,     w.D * w.F,       w.D};
  at[0] = 0;
  for (int i = 0; i < PARTS; i++) at[i + 1] = at[i] + size[i];
}

// Channel i of a parameter's axis among padded ones: heads are padded one by one.
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
INLINE long place(struct widths w, enum axis a, long i) {
  return a == STREAM || a == HIDDEN || w.part == w.P ? i : i / w.part * w.P + i % w.part;
}
static int is_matrix(int part) {
  return part == Q_W || part == KV_W || part == O_W || part == E_W || part == C_W;
}

// Packed weights: transposed for the way forwards, as they are for the way back.
static void pack(const struct layer *l, struct widths w, float *packed, int transposed) {
  long at[PARTS + 1];
  places(w, at);
  if (w.d % LANES || w.part % LANES || w.f % LANES)
    memset(packed, 0, at[PARTS] * sizeof(float));
  float scale = 1.0f / (sqrtf((float)w.part) * LN2); // scores are exponents of 2
  for (int part = 0; part < PARTS; part++) {
    const float *from = l->parameters[part];
    float *to = packed + at[part], gain = transposed && (part == Q_W || part == Q_B) ? scale : 1;
    enum axis outer = AXES[part][0], inner = AXES[part][1];
    long rows = true_size(w, outer), columns = is_matrix(part) ? true_size(w, inner) : 1;
    long ld = padded_size(w, transposed ? outer : inner);
    if (!is_matrix(part)) {
      for (long i = 0; i < rows; i++) to[place(w, outer, i)] = gain * from[i];
    } else if (!transposed) {
      for (long i = 0; i < rows; i++, from += columns)
        for (long j = 0; j < columns; j++) to[place(w, outer, i) * ld + place(w, inner, j)] = from[j];
    } else {
      for (long i0 = 0; i0 < rows; i0 += 16) // a few rows at a time stay in the cache
        for (long j = 0; j < columns; j++)
          for (long i = i0; i < rows && i < i0 + 16; i++)
            to[place(w, inner, j) * ld + place(w, outer, i)] = gain * from[i * columns + j];
    }
  }
}

// Gradients of the threads, added up in their order and put where the parameters have them.
static void unpack(const struct layer *l, struct widths w, float *sums) {
  long at[PARTS + 1];
  places(w, at);
  for (long t = 1; t < l->threads; t++)
    for (long c = 0; c < at[PARTS]; c += LANES)
      store(sums + c, load(sums + c) + load(sums + t * at[PARTS] + c));
  float *to = l->of_parameters;
  for (int part = 0; part < PARTS; part++) {
    enum axis outer = AXES[part][0], inner = AXES[part][1];
    long rows = true_size(w, outer), columns = is_matrix(part) ? true_size(w, inner) : 1;
    long ld = is_matrix(part) ? padded_size(w, inner) : 1;
    for (long i = 0; i < rows; i++)
      for (long j = 0; j < columns; j++)
        *to++ = sums[at[part] + place(w, outer, i) * ld + place(w, inner, j)];
  }
}

// What is kept of a clip, in this order.
struct kept {
  float *q, *kv, *most, *inverse, *attended, *mid, *hidden; // of scores: greatest; of divisors: 1 / sum
};
static long kept_size(const struct layer *l, struct widths w) {
  return l->steps * (2 * w.E + w.D + w.F) + l->source_steps * 2 * w.E + 2 * w.heads * w.T8;
}
static struct kept kept_of(float *at, const struct layer *l, struct widths w) {
  struct kept k;
  k.q = at, at += l->steps * w.E;
  k.kv = at, at += l->source_steps * 2 * w.E;
  k.most = at, at += w.heads * w.T8;
  k.inverse = at, at += w.heads * w.T8;
  k.attended = at, at += l->steps * w.E;
  k.mid = at, at += l->steps * w.D;
  k.hidden = at;
  return k;
}

// Four streams of rows of dropout: attention weights [clip, head, source step], then the rest.
static uint64_t first_row(const struct layer *l, long b, int which) {
  uint64_t attention = (uint64_t)l->clips * l->heads * l->source_steps, rows = l->clips * l->steps;
  return which == 0 ? (uint64_t)b * l->heads * l->source_steps
                    : attention + (which - 1) * rows + (uint64_t)b * l->steps;
}
