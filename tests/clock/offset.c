/*
 * Sets the wall clock of one process ahead or back, while the machine's own goes on: loaded before libc, it adds to
 * CLOCK_REALTIME the seconds that the file named by CLOCK_OFFSET_FILE holds at that moment. No other clock is touched.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int file = -1;
static int (*real)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CLOCK_OFFSET_FILE");
    if (path != NULL) {
        file = open(path, O_RDONLY | O_CLOEXEC);
    }
}

static long long offset(void) {
    char text[32];
    ssize_t length = file < 0 ? -1 : pread(file, text, sizeof text - 1, 0);
    if (length <= 0) {
        return 0;
    }
    text[length] = '\0';
    return strtoll(text, NULL, 10);
}

int clock_gettime(clockid_t which, struct timespec *now) {
    if (real == NULL) {
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    }
    int outcome = real(which, now);
    if (outcome == 0 && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) {
        now->tv_sec += offset();
    }
    return outcome;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    struct timespec at;
    int outcome = clock_gettime(CLOCK_REALTIME, &at);
    now->tv_sec = at.tv_sec;
    now->tv_usec = at.tv_nsec / 1000;
    return outcome;
}

time_t time(time_t *into) {
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    if (into != NULL) {
        *into = at.tv_sec;
    }
    return at.tv_sec;
}
