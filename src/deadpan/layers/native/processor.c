// What was built, and what this processor can run of it.
#include <stdint.h>

// The hash of the sources from which build.py made this library.
const char *native_source_hash(void) { return SOURCE_HASH; }

// The best set of instructions of this processor: its position in INSTRUCTIONS of build.py.
int32_t native_best(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_cpu_init();
  int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw"))
    return 0;
  if (avx2) return 1;
#endif
  return 2;
}
