/* ui/spice/config.c - what -spice says.  Page: docs/spice.md.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMU's options, a row each.  What is not built yet is refused by name; a word that asks for what is so anyway is taken. */
#include "config.h"
#include "format.h"
#include "jpeg.h"
#include "qapi/opts.h"
#include "ui/spice.h"
#include "util/error.h"

#include <stddef.h>
#include <string.h>

#define ALL_CHANNELS UINT32_MAX

typedef struct ConfigRow ConfigRow;
struct ConfigRow {
    const char *key;
    bool (*take)(SpiceConfig *c, const ConfigRow *row, const Json *options, GError **errp);
    size_t offset;              /* of the member that take fills */
    const char *const *words;   /* accepted ones; the text of refusal follows in `refusal` */
    const char *refusal;
};

static void *member(SpiceConfig *c, const ConfigRow *row)
{
    return (char *)c + row->offset;
}

/* ---- what rows do ---- */

static bool take_bool(SpiceConfig *c, const ConfigRow *row, const Json *options, GError **errp)
{
    return opts_get_bool(options, row->key, member(c, row), errp);
}

static bool take_port(SpiceConfig *c, const ConfigRow *row, const Json *options, GError **errp)
{
    uint64_t *port = member(c, row);

    return opts_get_u64(options, row->key, port, errp) &&
           (*port < 65536 || fail(errp, "'%s' is a number up to 65535", row->key));
}

static bool take_text(SpiceConfig *c, const ConfigRow *row, const Json *options, GError **errp)
{
    char **text = member(c, row);
    const char *value = json_get_str(options, row->key);

    if (!value) {
        return fail(errp, "'%s' takes text", row->key);
    }
    g_free(*text);
    *text = *value ? g_strdup(value) : NULL;
    return true;
}

static const char *word_of(const Json *value)
{
    return json_is(value, JSON_BOOL) ? (json_get_bool(value) ? "on" : "off") : json_get_string(value);
}

/* Only words that ask for what is so. */
static bool take_word(SpiceConfig *c, const ConfigRow *row, const Json *options, GError **errp)
{
    const char *word = word_of(json_get(options, row->key));

    if (!word || !g_strv_contains(row->words, word)) {
        return fail(errp, "%s=%s: %s", row->key, word ? word : "", row->refusal);
    }
    return true;
}

/* The number of the word. */
static bool take_choice(SpiceConfig *c, const ConfigRow *row, const Json *options, GError **errp)
{
    const char *word = word_of(json_get(options, row->key));
    uint32_t *choice = member(c, row);

    if (!take_word(c, row, options, errp)) {
        return false;
    }
    *choice = 0;
    while (strcmp(row->words[*choice], word)) {
        ++*choice;
    }
    return true;
}

static bool add_channel(uint32_t *set, const char *key, const char *name, GError **errp)
{
    uint8_t type;

    if (!strcmp(name, "default")) {
        *set = ALL_CHANNELS;
    } else if (channel_type_from_name(name, &type)) {
        *set |= UINT32_C(1) << type;
    } else {
        return fail(errp, "%s=%s: there is no such channel; accepted: default, main, display, inputs, cursor, playback, "
                          "record, smartcard, usbredir, port, webdav", key, name);
    }
    return true;
}

static bool take_channels(SpiceConfig *c, const ConfigRow *row, const Json *options, GError **errp)
{
    const Json *value = json_get(options, row->key);

    if (!json_is(value, JSON_LIST)) {
        const char *name = json_get_string(value);

        return name ? add_channel(member(c, row), row->key, name, errp) : fail(errp, "'%s' takes a channel's name", row->key);
    }
    for (size_t i = 0; i < json_size(value); i++) {
        const char *name = json_get_string(json_at(value, i));

        if (!add_channel(member(c, row), row->key, name ? name : "", errp)) {
            return false;
        }
    }
    return true;
}

static bool refuse(SpiceConfig *c, const ConfigRow *row, const Json *options, GError **errp)
{
    return fail(errp, "'%s': %s", row->key, row->refusal);
}

/* The caller has looked it up already: spice_start() has the password. */
static bool take_elsewhere(SpiceConfig *c, const ConfigRow *row, const Json *options, GError **errp)
{
    return true;
}

/* ---- the rows ---- */

#define AT(m) offsetof(SpiceConfig, m)
#define WORDS(...) (const char *const[]){__VA_ARGS__, NULL}

static const ConfigRow rows[] = {
    {"port", take_port, AT(port)},
    {"tls-port", take_port, AT(tls_port)},
    {"addr", take_text, AT(addr)},
    {"ipv4", take_bool, AT(ipv4)},
    {"ipv6", take_bool, AT(ipv6)},
    {"unix", take_bool, AT(is_unix)},
    {"password-secret", take_elsewhere},
    {"disable-ticketing", take_bool, AT(disable_ticketing)},
    {"sasl", take_bool, AT(sasl)},
    {"x509-dir", take_text, AT(x509_dir)},
    {"x509-key-file", take_text, AT(x509_key_file)},
    {"x509-key-password", take_text, AT(x509_key_password)},
    {"x509-cert-file", take_text, AT(x509_cert_file)},
    {"x509-cacert-file", take_text, AT(x509_cacert_file)},
    {"x509-dh-key-file", take_text, AT(x509_dh_key_file)},
    {"tls-ciphers", take_text, AT(tls_ciphers)},
    {"tls-channel", take_channels, AT(tls_channels)},
    {"plaintext-channel", take_channels, AT(plain_channels)},
    {"disable-copy-paste", take_bool, AT(disable_copy_paste)},
    {"disable-agent-file-xfer", take_bool, AT(disable_agent_file_xfer)},
    {"agent-mouse", take_bool, AT(agent_mouse)},
    {"image-compression", take_choice, AT(image_compression),
     WORDS("auto_glz", "auto_lz", "quic", "glz", "lz", "lz4", "off"), "accepted: auto_glz, auto_lz, quic, glz, lz, lz4, off"},
    {"jpeg-wan-compression", take_choice, AT(jpeg), WORDS("auto", "never", "always"), "accepted: auto, never, always"},
    {"zlib-glz-wan-compression", take_word, 0, WORDS("auto", "never"), "there is no GLZ here; accepted: auto, never"},
    {"streaming-video", take_choice, AT(streaming), WORDS("off", "all", "filter"), "accepted: off, all, filter"},
    {"playback-compression", take_word, 0, WORDS("on", "off"), "accepted: on, off (there is no sound)"},
    {"seamless-migration", take_bool, AT(seamless_migration)},
    {"gl", take_word, 0, WORDS("off"), "OpenGL is not supported; accepted: off"},
    {"rendernode", refuse, .refusal = "OpenGL is not supported"},
    {"video-codecs", take_word, 0, WORDS("auto", "spice:mjpeg"), "videos are MJPEG; accepted: auto, spice:mjpeg"},
    {"max-refresh-rate", refuse, .refusal = "is for OpenGL, which is not supported"},
    {"display", refuse, .refusal = "a SPICE server for one device only is not built yet"},
    {"head", refuse, .refusal = "a SPICE server for one head only is not built yet"},
    {"password", refuse, .refusal = "was removed; use password-secret=ID with -object secret,id=ID,..."},
};

const char *const spice_option_keys[] = {
    "port", "tls-port", "addr", "ipv4", "ipv6", "unix", "password-secret", "disable-ticketing", "sasl", "x509-dir",
    "x509-key-file", "x509-key-password", "x509-cert-file", "x509-cacert-file", "x509-dh-key-file", "tls-ciphers",
    "tls-channel", "plaintext-channel", "disable-copy-paste", "disable-agent-file-xfer", "agent-mouse", "image-compression",
    "jpeg-wan-compression", "zlib-glz-wan-compression", "streaming-video", "playback-compression", "seamless-migration", "gl",
    "rendernode", "video-codecs", "max-refresh-rate", "display", "head", "password", NULL,
};
G_STATIC_ASSERT(G_N_ELEMENTS(spice_option_keys) == G_N_ELEMENTS(rows) + 1);

/* ---- together ---- */

static bool check(const SpiceConfig *c, GError **errp)
{
    if (c->jpeg == JPEG_ALWAYS && !jpeg_is_built()) {
        return fail(errp, "jpeg-wan-compression=always: JPEG is not in this build");
    }
    if (c->streaming != STREAMING_OFF && !jpeg_is_built()) {
        return fail(errp, "streaming-video: JPEG is not in this build; accepted: off");
    }
    if (c->is_unix && !c->addr) {
        return fail(errp, "unix needs addr=PATH");
    }
    if (c->is_unix && (c->port || c->tls_port)) {
        return fail(errp, "unix and ports exclude each other");
    }
    if (c->port && c->port == c->tls_port) {
        return fail(errp, "port and tls-port are the same");
    }
    if (c->tls_channels & c->plain_channels && c->tls_channels != ALL_CHANNELS && c->plain_channels != ALL_CHANNELS) {
        return fail(errp, "a channel is both in tls-channel and in plaintext-channel");
    }
    if (c->tls_channels && !c->tls_port) {
        return fail(errp, "tls-channel needs a tls-port");
    }
    if (c->plain_channels && !c->port) {
        return fail(errp, "plaintext-channel needs a port");
    }
    return true;
}

/* "default" gives way to a channel that is named on the other side. */
static void settle_channels(SpiceConfig *c)
{
    if (c->tls_channels == ALL_CHANNELS) {
        c->tls_channels &= ~c->plain_channels;
    } else if (c->plain_channels == ALL_CHANNELS) {
        c->plain_channels &= ~c->tls_channels;
    }
}

bool spice_config_parse(const Json *options, SpiceConfig *ret, GError **errp)
{
    SpiceConfig c = {.agent_mouse = true};

    if (!opts_check(options, spice_option_keys, "spice", errp)) {
        return false;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_assert(!strcmp(rows[i].key, spice_option_keys[i]));
        if (json_get(options, rows[i].key) && !rows[i].take(&c, &rows[i], options, errp)) {
            spice_config_clear(&c);
            return false;
        }
    }
    if (!check(&c, errp)) {
        spice_config_clear(&c);
        return false;
    }
    settle_channels(&c);
    *ret = c;
    return true;
}

void spice_config_clear(SpiceConfig *c)
{
    g_free(c->addr);
    g_free(c->x509_dir);
    g_free(c->x509_key_file);
    g_free(c->x509_key_password);
    g_free(c->x509_cert_file);
    g_free(c->x509_cacert_file);
    g_free(c->x509_dh_key_file);
    g_free(c->tls_ciphers);
    g_free(c->name);
    *c = (SpiceConfig){0};
}
