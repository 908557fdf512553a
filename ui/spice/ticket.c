/* ui/spice/ticket.c - passwords that expire, and the RSA key they are told under.  Owner: main loop (vm_lock).
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "ticket.h"
#include "qapi/text.h"
#include "util/error.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#define KEY_BITS 1024 /* the protocol's */

struct TicketKey {
    unsigned refs;
    EVP_PKEY *pair;
    int64_t made_ns;
    uint8_t public[TICKET_KEY_BYTES];
};

static TicketKey *current;

/* ---- keys ---- */

static bool openssl_failed(GError **errp, const char *what)
{
    char text[256];

    ERR_error_string_n(ERR_get_error(), text, sizeof(text));
    ERR_clear_error();
    return fail(errp, "spice: %s: %s", what, text);
}

static TicketKey *key_make(GError **errp)
{
    EVP_PKEY *pair = EVP_RSA_gen(KEY_BITS);
    uint8_t *der = NULL;
    int size = pair ? i2d_PUBKEY(pair, &der) : -1;
    TicketKey *k;

    if (size != TICKET_KEY_BYTES) {
        openssl_failed(errp, "cannot make an RSA key of 1024 bits for tickets; SASL or disable-ticketing needs none");
        EVP_PKEY_free(pair);
        OPENSSL_free(der);
        return NULL;
    }
    k = g_new0(TicketKey, 1);
    k->refs = 1;
    k->pair = pair;
    k->made_ns = time_monotonic_ns();
    memcpy(k->public, der, TICKET_KEY_BYTES);
    OPENSSL_free(der);
    return k;
}

void ticket_key_unref(TicketKey *k)
{
    if (k && !--k->refs) {
        EVP_PKEY_free(k->pair);
        g_free(k);
    }
}

TicketKey *ticket_key(GError **errp)
{
    TicketKey *made;

    if (!current || time_monotonic_ns() - current->made_ns > TICKET_KEY_LIFE_NS) {
        made = key_make(errp);
        if (!made) {
            return NULL;
        }
        ticket_key_unref(current);
        current = made;
    }
    current->refs++;
    return current;
}

const uint8_t *ticket_key_public(const TicketKey *k)
{
    return k->public;
}

/* ---- passwords ---- */

void ticket_clear(Ticket *t)
{
    if (t->password) {
        OPENSSL_cleanse(t->password, strlen(t->password));
    }
    g_clear_pointer(&t->password, g_free);
}

bool ticket_set_password(Ticket *t, const char *password, GError **errp)
{
    if (strlen(password) > PASSWORD_MAX) {
        return fail(errp, "a SPICE password has at most %d bytes", PASSWORD_MAX);
    }
    ticket_clear(t);
    t->password = g_strdup(password);
    return true;
}

bool ticket_parse_expiry(const char *text, int64_t *ret_monotonic_ns, GError **errp)
{
    int64_t now = time_monotonic_ns(), left_ns;
    bool is_relative = *text == '+';
    uint64_t seconds;

    if (!strcmp(text, "now") || !strcmp(text, "never")) {
        *ret_monotonic_ns = text[2] == 'w' ? now : TICKET_NEVER;
        return true;
    }
    if (!text_to_u64(text + is_relative, &seconds)) {
        return fail(errp, "'%s' is no time; accepted: now, never, +SECONDS, seconds since 1970", text);
    }
    if (seconds >= INT64_MAX / NS_PER_SEC / 2) {
        *ret_monotonic_ns = TICKET_NEVER;
        return true;
    }
    left_ns = (int64_t)seconds * NS_PER_SEC - (is_relative ? 0 : time_wall_ns());
    *ret_monotonic_ns = left_ns < 0 ? now : now + left_ns;
    return true;
}

/* Empty when it cannot be decrypted.  OpenSSL itself takes care that OAEP takes the same time either way. */
static size_t decrypt(TicketKey *k, const uint8_t encrypted[TICKET_BYTES], char ret[TICKET_BYTES])
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(k->pair, NULL);
    size_t size = TICKET_BYTES;
    bool ok = ctx && EVP_PKEY_decrypt_init(ctx) > 0 && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) > 0 &&
              EVP_PKEY_decrypt(ctx, (uint8_t *)ret, &size, encrypted, TICKET_BYTES) > 0;

    EVP_PKEY_CTX_free(ctx);
    ERR_clear_error();
    return ok ? size : 0;
}

bool ticket_is_good(const Ticket *t, TicketKey *k, const uint8_t encrypted[TICKET_BYTES], const char **ret_why)
{
    char told[TICKET_BYTES] = {0}, padded[TICKET_BYTES] = {0}, wanted[TICKET_BYTES] = {0};
    size_t size = decrypt(k, encrypted, told);
    bool is_equal;

    for (size_t i = 0, ended = 0; i < sizeof(told); i++) { /* up to the NUL; what is behind it does not count */
        ended |= !told[i];
        padded[i] = ended ? 0 : told[i];
    }
    g_strlcpy(wanted, t->password ? t->password : "", sizeof(wanted));
    is_equal = !CRYPTO_memcmp(padded, wanted, sizeof(wanted));
    OPENSSL_cleanse(told, sizeof(told));
    OPENSSL_cleanse(padded, sizeof(padded));
    OPENSSL_cleanse(wanted, sizeof(wanted));
    *ret_why = !t->password || !*t->password               ? "no password is set"
               : t->expires_ns <= time_monotonic_ns()      ? "the password has expired"
               : !size                                     ? "the ticket cannot be decrypted"
               : !is_equal                                 ? "wrong password"
                                                           : NULL;
    return !*ret_why;
}
