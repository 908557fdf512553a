/* ui/spice/ends.c - both addresses of a connection, as events and queries tell them.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "ends.h"

#include <glib.h>
#include <string.h>
#include <sys/un.h>

static SpiceEnd end_of(const struct sockaddr_storage *name, socklen_t size)
{
    SpiceEnd e = {.family = name->ss_family};

    if (e.family == AF_UNIX) {
        const struct sockaddr_un *un = (const struct sockaddr_un *)name;
        size_t room = size > offsetof(struct sockaddr_un, sun_path) ? size - offsetof(struct sockaddr_un, sun_path) : 0;
        g_autofree char *path = g_strndup(un->sun_path, room);

        g_strlcpy(e.host, path, sizeof(e.host));
        return e;
    }
    getnameinfo((const struct sockaddr *)name, size, e.host, sizeof(e.host), e.port, sizeof(e.port),
                NI_NUMERICHOST | NI_NUMERICSERV);
    return e;
}

void ends_of_socket(int fd, SpiceEnds *ret)
{
    struct sockaddr_storage name;
    socklen_t size = sizeof(name);

    *ret = (SpiceEnds){0};
    if (!getsockname(fd, (struct sockaddr *)&name, &size)) {
        ret->server = end_of(&name, size);
    }
    size = sizeof(name);
    if (!getpeername(fd, (struct sockaddr *)&name, &size)) {
        ret->client = end_of(&name, size);
    }
}
