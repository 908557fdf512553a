/* tests/unit/ui/spice-streams-test.c - what moves is sent as video, and is drawn without loss when it is still.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "spice-looker.h"
#include "ui/spice/streams.h"

#define REPORTS (1 << SPICE_DISPLAY_CAP_STREAM_REPORT)
#define CODECS (1 << SPICE_DISPLAY_CAP_MULTI_CODEC)
#define MJPEG (1 << SPICE_DISPLAY_CAP_CODEC_MJPEG)
#define LONG_NS (3600 * NS_PER_SEC)

typedef struct Place {
    int x, y, width, height;
} Place;

static const Place here = {40, 30, 320, 240}, below = {100, 100, 200, 300}, around = {20, 10, 400, 300};
static unsigned painted;

static void begin(Client *me, uint32_t streaming, uint32_t caps)
{
    plug_screen();
    show(640, 480);
    server()->config.streaming = streaming;
    stream_times = (StreamTimes){.enough_ns = 20 * NS_PER_MS, .still_ns = LONG_NS};
    open_client(me, &display_channel_kind, caps);
    look(me, true, is_same);
}

static void end(Client *me)
{
    close_client(me);
    unplug_screen();
    server()->config.streaming = STREAMING_OFF;
}

/* As a guest that plays something there, until that is true. */
static void play(Client *me, const Place *at, bool is_photo, bool (*done)(const Client *me))
{
    int64_t until = time_monotonic_ns() + 30 * NS_PER_SEC;
    g_autoptr(GByteArray) b = g_byte_array_new();
    uint16_t type;

    while (!done(me)) {
        g_assert_cmpint(time_monotonic_ns(), <, until);
        painted++;
        if (is_photo) {
            paint_photo(at->x, at->y, at->width, at->height, painted * 4);
        } else {
            paint(at->x, at->y, at->width, at->height, painted);
        }
        spice_pump(me->c);
        fake_settle();
        while ((type = fake_hear(me->w, b))) {
            follow(me, type, b);
            if (++me->seen % CHANNEL_ACK_WINDOW == 0) {
                fake_say(me->w, SPICE_MSGC_ACK, NULL, 0);
            }
        }
    }
}

static unsigned draws_wanted;

static bool has_video(const Client *me)
{
    return me->videos && me->frames > 3;
}

static bool has_two(const Client *me)
{
    return me->videos == 2 && me->video[0].frames > 2 && me->video[1].frames > 2;
}

static bool has_none(const Client *me)
{
    return !me->videos;
}

static bool is_drawn_often(const Client *me)
{
    return me->draws >= draws_wanted || me->videos;
}

static bool has_larger(const Client *me)
{
    return me->videos == 1 && me->video[0].frames && me->video[0].box.x2 - me->video[0].box.x1 == around.width;
}

static void report(Client *me, uint32_t id, uint32_t number, uint32_t frames, uint32_t drops, int32_t spare_ms)
{
    uint32_t words[8] = {htole32(id), htole32(number), 0, 0, htole32(frames), htole32(drops), htole32((uint32_t)spare_ms), 0};

    fake_say(me->w, SPICE_MSGC_DISPLAY_STREAM_REPORT, words, sizeof(words));
}

/* ---- */

static void what_moves_becomes_video_and_what_is_still_is_exact(void)
{
    Client me;

    begin(&me, STREAMING_FILTER, REPORTS | CODECS | MJPEG);
    play(&me, &here, true, has_video);
    g_assert_cmpint(me.video[0].box.x1, ==, here.x);
    g_assert_cmpint(me.video[0].box.y2, ==, here.y + here.height);
    g_assert_cmpuint(me.video[0].number, !=, 0);
    look(&me, true, is_like);
    paint(400, 400, 50, 50, 99); /* besides */
    paint(100, 100, 10, 10, 98); /* in it: part of the video */
    look(&me, true, is_like);
    g_assert_cmpuint(me.videos, ==, 1);
    stream_times.still_ns = 10 * NS_PER_MS;
    paint(0, 0, 1, 1, 1); /* has it look at the time */
    look(&me, true, has_none);
    look(&me, true, is_same);
    end(&me);
}

static void drawings_are_video_only_if_all_is(void)
{
    Client me;

    begin(&me, STREAMING_FILTER, 0);
    draws_wanted = 30;
    stream_times.enough_ns = NS_PER_MS;
    play(&me, &here, false, is_drawn_often);
    g_assert_cmpuint(me.videos, ==, 0);
    look(&me, true, is_same);
    server()->config.streaming = STREAMING_ALL;
    play(&me, &here, false, has_video);
    end(&me);
}

static void who_cannot_decode_gets_pictures(void)
{
    static const struct {
        uint32_t streaming, caps;
    } cases[] = {{STREAMING_OFF, MJPEG}, {STREAMING_ALL, CODECS}};
    Client me;

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        begin(&me, cases[i].streaming, cases[i].caps);
        stream_times.enough_ns = NS_PER_MS;
        draws_wanted = 30;
        play(&me, &here, true, is_drawn_often);
        g_assert_cmpuint(me.videos, ==, 0);
        look(&me, true, is_same);
        end(&me);
    }
    begin(&me, STREAMING_ALL, REPORTS);
    play(&me, &here, true, has_video);
    report(&me, 0, me.video[0].number + 1, 0, UINT32_MAX, 0); /* of no stream there is */
    report(&me, STREAMS_MAX, 1, 0, UINT32_MAX, 0);
    paint_photo(here.x, here.y, here.width, here.height, 1);
    look(&me, true, is_like);
    g_assert_cmpuint(me.videos, ==, 1);
    report(&me, 0, me.video[0].number, 0, UINT32_MAX, 0);
    look(&me, true, has_none);
    look(&me, true, is_same);
    draws_wanted = me.draws + 30;
    play(&me, &here, true, is_drawn_often);
    g_assert_cmpuint(me.videos, ==, 0);
    end(&me);
}

static void of_two_that_overlap_each_draws_its_part(void)
{
    Client me;
    pixman_box32_t middle = {below.x, below.y, below.x + below.width, here.y + here.height};

    begin(&me, STREAMING_ALL, 0);
    play(&me, &here, true, has_video);
    play(&me, &below, true, has_two);
    g_assert_cmpint(pixman_region32_contains_rectangle(&me.video[0].clip, &middle), ==, PIXMAN_REGION_OUT);
    g_assert_cmpint(pixman_region32_contains_rectangle(&me.video[1].clip, &middle), ==, PIXMAN_REGION_IN);
    look(&me, true, is_like);
    stream_times.still_ns = 10 * NS_PER_MS;
    paint(0, 0, 1, 1, 1);
    look(&me, true, is_same);
    g_assert_cmpuint(me.videos, ==, 0);
    end(&me);
}

static void a_video_that_grows_begins_anew(void)
{
    Client me;

    begin(&me, STREAMING_ALL, 0);
    play(&me, &here, true, has_video);
    play(&me, &around, true, has_larger);
    look(&me, true, is_like);
    end(&me);
}

static void another_surface_ends_it(void)
{
    Client me;

    begin(&me, STREAMING_ALL, 0);
    play(&me, &here, true, has_video);
    show(400, 300); /* the client checks the order */
    look(&me, true, is_same);
    g_assert_cmpuint(me.videos, ==, 0);
    play(&me, &here, true, has_video);
    console_set_surface(screen, NULL);
    look(&me, true, is_dark);
    end(&me);
}

static void a_slow_client_costs_one_frame(void)
{
    size_t most;
    Client me;

    begin(&me, STREAMING_ALL, 0);
    play(&me, &here, true, has_video);
    me.w->room = 100;
    draws_wanted = painted + 200;
    while (painted++ < draws_wanted) {
        paint_photo(here.x, here.y, here.width, here.height, painted);
        spice_pump(me.c);
        g_main_context_iteration(NULL, false); /* there is always something: this wire cannot tell that it is full */
    }
    most = me.c->out_bytes;
    g_assert_cmpuint(most, <, 64 * 1024 + 320 * 240);
    me.w->room = SIZE_MAX;
    look(&me, true, is_like);
    end(&me);
}

static void frames_that_come_too_late_are_sent_for_later(void)
{
    StreamsState st = {.begun = 0};
    Streams s;
    uint8_t data[32] = {0};
    Client me;

    begin(&me, STREAMING_ALL, REPORTS);
    streams_start(&s, me.c, &st);
    s.stream[0].is_on = true;
    s.stream[0].number = 5;
    pixman_region32_init(&s.stream[0].clip);
    store_le32(data + 4, 5);
    store_le32(data + 16, 10);
    for (unsigned i = 0, before; i < 20; i++) {
        before = st.delay_ms;
        store_le32(data + 20, i < 10 ? 3 : 0);
        store_le32(data + 24, i < 10 ? -50 : 200);
        g_assert_cmpint(streams_take_report(&s, data), ==, TAKEN);
        g_assert_true(i < 10 ? st.delay_ms > before || st.delay_ms == 500 : st.delay_ms < before);
    }
    g_assert_cmpuint(s.stream[0].level, >, 0);
    streams_stop(&s);
    end(&me);
}

static void who_leaves_while_a_frame_is_coded_gets_none(void)
{
    for (unsigned i = 0; i < 5; i++) {
        Client me;

        begin(&me, STREAMING_ALL, 0);
        play(&me, &here, true, has_video);
        paint_photo(here.x, here.y, here.width, here.height, i);
        spice_pump(me.c);
        end(&me);
    }
}

/* The frame is of a stream that it has lost; over the new connection it is no stream's. */
static void who_comes_back_while_a_frame_is_coded_gets_none(void)
{
    Client me;
    int64_t until;

    begin(&me, STREAMING_ALL, 0);
    play(&me, &here, true, has_video);
    look(&me, true, is_like);
    stream_times.enough_ns = LONG_NS;
    until = time_monotonic_ns() + 150 * NS_PER_MS; /* a frame is due by then, and only the loop could end it */
    while (time_monotonic_ns() < until) {
        paint_photo(here.x, here.y, here.width, here.height, ++painted);
        spice_pump(me.c);
    }
    while (fake_hear(me.w, NULL)) {
        if (++me.seen % CHANNEL_ACK_WINDOW == 0) {
            fake_say(me.w, SPICE_MSGC_ACK, NULL, 0);
        }
    }
    me.c->kind->resumed(me.c);
    video_ends(&me, &me.video[0]);
    look(&me, true, is_same);
    g_assert_cmpuint(me.videos, ==, 0);
    end(&me);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    loop_init();
    server_init();
    g_test_add_func("/ui/spice/streams/what_moves_becomes_video_and_what_is_still_is_exact",
                    what_moves_becomes_video_and_what_is_still_is_exact);
    g_test_add_func("/ui/spice/streams/drawings_are_video_only_if_all_is", drawings_are_video_only_if_all_is);
    g_test_add_func("/ui/spice/streams/who_cannot_decode_gets_pictures", who_cannot_decode_gets_pictures);
    g_test_add_func("/ui/spice/streams/of_two_that_overlap_each_draws_its_part", of_two_that_overlap_each_draws_its_part);
    g_test_add_func("/ui/spice/streams/a_video_that_grows_begins_anew", a_video_that_grows_begins_anew);
    g_test_add_func("/ui/spice/streams/another_surface_ends_it", another_surface_ends_it);
    g_test_add_func("/ui/spice/streams/a_slow_client_costs_one_frame", a_slow_client_costs_one_frame);
    g_test_add_func("/ui/spice/streams/frames_that_come_too_late_are_sent_for_later", frames_that_come_too_late_are_sent_for_later);
    g_test_add_func("/ui/spice/streams/who_leaves_while_a_frame_is_coded_gets_none", who_leaves_while_a_frame_is_coded_gets_none);
    g_test_add_func("/ui/spice/streams/who_comes_back_while_a_frame_is_coded_gets_none",
                    who_comes_back_while_a_frame_is_coded_gets_none);
    return g_test_run();
}
