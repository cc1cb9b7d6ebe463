// Several GRUs (Cho et al. 2014, with torch's gates) over padded sequences of the same clips. From the
// gate inputs x = W_i input + b_i, with W and b the hidden weights and biases of each gate:
//
//   r = sigmoid(x_r + W_r h + b_r)          reset gate
//   z = sigmoid(x_z + W_z h + b_z)          update gate
//   u = W_n h + b_n
//   n = tanh(x_n + r u)                     new state
//   h' = (1 - z) n + z h
//
// A thread's clips are the rows of one product at each step, longest clip first; a clip that has ended
// leaves the product.
//
// The plain reference is `gru` in tests/parity/reference.py: numpy, loops, one clip.
// tests/parity/test_layers.py holds this file to it, and tests/layers/native/test_gru.py holds states
// and gradients to torch's GRU.
#include "simd.h"

#define MAX_SEQUENCES 8

// Arguments from Python; GRUArguments in gru.py has the same fields in this order. Arrays of pointers
// hold one pointer for each sequence.
struct gru {
  int64_t sequences, clips, hidden, threads;
  int64_t steps[MAX_SEQUENCES];
  const float *inputs[MAX_SEQUENCES];  // x: [clip, step, 3 hidden], gates r, z, n
  const uint8_t *masks[MAX_SEQUENCES]; // [clip, step], padding last
  const float *weight, *bias;          // [sequence, 3 hidden, hidden], [sequence, 3 hidden]
  float *states[MAX_SEQUENCES];        // h': [clip, step, hidden]; zeros in padding
  float *gates[MAX_SEQUENCES];         // [clip, step, 4 hidden]: r, z, n, u; NULL without gradient
  const float *dstates[MAX_SEQUENCES]; // as states
  float *dinputs[MAX_SEQUENCES];       // as inputs
  float *dweight, *dbias;              // as weight and bias
  float *workspace;
};

INLINE vec sigmoid(vec x) { return splat(1) / (splat(1) + exp2_of(x * splat(-1.4426950408889634f))); }
INLINE vec tanh_of(vec x) { return splat(2) * sigmoid(x + x) - splat(1); }

// Eight numbers from channel c of p[h]: beyond h, 0 is loaded and nothing is stored.
INLINE vec load_row(const float *p, long c, long h) {
  if (c + LANES <= h) return load(p + c);
  vec x = splat(0);
  for (long i = 0; i < h - c; i++) x[i] = p[c + i];
  return x;
}
INLINE void store_row(float *p, long c, long h, vec x) {
  if (c + LANES <= h)
    store(p + c, x);
  else
    for (long i = 0; i < h - c; i++) p[c + i] = x[i];
}

// Where things stand in the workspace; h: hidden channels, H: padded.
struct plan {
  long h, H, work, weights; // floats of one thread's work; of one sequence's dweight and dbias, padded
  int32_t *lengths;         // [sequence, clip]
  int32_t *order;           // [sequence, clip]: clips, longest first
  int32_t *thread;          // [clip]
  int64_t *cost;            // [clip]
  float *weightT;           // [sequence, H, 3 H], for the forward pass
  float *weight;            // [sequence, 3 H, H], for the backward pass
  float *bias;              // [sequence, 3 H]
  float *dweights;          // [thread, sequence, weights]; backward only
  float *works;             // [thread, work]
  long floats;              // of the whole workspace
};
static struct plan plan_of(const struct gru *g, int backward) {
  long h = g->hidden, H = padded(h), n = padded(g->clips), longest = 0;
  for (long i = 0; i < g->sequences; i++) longest = g->steps[i] > longest ? g->steps[i] : longest;
  struct plan p = {.h = h, .H = H, .weights = 3 * H * H + 3 * H};
  // The clips of a thread, their states and gates; backward also one clip at all its steps.
  p.work = n * (1 + 4 * H) + (backward ? longest * 4 * H : 0);
  float *start = g->workspace;
  p.cost = (int64_t *)start;
  p.lengths = (int32_t *)start + 2 * n;
  p.order = p.lengths + g->sequences * n, p.thread = p.order + g->sequences * n;
  p.weightT = start + 2 * n + 2 * g->sequences * n + n;
  p.weight = p.weightT + g->sequences * 3 * H * H;
  p.bias = p.weight + g->sequences * 3 * H * H;
  p.dweights = p.bias + g->sequences * 3 * H;
  p.works = p.dweights + (backward ? g->threads * g->sequences * p.weights : 0);
  p.floats = (p.works - start) + g->threads * p.work;
  return p;
}

// weight and bias -> p.weightT, p.weight and p.bias, each gate padded with zeros.
static void pack(const struct gru *g, struct plan p) {
  zero(p.weightT, g->sequences * (6 * p.H * p.H + 3 * p.H));
  for (long i = 0; i < g->sequences; i++)
    for (long gate = 0; gate < 3; gate++)
      for (long o = 0; o < p.h; o++) {
        long row = gate * p.H + o;
        const float *from = g->weight + ((i * 3 + gate) * p.h + o) * p.h;
        p.bias[i * 3 * p.H + row] = g->bias[(i * 3 + gate) * p.h + o];
        for (long j = 0; j < p.h; j++) {
          p.weightT[(i * p.H + j) * 3 * p.H + row] = from[j];
          p.weight[(i * 3 * p.H + row) * p.H + j] = from[j];
        }
      }
}

// clips[n]: the clips of a thread that have a real step in sequence i, in `order`. Returns n.
static long clips_of_thread(const struct gru *g, struct plan p, long i, long thread,
                            const int32_t *order, int32_t *clips) {
  long n = 0;
  for (long k = 0; k < g->clips; k++)
    if (p.thread[order[k]] == thread && p.lengths[i * padded(g->clips) + order[k]])
      clips[n++] = order[k];
  return n;
}

// The formulas at the head of this file, for n clips of sequence i: from inputs to states and gates.
static void forward_sequence(const struct gru *g, struct plan p, long i, const int32_t *clips, long n,
                             float *work) {
  long h = p.h, H = p.H, steps = g->steps[i];
  const int32_t *lengths = p.lengths + i * padded(g->clips);
  float *state = work, *hidden_gates = state + n * H; // [n, H]; W h + b: [n, 3 H]
  zero(state, n * H);
  for (long t = 0; n; t++) {
    while (n && lengths[clips[n - 1]] <= t) n--;
    matmul(n, 3 * H, H, state, H, 1, p.weightT + i * 3 * H * H, 3 * H, hidden_gates, 3 * H, ROW,
           p.bias + i * 3 * H);
    for (long k = 0; k < n; k++) {
      long at = clips[k] * steps + t;
      const float *x = g->inputs[i] + at * 3 * h;
      float *gates = g->gates[i] ? g->gates[i] + at * 4 * h : NULL;
      for (long c = 0; c < H; c += LANES) {
        const float *w = hidden_gates + k * 3 * H + c;
        vec r = sigmoid(load_row(x, c, h) + load(w)), z = sigmoid(load_row(x + h, c, h) + load(w + H));
        vec u = load(w + 2 * H), new = tanh_of(load_row(x + 2 * h, c, h) + r * u);
        vec before = load(state + k * H + c), after = new + z * (before - new);
        store(state + k * H + c, after);
        store_row(g->states[i] + at * h, c, h, after);
        if (!gates) continue;
        store_row(gates, c, h, r), store_row(gates + h, c, h, z);
        store_row(gates + 2 * h, c, h, new), store_row(gates + 3 * h, c, h, u);
      }
    }
  }
}

// dinputs of n clips of sequence i from dstates, and the clips' share of the gradients of weight and
// bias, added to dweights. With dh the whole gradient of h', from its output and from the next step:
//
//   dx_n = dh (1 - z) (1 - n^2)   du = dx_n r
//   dx_r = dx_n u r (1 - r)       dx_z = dh (h - n) z (1 - z)
//   dh of the step before = dh z + W^T [dx_r, dx_z, du]
//   dW = sum over steps and clips of [dx_r, dx_z, du] h^T,  db = sum of [dx_r, dx_z, du]
static void backward_sequence(const struct gru *g, struct plan p, long i, const int32_t *clips, long n,
                              float *dweights, float *work) {
  long h = p.h, H = p.H, steps = g->steps[i];
  const int32_t *lengths = p.lengths + i * padded(g->clips);
  float *dstate = work, *dgates = dstate + n * H; // [n, H], [n, 3 H]
  float *dgates_of_clip = dgates + n * 3 * H; // [step, 3 H]
  float *states_before = dgates_of_clip + steps * 3 * H; // [step, H]
  zero(dstate, n * H);
  long running = 0;
  for (long t = n ? lengths[clips[0]] - 1 : -1; t >= 0; t--) {
    while (running < n && lengths[clips[running]] > t) running++;
    for (long k = 0; k < running; k++) {
      long at = clips[k] * steps + t;
      const float *gates = g->gates[i] + at * 4 * h, *dout = g->dstates[i] + at * h;
      float *dx = g->dinputs[i] + at * 3 * h;
      for (long c = 0; c < H; c += LANES) {
        vec r = load_row(gates, c, h), z = load_row(gates + h, c, h);
        vec new = load_row(gates + 2 * h, c, h), u = load_row(gates + 3 * h, c, h);
        vec before = t ? load_row(g->states[i] + (at - 1) * h, c, h) : splat(0);
        vec dh = load(dstate + k * H + c) + load_row(dout, c, h);
        vec dnew = dh * (splat(1) - z) * (splat(1) - new * new), du = dnew * r;
        vec dr = dnew * u * r * (splat(1) - r), dz = dh * (before - new) * z * (splat(1) - z);
        float *w = dgates + k * 3 * H + c;
        store(w, dr), store(w + H, dz), store(w + 2 * H, du);
        store_row(dx, c, h, dr), store_row(dx + h, c, h, dz), store_row(dx + 2 * h, c, h, dnew);
        store(dstate + k * H + c, dh * z);
      }
    }
    matmul(running, H, 3 * H, dgates, 3 * H, 1, p.weight + i * 3 * H * H, H, dstate, H, ITSELF, NULL);
  }
  float *dweight = dweights + i * p.weights, *dbias = dweight + 3 * H * H;
  for (long k = 0; k < n; k++) { // all steps of a clip at once
    long length = lengths[clips[k]];
    for (long t = 0; t < length; t++) {
      long at = clips[k] * steps + t;
      const float *dx = g->dinputs[i] + at * 3 * h, *gates = g->gates[i] + at * 4 * h;
      for (long c = 0; c < H; c += LANES) {
        float *row = dgates_of_clip + t * 3 * H + c;
        vec du = load_row(dx + 2 * h, c, h) * load_row(gates, c, h);
        vec dr = load_row(dx, c, h), dz = load_row(dx + h, c, h);
        store(row, dr), store(row + H, dz), store(row + 2 * H, du);
        store(dbias + c, load(dbias + c) + dr);
        store(dbias + H + c, load(dbias + H + c) + dz);
        store(dbias + 2 * H + c, load(dbias + 2 * H + c) + du);
        store(states_before + t * H + c, t ? load_row(g->states[i] + (at - 1) * h, c, h) : splat(0));
      }
    }
    matmul(3 * H, H, length, dgates_of_clip, 1, 3 * H, states_before, H, dweight, H, ITSELF, NULL);
  }
}

// dweight and dbias = the sum over threads of p.dweights, without the padding.
static void unpack_gradients(const struct gru *g, struct plan p) {
  for (long i = 0; i < g->sequences; i++)
    for (long gate = 0; gate < 3; gate++)
      for (long o = 0; o < p.h; o++)
        for (long j = 0; j <= p.h; j++) {
          long row = gate * p.H + o;
          long from = i * p.weights + (j < p.h ? row * p.H + j : 3 * p.H * p.H + row);
          float sum = 0;
          for (long t = 0; t < g->threads; t++) sum += p.dweights[t * g->sequences * p.weights + from];
          long to = (i * 3 + gate) * p.h + o;
          if (j < p.h)
            g->dweight[to * p.h + j] = sum;
          else
            g->dbias[to] = sum;
        }
}

// Bytes of the arguments; floats of `workspace`.
int64_t EXPORT(gru_size)(void) { return sizeof(struct gru); }
int64_t EXPORT(gru_workspace)(const struct gru *g, int32_t backward) { return plan_of(g, backward).floats; }

// The forward or the backward pass of all sequences. Returns 0, or 1 where a mask has a real step
// behind padding: nothing is written then.
int32_t EXPORT(gru_run)(const struct gru *g, int32_t backward) {
  struct plan p = plan_of(g, backward);
  long n = padded(g->clips);
  memset(p.cost, 0, g->clips * sizeof(int64_t));
  for (long i = 0; i < g->sequences; i++)
    for (long b = 0; b < g->clips; b++) {
      long length = real_steps(g->masks[i] + b * g->steps[i], g->steps[i]);
      if (length < 0) return 1;
      p.lengths[i * n + b] = (int32_t)length, p.cost[b] += length;
      long k = b; // insertion sort, longest first
      for (; k && p.lengths[i * n + p.order[i * n + k - 1]] < length; k--)
        p.order[i * n + k] = p.order[i * n + k - 1];
      p.order[i * n + k] = (int32_t)b;
    }
  assign_clips(g->clips, g->threads, p.cost, p.thread);
  pack(g, p);
#pragma omp parallel for num_threads(g->threads) schedule(static, 1) if (g->threads > 1)
  for (long t = 0; t < g->threads; t++) {
    float *dweights = p.dweights + t * g->sequences * p.weights, *work = p.works + t * p.work;
    if (backward) zero(dweights, g->sequences * p.weights);
    for (long i = 0; i < g->sequences; i++) {
      for (long b = 0; b < g->clips; b++) { // zeros in padding
        if (p.thread[b] != t) continue;
        long length = p.lengths[i * n + b], padding = g->steps[i] - length;
        long at = b * g->steps[i] + length;
        if (backward)
          zero(g->dinputs[i] + at * 3 * p.h, padding * 3 * p.h);
        else
          zero(g->states[i] + at * p.h, padding * p.h);
      }
      int32_t *clips = (int32_t *)work;
      long count = clips_of_thread(g, p, i, t, p.order + i * n, clips);
      if (backward)
        backward_sequence(g, p, i, clips, count, dweights, work + n);
      else
        forward_sequence(g, p, i, clips, count, work + n);
    }
  }
  if (backward) unpack_gradients(g, p);
  return 0;
}
