// MulT's pre-norm encoder layer (Tsai et al. 2019), forwards and backwards: one clip at a time, its
// real steps only, all in the caches of the core that computes it.
//
//   mid = x + drop(W_o attention(LN(x), LN(source)) + b_o)
//   out = mid + drop(W_c drop(relu(W_e LN'(mid) + b_e)) + b_c)
//
// Weights of attention are never stored: a block of target steps at a time is computed, backwards
// once more, from queries, keys and, of each softmax, the greatest score and the divisor.
#include "attention.h"

static long forward_work(const struct layer *l, struct widths w) {
  long longest = l->steps > l->source_steps ? l->steps : l->source_steps;
  return 3 * longest * w.D + w.E * w.T8 + (l->source_steps + w.P) * TILE + kept_size(l, w);
}

static void forward_clip(const struct layer *l, struct widths w, const float *packed, long b, long T,
                         long S, float *work) {
  long at[PARTS + 1];
  places(w, at);
  const float *p[PARTS];
  for (int i = 0; i < PARTS; i++) p[i] = packed + at[i];
  long longest = l->steps > l->source_steps ? l->steps : l->source_steps;
  float *rows = work, *normed = rows + longest * w.D, *y = normed + longest * w.D;
  float *tiles = y + longest * w.D, *own = tiles + w.E * w.T8 + (l->source_steps + w.P) * TILE;
  struct kept k = kept_of(l->saved ? l->saved + b * kept_size(l, w) : own, l, w);
  struct dropout residual = dropout_of(l->residual_dropped), relu = dropout_of(l->relu_dropped);

  if (S) {
    const float *source = padded_rows(l->source + b * l->source_steps * w.d, S, w.d, w.D, rows);
    norm(source, S, w.d, w.D, p[NORM_W], p[NORM_B], normed);
    product(S, 2 * w.E, w.D, normed, w.D, 1, p[KV_W], 2 * w.E, k.kv, 2 * w.E, ROW, p[KV_B]);
  }
  const float *x = padded_rows(l->x + b * l->steps * w.d, T, w.d, w.D, rows);
  norm(x, T, w.d, w.D, p[NORM_W], p[NORM_B], normed);
  product(T, w.E, w.D, normed, w.D, 1, p[Q_W], w.E, k.q, w.E, ROW, p[Q_B]);
  if (S)
    attend(l, w, k, b, T, S, tiles);
  else
    memset(k.attended, 0, T * w.E * sizeof(float));
  product(T, w.D, w.E, k.attended, w.E, 1, p[O_W], w.D, y, w.D, ROW, p[O_B]);
  memcpy(k.mid, x, T * w.D * sizeof(float));
  add_dropped(y, T, w.D, residual, l->seed, first_row(l, b, 1), k.mid);

  norm(k.mid, T, w.d, w.D, p[NORM2_W], p[NORM2_B], normed);
  product(T, w.F, w.D, normed, w.D, 1, p[E_W], w.F, k.hidden, w.F, ROW, p[E_B]);
  for (long t = 0; t < T; t++) {
    uint32_t key = relu.dropped ? row_key(l->seed, first_row(l, b, 2) + t) : 0;
    for (long c = 0; c < w.F; c += LANES) {
      vec h = load(k.hidden + t * w.F + c);
      h = choose(h < all(0), all(0), h);
      if (relu.dropped) h *= keep(relu, key, c);
      store(k.hidden + t * w.F + c, h);
    }
  }
  product(T, w.D, w.F, k.hidden, w.F, 1, p[C_W], w.D, y, w.D, ROW, p[C_B]);
  memcpy(normed, k.mid, T * w.D * sizeof(float));
  add_dropped(y, T, w.D, residual, l->seed, first_row(l, b, 3), normed);
  float *out = l->out + b * l->steps * w.d;
  plain_rows(normed, T, w.d, w.D, out);
  memset(out + T * w.d, 0, (l->steps - T) * w.d * sizeof(float));
}

static long backward_work(const struct layer *l, struct widths w) {
  long longest = l->steps > l->source_steps ? l->steps : l->source_steps;
  return longest * (5 * w.D + w.F + 4 * w.E) + 2 * w.E * w.T8 +
         padded(l->source_steps * (2 * TILE + LANES + 1)) + w.P * TILE;
}

static void backward_clip(const struct layer *l, struct widths w, const float *packed, float *sums,
                          long b, long T, long S, float *work) {
  long at[PARTS + 1];
  places(w, at);
  const float *p[PARTS];
  float *of[PARTS];
  for (int i = 0; i < PARTS; i++) p[i] = packed + at[i], of[i] = sums + at[i];
  long longest = l->steps > l->source_steps ? l->steps : l->source_steps, area = longest * w.D;
  float *g = work, *dy = g + area, *normed = dy + area, *rows = normed + area, *dn = rows + area;
  float *dh = dn + area, *of_q = dh + longest * w.F, *of_kv = of_q + longest * w.E;
  float *given = of_kv + longest * 2 * w.E, *tiles = given + longest * w.E;
  struct kept k = kept_of(l->saved + b * kept_size(l, w), l, w);
  struct dropout residual = dropout_of(l->residual_dropped), relu = dropout_of(l->relu_dropped);

  const float *gradient = padded_rows(l->gradient + b * l->steps * w.d, T, w.d, w.D, g);
  if (gradient != g) memcpy(g, gradient, T * w.D * sizeof(float));
  drop(g, T, w.D, residual, l->seed, first_row(l, b, 3), dy);
  map_back(dy, k.hidden, T, w.D, w.F, p[C_W], of[C_W], of[C_B], dh);
  for (long i = 0; i < T * w.F; i += LANES) // 0 where ReLU or dropout closed it
    store(dh + i, choose(load(k.hidden + i) > all(0), load(dh + i) * all(relu.scale), all(0)));
  norm(k.mid, T, w.d, w.D, p[NORM2_W], p[NORM2_B], normed);
  map_back(dh, normed, T, w.F, w.D, p[E_W], of[E_W], of[E_B], dn);
  norm_back(dn, k.mid, T, w.d, w.D, p[NORM2_W], of[NORM2_W], of[NORM2_B], g);

  drop(g, T, w.D, residual, l->seed, first_row(l, b, 1), dy);
  map_back(dy, k.attended, T, w.D, w.E, p[O_W], of[O_W], of[O_B], given);
  float *of_source = l->alone ? NULL : l->of_source + b * l->source_steps * w.d;
  if (S) {
    attend_back(l, w, k, b, T, S, given, of_q, of_kv, tiles);
    const float *x = padded_rows(l->x + b * l->steps * w.d, T, w.d, w.D, rows);
    norm(x, T, w.d, w.D, p[NORM_W], p[NORM_B], normed);
    map_back(of_q, normed, T, w.E, w.D, p[Q_W], of[Q_W], of[Q_B], dn);
    norm_back(dn, x, T, w.d, w.D, p[NORM_W], of[NORM_W], of[NORM_B], g);
    float *to = l->alone ? g : dy;
    if (!l->alone) {
      x = padded_rows(l->source + b * l->source_steps * w.d, S, w.d, w.D, rows);
      norm(x, S, w.d, w.D, p[NORM_W], p[NORM_B], normed);
      memset(dy, 0, S * w.D * sizeof(float));
    }
    map_back(of_kv, normed, S, 2 * w.E, w.D, p[KV_W], of[KV_W], of[KV_B], dn);
    norm_back(dn, x, S, w.d, w.D, p[NORM_W], of[NORM_W], of[NORM_B], to);
    if (of_source) plain_rows(dy, S, w.d, w.D, of_source);
  }
  if (of_source) memset(of_source + S * w.d, 0, (l->source_steps - S) * w.d * sizeof(float));
  float *of_x = l->of_x + b * l->steps * w.d;
  plain_rows(g, T, w.d, w.D, of_x);
  memset(of_x + T * w.d, 0, (l->steps - T) * w.d * sizeof(float));
}

// The workspace: lengths and owners of clips, packed weights, gradients by thread, work by thread.
struct plan {
  struct widths w;
  long parts, work;
  int32_t *lengths, *source_lengths, *owner;
  int64_t *cost;
  float *packed, *sums, *works;
  long floats;
};
static struct plan plan_of(const struct layer *l, int back) {
  struct plan p = {.w = widths_of(l)};
  long at[PARTS + 1], n = padded(l->clips);
  places(p.w, at);
  p.parts = at[PARTS];
  p.work = back ? backward_work(l, p.w) : forward_work(l, p.w);
  float *start = l->workspace;
  p.cost = (int64_t *)start;
  p.lengths = (int32_t *)start + 2 * n, p.source_lengths = p.lengths + n, p.owner = p.lengths + 2 * n;
  p.packed = start + 5 * n;
  p.sums = p.packed + p.parts;
  p.works = p.sums + (back ? l->threads * p.parts : 0);
  p.floats = 5 * n + p.parts * (1 + (back ? l->threads : 0)) + l->threads * p.work;
  return p;
}

int64_t encoder_layer_size(void) { return sizeof(struct layer); }
int64_t encoder_layer_saved(const struct layer *l) { return l->clips * kept_size(l, widths_of(l)); }
int64_t encoder_layer_workspace(const struct layer *l, int32_t back) { return plan_of(l, back).floats; }

// 0, or 1 where a mask has a real step behind padding: nothing is written then.
int32_t encoder_layer_run(const struct layer *l, int32_t back) {
  struct plan p = plan_of(l, back);
  for (long b = 0; b < l->clips; b++) {
    p.lengths[b] = (int32_t)real_steps(l->mask + b * l->steps, l->steps);
    p.source_lengths[b] = (int32_t)real_steps(l->source_mask + b * l->source_steps, l->source_steps);
    if (p.lengths[b] < 0 || p.source_lengths[b] < 0) return 1;
    p.cost[b] = p.lengths[b] * (12 * p.w.d + p.source_lengths[b] + 8) + 4 * p.w.d * p.source_lengths[b];
  }
  divide(l->clips, l->threads, p.cost, p.owner);
  pack(l, p.w, p.packed, !back);
#pragma omp parallel for num_threads(l->threads) schedule(static, 1) if (l->threads > 1)
  for (long t = 0; t < l->threads; t++) {
    float *work = p.works + t * p.work, *sums = p.sums + t * p.parts;
    if (back) memset(sums, 0, p.parts * sizeof(float));
    for (long b = 0; b < l->clips; b++) {
      if (p.owner[b] != t) continue;
      if (back)
        backward_clip(l, p.w, p.packed, sums, b, p.lengths[b], p.source_lengths[b], work);
      else
        forward_clip(l, p.w, p.packed, b, p.lengths[b], p.source_lengths[b], work);
    }
  }
  if (back) unpack(l, p.w, p.sums);
  return 0;
}
