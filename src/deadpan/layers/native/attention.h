// Softmax attention of one clip, TILE target steps of one head at a time, forwards and backwards.
#pragma once
#include "layer.h"

// Scores of a block in powers of 2, [source step, target step]; what must not be seen is far below.
static void scores(const struct layer *l, struct widths w, const float *k, const float *qT, long T,
                   long S, long t0, long n, float *tile) {
  product(S, n, w.part, k, 2 * w.E, 1, qT + t0, w.T8, tile, TILE, ZERO, NULL);
  if (!l->mask_future) return;
  long offset = T > S ? T - S : S - T;
  for (long s = 0; s < S; s++)
    for (long t = 0; t < n && t0 + t + offset < s; t++) tile[s * TILE + t] = -1e30f;
}

static void attend(const struct layer *l, struct widths w, struct kept k, long b, long T, long S,
                   float *work) {
  float *qT = work, *tile = qT + w.E * w.T8, *outT = tile + l->source_steps * TILE;
  struct dropout rate = dropout_of(l->attention_dropped);
  transpose(k.q, T, w.E, w.E, qT, w.T8);
  for (long h = 0; h < w.heads; h++)
    for (long t0 = 0; t0 < T; t0 += TILE) {
      long real = T - t0 < TILE ? T - t0 : TILE, n = padded(real);
      scores(l, w, k.kv + h * w.P, qT + h * w.P * w.T8, T, S, t0, n, tile);
      for (long c = 0; c < n; c += LANES) {
        vec most = all(-INFINITY), sum = all(0);
        for (long s = 0; s < S; s++) {
          vec x = load(tile + s * TILE + c);
          most = choose(x > most, x, most);
        }
        for (long s = 0; s < S; s++) {
          vec p = power_of_2(load(tile + s * TILE + c) - most);
          sum += p;
          store(tile + s * TILE + c, p);
        }
        store(k.most + h * w.T8 + t0 + c, most);
        store(k.inverse + h * w.T8 + t0 + c, all(1) / sum);
      }
      if (rate.dropped)
        for (long s = 0; s < S; s++) {
          uint32_t key = row_key(l->seed, first_row(l, b, 0) + h * l->source_steps + s);
          for (long c = 0; c < n; c += LANES)
            store(tile + s * TILE + c, load(tile + s * TILE + c) * keep(rate, key, t0 + c));
        }
      product(w.P, n, S, k.kv + w.E + h * w.P, 1, 2 * w.E, tile, TILE, outT, TILE, ZERO, NULL);
      for (long c = 0; c < n; c += LANES)
        for (long i = 0; i < w.P; i++)
          store(outT + i * TILE + c, load(outT + i * TILE + c) * load(k.inverse + h * w.T8 + t0 + c));
      for (long t = 0; t < real; t++)
        for (long i = 0; i < w.P; i++)
          k.attended[(t0 + t) * w.E + h * w.P + i] = outT[i * TILE + t];
    }
}

static void attend_back(const struct layer *l, struct widths w, struct kept k, long b, long T, long S,
                        const float *given, float *of_q, float *of_kv, float *work) {
  float *qT = work, *givenT = qT + w.E * w.T8, *used = givenT + w.E * w.T8;
  float *slope = used + l->source_steps * TILE, *weights = slope + l->source_steps * TILE;
  float *of_qT = weights + l->source_steps * LANES;
  uint32_t *keys_of = (uint32_t *)(of_qT + w.P * TILE);
  struct dropout rate = dropout_of(l->attention_dropped);
  transpose(k.q, T, w.E, w.E, qT, w.T8);
  transpose(given, T, w.E, w.E, givenT, w.T8);
  memset(of_kv, 0, S * 2 * w.E * sizeof(float));
  for (long h = 0; h < w.heads; h++)
    for (long t0 = 0; t0 < T; t0 += TILE) {
      long real = T - t0 < TILE ? T - t0 : TILE, n = padded(real);
      const float *keys = k.kv + h * w.P, *values = keys + w.E;
      for (long s = 0; rate.dropped && s < S; s++)
        keys_of[s] = row_key(l->seed, first_row(l, b, 0) + h * l->source_steps + s);
      scores(l, w, keys, qT + h * w.P * w.T8, T, S, t0, n, used);
      product(S, n, w.part, values, 2 * w.E, 1, givenT + h * w.P * w.T8 + t0, w.T8, slope, TILE, ZERO,
              NULL);
      for (long c = 0; c < n; c += LANES) {
        vec most = load(k.most + h * w.T8 + t0 + c), inverse = load(k.inverse + h * w.T8 + t0 + c);
        vec term = all(0); // the softmax's own: what moves all weights alike moves none
        for (long s = 0; s < S; s++) {
          vec p = power_of_2(load(used + s * TILE + c) - most) * inverse;
          vec g = load(slope + s * TILE + c), kept = p;
          if (rate.dropped) {
            vec mask = keep(rate, keys_of[s], t0 + c);
            kept = p * mask, g *= mask;
          }
          term += p * g;
          store(used + s * TILE + c, kept);
          store(slope + s * TILE + c, g);
          store(weights + s * LANES, p);
        }
        for (long s = 0; s < S; s++)
          store(slope + s * TILE + c,
                load(weights + s * LANES) * (load(slope + s * TILE + c) - term));
      }
      product(S, w.P, real, used, TILE, 1, given + t0 * w.E + h * w.P, w.E, of_kv + w.E + h * w.P,
              2 * w.E, ITSELF, NULL);
      product(S, w.P, real, slope, TILE, 1, k.q + t0 * w.E + h * w.P, w.E, of_kv + h * w.P, 2 * w.E,
              ITSELF, NULL);
      product(w.P, n, S, keys, 1, 2 * w.E, slope, TILE, of_qT, TILE, ZERO, NULL);
      float scale = 1.0f / sqrtf((float)w.part);
      for (long t = 0; t < real; t++)
        for (long i = 0; i < w.P; i++)
          of_q[(t0 + t) * w.E + h * w.P + i] = scale * of_qT[i * TILE + t];
    }
  for (long s = 0; s < S; s++) // q carries the factor log2(e), of which 1 is left here
    for (long c = 0; c < w.E; c += LANES)
      store(of_kv + s * 2 * w.E + c, load(of_kv + s * 2 * w.E + c) * all(LN2));
}
