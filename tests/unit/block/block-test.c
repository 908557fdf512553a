/* tests/unit/block/block-test.c - what is written is read, options say what they accept, and an image has one writer.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/block.h"
#include "block/node.h"
#include "system/handoff.h"
#include "system/runstate.h"
#include "util/loop.h"

enum { SIZE = 256 * 1024 };

static char *make_file(void)
{
    g_autofree char *zeroes = g_malloc0(SIZE);
    char *path;
    int fd = g_file_open_tmp("baton-block-XXXXXX", &path, NULL);

    g_assert_cmpint(write(fd, zeroes, SIZE), ==, SIZE);
    close(fd);
    return path;
}

static bool add(GError **errp, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
static bool add(GError **errp, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    g_autoptr(Json) options = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    options = json_parse(text, strlen(text), NULL);
    g_assert_nonnull(options);
    return block_add(options, errp);
}

static void finished(BlockRequest *r, int result)
{
    *(int *)r->opaque = result;
}

static int run(BlockNode *n, BlockOp op, uint64_t offset, void *data, uint64_t size)
{
    int result = 1;
    struct iovec iov[2] = {{data, size / 2}, {(char *)data + size / 2, size - size / 2}};
    BlockRequest r = {.op = op, .offset = offset, .size = size, .iov = iov, .iov_count = data ? 2 : 0,
                      .may_unmap = true, .done = finished, .opaque = &result};

    block_submit(n, &r);
    while (result == 1) {
        g_main_context_iteration(NULL, TRUE);
    }
    return result;
}

static void what_is_written_is_read(gconstpointer cache)
{
    g_autofree char *path = make_file();
    uint8_t out[1536], in[1536];
    BlockNode *n;

    g_assert_true(add(NULL, "{'driver': 'raw', 'node-name': 'd', 'discard': 'unmap', 'file': {'driver': 'file', "
                      "'filename': '%s'}, 'cache': %s}", path, (const char *)cache));
    n = block_find("d");
    g_assert_cmpuint(block_size(n), ==, SIZE);
    memset(out, 0xa5, sizeof(out));
    g_assert_cmpint(run(n, BLOCK_WRITE, 512, out, 1536), ==, 0);
    g_assert_cmpint(run(n, BLOCK_FLUSH, 0, NULL, 0), ==, 0);
    g_assert_cmpint(run(n, BLOCK_READ, 512, in, 1536), ==, 0);
    g_assert_cmpmem(in, 1536, out, 1536);
    g_assert_cmpint(run(n, BLOCK_WRITE_ZEROES, 512, NULL, 512), ==, 0);
    g_assert_cmpint(run(n, BLOCK_READ, 512, in, 1536), ==, 0);
    memset(out, 0, 512);
    g_assert_cmpmem(in, 1536, out, 1536);
    g_assert_cmpint(run(n, BLOCK_DISCARD, 0, NULL, SIZE), ==, 0);
    g_assert_cmpint(run(n, BLOCK_READ, SIZE - 512, in, 1024), ==, -EINVAL);
    g_assert_cmpint(run(n, BLOCK_READ, UINT64_MAX, in, 512), ==, -EINVAL);
    g_assert_true(block_delete("d", NULL));
    unlink(path);
}

static void a_read_only_disk_refuses_writes(void)
{
    g_autofree char *path = make_file();
    uint8_t data[512] = {0};

    g_assert_true(add(NULL, "{'id': 'r', 'file': '%s', 'format': 'raw', 'read-only': 'on'}", path));
    g_assert_true(block_is_read_only(block_find("r")));
    g_assert_cmpint(run(block_find("r"), BLOCK_WRITE, 0, data, 512), ==, -EPERM);
    g_assert_cmpint(run(block_find("r"), BLOCK_READ, 0, data, 512), ==, 0);
    g_assert_true(block_delete("r", NULL));
    unlink(path);
}

static void a_node_may_stand_on_another(void)
{
    g_autofree char *path = make_file();
    g_autoptr(GError) err = NULL;
    uint8_t data[512] = {1};

    g_assert_true(add(NULL, "{'driver': 'file', 'node-name': 'low', 'filename': '%s'}", path));
    g_assert_true(add(NULL, "{'driver': 'raw', 'node-name': 'high', 'file': 'low'}"));
    g_assert_cmpint(run(block_find("high"), BLOCK_WRITE, 0, data, 512), ==, 0);
    g_assert_false(block_delete("low", &err));
    g_assert_nonnull(strstr(err->message, "in use"));
    g_assert_true(block_attach(block_find("high"), "disk0", NULL));
    g_assert_false(block_attach(block_find("high"), "disk1", NULL));
    block_detach(block_find("high"));
    g_assert_true(block_delete("high", NULL));
    g_assert_true(block_delete("low", NULL));
    unlink(path);
}

static void a_write_through_needs_no_flush(void)
{
    g_autofree char *path = make_file();
    uint8_t data[512] = {1};
    struct iovec iov = {data, sizeof(data)};
    BlockRequest r = {.op = BLOCK_WRITE, .size = sizeof(data), .iov = &iov, .iov_count = 1};
    BlockNode *n;

    g_assert_true(add(NULL, "{'id': 't', 'file': '%s', 'cache': 'writethrough'}", path));
    n = block_find("t");
    g_assert_false(block_is_cached(n)); /* the device's default; the device asks for it, write by write */
    g_assert_cmpint(raw_execute(n, &r), ==, 0);
    g_assert_true(n->is_unsynced);
    r.is_through = true;
    g_assert_cmpint(raw_execute(n, &r), ==, 0);
    g_assert_false(n->is_unsynced);
    g_assert_true(block_delete("t", NULL));
    unlink(path);
}

/* The kernel's: an error is told once. */
static struct {
    GMutex lock;
    GCond changed;
    unsigned errors;            /* told to the next so many */
    bool is_slow, is_waiting;
    unsigned ended;             /* so many have been answered */
} disk;

int fdatasync(int fd)
{
    bool fails;

    g_mutex_lock(&disk.lock);
    disk.is_waiting = true;
    g_cond_broadcast(&disk.changed);
    while (disk.is_slow) {
        g_cond_wait(&disk.changed, &disk.lock);
    }
    disk.is_waiting = false;
    fails = disk.errors && disk.errors--;
    disk.ended++;
    g_cond_broadcast(&disk.changed);
    g_mutex_unlock(&disk.lock);
    errno = fails ? EIO : errno;
    return fails ? -1 : 0;
}

static void await_flushes(unsigned count)
{
    g_mutex_lock(&disk.lock);
    while (disk.ended < count) {
        g_cond_wait(&disk.changed, &disk.lock);
    }
    g_mutex_unlock(&disk.lock);
}

static BlockNode *make_unsynced(const char *path)
{
    uint8_t data[512] = {1};

    g_assert_true(add(NULL, "{'id': 'e', 'file': '%s'}", path));
    g_assert_cmpint(run(block_find("e"), BLOCK_WRITE, 0, data, 512), ==, 0);
    return block_find("e");
}

static void an_error_of_our_own_flush_is_told_to_the_guest(void)
{
    HandoffPart *p = handoff_find("block");
    g_autofree char *path = make_file();
    g_autoptr(GError) err = NULL;
    BlockNode *n = make_unsynced(path);

    disk.errors = 1;
    g_assert_true(p->prepare(p, NULL));
    g_assert_false(p->drain(p, &err)); /* though the kernel says nothing more of it */
    g_assert_nonnull(strstr(err->message, "disk 'e': its cache"));
    p->claim(p, HANDOFF_BACK);
    g_assert_true(p->take_back(p, HANDOFF_BACK, NULL));
    g_assert_cmpint(run(n, BLOCK_FLUSH, 0, NULL, 0), ==, -EIO);
    g_assert_cmpint(run(n, BLOCK_FLUSH, 0, NULL, 0), ==, 0);
    g_assert_true(p->drain(p, NULL));
    g_assert_true(block_delete("e", NULL));
    unlink(path);
}

/* Of a guest that is reset meanwhile. */
static void start_failing_flush(BlockNode *n, BlockRequest *r)
{
    disk.errors = 1;
    disk.is_slow = true;
    block_submit(n, r);
    g_mutex_lock(&disk.lock);
    while (!disk.is_waiting) {
        g_cond_wait(&disk.changed, &disk.lock);
    }
    block_revoke(n, r);
    disk.is_slow = false;
    g_cond_broadcast(&disk.changed);
    g_mutex_unlock(&disk.lock);
}

static void an_error_of_a_flush_nobody_waits_for_is_told_to_the_guest(void)
{
    g_autofree char *path = make_file();
    BlockNode *n = make_unsynced(path);
    int result = 1;
    BlockRequest r = {.op = BLOCK_FLUSH, .done = finished, .opaque = &result};

    start_failing_flush(n, &r);
    g_assert_cmpint(run(n, BLOCK_FLUSH, 0, NULL, 0), ==, -EIO);
    g_assert_cmpint(result, ==, -EIO);
    g_assert_cmpint(run(n, BLOCK_FLUSH, 0, NULL, 0), ==, 0);
    g_assert_true(block_delete("e", NULL));
    unlink(path);
}

/* Our own flush found nothing wrong before that one's answer was looked at: the error is owed all the same. */
static void an_owed_error_outlasts_a_flush_of_ours_that_met_none(void)
{
    HandoffPart *p = handoff_find("block");
    g_autofree char *path = make_file();
    BlockNode *n = make_unsynced(path);
    int result = 1;
    BlockRequest r = {.op = BLOCK_FLUSH, .done = finished, .opaque = &result};
    unsigned before = disk.ended;

    start_failing_flush(n, &r);
    await_flushes(before + 1);              /* it has failed */
    atomic_store(&n->is_unsynced, true);    /* as a write does that comes meanwhile */
    g_assert_true(p->prepare(p, NULL));
    await_flushes(before + 2);              /* ours has not */
    while (result == 1) {
        g_main_context_iteration(NULL, TRUE);
    }
    g_assert_false(p->drain(p, NULL));
    p->claim(p, HANDOFF_BACK);
    g_assert_true(p->take_back(p, HANDOFF_BACK, NULL));
    g_assert_cmpint(run(n, BLOCK_FLUSH, 0, NULL, 0), ==, -EIO);
    g_assert_true(block_delete("e", NULL));
    unlink(path);
}

static void wrong_options_say_what_is_accepted(void)
{
    static const struct {
        const char *options, *says;
    } wrong[] = {
        {"{'id': 'x', 'file': '/nowhere/at/all'}", "*disk 'x'*No such file*"},
        {"{'id': 'x', 'file': '/dev', 'read-only': 'on'}", "*neither a file nor a block device*"},
        {"{'id': 'x'}", "*filename*missing*"},
        {"{'id': 'x', 'file': '/dev/null', 'colour': 'red'}", "*unknown option 'colour'*filename*"},
        {"{'id': 'x', 'file': '/dev/null', 'format': 'qcow2'}", "*'format' is 'qcow2'*raw*"},
        {"{'id': 'x', 'file': '/dev/null', 'cache': 'fast'}", "*cache mode 'fast'*writeback, writethrough, none, directsync*"},
        {"{'id': 'x', 'file': '/dev/null', 'werror': 'panic'}", "*'werror' is 'panic'*report*"},
        {"{'id': 'x', 'file': '/dev/null', 'read-only': 'maybe'}", "*'on' or 'off'*"},
        {"{'id': 'x', 'file': {'file': {'file': {'file': {'file': {'file': '/a'}}}}}}", "*nested too deep*"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) err = NULL;

        g_assert_false(add(&err, "%s", wrong[i].options));
        g_test_message("%s", err->message);
        g_assert_true(g_pattern_match_simple(wrong[i].says, err->message));
        g_assert_null(block_find("x"));
    }
}

/* The machine would wait for somebody to write to it. */
static void a_pipe_is_no_disk(void)
{
    g_autofree char *path = make_file();
    g_autoptr(GError) err = NULL;

    unlink(path);
    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
    g_assert_false(add(&err, "{'id': 'x', 'file': '%s', 'read-only': true}", path));
    g_assert_nonnull(strstr(err->message, "disk 'x': cannot open"));
    unlink(path);
}

static void an_image_has_one_writer(void)
{
    g_autofree char *path = make_file();
    g_autoptr(GError) err = NULL;

    g_assert_true(add(NULL, "{'id': 'a', 'file': '%s'}", path));
    g_assert_false(add(&err, "{'id': 'b', 'file': '%s'}", path));
    g_assert_nonnull(strstr(err->message, "another process uses the image"));
    g_assert_true(add(NULL, "{'id': 'b', 'file': '%s', 'read-only': true}", path));
    g_assert_true(block_delete("a", NULL));
    g_assert_true(add(NULL, "{'id': 'a', 'file': '%s'}", path));
    g_assert_true(block_delete("a", NULL));
    g_assert_true(block_delete("b", NULL));
    unlink(path);
}

/* The other process: a writer of its own on the same file. */
static BlockNode *other_writer(const char *path, GError **errp)
{
    BlockNode *n = g_new0(BlockNode, 1);

    *n = (BlockNode){.name = (char *)"other", .filename = g_strdup(path), .fd = -1, .wants_write = true};
    if (!raw_open(n, RAW_WRITE, errp)) {
        g_free(n->filename);
        g_free(n);
        return NULL;
    }
    return n;
}

static void close_other(BlockNode *n)
{
    raw_close(n);
    g_free(n->filename);
    g_free(n);
}

static void the_lock_passes_with_the_guest(void)
{
    HandoffPart *p = handoff_find("block");
    g_autofree char *path = make_file();
    uint8_t data[512] = {1};
    BlockNode *other, *mine;
    g_autoptr(GError) err = NULL;

    g_assert_true(add(NULL, "{'id': 's', 'file': '%s'}", path));
    mine = block_find("s");
    g_assert_null(other_writer(path, NULL));
    g_assert_true(p->drain(p, NULL));
    other = other_writer(path, NULL); /* the destination after RUN */
    g_assert_nonnull(other);
    g_assert_cmpint(run(mine, BLOCK_WRITE, 0, data, 512), ==, -EPERM);
    p->claim(p, HANDOFF_BACK);
    g_assert_false(p->take_back(p, HANDOFF_BACK, &err)); /* it did not give the disk back: a reason, not two writers */
    g_assert_nonnull(strstr(err->message, "disk 's': cannot get the write lock"));
    g_assert_cmpint(run(mine, BLOCK_WRITE, 0, data, 512), ==, -EPERM);
    close_other(other);
    p->claim(p, HANDOFF_LONE);
    g_assert_true(p->take_back(p, HANDOFF_LONE, NULL));
    g_assert_cmpint(run(mine, BLOCK_WRITE, 0, data, 512), ==, 0);
    g_assert_null(other_writer(path, NULL));
    g_assert_true(block_delete("s", NULL));
    unlink(path);
}

/* What the other side wrote is nothing that the memory here knows of. */
static void a_disk_that_changed_is_not_taken_back_unasked(void)
{
    HandoffPart *p = handoff_find("block");
    g_autofree char *path = make_file(), *moved = g_strconcat(path, ".moved", NULL);
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1}};
    g_autoptr(GError) err = NULL;
    uint8_t data[512] = {1};

    g_assert_true(add(NULL, "{'id': 's', 'file': '%s'}", path));
    g_assert_true(p->drain(p, NULL));
    g_assert_true(rename(path, moved) == 0); /* it is the file that counts, not its name */
    g_assert_true(utimensat(AT_FDCWD, moved, times, 0) == 0);
    p->claim(p, HANDOFF_LONE);
    g_assert_false(p->take_back(p, HANDOFF_LONE, &err));
    g_assert_nonnull(strstr(err->message, "disk 's'"));
    g_assert_nonnull(strstr(err->message, "was written after the guest had left"));
    g_assert_cmpint(run(block_find("s"), BLOCK_WRITE, 0, data, 512), ==, -EPERM);
    p->claim(p, HANDOFF_BACK);
    g_assert_true(p->take_back(p, HANDOFF_BACK, NULL));
    g_assert_cmpint(run(block_find("s"), BLOCK_WRITE, 0, data, 512), ==, 0);
    g_assert_true(block_delete("s", NULL));
    unlink(moved);
}

/* Whoever keeps the locks does not answer. */
static GMutex hang_lock;
static GCond hang_changed;
static bool hangs;

int fcntl64(int fd, int command, ...)
{
    static int (*next)(int fd, int command, ...);
    va_list ap;
    void *argument;

    va_start(ap, command);
    argument = va_arg(ap, void *);
    va_end(ap);
    g_mutex_lock(&hang_lock);
    next = next ? next : (int (*)(int, int, ...))dlsym(RTLD_NEXT, "fcntl64");
    while (hangs && (command == F_OFD_SETLK || command == F_OFD_GETLK)) {
        g_cond_wait(&hang_changed, &hang_lock);
    }
    g_mutex_unlock(&hang_lock);
    return next(fd, command, argument);
}

static void hang(bool on)
{
    g_mutex_lock(&hang_lock);
    hangs = on;
    g_cond_broadcast(&hang_changed);
    g_mutex_unlock(&hang_lock);
}

static void end_hang(void *opaque)
{
    hang(false);
}

/* A guest that never left goes on; what it asks of the disk waits until the lock is there, or is known to be another's. */
static void requests_wait_for_a_lock_that_hangs(gconstpointer is_taken)
{
    HandoffPart *p = handoff_find("block");
    g_autofree char *path = make_file();
    LoopTimer *end = loop_timer_new(end_hang, NULL);
    BlockNode *mine, *other = NULL;
    g_autoptr(GError) err = NULL;
    uint8_t data[512] = {1};

    g_assert_true(add(NULL, "{'id': 's', 'file': '%s'}", path));
    mine = block_find("s");
    g_assert_true(p->drain(p, NULL));
    if (is_taken) {
        other = other_writer(path, NULL);
    }
    hang(true);
    g_assert_true(p->take_back(p, HANDOFF_NEVER_LEFT, NULL));
    g_assert_true(p->take_back(p, HANDOFF_NEVER_LEFT, NULL)); /* cont asks, and then the thaw */
    g_assert_false(block_delete("s", NULL));
    loop_timer_set(end, time_monotonic_ns() + 20 * NS_PER_MS);
    g_assert_cmpint(run(mine, BLOCK_WRITE, 0, data, 512), ==, is_taken ? -EPERM : 0);
    g_assert_false(hangs);
    g_assert_cmpint(run(mine, BLOCK_READ, 0, data, 512), ==, 0);
    if (is_taken) {
        g_assert_false(p->take_back(p, HANDOFF_NEVER_LEFT, NULL));
        close_other(other);
        g_assert_true(p->take_back(p, HANDOFF_NEVER_LEFT, NULL));
    }
    other = other_writer(path, &err);
    g_assert_null(other);
    g_assert_true(p->drain(p, NULL));
    other = other_writer(path, NULL);
    g_assert_nonnull(other);
    close_other(other);
    g_assert_true(block_delete("s", NULL));
    loop_timer_free(end);
    unlink(path);
}

/* Who has been told by then what an answer was is not told that there is none. */
static void an_answer_is_not_asked_for_again(void)
{
    HandoffPart *p = handoff_find("block");
    g_autofree char *path = make_file(), *free_one = make_file();
    g_autoptr(GError) err = NULL;
    BlockNode *other;

    g_assert_true(add(NULL, "{'id': 'a', 'file': '%s'}", path));
    g_assert_true(add(NULL, "{'id': 'b', 'file': '%s'}", free_one));
    g_assert_true(p->drain(p, NULL));
    g_assert_nonnull(other = other_writer(path, NULL));
    p->claim(p, HANDOFF_BACK);
    hang(true);
    g_assert_false(p->take_back(p, HANDOFF_BACK, &err));
    g_assert_nonnull(strstr(err->message, "disk 'a': cannot get the write lock"));
    hang(false);
    close_other(other);
    p->gave_back(p); /* until what was taken is free again: all or none */
    g_assert_nonnull(other = other_writer(free_one, NULL));
    close_other(other);
    p->claim(p, HANDOFF_BACK);
    g_assert_true(p->take_back(p, HANDOFF_BACK, NULL));
    g_assert_true(block_delete("a", NULL));
    g_assert_true(block_delete("b", NULL));
    unlink(path);
    unlink(free_one);
}

/* But one that may have run elsewhere does not go on without its disks. */
static void a_lock_that_hangs_is_not_taken_for_granted(void)
{
    HandoffPart *p = handoff_find("block");
    g_autofree char *path = make_file();
    g_autoptr(GError) err = NULL;
    uint8_t data[512] = {1};

    g_assert_true(add(NULL, "{'id': 's', 'file': '%s'}", path));
    g_assert_true(p->drain(p, NULL));
    hang(true);
    g_assert_false(p->take_back(p, HANDOFF_BACK, &err));
    g_assert_nonnull(strstr(err->message, "does not answer"));
    g_assert_cmpint(run(block_find("s"), BLOCK_WRITE, 0, data, 512), ==, -EPERM);
    hang(false);
    p->claim(p, HANDOFF_BACK);
    g_assert_true(p->take_back(p, HANDOFF_BACK, NULL));
    g_assert_cmpint(run(block_find("s"), BLOCK_WRITE, 0, data, 512), ==, 0);
    g_assert_true(block_delete("s", NULL));
    unlink(path);
}

/* Nobody waits for it for ever; the guest goes back, and the source is not kept from its disk by what comes late. */
static void a_lock_that_comes_when_the_guest_went_back_is_dropped(void)
{
    HandoffPart *p = handoff_find("block");
    g_autofree char *path = make_file();
    BlockNode *source;
    g_autoptr(GError) err = NULL;

    runstate_set(RUN_STATE_INMIGRATE);
    g_assert_true(add(NULL, "{'id': 'd', 'file': '%s'}", path));
    g_assert_true(p->reach(p, NULL));
    hang(true);
    g_assert_false(p->activate(p, &err));
    g_assert_nonnull(strstr(err->message, "does not answer"));
    p->give_back(p);
    hang(false);
    p->gave_back(p);
    g_assert_nonnull(source = other_writer(path, NULL));
    close_other(source);
    g_assert_true(block_delete("d", NULL));
    runstate_set(RUN_STATE_PRELAUNCH);
    unlink(path);
}

static void a_destination_writes_only_after_run(void)
{
    HandoffPart *p = handoff_find("block");
    g_autofree char *path = make_file();
    BlockNode *source = other_writer(path, NULL), *mine;
    g_autoptr(GError) err = NULL;
    uint8_t data[512] = {1};

    g_assert_nonnull(source);
    runstate_set(RUN_STATE_INMIGRATE);
    g_assert_true(add(NULL, "{'id': 'd', 'file': '%s'}", path));
    mine = block_find("d");
    g_assert_cmpint(run(mine, BLOCK_WRITE, 0, data, 512), ==, -EPERM);
    g_assert_true(p->reach(p, NULL));
    g_assert_cmpint(run(mine, BLOCK_WRITE, 0, data, 512), ==, -EPERM);
    p->claim(p, HANDOFF_BACK);
    g_assert_false(p->activate(p, &err)); /* the source still has it */
    g_assert_nonnull(strstr(err->message, "disk 'd'"));
    p->give_back(p);
    p->gave_back(p);
    lock_drop(source->fd);
    p->claim(p, HANDOFF_BACK);
    g_assert_true(p->activate(p, NULL));
    g_assert_cmpint(run(mine, BLOCK_WRITE, 0, data, 512), ==, 0);
    g_assert_null(other_writer(path, NULL));
    p->give_back(p);
    p->gave_back(p);
    g_assert_true(lock_take(source->fd, path, NULL));
    g_assert_cmpint(run(mine, BLOCK_WRITE, 0, data, 512), ==, -EPERM);
    close_other(source);
    g_assert_true(block_delete("d", NULL));
    runstate_set(RUN_STATE_PRELAUNCH);
    unlink(path);
}

static bool load_bytes(HandoffPart *p, const uint8_t *bytes, size_t size, GError **errp)
{
    StateReader r;

    state_reader_init(&r, bytes, size, "block");
    return p->load(p, &r, errp);
}

static void disks_that_differ_are_refused(void)
{
    HandoffPart *p = handoff_find("block");
    g_autofree char *path = make_file();
    StateWriter *w = state_writer_new();
    g_autofree uint8_t *bytes = NULL;
    const uint8_t *saved;
    size_t size;

    g_assert_true(add(NULL, "{'id': 'd', 'file': '%s'}", path));
    g_assert_true(p->save(p, w, NULL));
    saved = state_writer_data(w, &size);
    bytes = g_memdup2(saved, size);
    g_assert_true(load_bytes(p, bytes, size, NULL));
    for (size_t i = 0; i < size; i++) { /* each byte means something */
        bytes[i] ^= 0x40;
        g_assert_false(load_bytes(p, bytes, size, NULL));
        bytes[i] ^= 0x40;
        g_assert_false(load_bytes(p, bytes, i, NULL));
    }
    state_writer_free(w);
    g_assert_true(block_delete("d", NULL));
    unlink(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    loop_init();
    block_init();
    g_test_add_data_func("/block/what_is_written_is_read", "'writeback'", what_is_written_is_read);
    g_test_add_data_func("/block/what_is_written_is_read/unsafe", "{'direct': false, 'no-flush': true}",
                         what_is_written_is_read);
    g_test_add_func("/block/a_read_only_disk_refuses_writes", a_read_only_disk_refuses_writes);
    g_test_add_func("/block/a_node_may_stand_on_another", a_node_may_stand_on_another);
    g_test_add_func("/block/a_write_through_needs_no_flush", a_write_through_needs_no_flush);
    g_test_add_func("/block/an_error_of_our_own_flush_is_told_to_the_guest", an_error_of_our_own_flush_is_told_to_the_guest);
    g_test_add_func("/block/an_error_of_a_flush_nobody_waits_for_is_told_to_the_guest",
                    an_error_of_a_flush_nobody_waits_for_is_told_to_the_guest);
    g_test_add_func("/block/an_owed_error_outlasts_a_flush_of_ours_that_met_none",
                    an_owed_error_outlasts_a_flush_of_ours_that_met_none);
    g_test_add_func("/block/wrong_options_say_what_is_accepted", wrong_options_say_what_is_accepted);
    g_test_add_func("/block/a_pipe_is_no_disk", a_pipe_is_no_disk);
    g_test_add_func("/block/an_image_has_one_writer", an_image_has_one_writer);
    g_test_add_func("/block/the_lock_passes_with_the_guest", the_lock_passes_with_the_guest);
    g_test_add_func("/block/a_disk_that_changed_is_not_taken_back_unasked", a_disk_that_changed_is_not_taken_back_unasked);
    g_test_add_data_func("/block/requests_wait_for_a_lock_that_hangs", NULL, requests_wait_for_a_lock_that_hangs);
    g_test_add_data_func("/block/requests_wait_for_a_lock_that_hangs/and_is_anothers", "yes", requests_wait_for_a_lock_that_hangs);
    g_test_add_func("/block/an_answer_is_not_asked_for_again", an_answer_is_not_asked_for_again);
    g_test_add_func("/block/a_lock_that_hangs_is_not_taken_for_granted", a_lock_that_hangs_is_not_taken_for_granted);
    g_test_add_func("/block/a_lock_that_comes_when_the_guest_went_back_is_dropped",
                    a_lock_that_comes_when_the_guest_went_back_is_dropped);
    g_test_add_func("/block/a_destination_writes_only_after_run", a_destination_writes_only_after_run);
    g_test_add_func("/block/disks_that_differ_are_refused", disks_that_differ_are_refused);
    return g_test_run();
}
