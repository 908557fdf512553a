/* net/address.c - socket addresses of stream and dgram netdevs.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "netdev.h"

#include "util/error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

static bool parse_inet(const Json *dict, int socktype, bool is_local, NetAddress *a, GError **errp)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = socktype, .ai_flags = is_local ? AI_PASSIVE : 0};
    const char *host = json_get_str(dict, "host"), *port = json_get_str(dict, "port");
    g_autofree char *number = NULL;
    struct addrinfo *list;
    int64_t n;
    int err;

    if (!port && json_to_int64(json_get(dict, "port"), &n)) {
        port = number = g_strdup_printf("%" G_GINT64_FORMAT, n);
    }
    if (!port) {
        return fail(errp, "Parameter 'port' is missing");
    }
    err = getaddrinfo(host && *host ? host : NULL, port, &hints, &list);
    if (err) {
        return fail(errp, "address %s:%s: %s", host ? host : "", port, gai_strerror(err));
    }
    memcpy(&a->sa, list->ai_addr, list->ai_addrlen);
    a->size = list->ai_addrlen;
    freeaddrinfo(list);
    return true;
}

static bool parse_unix(const Json *dict, NetAddress *a, GError **errp)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&a->sa;
    const char *path = json_get_str(dict, "path");

    if (!path || !*path) {
        return fail(errp, "Parameter 'path' is missing");
    }
    if (strlen(path) >= sizeof(un->sun_path)) {
        return fail(errp, "address unix:%s: longer than %zu bytes", path, sizeof(un->sun_path) - 1);
    }
    un->sun_family = AF_UNIX;
    strcpy(un->sun_path, path);
    a->size = sizeof(*un);
    return true;
}

bool net_address_parse(const Json *dict, int socktype, bool is_local, NetAddress *ret, GError **errp)
{
    const char *type = json_is(dict, JSON_DICT) ? json_get_str(dict, "type") : NULL;

    *ret = (NetAddress){.fd = -1};
    if (!type) {
        return fail(errp, "Parameter 'type' of a socket address is missing");
    }
    if (!strcmp(type, "inet")) {
        return parse_inet(dict, socktype, is_local, ret, errp);
    }
    if (!strcmp(type, "unix")) {
        return parse_unix(dict, ret, errp);
    }
    if (!strcmp(type, "fd")) {
        const char *text = json_get_str(dict, "str");

        ret->is_fd = true;
        ret->fd = text ? netdev_parse_fd(text, "socket", errp) : -1;
        return ret->fd >= 0 || text || fail(errp, "Parameter 'str' is missing");
    }
    return fail(errp, "Parameter 'type' does not accept value '%s'; accepted: inet, unix, fd", type);
}

char *net_address_text(const NetAddress *a)
{
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (a->is_fd) {
        return g_strdup_printf("fd:%d", a->fd);
    }
    if (a->sa.ss_family == AF_UNIX) {
        return g_strdup_printf("unix:%s", ((const struct sockaddr_un *)&a->sa)->sun_path);
    }
    if (getnameinfo((const struct sockaddr *)&a->sa, a->size, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV)) {
        return g_strdup("?");
    }
    return g_strdup_printf("%s:%s", host, port);
}

bool net_address_is_multicast(const NetAddress *a)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)&a->sa;

    return !a->is_fd && a->sa.ss_family == AF_INET && IN_MULTICAST(ntohl(in->sin_addr.s_addr));
}
