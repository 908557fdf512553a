/* tests/unit/ui/spice-ticket-test.c - who is let in, and for how long.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/spice/ticket.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

/* As a client does: the key from the reply, OAEP with SHA-1. */
static void encrypt(const uint8_t *der, const void *text, size_t size, uint8_t ret[TICKET_BYTES])
{
    const uint8_t *at = der;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, TICKET_KEY_BYTES);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    size_t made = TICKET_BYTES;

    g_assert_true(at == der + TICKET_KEY_BYTES);
    g_assert_cmpint(EVP_PKEY_encrypt_init(ctx), >, 0);
    g_assert_cmpint(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING), >, 0);
    g_assert_cmpint(EVP_PKEY_encrypt(ctx, ret, &made, text, size), >, 0);
    g_assert_cmpuint(made, ==, TICKET_BYTES);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
}

static bool is_good(const Ticket *t, const void *told, size_t size)
{
    TicketKey *k = ticket_key(NULL);
    uint8_t bytes[TICKET_BYTES];
    const char *why = NULL;
    bool good;

    g_assert_nonnull(k);
    encrypt(ticket_key_public(k), told, size, bytes);
    good = ticket_is_good(t, k, bytes, &why);
    g_assert_true(good == !why);
    ticket_key_unref(k);
    return good;
}

static void only_the_password_opens(void)
{
    static const struct {
        const char *password, *told;
        size_t size;
        bool is_good;
    } cases[] = {
        {"secret", "secret", 7, true},   {"secret", "secret", 6, true}, /* one without its NUL */
        {"secret", "secre", 6, false},   {"secret", "secrets", 8, false}, {"secret", "", 1, false},
        {"secret", "secret\0x", 9, true}, {"", "", 1, false},           {"", "x", 2, false},
        {NULL, "", 1, false},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        Ticket t = {.expires_ns = TICKET_NEVER};

        if (cases[i].password) {
            g_assert_true(ticket_set_password(&t, cases[i].password, NULL));
        }
        g_assert_true(is_good(&t, cases[i].told, cases[i].size) == cases[i].is_good);
        ticket_clear(&t);
    }
}

static void noise_and_expired_tickets_do_not(void)
{
    Ticket t = {.expires_ns = time_monotonic_ns()};
    TicketKey *k = ticket_key(NULL);
    uint8_t noise[TICKET_BYTES] = {1, 2, 3};
    const char *why = NULL;

    g_assert_true(ticket_set_password(&t, "x", NULL));
    g_assert_false(is_good(&t, "x", 2));
    t.expires_ns = TICKET_NEVER;
    g_assert_true(is_good(&t, "x", 2));
    g_assert_false(ticket_is_good(&t, k, noise, &why));
    g_assert_cmpstr(why, ==, "the ticket cannot be decrypted");
    memset(noise, 0xff, sizeof(noise)); /* above the modulus */
    g_assert_false(ticket_is_good(&t, k, noise, &why));
    ticket_key_unref(k);
    ticket_clear(&t);
}

static void long_passwords_are_refused(void)
{
    Ticket t = {.expires_ns = TICKET_NEVER};
    g_autofree char *longest = g_strnfill(60, 'p'), *longer = g_strnfill(61, 'p');
    g_autoptr(GError) err = NULL;

    g_assert_true(ticket_set_password(&t, longest, NULL));
    g_assert_true(is_good(&t, longest, 61));
    g_assert_false(ticket_set_password(&t, longer, &err));
    g_assert_nonnull(err);
    g_assert_true(is_good(&t, longest, 61)); /* the old one stays */
    ticket_clear(&t);
}

static void expiry_has_four_forms(void)
{
    int64_t now = time_monotonic_ns(), at = 0;
    g_autofree char *tomorrow = g_strdup_printf("%lld", time_wall_ns() / NS_PER_SEC + 86400);

    g_assert_true(ticket_parse_expiry("never", &at, NULL) && at == TICKET_NEVER);
    g_assert_true(ticket_parse_expiry("now", &at, NULL) && at >= now && at <= time_monotonic_ns());
    g_assert_true(ticket_parse_expiry("+60", &at, NULL));
    g_assert_cmpint((at - now) / NS_PER_SEC, ==, 60);
    g_assert_true(ticket_parse_expiry(tomorrow, &at, NULL));
    g_assert_cmpint((at - now) / NS_PER_SEC, >=, 86398);
    g_assert_cmpint((at - now) / NS_PER_SEC, <=, 86401);
    g_assert_true(ticket_parse_expiry("1", &at, NULL) && at <= time_monotonic_ns());
    g_assert_true(ticket_parse_expiry("18446744073709551615", &at, NULL) && at == TICKET_NEVER);
    g_assert_false(ticket_parse_expiry("", &at, NULL));
    g_assert_false(ticket_parse_expiry("soon", &at, NULL));
    g_assert_false(ticket_parse_expiry("+", &at, NULL));
    g_assert_false(ticket_parse_expiry("-1", &at, NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    loop_init();
    g_test_add_func("/ui/spice/ticket/only_the_password_opens", only_the_password_opens);
    g_test_add_func("/ui/spice/ticket/noise_and_expired_tickets_do_not", noise_and_expired_tickets_do_not);
    g_test_add_func("/ui/spice/ticket/long_passwords_are_refused", long_passwords_are_refused);
    g_test_add_func("/ui/spice/ticket/expiry_has_four_forms", expiry_has_four_forms);
    return g_test_run();
}
