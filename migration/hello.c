/* migration/hello.c - what each side says of itself first.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/hello.h"

#include "migration/params.h"
#include "system/types.h"
#include "util/error.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static char machine_name[256] = "none", guest_name[256], guest_uuid[256];

void hello_identity(const char *machine, const char *name, const char *uuid)
{
    g_strlcpy(machine_name, machine ? machine : "none", sizeof(machine_name));
    g_strlcpy(guest_name, name ? name : "", sizeof(guest_name));
    g_strlcpy(guest_uuid, uuid ? uuid : "", sizeof(guest_uuid));
}

const char *hello_machine(void)
{
    return machine_name;
}

const char *hello_uuid(void)
{
    return guest_uuid;
}

/* The boot and the pid name space: where both are the same, a pid means the same process. */
static void host_id(char out[HOST_ID_SIZE])
{
    g_autofree char *boot = NULL;
    char ns[24] = "";

    memset(out, 0, HOST_ID_SIZE);
    if (g_file_get_contents("/proc/sys/kernel/random/boot_id", &boot, NULL, NULL) &&
        readlink("/proc/self/ns/pid", ns, sizeof(ns) - 1) > 0) {
        g_snprintf(out, HOST_ID_SIZE, "%.36s %s", boot, ns);
    }
}

static void put_process(StateWriter *w)
{
    char host[HOST_ID_SIZE];

    host_id(host);
    state_put_be32(w, getpid());
    state_put(w, host, sizeof(host));
}

static bool get_process(StateReader *r, Hello *ret, GError **errp)
{
    return state_get_be32(r, &ret->pid, errp) && state_get(r, ret->host, sizeof(ret->host), errp);
}

static bool check_version(StateReader *r, GError **errp)
{
    uint16_t version;

    return state_get_be16(r, &version, errp) &&
           (version == HELLO_VERSION || fail(errp, "the other side speaks version %u of the handoff, not %u", version,
                                             HELLO_VERSION));
}

void hello_put(StateWriter *w, uint64_t attempt)
{
    state_put_be16(w, HELLO_VERSION);
    state_put_be64(w, attempt);
    state_put_u8(w, 0); /* kind of channel: main */
    state_put_be32(w, mig_caps());
    state_put_be32(w, PAGE_BYTES);
    put_process(w);
    state_put_str8(w, machine_name);
    state_put_str8(w, guest_name);
    state_put_str8(w, guest_uuid);
}

static bool check_fit(const Hello *h, uint8_t kind, uint32_t page, GError **errp)
{
    if (kind || page != PAGE_BYTES) {
        return fail(errp, "the other side has pages of %u bytes and a channel of kind %u", page, kind);
    }
    if (strcmp(h->machine, machine_name)) {
        return fail(errp, "the guest comes from machine '%s', this is '%s'", h->machine, machine_name);
    }
    if (mig_cap(CAP_VALIDATE_UUID) && strcmp(h->uuid, guest_uuid)) {
        return fail(errp, "the guest's UUID is '%s', this is '%s'", h->uuid, guest_uuid);
    }
    if ((h->caps ^ mig_caps()) & 1u << CAP_NETPASS) {
        return fail(errp, "capability 'netpass' is %s at the source and %s here",
                    h->caps & 1u << CAP_NETPASS ? "on" : "off", mig_cap(CAP_NETPASS) ? "on" : "off");
    }
    return true;
}

bool hello_check(StateReader *r, Hello *ret, GError **errp)
{
    uint8_t kind;
    uint32_t page;

    memset(ret, 0, sizeof(*ret));
    return check_version(r, errp) && state_get_be64(r, &ret->attempt, errp) && state_get_u8(r, &kind, errp) &&
           state_get_be32(r, &ret->caps, errp) && state_get_be32(r, &page, errp) && get_process(r, ret, errp) &&
           state_get_str8(r, ret->machine, errp) && state_get_str8(r, ret->name, errp) &&
           state_get_str8(r, ret->uuid, errp) && check_fit(ret, kind, page, errp);
}

void hello_answer_put(StateWriter *w, uint64_t attempt)
{
    state_put_be16(w, HELLO_VERSION);
    state_put_be64(w, attempt);
    put_process(w);
}

bool hello_answer_check(StateReader *r, Hello *ret, GError **errp)
{
    memset(ret, 0, sizeof(*ret));
    return check_version(r, errp) && state_get_be64(r, &ret->attempt, errp) && get_process(r, ret, errp);
}

bool hello_is_same_host(const Hello *h)
{
    char host[HOST_ID_SIZE];

    host_id(host);
    return host[0] && !memcmp(host, h->host, sizeof(host));
}

int hello_pidfd(const Hello *h)
{
    return hello_is_same_host(h) && (int)h->pid > 0 ? syscall(SYS_pidfd_open, (int)h->pid, 0) : -1;
}
