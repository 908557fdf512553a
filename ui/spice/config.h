/* ui/spice/config.h - what -spice says.  Page: docs/spice.md.  Test: tests/functional/spice-test.py
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "qapi/json.h"

/* In the order of the words of -spice.  Up to IMAGES_QUIC pictures may lose something; beyond them all but OFF mean LZ4. */
enum { IMAGES_AUTO_GLZ, IMAGES_AUTO_LZ, IMAGES_QUIC, IMAGES_GLZ, IMAGES_LZ, IMAGES_LZ4, IMAGES_OFF };
enum { JPEG_AUTO, JPEG_NEVER, JPEG_ALWAYS };          /* auto: to clients on slow links */
enum { STREAMING_OFF, STREAMING_ALL, STREAMING_FILTER };

typedef struct SpiceConfig {
    uint64_t port, tls_port;                /* 0: none */
    char *addr;                             /* address or, with is_unix, path; NULL: all addresses */
    bool is_unix, ipv4, ipv6;
    bool disable_ticketing, sasl, seamless_migration;
    bool disable_copy_paste, disable_agent_file_xfer, agent_mouse;
    char *x509_dir, *x509_key_file, *x509_key_password, *x509_cert_file, *x509_cacert_file, *x509_dh_key_file, *tls_ciphers;
    uint32_t tls_channels, plain_channels;  /* bits 1 << channel type: must be, must not be in TLS */
    uint32_t image_compression, jpeg, streaming; /* of the three above */
    char *name;                             /* of the guest; NULL: none */
    uint8_t uuid[16];
    bool has_uuid;
} SpiceConfig;

/* Checks everything that can be checked without opening anything.  Fills ret only on success. */
bool spice_config_parse(const Json *options, SpiceConfig *ret, GError **errp);
void spice_config_clear(SpiceConfig *c);
