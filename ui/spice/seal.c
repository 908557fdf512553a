/* ui/spice/seal.c - what a client carries for us and can neither read nor change: MIGRATE_DATA.  Pure.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "seal.h"
#include "format.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

enum { VERSION = 1, NUMBER = 1 /* of the only message of a channel */ };

bool seal_make_key(uint8_t ret[SEAL_KEY_BYTES])
{
    return RAND_bytes(ret, SEAL_KEY_BYTES) == 1;
}

static void put_head(GByteArray *b, const SealAbout *about)
{
    put_bytes(b, "RVMD", 4);
    put_u16(b, VERSION);
    put_u8(b, about->type);
    put_u8(b, about->id);
    put_u32(b, about->session_id);
    put_u32(b, NUMBER);
}

/* Done with both ways; what OpenSSL had to say of it is nobody's. */
static bool finish(EVP_CIPHER_CTX *ctx, bool ok)
{
    EVP_CIPHER_CTX_free(ctx);
    ERR_clear_error();
    return ok;
}

/* head: of SEAL_HEAD_BYTES, the nonce behind it. */
static bool encrypt(const uint8_t *key, const uint8_t *head, const void *text, int size, uint8_t *to)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n;

    return finish(ctx, ctx && EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, head + SEAL_HEAD_BYTES) == 1 &&
                           EVP_EncryptUpdate(ctx, NULL, &n, head, SEAL_HEAD_BYTES) == 1 &&
                           EVP_EncryptUpdate(ctx, to, &n, text, size) == 1 && EVP_EncryptFinal_ex(ctx, to + n, &n) == 1 &&
                           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, SEAL_TAG_BYTES, to + size) == 1);
}

static bool decrypt(const uint8_t *key, const uint8_t *head, const uint8_t *from, int size, uint8_t *to)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    uint8_t tag[SEAL_TAG_BYTES];
    int n;

    memcpy(tag, from + size, sizeof(tag));
    return finish(ctx, ctx && EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, head + SEAL_HEAD_BYTES) == 1 &&
                           EVP_DecryptUpdate(ctx, NULL, &n, head, SEAL_HEAD_BYTES) == 1 &&
                           EVP_DecryptUpdate(ctx, to, &n, from, size) == 1 &&
                           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, sizeof(tag), tag) == 1 &&
                           EVP_DecryptFinal_ex(ctx, to + n, &n) == 1);
}

GByteArray *seal_close(const uint8_t key[SEAL_KEY_BYTES], const SealAbout *about, const void *text, size_t size)
{
    GByteArray *b;
    size_t at = SEAL_HEAD_BYTES + SEAL_NONCE_BYTES;

    if (size > SEAL_BODY_MAX - SEAL_EXTRA_BYTES) {
        return NULL;
    }
    b = g_byte_array_sized_new(SEAL_EXTRA_BYTES + size);
    put_head(b, about);
    g_byte_array_set_size(b, SEAL_EXTRA_BYTES + size);
    if (RAND_bytes(b->data + SEAL_HEAD_BYTES, SEAL_NONCE_BYTES) != 1 || !encrypt(key, b->data, text, (int)size, b->data + at)) {
        g_clear_pointer(&b, g_byte_array_unref);
    }
    return b;
}

GByteArray *seal_open(const uint8_t key[SEAL_KEY_BYTES], const SealAbout *about, const void *body, size_t size)
{
    g_autoptr(GByteArray) wanted = g_byte_array_new();
    const uint8_t *head = body;
    GByteArray *text;

    put_head(wanted, about);
    if (size < SEAL_EXTRA_BYTES || size > SEAL_BODY_MAX || memcmp(head, wanted->data, SEAL_HEAD_BYTES)) {
        return NULL;
    }
    size -= SEAL_EXTRA_BYTES;
    text = g_byte_array_sized_new(size + 1); /* never NULL inside: OpenSSL takes that for something else */
    g_byte_array_set_size(text, size + 1);
    if (!decrypt(key, head, head + SEAL_HEAD_BYTES + SEAL_NONCE_BYTES, (int)size, text->data)) {
        memset(text->data, 0, text->len);
        g_byte_array_unref(text);
        return NULL;
    }
    g_byte_array_set_size(text, size);
    return text;
}
