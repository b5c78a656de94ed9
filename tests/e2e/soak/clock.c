// A clock that a test can set: preloaded into a program, it adds the seconds in the file CLOCK_OFFSET to the time of day that the program asks for.
//
// Only the time of day is changed; monotonic clocks, by which programs wait, go on. It allocates nothing, because Envoy's allocator asks for the time while it
// starts (libfaketime 0.9.10 hangs there). clock.mjs compiles it.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile long *offset;

/* The seconds to add. The file stays mapped, so that a change takes effect at once. */
static long ahead(void) {
    if (!offset) {
        static const long none = 0;
        const char *path = getenv("CLOCK_OFFSET");
        int file = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0) : -1;
        void *map = file < 0 ? MAP_FAILED : mmap(0, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
        if (file >= 0) syscall(SYS_close, file);
        offset = map == MAP_FAILED ? &none : map;
    }
    return *offset;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    int failed = (int)syscall(SYS_clock_gettime, clock, at);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) at->tv_sec += ahead();
    return failed;
}

int gettimeofday(struct timeval *at, void *zone) {
    int failed = (int)syscall(SYS_gettimeofday, at, zone);
    if (!failed) at->tv_sec += ahead();
    return failed;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
