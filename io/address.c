/* io/address.c - where a channel leads, and opening it.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "io/channel-private.h"

#include "util/error.h"
#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

static bool parse_tcp(Address *a, const char *rest, GError **errp)
{
    const char *colon = strrchr(rest, ':');

    if (!colon || !colon[1] || strlen(colon + 1) > 5) {
        return fail(errp, "address '%s': 'tcp:HOST:PORT' is wanted", a->text);
    }
    if (strspn(colon + 1, "0123456789") == strlen(colon + 1) && atoi(colon + 1) > UINT16_MAX) {
        return fail(errp, "address '%s': there is no port above %u", a->text, UINT16_MAX);
    }
    a->port = g_strdup(colon + 1);
    a->host = g_strndup(rest, colon - rest);
    if (a->host[0] == '[' && g_str_has_suffix(a->host, "]")) {
        char *inner = g_strndup(a->host + 1, strlen(a->host) - 2);

        g_free(a->host);
        a->host = inner;
    }
    return true;
}

static bool parse_unix(Address *a, const char *rest, GError **errp)
{
    a->path = g_strdup(rest);
    return rest[0] || fail(errp, "address '%s': 'unix:PATH' is wanted", a->text);
}

static bool parse_exec(Address *a, const char *rest, GError **errp)
{
    a->argv = g_new0(char *, 4);
    a->argv[0] = g_strdup("/bin/sh");
    a->argv[1] = g_strdup("-c");
    a->argv[2] = g_strdup(rest);
    return rest[0] || fail(errp, "address '%s': 'exec:COMMAND' is wanted", a->text);
}

static bool parse_file(Address *a, const char *rest, GError **errp)
{
    const char *offset = g_strrstr(rest, ",offset=");
    GError *err = NULL;

    a->path = offset ? g_strndup(rest, offset - rest) : g_strdup(rest);
    if (offset && !g_ascii_string_to_unsigned(offset + 8, 10, 0, INT64_MAX, &a->offset, &err)) {
        g_clear_error(&err);
        return fail(errp, "address '%s': offset is not a number", a->text);
    }
    return a->path[0] || fail(errp, "address '%s': 'file:PATH' is wanted", a->text);
}

static bool parse_fd(Address *a, const char *rest, GError **errp)
{
    guint64 n;

    if (!g_ascii_string_to_unsigned(rest, 10, 0, INT_MAX, &n, NULL) || fcntl(n, F_GETFD) < 0) {
        return fail(errp, "address '%s': no such open file descriptor", a->text);
    }
    a->fd = n;
    return true;
}

static const struct {
    const char *prefix;
    AddressKind kind;
    bool (*parse)(Address *a, const char *rest, GError **errp);
} kinds[] = {
    {"tcp:", ADDRESS_TCP, parse_tcp},    {"unix:", ADDRESS_UNIX, parse_unix},
    {"exec:", ADDRESS_EXEC, parse_exec}, {"file:", ADDRESS_FILE, parse_file},
    {"fd:", ADDRESS_FD, parse_fd},
};

Address *address_parse(const char *uri, GError **errp)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (g_str_has_prefix(uri, kinds[i].prefix)) {
            g_autoptr(Address) a = g_new0(Address, 1);

            a->kind = kinds[i].kind;
            a->text = g_strdup(uri);
            a->fd = -1;
            return kinds[i].parse(a, uri + strlen(kinds[i].prefix), errp) ? g_steal_pointer(&a)
                                                                          : NULL;
        }
    }
    fail(errp, "address '%s': begins with none of tcp: unix: fd: exec: file:", uri);
    return NULL;
}

Address *address_copy(const Address *from)
{
    Address *a = g_new0(Address, 1);

    a->kind = from->kind;
    a->text = g_strdup(from->text);
    a->host = g_strdup(from->host);
    a->port = g_strdup(from->port);
    a->path = g_strdup(from->path);
    a->argv = g_strdupv(from->argv);
    a->offset = from->offset;
    a->fd = -1;
    return a;
}

void address_free(Address *a)
{
    if (!a) {
        return;
    }
    if (a->fd >= 0) {
        close(a->fd);
    }
    g_free(a->text);
    g_free(a->host);
    g_free(a->port);
    g_free(a->path);
    g_strfreev(a->argv);
    g_free(a);
}

static Channel *open_file(Address *a, bool out, Interrupt *interrupt, int64_t deadline_ns, GError **errp)
{
    int flags = out ? O_WRONLY | O_CREAT : O_RDONLY; /* not O_TRUNC: an open that was given up may still be done, much later */
    Channel *c;
    g_autofd int fd = file_open(a->path, flags | O_CLOEXEC, a->text, interrupt, deadline_ns, errp);

    if (fd < 0) {
        return NULL;
    }
    if (a->offset && lseek(fd, a->offset, SEEK_SET) < 0) {
        fail_errno(errp, errno, "%s: cannot go to the offset", a->text);
        return NULL;
    }
    if (!out) {
        return channel_new(steal_fd(&fd), -1, a->text, interrupt);
    }
    c = channel_new(-1, steal_fd(&fd), a->text, interrupt);
    if (c->file && !a->offset) {
        file_writer_truncate(c->file);
    }
    return c;
}

static bool is_connected_stream(int fd)
{
    int type = 0, listens = 1;
    socklen_t size = sizeof(type), listens_size = sizeof(listens);

    return !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) && type == SOCK_STREAM &&
           !getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &listens_size) && !listens;
}

static Channel *open_fd(Address *a, bool out, Interrupt *interrupt, GError **errp)
{
    struct stat st;
    int fd = steal_fd(&a->fd);

    if (fd < 0 || fstat(fd, &st)) {
        fail(errp, "%s: no such open file descriptor", a->text);
        return NULL;
    }
    if (S_ISSOCK(st.st_mode)) {
        if (!is_connected_stream(fd)) {
            fail(errp, "%s: a socket, but not a connected stream", a->text);
            close(fd);
            return NULL;
        }
        socket_tune(fd);
        return channel_new(fd, fd, a->text, interrupt);
    }
    return out ? channel_new(-1, fd, a->text, interrupt) : channel_new(fd, -1, a->text, interrupt);
}

Channel *channel_open(Address *a, bool out, Interrupt *interrupt, int64_t deadline_ns,
                      GError **errp)
{
    int fd = -1;

    switch (a->kind) {
    case ADDRESS_FILE:
        return open_file(a, out, interrupt, deadline_ns, errp);
    case ADDRESS_FD:
        return open_fd(a, out, interrupt, errp);
    case ADDRESS_EXEC:
        return exec_start(a, out, interrupt, errp);
    case ADDRESS_TCP:
        fd = tcp_connect(a, interrupt, deadline_ns, errp);
        break;
    case ADDRESS_UNIX:
        fd = unix_connect(a, interrupt, deadline_ns, errp);
        break;
    }
    return fd >= 0 ? channel_new(fd, fd, a->text, interrupt) : NULL;
}
