/* tests/unit/ui/spice-format-test.c - the link stage's bytes and message headers.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/spice/format.h"
#include "util/bytes.h"

#include <spice/protocol.h>
#include <string.h>

/* ---- headers ---- */

static void header_says_what_is_wrong(void)
{
    static const struct {
        const char *magic;
        uint32_t major, size, error;
    } cases[] = {
        {"REDQ", 2, 18, SPICE_LINK_ERR_OK},           {"REDQ", 2, 4096, SPICE_LINK_ERR_OK},
        {"REDX", 2, 18, SPICE_LINK_ERR_INVALID_MAGIC}, {"REDQ", 1, 18, SPICE_LINK_ERR_VERSION_MISMATCH},
        {"REDQ", 3, 0, SPICE_LINK_ERR_VERSION_MISMATCH}, {"REDQ", 2, 17, SPICE_LINK_ERR_INVALID_DATA},
        {"REDQ", 2, 4097, SPICE_LINK_ERR_INVALID_DATA}, {"REDQ", 2, UINT32_MAX, SPICE_LINK_ERR_INVALID_DATA},
        {"XXXX", 9, 0, SPICE_LINK_ERR_INVALID_MAGIC},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        uint8_t header[LINK_HEADER_BYTES];
        uint32_t size = 0;

        memcpy(header, cases[i].magic, 4);
        store_le32(header + 4, cases[i].major);
        store_le32(header + 8, 77); /* minor versions do not matter */
        store_le32(header + 12, cases[i].size);
        g_assert_cmpuint(link_parse_header(header, &size), ==, cases[i].error);
        g_assert_cmpuint(size, ==, cases[i].error ? 0 : cases[i].size);
    }
}

/* ---- requests ---- */

static void request_bounds_capabilities(void)
{
    static const struct {
        uint32_t common, channel, offset, size, error;
    } cases[] = {
        {0, 0, 18, 18, SPICE_LINK_ERR_OK},       {1, 1, 18, 26, SPICE_LINK_ERR_OK},
        {1, 0, 22, 26, SPICE_LINK_ERR_OK},       {1020, 0, 16, 4096, SPICE_LINK_ERR_INVALID_DATA},
        {1, 1, 18, 25, SPICE_LINK_ERR_INVALID_DATA}, {2, 0, 22, 26, SPICE_LINK_ERR_INVALID_DATA},
        {1025, 0, 18, 4096, SPICE_LINK_ERR_INVALID_DATA}, {0, 1025, 18, 4096, SPICE_LINK_ERR_INVALID_DATA},
        {0x40000000, 0, 18, 26, SPICE_LINK_ERR_INVALID_DATA}, {0, 0, UINT32_MAX, 26, SPICE_LINK_ERR_INVALID_DATA},
        {1, 0, UINT32_MAX - 3, 26, SPICE_LINK_ERR_INVALID_DATA}, {0, 0, 27, 26, SPICE_LINK_ERR_INVALID_DATA},
        {0, 0, 18, 17, SPICE_LINK_ERR_INVALID_DATA},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree uint8_t *data = g_malloc0(4096); /* of which `size` bytes are the message */
        LinkRequest r;

        data[4] = SPICE_CHANNEL_INPUTS;
        store_le32(data, 0x12345678);
        store_le32(data + 6, cases[i].common);
        store_le32(data + 10, cases[i].channel);
        store_le32(data + 14, cases[i].offset);
        g_assert_cmpuint(link_parse_request(data, cases[i].size, &r), ==, cases[i].error);
        if (!cases[i].error) {
            g_assert_cmpuint(r.connection_id, ==, 0x12345678);
            g_assert_cmpuint(r.type, ==, SPICE_CHANNEL_INPUTS);
        }
    }
}

static void request_keeps_four_words(void)
{
    uint8_t data[LINK_MESS_BYTES + 4 * 7] = {0};
    LinkRequest r;

    store_le32(data + 6, 5);
    store_le32(data + 10, 2);
    store_le32(data + 14, LINK_MESS_BYTES);
    for (unsigned i = 0; i < 7; i++) {
        store_le32(data + LINK_MESS_BYTES + 4 * i, 1 << i);
    }
    g_assert_cmpuint(link_parse_request(data, sizeof(data), &r), ==, SPICE_LINK_ERR_OK);
    g_assert_true(caps_has(&r.common, 0) && caps_has(&r.common, 33) && caps_has(&r.common, 99));
    g_assert_false(caps_has(&r.common, 128 + 4)); /* the fifth word */
    g_assert_true(caps_has(&r.channel, 5) && caps_has(&r.channel, 32 + 6) && !caps_has(&r.channel, 0));
}

/* ---- replies ---- */

static void reply_has_the_size_of_stock_servers(void)
{
    uint8_t key[TICKET_KEY_BYTES];
    g_autoptr(GByteArray) good = NULL, bad = link_reply(SPICE_LINK_ERR_INVALID_DATA, NULL, NULL, NULL);

    memset(key, 0xaa, sizeof(key));
    good = link_reply(SPICE_LINK_ERR_OK, key, &(SpiceCaps){{0x0b}}, &(SpiceCaps){{0xf}});
    g_assert_cmpuint(good->len, ==, 16 + 186);
    g_assert_cmpuint(load_le32(good->data + 12), ==, 186);
    g_assert_cmpuint(load_le32(good->data + 16 + 166), ==, 1);
    g_assert_cmpuint(load_le32(good->data + 16 + 178), ==, 0x0b);
    g_assert_cmpuint(load_le32(good->data + 16 + 182), ==, 0xf);
    g_assert_cmpuint(bad->len, ==, 16 + 178);
    g_assert_cmpuint(load_le32(bad->data + 16), ==, SPICE_LINK_ERR_INVALID_DATA);
    for (unsigned i = 20; i < bad->len; i++) {
        g_assert_cmpuint(bad->data[i], ==, 0);
    }
}

static void headers_survive_both_forms(void)
{
    MessageHeader h = {.serial = 0x1122334455667788, .type = 0xabcd, .size = 0xdeadbeef}, back;
    uint8_t bytes[FULL_HEADER_BYTES];

    g_assert_cmpuint(header_write(bytes, false, &h), ==, 18);
    header_read(bytes, false, &back);
    g_assert_true(back.serial == h.serial && back.type == h.type && back.size == h.size && !back.sub_list);
    g_assert_cmpuint(header_write(bytes, true, &h), ==, 6);
    header_read(bytes, true, &back);
    g_assert_true(!back.serial && back.type == h.type && back.size == h.size);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ui/spice/format/header_says_what_is_wrong", header_says_what_is_wrong);
    g_test_add_func("/ui/spice/format/request_bounds_capabilities", request_bounds_capabilities);
    g_test_add_func("/ui/spice/format/request_keeps_four_words", request_keeps_four_words);
    g_test_add_func("/ui/spice/format/reply_has_the_size_of_stock_servers", reply_has_the_size_of_stock_servers);
    g_test_add_func("/ui/spice/format/headers_survive_both_forms", headers_survive_both_forms);
    return g_test_run();
}
