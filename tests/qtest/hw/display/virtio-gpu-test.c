/* tests/qtest/hw/display/virtio-gpu-test.c - virtio-gpu-device: each command, each error, bounds, and a save and load.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the screen shows is read by screendump. */
#include <glib/gstdio.h>
#include <string.h>

#include "../../virtio-driver.h"
#include "util/bytes.h"

enum { CONTROL, CURSOR, QUEUES, F_EDID = 1, HEADER = 24 };
enum { GET_DISPLAY_INFO = 0x100, CREATE_2D, UNREF, SET_SCANOUT, FLUSH, TRANSFER, ATTACH, DETACH, GET_CAPSET_INFO,
       GET_CAPSET, GET_EDID, UPDATE_CURSOR = 0x300, MOVE_CURSOR };
enum { OK = 0x1100, OK_DISPLAY_INFO = 0x1101, OK_EDID = 0x1104, UNSPEC = 0x1200, OUT_OF_MEMORY, BAD_SCANOUT, BAD_RESOURCE,
       BAD_CONTEXT, BAD_PARAMETER };
enum { BGRA = 1, BGRX, ARGB, XRGB, RGBA = 67, XBGR, ABGR = 121, RGBX = 134 };

typedef struct Gpu {
    Driver d;
    uint8_t answer[2048]; /* to the last command */
    uint32_t written;
} Gpu;

static void start(Gpu *g, const char *options)
{
    QTest *q = qtest_start("-device virtio-gpu-device,id=gpu0%s", options);

    driver_start(&g->d, q, 7, 16, ~UINT64_C(0), QUEUES);
}

static uint32_t send_raw(Gpu *g, unsigned queue, const void *data, size_t size, uint32_t room)
{
    DriverBuffer b[2] = {{driver_alloc(&g->d, MAX(size, 1)), size, false}, {driver_alloc(&g->d, room), room, true}};

    qtest_memwrite(g->d.q, b[0].at, data, size);
    driver_add(&g->d, queue, b, room ? 2 : 1, true);
    driver_wait(&g->d, queue, &g->written);
    memset(g->answer, 0, sizeof(g->answer));
    if (room) {
        qtest_memread(g->d.q, b[1].at, g->answer, g->written);
    }
    return load_le32(g->answer);
}

/* A command of 32-bit words behind its header; the answer's type. */
static uint32_t command(Gpu *g, uint32_t type, const uint32_t *words, unsigned count)
{
    uint8_t data[HEADER + 64] = {0};

    store_le32(data, type);
    for (unsigned i = 0; i < count; i++) {
        store_le32(data + HEADER + 4 * i, words[i]);
    }
    return send_raw(g, type >= UPDATE_CURSOR ? CURSOR : CONTROL, data, HEADER + 4 * count, sizeof(g->answer));
}

#define COMMAND(g, type, ...)                                                                                          \
    command(g, type, (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))
#define MUST(g, type, ...) g_assert_cmphex(COMMAND(g, type, __VA_ARGS__), ==, OK)

static uint32_t answer_word(const Gpu *g, unsigned i)
{
    return load_le32(g->answer + HEADER + 4 * i);
}

typedef struct Piece {
    uint64_t at;
    uint32_t size;
} Piece;

static uint32_t attach(Gpu *g, uint32_t id, const Piece *pieces, unsigned count)
{
    g_autofree uint8_t *data = g_malloc0(HEADER + 8 + 16 * count);

    store_le32(data, ATTACH);
    store_le32(data + HEADER, id);
    store_le32(data + HEADER + 4, count);
    for (unsigned i = 0; i < count; i++) {
        store_le64(data + HEADER + 8 + 16 * i, pieces[i].at);
        store_le32(data + HEADER + 16 + 16 * i, pieces[i].size);
    }
    return send_raw(g, CONTROL, data, HEADER + 8 + 16 * count, sizeof(g->answer));
}

/* ---- what the screen shows ---- */
typedef struct Picture {
    unsigned width, height;
    uint8_t *data, *pixels; /* red, green, blue */
} Picture;

static Picture screen_of(QTest *q, const char *arguments)
{
    g_autofree char *path = g_build_filename(qtest_dir(q), "screen.ppm", NULL);
    Picture p;
    gsize size;
    int at = 0;

    json_unref(qtest_qmp_ok(q, "{'execute': 'screendump', 'arguments': {'filename': '%s'%s}}", path, arguments));
    g_assert_true(g_file_get_contents(path, (char **)&p.data, &size, NULL));
    g_assert_cmpint(sscanf((char *)p.data, "P6\n%u %u\n255%n", &p.width, &p.height, &at), ==, 2);
    p.pixels = p.data + at + 1;
    g_assert_cmpuint(size, ==, at + 1 + (size_t)p.width * p.height * 3);
    return p;
}

static uint32_t pixel(const Picture *p, unsigned x, unsigned y)
{
    const uint8_t *at = p->pixels + 3 * (y * p->width + x);

    return at[0] << 16 | at[1] << 8 | at[2];
}

static void assert_pixel(QTest *q, unsigned x, unsigned y, uint32_t expected)
{
    Picture p = screen_of(q, "");

    g_assert_cmphex(pixel(&p, x, y), ==, expected);
    g_free(p.data);
}

static uint32_t pattern(unsigned x, unsigned y)
{
    return (x & 0xff) << 16 | (y & 0xff) << 8 | ((x * 7 + y * 13) & 0xff);
}

enum { WIDTH = 64, HEIGHT = 48, SIZE = WIDTH * HEIGHT * 4 };

static uint64_t put_pattern(Gpu *g)
{
    uint64_t at = driver_alloc(&g->d, SIZE);
    g_autofree uint8_t *data = g_malloc(SIZE);

    for (unsigned i = 0; i < WIDTH * HEIGHT; i++) {
        store_le32(data + 4 * i, 0x55000000 | pattern(i % WIDTH, i / WIDTH));
    }
    qtest_memwrite(g->d.q, at, data, SIZE);
    return at;
}

static void assert_pattern(QTest *q)
{
    Picture p = screen_of(q, "");

    g_assert_cmpuint(p.width, ==, WIDTH);
    g_assert_cmpuint(p.height, ==, HEIGHT);
    for (unsigned i = 0; i < WIDTH * HEIGHT; i++) {
        g_assert_cmphex(pixel(&p, i % WIDTH, i / WIDTH), ==, pattern(i % WIDTH, i / WIDTH));
    }
    g_free(p.data);
}

/* Resource 1 with the pattern, on the screen. */
static uint64_t show_pattern(Gpu *g)
{
    uint64_t at = put_pattern(g);

    MUST(g, CREATE_2D, 1, BGRX, WIDTH, HEIGHT);
    g_assert_cmphex(attach(g, 1, (Piece[]){{at, SIZE}}, 1), ==, OK);
    MUST(g, TRANSFER, 0, 0, WIDTH, HEIGHT, 0, 0, 1, 0);
    MUST(g, SET_SCANOUT, 0, 0, WIDTH, HEIGHT, 0, 1);
    MUST(g, FLUSH, 0, 0, WIDTH, HEIGHT, 1, 0);
    return at;
}

/* ---- the tests ---- */
static void tells_its_outputs(void)
{
    Gpu g;

    start(&g, ",max_outputs=3,xres=1024,yres=600");
    g_assert_cmpuint(driver_config32(&g.d, 0), ==, 0);
    g_assert_cmpuint(driver_config32(&g.d, 8), ==, 3);
    g_assert_cmpuint(driver_config32(&g.d, 12), ==, 0);
    g_assert_cmphex(command(&g, GET_DISPLAY_INFO, NULL, 0), ==, OK_DISPLAY_INFO);
    g_assert_cmpuint(g.written, ==, HEADER + 16 * 24);
    for (unsigned i = 0; i < 16; i++) {
        g_assert_cmpuint(answer_word(&g, 6 * i + 2), ==, i < 3 ? 1024 : 0);
        g_assert_cmpuint(answer_word(&g, 6 * i + 3), ==, i < 3 ? 600 : 0);
        g_assert_cmpuint(answer_word(&g, 6 * i + 4), ==, i == 0);
    }
    qtest_quit(g.d.q);
}

static void says_what_its_monitor_is(void)
{
    static const struct {
        unsigned width, height;
    } sizes[] = {{1280, 800}, {4095, 4095}, {64, 64}, {1366, 768}};

    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree char *options = g_strdup_printf(",xres=%u,yres=%u", sizes[i].width, sizes[i].height);
        uint8_t sum = 0;
        const uint8_t *edid, *timing;
        uint64_t total;
        unsigned hz;
        Gpu g;

        start(&g, options);
        g_assert_true(g.d.offered & DRIVER_F(F_EDID));
        g_assert_cmphex(COMMAND(&g, GET_EDID, 0, 0), ==, OK_EDID);
        g_assert_cmpuint(g.written, ==, HEADER + 8 + 1024);
        g_assert_cmpuint(answer_word(&g, 0), ==, 128);
        edid = g.answer + HEADER + 8;
        timing = edid + 54;
        g_assert_cmpmem(edid, 8, "\0\xff\xff\xff\xff\xff\xff\0", 8);
        for (unsigned n = 0; n < 128; n++) {
            sum += edid[n];
        }
        g_assert_cmpuint(sum, ==, 0);
        g_assert_cmpuint(timing[2] | timing[4] >> 4 << 8, ==, sizes[i].width);
        g_assert_cmpuint(timing[5] | timing[7] >> 4 << 8, ==, sizes[i].height);
        total = (uint64_t)(sizes[i].width + (timing[3] | (timing[4] & 15) << 8)) *
                (sizes[i].height + (timing[6] | (timing[7] & 15) << 8));
        hz = load_le16(timing) * UINT64_C(10000) / total;
        g_assert_cmpuint(hz, >=, sizes[i].width == 4095 ? 34 : sizes[i].width == 64 ? 40 : 59);
        g_assert_cmpuint(hz, <=, 60);
        g_assert_cmphex(COMMAND(&g, GET_EDID, 1, 0), ==, BAD_PARAMETER);
        qtest_quit(g.d.q);
    }
}

static void does_without_edid(void)
{
    Gpu g;

    start(&g, ",edid=off");
    g_assert_false(g.d.offered & DRIVER_F(F_EDID));
    g_assert_cmphex(COMMAND(&g, GET_EDID, 0, 0), ==, UNSPEC);
    qtest_quit(g.d.q);
}

static void shows_what_the_guest_draws(void)
{
    g_autofree char *path = NULL;
    Json *answer;
    Gpu g;

    start(&g, "");
    path = g_build_filename(qtest_dir(g.d.q), "none.ppm", NULL);
    answer = qtest_qmp(g.d.q, "{'execute': 'screendump', 'arguments': {'filename': '%s'}}", path);
    g_assert_nonnull(json_get(answer, "error")); /* nothing to be seen yet */
    json_unref(answer);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    show_pattern(&g);
    assert_pattern(g.d.q);
    MUST(&g, SET_SCANOUT, 0, 0, 0, 0, 0, 0);
    answer = qtest_qmp(g.d.q, "{'execute': 'screendump', 'arguments': {'filename': '%s'}}", path);
    g_assert_nonnull(json_get(answer, "error"));
    json_unref(answer);
    qtest_quit(g.d.q);
}

static void memory_may_be_in_pieces(void)
{
    uint64_t at;
    Piece pieces[40];
    Gpu g;

    start(&g, "");
    at = put_pattern(&g);
    for (unsigned i = 0; i < 40; i++) { /* the second half first, in odd sizes, with gaps in the guest's memory */
        uint32_t from = i * SIZE / 40 + i % 3 * (i != 0), to = i == 39 ? SIZE : (i + 1) * SIZE / 40 + (i + 1) % 3;
        g_autofree uint8_t *data = g_malloc(to - from);

        qtest_memread(g.d.q, at + from, data, to - from);
        pieces[i] = (Piece){0x84000000 + 0x10000 * ((i + 20) % 40), to - from};
        qtest_memwrite(g.d.q, pieces[i].at, data, to - from);
    }
    MUST(&g, CREATE_2D, 5, BGRX, 8, 8); /* another one, with pieces before and behind */
    g_assert_cmphex(attach(&g, 5, (Piece[]){{0x84000000, 64}, {0x85000000, 64}}, 2), ==, OK);
    MUST(&g, CREATE_2D, 1, BGRA, WIDTH, HEIGHT);
    g_assert_cmphex(attach(&g, 1, pieces, 40), ==, OK);
    MUST(&g, DETACH, 5, 0);
    MUST(&g, TRANSFER, 0, 0, WIDTH, HEIGHT, 0, 0, 1, 0);
    MUST(&g, SET_SCANOUT, 0, 0, WIDTH, HEIGHT, 0, 1);
    MUST(&g, FLUSH, 0, 0, WIDTH, HEIGHT, 1, 0);
    assert_pattern(g.d.q);
    qtest_quit(g.d.q);
}

static void parts_are_moved(void)
{
    uint64_t at;
    Picture p;
    Gpu g;

    start(&g, "");
    at = show_pattern(&g);
    qtest_memset(g.d.q, at, 0, SIZE);
    MUST(&g, TRANSFER, 10, 20, 30, 5, (20 * WIDTH + 10) * 4, 0, 1, 0);
    MUST(&g, FLUSH, 10, 20, 30, 5, 1, 0);
    MUST(&g, SET_SCANOUT, 8, 16, 40, 20, 0, 1);
    p = screen_of(g.d.q, ", 'device': 'gpu0', 'head': 0");
    g_assert_cmpuint(p.width, ==, 40);
    g_assert_cmpuint(p.height, ==, 20);
    for (unsigned i = 0; i < 40 * 20; i++) {
        unsigned x = 8 + i % 40, y = 16 + i / 40;
        bool black = x >= 10 && x < 40 && y >= 20 && y < 25;

        g_assert_cmphex(pixel(&p, i % 40, i / 40), ==, black ? 0 : pattern(x, y));
    }
    g_free(p.data);
    qtest_quit(g.d.q);
}

static void all_formats_are_shown(void)
{
    static const struct {
        uint32_t format;
        uint8_t bytes[4]; /* of red 0x11, green 0x22, blue 0x33 */
    } formats[] = {
        {BGRA, {0x33, 0x22, 0x11, 0x80}}, {BGRX, {0x33, 0x22, 0x11, 0x80}}, {ARGB, {0x80, 0x11, 0x22, 0x33}},
        {XRGB, {0x80, 0x11, 0x22, 0x33}}, {RGBA, {0x11, 0x22, 0x33, 0x80}}, {XBGR, {0x80, 0x33, 0x22, 0x11}},
        {ABGR, {0x80, 0x33, 0x22, 0x11}}, {RGBX, {0x11, 0x22, 0x33, 0x80}},
    };
    uint64_t at;
    Gpu g;

    start(&g, "");
    at = driver_alloc(&g.d, 16 * 16 * 4);
    for (unsigned i = 0; i < G_N_ELEMENTS(formats); i++) {
        MUST(&g, CREATE_2D, 1 + i, formats[i].format, 16, 16);
        g_assert_cmphex(attach(&g, 1 + i, (Piece[]){{at, 16 * 16 * 4}}, 1), ==, OK);
        qtest_memwrite(g.d.q, at + 4 * 17, formats[i].bytes, 4);
        MUST(&g, SET_SCANOUT, 0, 0, 16, 16, 0, 1 + i);
        MUST(&g, TRANSFER, 0, 0, 16, 16, 0, 0, 1 + i, 0);
        MUST(&g, FLUSH, 0, 0, 16, 16, 1 + i, 0);
        assert_pixel(g.d.q, 1, 1, 0x112233);
        assert_pixel(g.d.q, 2, 1, 0);
    }
    qtest_quit(g.d.q);
}

static void mistakes_are_answered(void)
{
    static const struct {
        uint32_t type, words[8];
        unsigned count;
        uint32_t answer;
    } cases[] = {
        {CREATE_2D, {0, BGRX, 8, 8}, 4, BAD_RESOURCE},
        {CREATE_2D, {1, BGRX, 8, 8}, 4, BAD_RESOURCE},
        {CREATE_2D, {2, 5, 8, 8}, 4, BAD_PARAMETER},
        {CREATE_2D, {2, BGRX, 0, 8}, 4, BAD_PARAMETER},
        {CREATE_2D, {2, BGRX, 8, 0}, 4, BAD_PARAMETER},
        {CREATE_2D, {2, BGRX, 16385, 1}, 4, BAD_PARAMETER},
        {CREATE_2D, {2, BGRX, 0xffffffff, 0xffffffff}, 4, BAD_PARAMETER},
        {CREATE_2D, {2, BGRX, 16384, 16384}, 4, OUT_OF_MEMORY},
        {CREATE_2D, {2, BGRX, 8}, 3, UNSPEC}, /* too short */
        {UNREF, {7, 0}, 2, BAD_RESOURCE},
        {UNREF, {0, 0}, 2, BAD_RESOURCE},
        {SET_SCANOUT, {0, 0, 64, 48, 1, 1}, 6, BAD_SCANOUT},
        {SET_SCANOUT, {0, 0, 64, 48, 16, 1}, 6, BAD_SCANOUT},
        {SET_SCANOUT, {0, 0, 64, 48, 0, 9}, 6, BAD_RESOURCE},
        {SET_SCANOUT, {0, 0, 65, 48, 0, 1}, 6, BAD_PARAMETER},
        {SET_SCANOUT, {1, 0, 64, 48, 0, 1}, 6, BAD_PARAMETER},
        {SET_SCANOUT, {0, 0, 8, 48, 0, 1}, 6, BAD_PARAMETER},
        {SET_SCANOUT, {0xfffffff0, 0, 32, 48, 0, 1}, 6, BAD_PARAMETER},
        {FLUSH, {0, 0, 64, 48, 9, 0}, 6, BAD_RESOURCE},
        {FLUSH, {0, 0, 64, 49, 1, 0}, 6, BAD_PARAMETER},
        {FLUSH, {0, 0xfffffff0, 1, 32, 1, 0}, 6, BAD_PARAMETER},
        {TRANSFER, {0, 0, 64, 48, 0, 0, 9, 0}, 8, BAD_RESOURCE},
        {TRANSFER, {0, 0, 8, 8, 0, 0, 3, 0}, 8, UNSPEC}, /* has no memory */
        {TRANSFER, {0, 0, 64, 49, 0, 0, 1, 0}, 8, BAD_PARAMETER},
        {TRANSFER, {64, 48, 1, 1, 0, 0, 1, 0}, 8, BAD_PARAMETER},
        {TRANSFER, {0, 0, 64, 48, 1, 0, 1, 0}, 8, BAD_PARAMETER}, /* a byte too far */
        {TRANSFER, {0, 0, 1, 1, 0, 0xffffffff, 1, 0}, 8, BAD_PARAMETER},
        {TRANSFER, {0, 0, 1, 1, 0xfffffffd, 0xffffffff, 1, 0}, 8, BAD_PARAMETER},
        {TRANSFER, {64, 48, 0, 0, 0, 0, 1, 0}, 8, OK}, /* of nothing */
        {ATTACH, {9, 0}, 2, BAD_RESOURCE},
        {ATTACH, {1, 0}, 2, UNSPEC}, /* has some */
        {ATTACH, {3, 1}, 2, BAD_PARAMETER}, /* the piece is missing */
        {ATTACH, {3, 0x10000001, 0x80000000, 0, 64, 0}, 6, BAD_PARAMETER},
        {ATTACH, {3, 1, 0, 0, 64, 0}, 6, BAD_PARAMETER}, /* where there is no memory */
        {ATTACH, {3, 1, 0x80000000, 0, 0, 0}, 6, BAD_PARAMETER},
        {ATTACH, {3, 1, 0xfffffff0, 0xffffffff, 64, 0}, 6, BAD_PARAMETER},
        {ATTACH, {3, 1, 0x80000000, 0, 0xffffffff, 0}, 6, BAD_PARAMETER},
        {DETACH, {9, 0}, 2, BAD_RESOURCE},
        {DETACH, {3, 0}, 2, UNSPEC},
        {GET_CAPSET_INFO, {0, 0}, 2, UNSPEC},
        {GET_CAPSET, {0, 0}, 2, UNSPEC},
        {0x200, {0}, 8, UNSPEC},
        {UPDATE_CURSOR, {1, 0, 0, 0, 1}, 8, BAD_SCANOUT},
        {UPDATE_CURSOR, {0, 0, 0, 0, 9}, 8, BAD_RESOURCE},
        {UPDATE_CURSOR, {0, 0, 0, 0, 1}, 8, BAD_PARAMETER}, /* not 64 by 64 */
        {UPDATE_CURSOR, {0}, 4, UNSPEC},
        {MOVE_CURSOR, {1}, 4, BAD_SCANOUT},
    };
    uint8_t wrong_queue[HEADER + 32] = {0};
    Gpu g;

    start(&g, "");
    show_pattern(&g);
    MUST(&g, CREATE_2D, 3, BGRX, 8, 8);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("case %u: command 0x%x", i, cases[i].type);
        g_assert_cmphex(command(&g, cases[i].type, cases[i].words, cases[i].count), ==, cases[i].answer);
        g_assert_cmpuint(g.written, ==, HEADER);
    }
    store_le32(wrong_queue, MOVE_CURSOR);
    g_assert_cmphex(send_raw(&g, CONTROL, wrong_queue, sizeof(wrong_queue), 24), ==, UNSPEC);
    store_le32(wrong_queue, UNREF);
    g_assert_cmphex(send_raw(&g, CURSOR, wrong_queue, sizeof(wrong_queue), 24), ==, UNSPEC);
    g_assert_cmphex(send_raw(&g, CONTROL, wrong_queue, 23, 24), ==, UNSPEC);
    send_raw(&g, CONTROL, wrong_queue, HEADER, 3); /* room for 3 bytes of the answer */
    g_assert_cmpuint(g.written, ==, 3);
    send_raw(&g, CURSOR, wrong_queue, HEADER, 0);
    g_assert_cmpuint(g.written, ==, 0);
    g_assert_cmpuint(driver_status(&g.d), ==, 15); /* it is not broken */
    assert_pattern(g.d.q);
    qtest_quit(g.d.q);
}

static void fences_come_back(void)
{
    uint8_t data[HEADER] = {0};
    Gpu g;

    start(&g, "");
    store_le32(data, GET_DISPLAY_INFO);
    store_le32(data + 4, 1);
    store_le64(data + 8, 0x1122334455667788);
    store_le32(data + 16, 0xabcdef01);
    g_assert_cmphex(send_raw(&g, CONTROL, data, sizeof(data), sizeof(g.answer)), ==, OK_DISPLAY_INFO);
    g_assert_cmphex(load_le32(g.answer + 4), ==, 1);
    g_assert_cmphex(load_le64(g.answer + 8), ==, 0x1122334455667788);
    g_assert_cmphex(load_le32(g.answer + 16), ==, 0xabcdef01);
    store_le32(data + 4, 0);
    send_raw(&g, CONTROL, data, sizeof(data), sizeof(g.answer));
    g_assert_cmphex(load_le32(g.answer + 4) | load_le64(g.answer + 8), ==, 0);
    store_le32(data, 0x999); /* mistakes have fences, too */
    store_le32(data + 4, 1);
    g_assert_cmphex(send_raw(&g, CONTROL, data, sizeof(data), sizeof(g.answer)), ==, UNSPEC);
    g_assert_cmphex(load_le64(g.answer + 8), ==, 0x1122334455667788);
    qtest_quit(g.d.q);
}

static void memory_is_bounded_and_comes_back(void)
{
    Gpu g;

    start(&g, ",max_hostmem=1M");
    MUST(&g, CREATE_2D, 1, BGRX, 256, 256);
    MUST(&g, CREATE_2D, 2, BGRX, 256, 256);
    MUST(&g, CREATE_2D, 3, BGRX, 256, 512);
    g_assert_cmphex(COMMAND(&g, CREATE_2D, 4, BGRX, 1, 1), ==, OUT_OF_MEMORY);
    MUST(&g, UNREF, 2, 0);
    g_assert_cmphex(COMMAND(&g, CREATE_2D, 4, BGRX, 256, 257), ==, OUT_OF_MEMORY);
    MUST(&g, CREATE_2D, 4, BGRX, 256, 252);
    MUST(&g, CREATE_2D, 5, BGRX, 16, 16);
    MUST(&g, UNREF, 1, 0);
    MUST(&g, UNREF, 4, 0);
    MUST(&g, UNREF, 5, 0);
    MUST(&g, CREATE_2D, 1, BGRX, 512, 256);
    driver_restart(&g.d, ~UINT64_C(0), QUEUES); /* a reset gives all of it back */
    MUST(&g, CREATE_2D, 1, BGRX, 512, 512);
    qtest_quit(g.d.q);
}

static void resources_and_pieces_are_bounded(void)
{
    g_autofree Piece *pieces = g_new(Piece, 40000);
    Gpu g;

    start(&g, "");
    for (unsigned i = 1; i <= 1024; i++) {
        g.d.heap = 0x80200000;
        MUST(&g, CREATE_2D, i, BGRX, 1, 1);
    }
    g_assert_cmphex(COMMAND(&g, CREATE_2D, 1025, BGRX, 1, 1), ==, OUT_OF_MEMORY);
    for (unsigned i = 0; i < 40000; i++) {
        pieces[i] = (Piece){0x80000000 + 64 * i, 32}; /* no neighbours */
    }
    g_assert_cmphex(attach(&g, 1, pieces, 40000), ==, OK);
    g_assert_cmphex(attach(&g, 2, pieces, 40000), ==, OUT_OF_MEMORY);
    g_assert_cmphex(COMMAND(&g, DETACH, 2, 0), ==, UNSPEC); /* nothing of it was kept */
    g_assert_cmphex(attach(&g, 2, pieces, 25536), ==, OK);
    MUST(&g, UNREF, 1, 0);
    g_assert_cmphex(attach(&g, 3, pieces, 40000), ==, OK);
    qtest_quit(g.d.q);
}

static void a_screen_goes_with_its_resource(void)
{
    Json *answer;
    Gpu g;

    start(&g, "");
    show_pattern(&g);
    MUST(&g, UNREF, 1, 0);
    answer = qtest_qmp(g.d.q, "{'execute': 'screendump', 'arguments': {'filename': '%s/x'}}", qtest_dir(g.d.q));
    g_assert_nonnull(json_get(answer, "error"));
    json_unref(answer);
    MUST(&g, CREATE_2D, 1, BGRX, WIDTH, HEIGHT); /* the same place: nothing is left there */
    MUST(&g, SET_SCANOUT, 0, 0, WIDTH, HEIGHT, 0, 1);
    assert_pixel(g.d.q, 9, 9, 0);
    qtest_quit(g.d.q);
}

static void pointers_are_taken(void)
{
    uint64_t at;
    Gpu g;

    start(&g, "");
    at = driver_alloc(&g.d, 64 * 64 * 4);
    MUST(&g, CREATE_2D, 1, BGRA, 64, 64);
    g_assert_cmphex(attach(&g, 1, (Piece[]){{at, 64 * 64 * 4}}, 1), ==, OK);
    MUST(&g, TRANSFER, 0, 0, 64, 64, 0, 0, 1, 0);
    MUST(&g, UPDATE_CURSOR, 0, 100, 50, 0, 1, 70, 3, 0);
    MUST(&g, MOVE_CURSOR, 0, 0xffffffff, 51, 0);
    MUST(&g, UNREF, 1, 0);
    MUST(&g, UPDATE_CURSOR, 0, 100, 50, 0, 0, 0, 0, 0);
    qtest_quit(g.d.q);
}

static void screendumps_say_what_is_wrong(void)
{
    static const struct {
        const char *arguments, *says;
    } cases[] = {
        {"'filename': '/dev/null', 'head': 0", "*head*device*"},
        {"'filename': '/dev/null', 'device': 'nobody'", "Device 'nobody' not found"},
        {"'filename': '/dev/null', 'device': 'gpu0', 'head': 1", "*no screen 1*"},
        {"'filename': '/dev/null', 'device': 'gpu0', 'head': -1", "*no screen -1*"},
        {"'filename': '/dev/null', 'device': '/machine/unattached/plic'", "*no screen 0*"},
        {"'filename': '/nowhere/file'", "*/nowhere/file*"},
        {"'filename': '/dev/full'", "*/dev/full*space*"},
        {"'filename': '/dev/null', 'format': 'gif'", "*gif*"},
    };
    Json *answer;
    Gpu g;

    start(&g, "");
    show_pattern(&g);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *says;

        answer = qtest_qmp(g.d.q, "{'execute': 'screendump', 'arguments': {%s}}", cases[i].arguments);
        says = json_get_str(json_get(answer, "error"), "desc");
        g_test_message("%s", says);
        g_assert_true(g_pattern_match_simple(cases[i].says, says));
        json_unref(answer);
    }
    answer = qtest_qmp_ok(g.d.q, "{'execute': 'human-monitor-command', 'arguments': {'command-line': "
                          "'screendump %s/hmp.png -f png gpu0 0'}}", qtest_dir(g.d.q));
    g_assert_cmpstr(json_get_string(answer), ==, "");
    json_unref(answer);
    {
        g_autofree char *path = g_build_filename(qtest_dir(g.d.q), "hmp.png", NULL), *data = NULL;

        g_assert_true(g_file_get_contents(path, &data, NULL, NULL));
        g_assert_cmpmem(data, 4, "\x89PNG", 4);
    }
    qtest_quit(g.d.q);
}

/* ---- a save and a load ---- */
static void wait_migrated(QTest *q)
{
    for (;;) {
        g_autoptr(Json) answer = qtest_qmp_ok(q, "{'execute': 'query-migrate'}");
        const char *status = json_get_str(answer, "status");

        g_assert_cmpstr(status, !=, "failed");
        if (status && !strcmp(status, "completed")) {
            return;
        }
    }
}

static void goes_with_the_guest(void)
{
    g_autofree char *dir = g_dir_make_tmp("baton-gpu-XXXXXX", NULL), *file = g_build_filename(dir, "state", NULL);
    Driver there;
    Picture before, after;
    Gpu g;

    start(&g, ",max_outputs=2");
    show_pattern(&g);
    MUST(&g, CREATE_2D, 2, RGBX, 32, 32); /* of a format that the screen has to copy */
    g_assert_cmphex(attach(&g, 2, (Piece[]){{0x80300000, 4096}}, 1), ==, OK);
    qtest_memset(g.d.q, 0x80300000, 0x99, 4096);
    MUST(&g, TRANSFER, 0, 0, 32, 20, 0, 0, 2, 0);
    MUST(&g, SET_SCANOUT, 0, 0, 32, 32, 1, 2);
    MUST(&g, CREATE_2D, 3, BGRA, 64, 64);
    MUST(&g, UPDATE_CURSOR, 1, 10, 10, 0, 3, 1, 2, 0);
    before = screen_of(g.d.q, ", 'device': 'gpu0', 'head': 1");
    g_assert_cmphex(pixel(&before, 31, 19), ==, 0x999999);
    json_unref(qtest_qmp_ok(g.d.q, "{'execute': 'migrate', 'arguments': {'uri': 'file:%s'}}", file));
    wait_migrated(g.d.q);
    there = g.d;
    qtest_quit(g.d.q);

    there.q = qtest_start("-device virtio-gpu-device,id=gpu0,max_outputs=2 -incoming file:%s", file);
    g.d = there;
    json_unref(qtest_event(g.d.q, "RESUME"));
    qtest_intercept_in(g.d.q, "/machine/unattached/plic");
    assert_pattern(g.d.q);
    after = screen_of(g.d.q, ", 'device': 'gpu0', 'head': 1");
    g_assert_cmpmem(after.pixels, 32 * 32 * 3, before.pixels, 32 * 32 * 3);
    MUST(&g, UNREF, 3, 0); /* and it works */
    qtest_memset(g.d.q, 0x80300000, 0x44, 4096);
    MUST(&g, TRANSFER, 0, 0, 32, 1, 0, 0, 2, 0);
    MUST(&g, FLUSH, 0, 0, 32, 32, 2, 0);
    g_free(after.data);
    after = screen_of(g.d.q, ", 'device': 'gpu0', 'head': 1");
    g_assert_cmphex(pixel(&after, 31, 0), ==, 0x444444);
    g_assert_cmphex(pixel(&after, 31, 1), ==, 0x999999);
    g_assert_cmphex(COMMAND(&g, CREATE_2D, 1, BGRX, 8, 8), ==, BAD_RESOURCE);
    g_free(before.data);
    g_free(after.data);
    qtest_quit(g.d.q);
    g_remove(file);
    g_rmdir(dir);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/riscv64/virtio-gpu/tells_its_outputs", tells_its_outputs);
    g_test_add_func("/riscv64/virtio-gpu/says_what_its_monitor_is", says_what_its_monitor_is);
    g_test_add_func("/riscv64/virtio-gpu/does_without_edid", does_without_edid);
    g_test_add_func("/riscv64/virtio-gpu/shows_what_the_guest_draws", shows_what_the_guest_draws);
    g_test_add_func("/riscv64/virtio-gpu/memory_may_be_in_pieces", memory_may_be_in_pieces);
    g_test_add_func("/riscv64/virtio-gpu/parts_are_moved", parts_are_moved);
    g_test_add_func("/riscv64/virtio-gpu/all_formats_are_shown", all_formats_are_shown);
    g_test_add_func("/riscv64/virtio-gpu/mistakes_are_answered", mistakes_are_answered);
    g_test_add_func("/riscv64/virtio-gpu/fences_come_back", fences_come_back);
    g_test_add_func("/riscv64/virtio-gpu/memory_is_bounded_and_comes_back", memory_is_bounded_and_comes_back);
    g_test_add_func("/riscv64/virtio-gpu/resources_and_pieces_are_bounded", resources_and_pieces_are_bounded);
    g_test_add_func("/riscv64/virtio-gpu/a_screen_goes_with_its_resource", a_screen_goes_with_its_resource);
    g_test_add_func("/riscv64/virtio-gpu/pointers_are_taken", pointers_are_taken);
    g_test_add_func("/riscv64/virtio-gpu/screendumps_say_what_is_wrong", screendumps_say_what_is_wrong);
    g_test_add_func("/riscv64/virtio-gpu/goes_with_the_guest", goes_with_the_guest);
    return g_test_run();
}
