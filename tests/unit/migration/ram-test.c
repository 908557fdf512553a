/* tests/unit/migration/ram-test.c - guest memory goes out and comes back, in both kinds of records.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/ram.h"

#include "migration/wire.h"
#include "system/ram.h"
#include "util/bytes.h"
#include "util/loop.h"

#include <string.h>
#include <unistd.h>

#define RAM_BYTES (24u << 20)
#define ROM_BYTES 0xf000u

static char *path;

static void make_memory(void)
{
    ram_free_all();
    g_assert_nonnull(ram_add("test.ram", 0x80000000, RAM_BYTES, NULL));
    g_assert_nonnull(rom_add("test.rom", 0x1000, ROM_BYTES, NULL));
}

static void dirty_page(unsigned block, uint64_t page)
{
    RamBlock *b = ram_block(block);
    uint32_t *word = (uint32_t *)(b->host + (page << PAGE_BITS));

    for (unsigned i = 0; i < PAGE_BYTES / 4; i += 1 + i % 3) {
        word[i] = g_test_rand_int();
    }
    ram_set_dirty(b, page);
}

static Channel *open_file(bool out)
{
    g_autofree char *uri = g_strdup_printf("file:%s", path);
    g_autoptr(Address) a = address_parse(uri, NULL);
    Channel *c = channel_open(a, out, NULL, CHANNEL_FOREVER, NULL);

    g_assert_nonnull(c);
    return c;
}

/* Everything, then what was dirtied meanwhile. */
static void send_memory(bool is_plain, unsigned *ret_rounds)
{
    Channel *c = open_file(true);
    StreamOut *out = stream_out_new(c);
    RamSend *s = ram_send_new(out, is_plain);

    g_assert_true(ram_send_start(s, NULL));
    ram_list_all(s);
    ram_dirty_round(s, false);
    g_assert_cmpuint(s->pending, ==, (RAM_BYTES + ROM_BYTES) >> PAGE_BITS);
    g_assert_true(ram_send_list(s, SECTION_PART, NULL));
    g_assert_cmpuint(s->pending, ==, 0);
    for (unsigned i = 0; i < 200; i++) {
        dirty_page(0, g_test_rand_int_range(0, RAM_BYTES >> PAGE_BITS));
    }
    memset(ram_block(0)->host + 5 * PAGE_BYTES, 0, PAGE_BYTES); /* became zero: has to be said */
    ram_set_dirty(ram_block(0), 5);
    g_assert_cmpuint(ram_dirty_pages(), >, 100);
    ram_dirty_round(s, false);
    g_assert_cmpuint(ram_dirty_pages(), ==, 0);
    g_assert_true(ram_send_list(s, SECTION_END, NULL));
    *ret_rounds = s->rounds;
    ram_send_free(s);
    stream_out_free(out);
    g_assert_true(channel_finish(c, CHANNEL_FOREVER, NULL));
    channel_free(c);
}

static void load_memory(void)
{
    Channel *c = open_file(false);
    StreamIn *in = stream_in_new(c);
    RamLoad *l = ram_load_new(in);
    GError *err = NULL;

    for (unsigned i = 0; i < 3; i++) {
        uint8_t type, mark;
        uint32_t id;
        char name[256];

        g_assert_true(stream_next(in, &type, NULL));
        g_assert_cmpuint(type, ==, SECTION_START + i);
        g_assert_true(stream_get_be32(in, &id, NULL));
        if (type == SECTION_START) {
            g_assert_true(stream_get_str8(in, name, NULL) && stream_get_be32(in, &id, NULL) &&
                          stream_get_be32(in, &id, NULL));
        }
        ram_load_section(l, &err);
        g_assert_no_error(err);
        g_assert_true(stream_get_u8(in, &mark, NULL) && stream_get_be32(in, &id, NULL));
        g_assert_cmpuint(mark, ==, SECTION_FOOTER);
    }
    ram_load_free(l);
    stream_in_free(in);
    channel_free(c);
}

static void round_trip(bool is_plain)
{
    g_autofree uint8_t *ram = NULL, *rom = NULL;
    unsigned rounds;

    make_memory();
    for (unsigned page = 0; page < RAM_BYTES >> PAGE_BITS; page++) {
        if (page % 7 < 3 || (page > 1000 && page < 4000)) { /* scattered pages, and a run longer than a batch */
            dirty_page(0, page);
        }
    }
    dirty_page(1, 3);
    send_memory(is_plain, &rounds);
    g_assert_cmpuint(rounds, ==, 2);
    ram = g_memdup2(ram_block(0)->host, RAM_BYTES);
    rom = g_memdup2(ram_block(1)->host, ROM_BYTES);
    memset(ram_block(0)->host, 0x5a, RAM_BYTES); /* not fresh: zero pages have to be written */
    memset(ram_block(1)->host, 0, ROM_BYTES);
    load_memory();
    g_assert_true(!memcmp(ram, ram_block(0)->host, RAM_BYTES));
    g_assert_true(!memcmp(rom, ram_block(1)->host, ROM_BYTES));
    ram_free_all();
    unlink(path);
}

static void test_batches(void)
{
    round_trip(false);
}

static void test_plain_records(void)
{
    round_trip(true);
}

/* ---- bytes that nobody sane would send ---- */
static void expect_refusal(const StateWriter *w, const char *text)
{
    Channel *pair[2];
    size_t size;
    const uint8_t *data = state_writer_data(w, &size);
    g_autoptr(GError) err = NULL;
    StreamIn *in;
    RamLoad *l;

    channel_pair(pair, NULL, NULL);
    g_assert_true(channel_write(pair[0], data, size, CHANNEL_FOREVER, NULL));
    channel_free(pair[0]);
    in = stream_in_new(pair[1]);
    l = ram_load_new(in);
    g_assert_false(ram_load_section(l, &err));
    if (!strstr(err->message, text)) {
        g_error("'%s' does not contain '%s'", err->message, text);
    }
    ram_load_free(l);
    stream_in_free(in);
    channel_free(pair[1]);
}

static StateWriter *with_blocks(void)
{
    StateWriter *w = state_writer_new();

    state_put_be64(w, ram_total() | RAM_MEM_SIZE);
    for (unsigned i = 0; i < ram_count(); i++) {
        state_put_str8(w, ram_block(i)->id);
        state_put_be64(w, ram_block(i)->size);
    }
    return w;
}

static void put_batch(StateWriter *w, uint16_t block, uint16_t data, uint16_t zero, uint64_t offset, uint32_t pages)
{
    state_put_be64(w, RAM_BATCH);
    state_put_be16(w, block);
    state_put_be16(w, data);
    state_put_be16(w, zero);
    state_put_be16(w, 0);
    state_put_be64(w, offset);
    state_put_be32(w, pages);
}

static void test_wild_records_are_refused(void)
{
    static const struct {
        uint16_t block, data, zero;
        uint64_t offset;
        uint32_t pages;
        const char *text;
    } batches[] = {
        {9, 1, 0, 0, 1, "a batch is out of bounds"},
        {0, 501, 0, 0, 1, "a batch is out of bounds"},
        {0, 1, 0, RAM_BYTES, 1, "a run of pages is out of bounds"},
        {0, 1, 0, 1, 1, "a run of pages is out of bounds"},
        {0, 1, 0, RAM_BYTES - PAGE_BYTES, 2, "a run of pages is out of bounds"},
        {0, 0, 1, 0, 0, "a run of pages is out of bounds"},
        {0, 0, 1, UINT64_MAX & ~0xfffull, 1, "a run of pages is out of bounds"},
        {0, 1, 0, 0, 2049, "a batch has too many pages"},
        {0, 1, 0, 0, 1, "connection closed by the other side"},
    };

    make_memory();
    for (unsigned i = 0; i < G_N_ELEMENTS(batches); i++) {
        StateWriter *w = with_blocks();

        put_batch(w, batches[i].block, batches[i].data, batches[i].zero, batches[i].offset, batches[i].pages);
        expect_refusal(w, batches[i].text);
        state_writer_free(w);
    }
    ram_free_all();
}

/* Where two cards are given in another order, their memory is the same. */
static void test_blocks_are_told_by_their_names(void)
{
    StateWriter *w = state_writer_new();

    make_memory();
    memset(ram_find("test.rom")->host, 1, PAGE_BYTES);
    memset(ram_find("test.ram")->host, 1, PAGE_BYTES);
    state_put_be64(w, ram_total() | RAM_MEM_SIZE);
    for (unsigned i = ram_count(); i-- > 0;) {
        state_put_str8(w, ram_block(i)->id);
        state_put_be64(w, ram_block(i)->size);
    }
    put_batch(w, 0, 0, 1, 0, 1);
    put_batch(w, 9, 0, 1, 0, 1);
    expect_refusal(w, "a batch is out of bounds");
    g_assert_true(ram_page_is_zero(ram_find("test.rom")->host));
    g_assert_false(ram_page_is_zero(ram_find("test.ram")->host));
    state_writer_free(w);
    w = state_writer_new();
    state_put_be64(w, ram_total() | RAM_MEM_SIZE);
    for (unsigned i = 0; i < 2; i++) {
        state_put_str8(w, "test.rom");
        state_put_be64(w, ROM_BYTES);
    }
    expect_refusal(w, "a block comes twice");
    state_writer_free(w);
    ram_free_all();
}

/* 100 bytes must not make us read the whole memory again and again. */
static void test_a_batch_costs_no_more_than_its_bound(void)
{
    const uint32_t pages = RAM_BYTES >> PAGE_BITS;
    unsigned runs = RAM_BATCH_ALL_PAGES / pages + 1;
    StateWriter *w;

    make_memory();
    w = with_blocks();
    put_batch(w, 0, 0, runs, 0, pages);
    while (--runs) {
        state_put_be64(w, 0);
        state_put_be32(w, pages);
    }
    expect_refusal(w, "a batch has too many pages");
    state_writer_free(w);
    ram_free_all();
}

static void test_wild_plain_records_are_refused(void)
{
    static const struct {
        uint64_t word;
        const char *id, *text;
    } records[] = {
        {RAM_PAGE | RAM_CONTINUE, NULL, "a page is out of bounds"}, /* continues nothing */
        {RAM_PAGE, "nosuch", "a page is out of bounds"},
        {RAM_BYTES | RAM_PAGE, "test.ram", "a page is out of bounds"},
        {RAM_ZERO, "test.ram", "a zero page is not zero"},
        {0x40, NULL, "unknown record 0x40"},
        {4096 | RAM_MEM_SIZE, "test.ram", "the list of blocks comes twice"},
    };

    make_memory();
    for (unsigned i = 0; i < G_N_ELEMENTS(records); i++) {
        StateWriter *w = with_blocks();

        state_put_be64(w, records[i].word);
        if (records[i].id) {
            state_put_str8(w, records[i].id);
        }
        state_put_be64(w, 0x0101010101010101);
        expect_refusal(w, records[i].text);
        state_writer_free(w);
    }
    ram_free_all();
}

static void test_pages_before_blocks_are_refused(void)
{
    StateWriter *w = state_writer_new();

    make_memory();
    put_batch(w, 0, 1, 0, 0, 1);
    expect_refusal(w, "pages come before the list of blocks");
    state_writer_free(w);
    ram_free_all();
}

static void test_zero_pages_are_seen(void)
{
    g_autofree uint8_t *raw = g_malloc0(2 * PAGE_BYTES);
    uint8_t *page = (uint8_t *)(((uintptr_t)raw + PAGE_BYTES - 1) & ~(uintptr_t)(PAGE_BYTES - 1));

    g_assert_true(ram_page_is_zero(page));
    for (unsigned i = 0; i < PAGE_BYTES; i++) {
        page[i] = 1 << i % 8;
        g_assert_false(ram_page_is_zero(page));
        page[i] = 0;
    }
}

int main(int argc, char **argv)
{
    g_autofree char *dir = g_dir_make_tmp("ram-XXXXXX", NULL);
    int result;

    path = g_strdup_printf("%s/stream", dir);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migration/ram/batches_bring_it_back", test_batches);
    g_test_add_func("/migration/ram/plain_records_bring_it_back", test_plain_records);
    g_test_add_func("/migration/ram/wild_records_are_refused", test_wild_records_are_refused);
    g_test_add_func("/migration/ram/blocks_are_told_by_their_names", test_blocks_are_told_by_their_names);
    g_test_add_func("/migration/ram/a_batch_costs_no_more_than_its_bound", test_a_batch_costs_no_more_than_its_bound);
    g_test_add_func("/migration/ram/wild_plain_records_are_refused", test_wild_plain_records_are_refused);
    g_test_add_func("/migration/ram/pages_before_blocks_are_refused", test_pages_before_blocks_are_refused);
    g_test_add_func("/migration/ram/zero_pages_are_seen", test_zero_pages_are_seen);
    result = g_test_run();
    rmdir(dir);
    g_free(path);
    return result;
}
