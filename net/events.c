/* net/events.c - what netdevs tell the clients of QMP.  Main loop.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "events.h"

#include "qapi/qmp.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

static Json *address_json(const NetAddress *a)
{
    char host[NI_MAXHOST] = "", port[NI_MAXSERV] = "";
    Json *j = json_dict();

    if (a->is_fd && !a->size) {
        g_autofree char *text = g_strdup_printf("%d", a->fd);

        json_set(j, "type", json_string("fd"));
        json_set(j, "str", json_string(text));
    } else if (a->sa.ss_family == AF_UNIX) {
        json_set(j, "type", json_string("unix"));
        json_set(j, "path", json_string(((const struct sockaddr_un *)&a->sa)->sun_path));
    } else {
        getnameinfo((const struct sockaddr *)&a->sa, a->size, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV);
        json_set(j, "type", json_string("inet"));
        json_set(j, "host", json_string(host));
        json_set(j, "port", json_string(port));
    }
    return j;
}

void net_event_stream_connected(const char *id, const NetAddress *a)
{
    Json *data = json_dict();

    json_set(data, "netdev-id", json_string(id));
    json_set(data, "addr", address_json(a));
    qapi_emit("NETDEV_STREAM_CONNECTED", data);
}

void net_event_netpass_ended(Json *report)
{
    qapi_emit("NETPASS_ENDED", report);
}

void net_event_stream_disconnected(const char *id)
{
    Json *data = json_dict();

    json_set(data, "netdev-id", json_string(id));
    qapi_emit("NETDEV_STREAM_DISCONNECTED", data);
}
