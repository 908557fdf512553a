/* tests/guest/clip-agent.c - the clipboard of a desktop, and the SPICE agent as far as that goes.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * clip-agent PORT BYTES [again]: asks for whatever a client copies and compares it byte by byte; on SIGUSR1 (with `again`: at
 * once, and each time that somebody has taken it) copies a text of BYTES bytes.  Texts are words of eight hexadecimal digits,
 * which tell their place and the text's seed.  Prints BATON-CLIP-READY, BATON-CLIP-CLIENT when one has asked what we can,
 * "BATON-CLIP-IN N SEED BYTES" for the Nth text that
 * came, "BATON-CLIP-OUT N SEED BYTES" when one has been written, BATON-CLIP-GONE when the clients are said to be gone. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { CLIENT_PORT = 1, SERVER_PORT = 2, CHUNK_HEADER = 8, CHUNK = 32768, HEADER = 20, PROTOCOL = 1, WORD = 8 };
enum { CLIPBOARD = 4, CAPS = 6, GRAB = 7, REQUEST = 8, CLIENT_DISCONNECTED = 13, UTF8 = 1, CLIP_HEADER = 8 };
enum { CAN = 1 << 2 | 1 << 5 | 1 << 6 };            /* replies, clipboard by demand, several of them */
enum { OUR_SEEDS = 0x10000, PENDING_MAX = 64 };

static int port;
static uint32_t out_bytes;
static bool is_again;

static void die(const char *what)
{
    printf("BATON-GUEST-ERROR clip-agent: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* The digits of a text's word. */
static void put_word(char *to, uint32_t seed, uint32_t i)
{
    uint32_t word = (i + 1) * 2654435761U ^ seed * 0x11111111U;

    for (int n = WORD - 1; n >= 0; n--, word >>= 4) {
        to[n] = "0123456789abcdef"[word & 15];
    }
}

/* ---- what is to be said, by a thread of its own ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static uint32_t pending[PENDING_MAX], pending_first, pending_end;

static void do_later(uint32_t what)
{
    pthread_mutex_lock(&mutex);
    if (pending_end - pending_first == PENDING_MAX) {
        errno = ENOBUFS;
        die("more is asked than is answered");
    }
    pending[pending_end++ % PENDING_MAX] = what;
    pthread_cond_signal(&cond);
    pthread_mutex_unlock(&mutex);
}

static uint32_t next_pending(void)
{
    uint32_t what;

    pthread_mutex_lock(&mutex);
    while (pending_first == pending_end) {
        pthread_cond_wait(&cond, &mutex);
    }
    what = pending[pending_first++ % PENDING_MAX];
    pthread_mutex_unlock(&mutex);
    return what;
}

/* ---- the port ---- */

static int watch(void)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
    int changes = epoll_create1(EPOLL_CLOEXEC);

    return changes < 0 || epoll_ctl(changes, EPOLL_CTL_ADD, port, &event) ? -1 : changes;
}

static void write_all(const uint8_t *data, size_t size)
{
    while (size) {
        ssize_t n = write(port, data, size);

        if (n < 0 && errno != EINTR) {
            die("write");
        }
        data += n < 0 ? 0 : n;
        size -= n < 0 ? 0 : n;
    }
}

static void put32(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        to[i] = value >> 8 * i;
    }
}

static uint32_t get32(const uint8_t *from)
{
    return from[0] | from[1] << 8 | from[2] << 16 | (uint32_t)from[3] << 24;
}

static struct {
    uint8_t data[CHUNK_HEADER + CHUNK];
    uint32_t size;
} chunk;

static void end_chunk(void)
{
    put32(chunk.data, CLIENT_PORT);
    put32(chunk.data + 4, chunk.size);
    write_all(chunk.data, CHUNK_HEADER + chunk.size);
    chunk.size = 0;
}

static void add(const void *data, uint32_t size)
{
    const uint8_t *from = data;

    while (size) {
        uint32_t part = size < CHUNK - chunk.size ? size : CHUNK - chunk.size;

        memcpy(chunk.data + CHUNK_HEADER + chunk.size, from, part);
        chunk.size += part;
        from += part;
        size -= part;
        if (chunk.size == CHUNK) {
            end_chunk();
        }
    }
}

static void begin(uint32_t type, uint32_t size)
{
    uint8_t head[HEADER] = { 0 };

    put32(head, PROTOCOL);
    put32(head + 4, type);
    put32(head + 16, size);
    add(head, HEADER);
}

static void say(uint32_t type, const uint32_t *words, uint32_t count)
{
    begin(type, 4 * count);
    add(words, 4 * count);
    if (chunk.size) {
        end_chunk();
    }
}

static void say_text(uint32_t seed)
{
    const uint32_t head[2] = { 0, UTF8 };
    static char digits[128 * WORD];
    uint32_t n = 0;

    begin(CLIPBOARD, CLIP_HEADER + out_bytes);
    add(head, CLIP_HEADER);
    for (uint32_t i = 0; i < out_bytes / WORD; i++) {
        put_word(digits + n, seed, i);
        n += WORD;
        if (n == sizeof(digits)) {
            add(digits, n);
            n = 0;
        }
    }
    add(digits, n);
    if (chunk.size) {
        end_chunk();
    }
}

static void *writer(void *opaque)
{
    uint32_t count = 0;

    for (;;) {
        switch (next_pending()) {
        case CAPS:
            say(CAPS, (const uint32_t[]){ 0, CAN }, 2);
            printf("BATON-CLIP-CLIENT\n");
            break;
        case GRAB: say(GRAB, (const uint32_t[]){ 0, UTF8 }, 2); break;
        case REQUEST: say(REQUEST, (const uint32_t[]){ 0, UTF8 }, 2); break;
        case CLIPBOARD:
            say_text(OUR_SEEDS + count++);
            printf("BATON-CLIP-OUT %u %x %u\n", count, OUR_SEEDS + count - 1, out_bytes);
            if (is_again) {
                do_later(GRAB);
            }
            break;
        }
    }
    return NULL;
}

/* ---- what is heard ---- */

static struct {
    uint8_t head[CHUNK_HEADER];
    uint32_t have, left, from;
} in;

typedef struct Message {
    uint8_t head[HEADER + CLIP_HEADER];     /* and the beginning of the body */
    uint32_t at, size;                      /* bytes that came; of the whole message, once its header is there */
} Message;

static Message messages[SERVER_PORT + 1];
static char first[WORD + 1], wanted[WORD];
static uint32_t seed, texts;

static void check_byte(uint32_t at, uint8_t byte)
{
    if (at < WORD) {
        first[at] = byte;
        if (at == WORD - 1) {
            seed = (strtoul(first, NULL, 16) ^ 2654435761U) * 0xfffffff1U;  /* which times 0x11111111 is 1 */
        }
        return;
    }
    if (at % WORD == 0) {
        put_word(wanted, seed, at / WORD);
    }
    if (byte != (uint8_t)wanted[at % WORD]) {
        printf("BATON-GUEST-ERROR clip-agent: byte %u of text %u (seed %x) is %02x, not %02x\n", at, texts + 1, seed, byte,
               (uint8_t)wanted[at % WORD]);
        exit(1);
    }
}

static void heard(uint32_t from, const Message *m)
{
    uint32_t type = get32(m->head + 4);

    if (type == CLIENT_DISCONNECTED && from == SERVER_PORT) {
        messages[CLIENT_PORT].at = 0;
        printf("BATON-CLIP-GONE\n");
    } else if (from != CLIENT_PORT) {
        return;
    } else if (type == CAPS && m->size > HEADER && m->head[HEADER]) {
        do_later(CAPS);
        if (is_again) {
            do_later(GRAB);
        }
    } else if (type == GRAB) {
        do_later(REQUEST);
    } else if (type == REQUEST) {
        do_later(CLIPBOARD);
    } else if (type == CLIPBOARD) {
        printf("BATON-CLIP-IN %u %x %u\n", ++texts, seed, m->size - HEADER - CLIP_HEADER);
    }
}

static void take_byte(uint32_t from, uint8_t byte)
{
    Message *m = &messages[from];

    if (m->at < sizeof(m->head)) {
        m->head[m->at] = byte;
    } else if (get32(m->head + 4) == CLIPBOARD) {
        check_byte(m->at - sizeof(m->head), byte);
    }
    m->at++;
    if (m->at == HEADER) {
        m->size = HEADER + get32(m->head + 16);
        if (m->size < HEADER) {
            errno = EPROTO;
            die("a message of 4 GiB");
        }
    }
    if (m->at >= HEADER && m->at == m->size) {
        m->at = 0;
        heard(from, m);
    }
}

static void take(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (in.left) {
            in.left--;
            take_byte(in.from, data[i]);
            continue;
        }
        in.head[in.have++] = data[i];
        if (in.have == CHUNK_HEADER) {
            in.have = 0;
            in.from = get32(in.head);
            in.left = get32(in.head + 4);
            if (in.from != CLIENT_PORT && in.from != SERVER_PORT) {
                errno = EPROTO;
                die("a chunk of nobody");
            }
        }
    }
}

static void *reader(void *opaque)
{
    static uint8_t piece[16384];
    struct epoll_event event;
    int changes = watch();

    if (changes < 0) {
        die("epoll");
    }
    for (;;) {
        ssize_t n = read(port, piece, sizeof(piece));

        if (n < 0 && errno != EINTR) {
            die("read");
        } else if (n > 0) {
            take(piece, n);
        } else if (!n) {
            epoll_wait(changes, &event, 1, -1); /* nobody is connected */
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[2];
    sigset_t signals;
    int number;

    setvbuf(stdout, NULL, _IOLBF, 0);
    port = argc > 2 ? open(argv[1], O_RDWR | O_CLOEXEC) : -1;
    if (port < 0) {
        die("open");
    }
    out_bytes = strtoul(argv[2], NULL, 0) / WORD * WORD;
    is_again = argc > 3;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    if (pthread_create(&threads[0], NULL, writer, NULL) || pthread_create(&threads[1], NULL, reader, NULL)) {
        die("threads");
    }
    printf("BATON-CLIP-READY %s\n", argv[1]);
    while (!sigwait(&signals, &number)) {
        do_later(GRAB);
    }
    return 0;
}
