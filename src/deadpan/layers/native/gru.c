// Several GRUs over padded sequences of the same clips (Cho et al. 2014, torch's gates):
//
//   r, z = sigmoid(x + W h + b),  n = tanh(x + r (W_n h + b_n)),  h' = n + z (h - n)
//
// A thread's clips run side by side as rows of one product, longest first; one that has ended leaves.
#include "products.h"

#define MOST 8

// What Python fills in; gru.py has the same fields in the same order.
struct scan {
  int64_t sequences, clips, hidden, threads;
  int64_t steps[MOST];
  const float *inputs[MOST];  // [clip, step, 3 hidden], the input's bias included
  const uint8_t *masks[MOST]; // [clip, step], padding last
  const float *weight, *bias; // [sequence, 3 hidden, hidden], [sequence, 3 hidden]
  float *states[MOST];        // [clip, step, hidden]; zeros in padding
  float *gates[MOST];         // [clip, step, reset update new turned]; NULL without gradient
  const float *received[MOST];
  float *of_inputs[MOST];
  float *of_weight, *of_bias;
  float *workspace;
};

INLINE vec sigmoid(vec x) { return all(1) / (all(1) + power_of_2(x * all(-1.4426950408889634f))); }
INLINE vec tanh_of(vec x) { return all(2) * sigmoid(x + x) - all(1); }

// Rows of h numbers padded to H: a gate's rows are padded one by one.
INLINE vec load_row(const float *p, long c, long h) {
  if (c + LANES <= h) return load(p + c);
  vec x = all(0);
  for (long i = 0; i < h - c; i++) x[i] = p[c + i];
  return x;
}
INLINE void store_row(float *p, long c, long h, vec x) {
  if (c + LANES <= h)
    store(p + c, x);
  else
    for (long i = 0; i < h - c; i++) p[c + i] = x[i];
}

struct plan {
  long h, H, work, weights;
  int32_t *lengths, *order, *owner;
  int64_t *cost;
  float *forwards, *backwards, *bias, *sums, *works;
  long floats;
};
static struct plan plan_of(const struct scan *s, int back) {
  long h = s->hidden, H = padded(h), n = padded(s->clips), most = 0;
  for (long i = 0; i < s->sequences; i++) most = s->steps[i] > most ? s->steps[i] : most;
  struct plan p = {.h = h, .H = H, .weights = 3 * H * H + 3 * H};
  // The clips of a thread, their states and gates; backwards also one clip at all its steps.
  p.work = n * (1 + 4 * H) + (back ? most * 4 * H : 0);
  float *start = s->workspace;
  p.cost = (int64_t *)start;
  p.lengths = (int32_t *)start + 2 * n;
  p.order = p.lengths + s->sequences * n, p.owner = p.order + s->sequences * n;
  p.forwards = start + 2 * n + 2 * s->sequences * n + n;
  p.backwards = p.forwards + s->sequences * 3 * H * H;
  p.bias = p.backwards + s->sequences * 3 * H * H;
  p.sums = p.bias + s->sequences * 3 * H;
  p.works = p.sums + (back ? s->threads * s->sequences * p.weights : 0);
  p.floats = (p.works - start) + s->threads * p.work;
  return p;
}

static void pack(const struct scan *s, struct plan p) {
  memset(p.forwards, 0, s->sequences * (6 * p.H * p.H + 3 * p.H) * sizeof(float));
  for (long i = 0; i < s->sequences; i++)
    for (long g = 0; g < 3; g++)
      for (long o = 0; o < p.h; o++) {
        long row = g * p.H + o;
        const float *from = s->weight + ((i * 3 + g) * p.h + o) * p.h;
        p.bias[i * 3 * p.H + row] = s->bias[(i * 3 + g) * p.h + o];
        for (long j = 0; j < p.h; j++) {
          p.forwards[(i * p.H + j) * 3 * p.H + row] = from[j];
          p.backwards[(i * 3 * p.H + row) * p.H + j] = from[j];
        }
      }
}

// The clips of a thread, longest first; returns how many have a step at all.
static long mine(const struct scan *s, struct plan p, long i, long thread, const int32_t *order,
                 int32_t *clips) {
  long n = 0;
  for (long k = 0; k < s->clips; k++)
    if (p.owner[order[k]] == thread && p.lengths[i * padded(s->clips) + order[k]]) clips[n++] = order[k];
  return n;
}

static void forward_sequence(const struct scan *s, struct plan p, long i, const int32_t *clips, long n,
                             float *work) {
  long h = p.h, H = p.H, steps = s->steps[i];
  const int32_t *lengths = p.lengths + i * padded(s->clips);
  float *state = work, *turned = state + n * H;
  memset(state, 0, n * H * sizeof(float));
  for (long t = 0; n; t++) {
    while (n && lengths[clips[n - 1]] <= t) n--;
    product(n, 3 * H, H, state, H, 1, p.forwards + i * 3 * H * H, 3 * H, turned, 3 * H, ROW,
            p.bias + i * 3 * H);
    for (long k = 0; k < n; k++) {
      long at = clips[k] * steps + t;
      const float *x = s->inputs[i] + at * 3 * h;
      float *gates = s->gates[i] ? s->gates[i] + at * 4 * h : NULL;
      for (long c = 0; c < H; c += LANES) {
        const float *w = turned + k * 3 * H + c;
        vec r = sigmoid(load_row(x, c, h) + load(w)), z = sigmoid(load_row(x + h, c, h) + load(w + H));
        vec u = load(w + 2 * H), new = tanh_of(load_row(x + 2 * h, c, h) + r * u);
        vec before = load(state + k * H + c), after = new + z * (before - new);
        store(state + k * H + c, after);
        store_row(s->states[i] + at * h, c, h, after);
        if (!gates) continue;
        store_row(gates, c, h, r), store_row(gates + h, c, h, z);
        store_row(gates + 2 * h, c, h, new), store_row(gates + 3 * h, c, h, u);
      }
    }
  }
}

static void backward_sequence(const struct scan *s, struct plan p, long i, const int32_t *clips, long n,
                              float *sums, float *work) {
  long h = p.h, H = p.H, steps = s->steps[i];
  const int32_t *lengths = p.lengths + i * padded(s->clips);
  float *carry = work, *given = carry + n * H, *rows = given + n * 3 * H, *states = rows + steps * 3 * H;
  memset(carry, 0, n * H * sizeof(float));
  long running = 0;
  for (long t = n ? lengths[clips[0]] - 1 : -1; t >= 0; t--) {
    while (running < n && lengths[clips[running]] > t) running++;
    for (long k = 0; k < running; k++) {
      long at = clips[k] * steps + t;
      const float *gates = s->gates[i] + at * 4 * h, *got = s->received[i] + at * h;
      float *of_x = s->of_inputs[i] + at * 3 * h;
      for (long c = 0; c < H; c += LANES) {
        vec r = load_row(gates, c, h), z = load_row(gates + h, c, h), new = load_row(gates + 2 * h, c, h);
        vec u = load_row(gates + 3 * h, c, h);
        vec before = t ? load_row(s->states[i] + (at - 1) * h, c, h) : all(0);
        vec d = load(carry + k * H + c) + load_row(got, c, h);
        vec of_new = d * (all(1) - z) * (all(1) - new * new), of_u = of_new * r;
        vec of_r = of_new * u * r * (all(1) - r), of_z = d * (before - new) * z * (all(1) - z);
        float *w = given + k * 3 * H + c;
        store(w, of_r), store(w + H, of_z), store(w + 2 * H, of_u);
        store_row(of_x, c, h, of_r), store_row(of_x + h, c, h, of_z), store_row(of_x + 2 * h, c, h, of_new);
        store(carry + k * H + c, d * z);
      }
    }
    product(running, H, 3 * H, given, 3 * H, 1, p.backwards + i * 3 * H * H, H, carry, H, ITSELF, NULL);
  }
  float *of_weight = sums + i * p.weights, *of_bias = of_weight + 3 * H * H;
  for (long k = 0; k < n; k++) { // all steps of a clip at once
    long length = lengths[clips[k]];
    for (long t = 0; t < length; t++) {
      long at = clips[k] * steps + t;
      const float *of_x = s->of_inputs[i] + at * 3 * h, *gates = s->gates[i] + at * 4 * h;
      for (long c = 0; c < H; c += LANES) {
        float *row = rows + t * 3 * H + c;
        vec of_u = load_row(of_x + 2 * h, c, h) * load_row(gates, c, h);
        vec of_r = load_row(of_x, c, h), of_z = load_row(of_x + h, c, h);
        store(row, of_r), store(row + H, of_z), store(row + 2 * H, of_u);
        store(of_bias + c, load(of_bias + c) + of_r);
        store(of_bias + H + c, load(of_bias + H + c) + of_z);
        store(of_bias + 2 * H + c, load(of_bias + 2 * H + c) + of_u);
        store(states + t * H + c, t ? load_row(s->states[i] + (at - 1) * h, c, h) : all(0));
      }
    }
    product(3 * H, H, length, rows, 1, 3 * H, states, H, of_weight, H, ITSELF, NULL);
  }
}

static void unpack(const struct scan *s, struct plan p) {
  for (long i = 0; i < s->sequences; i++)
    for (long g = 0; g < 3; g++)
      for (long o = 0; o < p.h; o++)
        for (long j = 0; j <= p.h; j++) {
          long row = g * p.H + o, from = i * p.weights + (j < p.h ? row * p.H + j : 3 * p.H * p.H + row);
          float sum = 0;
          for (long t = 0; t < s->threads; t++) sum += p.sums[t * s->sequences * p.weights + from];
          long to = (i * 3 + g) * p.h + o;
          if (j < p.h)
            s->of_weight[to * p.h + j] = sum;
          else
            s->of_bias[to] = sum;
        }
}

int64_t gru_scan_size(void) { return sizeof(struct scan); }
int64_t gru_scan_workspace(const struct scan *s, int32_t back) { return plan_of(s, back).floats; }

// 0, or 1 where a mask has a real step behind padding: nothing is written then.
int32_t gru_scan_run(const struct scan *s, int32_t back) {
  struct plan p = plan_of(s, back);
  long n = padded(s->clips);
  memset(p.cost, 0, s->clips * sizeof(int64_t));
  for (long i = 0; i < s->sequences; i++)
    for (long b = 0; b < s->clips; b++) {
      long length = real_steps(s->masks[i] + b * s->steps[i], s->steps[i]);
      if (length < 0) return 1;
      p.lengths[i * n + b] = (int32_t)length, p.cost[b] += length;
      long k = b; // insertion sort, longest first
      for (; k && p.lengths[i * n + p.order[i * n + k - 1]] < length; k--)
        p.order[i * n + k] = p.order[i * n + k - 1];
      p.order[i * n + k] = (int32_t)b;
    }
  divide(s->clips, s->threads, p.cost, p.owner);
  pack(s, p);
#pragma omp parallel for num_threads(s->threads) schedule(static, 1) if (s->threads > 1)
  for (long t = 0; t < s->threads; t++) {
    float *sums = p.sums + t * s->sequences * p.weights, *work = p.works + t * p.work;
    if (back) memset(sums, 0, s->sequences * p.weights * sizeof(float));
    for (long i = 0; i < s->sequences; i++) {
      for (long b = 0; b < s->clips; b++) { // padding
        if (p.owner[b] != t) continue;
        long row = p.lengths[i * n + b], more = s->steps[i] - row, at = b * s->steps[i] + row;
        if (back)
          memset(s->of_inputs[i] + at * 3 * p.h, 0, more * 3 * p.h * sizeof(float));
        else
          memset(s->states[i] + at * p.h, 0, more * p.h * sizeof(float));
      }
      int32_t *clips = (int32_t *)work;
      long count = mine(s, p, i, t, p.order + i * n, clips);
      if (back)
        backward_sequence(s, p, i, clips, count, sums, work + n);
      else
        forward_sequence(s, p, i, clips, count, work + n);
    }
  }
  if (back) unpack(s, p);
  return 0;
}
