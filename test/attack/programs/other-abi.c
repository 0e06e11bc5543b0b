// System calls through the doors a filter for one ABI forgets: `int $0x80` (32-bit numbers) and x32 (bit 30 set).
// Prints ESCAPED where the kernel did what was asked; anything else, death by signal included, is a refusal.

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef __x86_64__
static long int80(long number, long a, long b, long c) {
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
  return result;
}

static long x32(long number, long a, long b, long c) {
  long result = syscall(number | 0x40000000, a, b, c, 0, 0);
  return result < 0 ? -errno : result;
}
#endif

int main(int count, char **words) {
  const char *what = count > 1 ? words[1] : "";
  long result = -ENOSYS;
#ifdef __x86_64__
  if (strcmp(what, "int80-socket") == 0) result = int80(359, 40 /* AF_VSOCK */, 1, 0);
  if (strcmp(what, "int80-mount") == 0) result = int80(21, 0, 0, 0) == -14 ? 0 : -1; // EFAULT: it was looked at
  if (strcmp(what, "int80-unshare") == 0) result = int80(310, 0x10000000, 0, 0);
  if (strcmp(what, "x32-socket") == 0) result = x32(41, 40, 1, 0);
  if (strcmp(what, "x32-mount") == 0) result = x32(165, 0, 0, 0) == -14 ? 0 : -1;
  if (strcmp(what, "x32-unshare") == 0) result = x32(272, 0x10000000, 0, 0);
  if (strcmp(what, "x32-io_uring") == 0) result = x32(425, 8, 0, 0) == -14 ? 0 : -1;
#endif
  if (result >= 0)
    printf("ESCAPED %s: %ld\n", what, result);
  else
    printf("refused %s: %ld\n", what, result);
  return 0;
}
