/* tests/guest/traffic-guest.c - the servers in the guest; what they count lives in memory that moves with the guest.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One thread per job, each the only writer of its counters; PORT_QUERY reads them. */
#include "traffic.h"
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 32, PIECE_MAX = 65536, BULK_CHUNK = 32768, STREAM_TICK_NS = 2000000, STREAM_MAX_BEHIND = 200 };

static Numbered echo_in, broadcast_in;
static uint64_t echo_sent, stream_sent, requests, bulk_in, bulk_out, bulk_errors;

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void set_sysctl(const char *path, const char *value)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd >= 0 && write(fd, value, strlen(value)) < 0) {
        perror(path);
    }
    close(fd);
}

static int open_socket(int type, int port)
{
    int one = 1, bytes = 64 << 20, fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one));
    if (type == SOCK_DGRAM) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
        setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
    }
    if (bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0 || (type == SOCK_STREAM && listen(fd, 16) < 0)) {
        perror("traffic-guest: bind");
        exit(1);
    }
    return fd;
}

/* ---- numbered datagrams ------------------------------------------------------------------------------------- */

/* Several datagrams of one sender and one size may come as one piece (UDP_GRO) and leave as one (UDP_SEGMENT): on the wire
 * they are single, but the emulated CPU goes through the stack once. */
typedef struct Batch {
    uint8_t bytes[BATCH][PIECE_MAX];
    char control[BATCH][CMSG_SPACE(sizeof(int))];
    struct sockaddr_in from[BATCH];
    struct iovec iov[BATCH];
    struct mmsghdr msg[BATCH];
} Batch;

static void batch_prepare(Batch *b)
{
    for (int i = 0; i < BATCH; i++) {
        b->iov[i] = (struct iovec) { b->bytes[i], PIECE_MAX };
        b->msg[i].msg_hdr = (struct msghdr) { .msg_name = &b->from[i], .msg_namelen = sizeof(b->from[i]),
                                              .msg_iov = &b->iov[i], .msg_iovlen = 1, .msg_control = b->control[i],
                                              .msg_controllen = sizeof(b->control[i]) };
    }
}

/* The size of a datagram in a piece. */
static uint32_t datagram_size(struct mmsghdr *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m->msg_hdr); c; c = CMSG_NXTHDR(&m->msg_hdr, c)) {
        if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
            int size;

            memcpy(&size, CMSG_DATA(c), sizeof(size));
            return size > 0 ? size : m->msg_len;
        }
    }
    return m->msg_len;
}

/* From now on the message is one that leaves as datagrams of `size` bytes. */
static void cut_into(struct mmsghdr *m, char *control, uint32_t size)
{
    uint16_t each = size;
    struct cmsghdr *c;

    m->msg_hdr.msg_controllen = 0;
    if (m->msg_hdr.msg_iov->iov_len > size) {
        m->msg_hdr.msg_control = control;
        m->msg_hdr.msg_controllen = CMSG_SPACE(sizeof(each));
        c = CMSG_FIRSTHDR(&m->msg_hdr);
        *c = (struct cmsghdr) { .cmsg_level = SOL_UDP, .cmsg_type = UDP_SEGMENT, .cmsg_len = CMSG_LEN(sizeof(each)) };
        memcpy(CMSG_DATA(c), &each, sizeof(each));
    }
}

/* Counts the datagrams of a piece and makes answers of them if `sent` is given.  false: one was none of ours. */
static bool count_piece(uint8_t *bytes, uint32_t len, uint32_t size, Numbered *numbers, uint64_t *sent)
{
    for (uint32_t at = 0; at < len; at += size) {
        TrafficPacket *p = (TrafficPacket *)(bytes + at);

        if (len - at < sizeof(*p) || be32toh(p->magic) != TRAFFIC_MAGIC) {
            return false;
        }
        numbered_take(numbers, be64toh(p->number));
        if (sent) {
            p->echo = p->number;
            p->number = htobe64(++*sent);
        }
    }
    return true;
}

static void send_all(int fd, struct mmsghdr *msg, int count)
{
    for (int sent = 0; sent < count; ) {
        int n = sendmmsg(fd, msg + sent, count - sent, 0);

        if (n <= 0) {
            sent++;                 /* the client sees the missing numbers */
        } else {
            sent += n;
        }
    }
}

static void *serve_echo(void *arg)
{
    static Batch b;
    int fd = (int)(intptr_t)arg, one = 1;

    setsockopt(fd, SOL_UDP, UDP_GRO, &one, sizeof(one));
    for (;;) {
        struct mmsghdr answer[BATCH];
        int got, answers = 0;

        batch_prepare(&b);
        got = recvmmsg(fd, b.msg, BATCH, MSG_WAITFORONE, NULL);
        for (int i = 0; i < got; i++) {
            uint32_t size = datagram_size(&b.msg[i]);

            if (count_piece(b.bytes[i], b.msg[i].msg_len, size, &echo_in, &echo_sent)) {
                b.iov[i].iov_len = b.msg[i].msg_len;
                cut_into(&b.msg[i], b.control[i], size);
                answer[answers++] = b.msg[i];
            }
        }
        send_all(fd, answer, answers);
    }
    return NULL;
}

static void *serve_broadcast(void *arg)
{
    static Batch b;
    int fd = (int)(intptr_t)arg;

    for (;;) {
        int got;

        batch_prepare(&b);
        got = recvmmsg(fd, b.msg, BATCH, MSG_WAITFORONE, NULL);
        for (int i = 0; i < got; i++) {
            count_piece(b.bytes[i], b.msg[i].msg_len, b.msg[i].msg_len, &broadcast_in, NULL);
        }
    }
    return NULL;
}

/* ---- the guest's own numbered stream ------------------------------------------------------------------------ */

static void stream_batch(int fd, const struct sockaddr_in *to, uint64_t count)
{
    static TrafficPacket packet[BATCH];
    char control[CMSG_SPACE(sizeof(int))] = { 0 };

    while (count) {
        uint64_t n = count < BATCH ? count : BATCH;
        struct iovec iov = { packet, n * sizeof(packet[0]) };
        struct mmsghdr msg = { .msg_hdr = { .msg_name = (void *)to, .msg_namelen = sizeof(*to), .msg_iov = &iov,
                                            .msg_iovlen = 1 } };

        for (uint64_t i = 0; i < n; i++) {
            packet[i] = (TrafficPacket) { .magic = htobe32(TRAFFIC_MAGIC), .number = htobe64(++stream_sent) };
        }
        cut_into(&msg, control, sizeof(packet[0]));
        send_all(fd, &msg, 1);
        count -= n;
    }
}

/* Waits for a renewal until `until`; returns the asked rate (0 ends the stream), or -1 when none came. */
static int64_t stream_ask(int fd, struct sockaddr_in *from, uint64_t until)
{
    char text[64] = "";
    socklen_t len = sizeof(*from);
    uint64_t now = now_ns(), wait = until > now ? until - now : 0;
    struct timespec limit = { wait / 1000000000, wait % 1000000000 };
    struct pollfd p = { .fd = fd, .events = POLLIN };

    if (ppoll(&p, 1, &limit, NULL) <= 0 ||
        recvfrom(fd, text, sizeof(text) - 1, MSG_DONTWAIT, (struct sockaddr *)from, &len) <= 0) {
        return -1;
    }
    return strtoll(text, NULL, 10);
}

typedef struct Stream {
    uint64_t rate, lease, next;         /* `next`: when the next datagram is due */
} Stream;

static void stream_due(Stream *s, int fd, const struct sockaddr_in *to)
{
    uint64_t now = now_ns(), gap = 1000000000 / s->rate, due;

    if (now < s->next) {
        return;
    }
    due = 1 + (now - s->next) / gap;
    if (due > STREAM_MAX_BEHIND) {              /* the clock jumped: no burst */
        due = 1;
        s->next = now;
    }
    stream_batch(fd, to, due);
    s->next += due * gap;
}

static void *serve_stream(void *arg)
{
    int fd = (int)(intptr_t)arg;
    struct sockaddr_in to;
    Stream s = { 0 };

    for (;;) {
        uint64_t now = now_ns(), wake = s.rate ? now + STREAM_TICK_NS : now + 1000000000;
        int64_t asked = stream_ask(fd, &to, s.rate && s.next > wake ? s.next : wake);

        if (asked >= 0 && asked <= 100000) {
            s.next = s.rate ? s.next : now_ns();
            s.rate = asked;
            s.lease = now_ns() + STREAM_LEASE_MS * 1000000ULL;
        }
        if (s.rate && now_ns() > s.lease) {
            s.rate = 0;
        }
        if (s.rate) {
            stream_due(&s, fd, &to);
        }
    }
    return NULL;
}

/* ---- tcp ----------------------------------------------------------------------------------------------------- */

static bool read_all(int fd, void *buf, size_t len)
{
    for (size_t done = 0; done < len; ) {
        ssize_t n = read(fd, (char *)buf + done, len - done);

        if (n <= 0) {
            return false;
        }
        done += n;
    }
    return true;
}

static bool write_all(int fd, const void *buf, size_t len)
{
    for (size_t done = 0; done < len; ) {
        ssize_t n = write(fd, (const char *)buf + done, len - done);

        if (n <= 0) {
            return false;
        }
        done += n;
    }
    return true;
}

static void *answer_requests(void *arg)
{
    int fd = (int)(intptr_t)arg, one = 1;
    uint8_t buf[REQUEST_BYTES];

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    while (read_all(fd, buf, sizeof(buf)) && write_all(fd, buf, sizeof(buf))) {
        __atomic_add_fetch(&requests, 1, __ATOMIC_RELAXED);
    }
    close(fd);
    return NULL;
}

static void bulk_receive(int fd, uint64_t seed, uint8_t *buf)
{
    ssize_t got;

    for (uint64_t at = 0; (got = read(fd, buf, BULK_CHUNK)) > 0; at += got) {
        __atomic_add_fetch(&bulk_errors, pattern_errors(seed, at, buf, got), __ATOMIC_RELAXED);
        __atomic_add_fetch(&bulk_in, got, __ATOMIC_RELAXED);
    }
}

static void bulk_send(int fd, uint64_t seed, uint8_t *buf)
{
    for (uint64_t at = 0; ; at += BULK_CHUNK) {
        pattern_fill(seed, at, buf, BULK_CHUNK);
        if (!write_all(fd, buf, BULK_CHUNK)) {
            return;
        }
        __atomic_add_fetch(&bulk_out, BULK_CHUNK, __ATOMIC_RELAXED);
    }
}

static void *serve_bulk(void *arg)
{
    int fd = (int)(intptr_t)arg;
    uint8_t *buf = malloc(BULK_CHUNK);
    BulkHello hello;

    if (buf && read_all(fd, &hello, sizeof(hello)) && be32toh(hello.magic) == BULK_MAGIC) {
        if (be32toh(hello.to_guest)) {
            bulk_receive(fd, be64toh(hello.seed), buf);
        } else {
            bulk_send(fd, be64toh(hello.seed), buf);
        }
    }
    free(buf);
    close(fd);
    return NULL;
}

typedef struct Listener {
    int port;
    void *(*serve)(void *);
    int fd;
} Listener;

static void *accept_forever(void *arg)
{
    const Listener *listener = arg;

    for (;;) {
        int conn = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
        pthread_t thread;

        if (conn >= 0 && pthread_create(&thread, NULL, listener->serve, (void *)(intptr_t)conn) == 0) {
            pthread_detach(thread);
        }
    }
    return NULL;
}

/* ---- counters ------------------------------------------------------------------------------------------------ */

/* The value under `name` of the `proto:` lines of a file such as /proc/net/snmp. */
static unsigned long long counter_of(const char *path, const char *proto, const char *name)
{
    char names[4096] = "", values[4096] = "", *n, *v, *keep_n, *keep_v;
    FILE *f = fopen(path, "re");
    unsigned long long result = 0;

    while (f && fgets(names, sizeof(names), f) && fgets(values, sizeof(values), f)) {
        if (strncmp(names, proto, strlen(proto)) != 0) {
            continue;
        }
        n = strtok_r(names, " \n", &keep_n);
        v = strtok_r(values, " \n", &keep_v);
        while (n && v) {
            if (strcmp(n, name) == 0) {
                result = strtoull(v, NULL, 10);
            }
            n = strtok_r(NULL, " \n", &keep_n);
            v = strtok_r(NULL, " \n", &keep_v);
        }
        break;
    }
    if (f) {
        fclose(f);
    }
    return result;
}

/* What the guest's kernel counts since it started; told as the difference to the last reset. */
static struct {
    const char *tell, *path, *proto, *name;
    unsigned long long base;
} kernel_counters[] = {
    { "udp_in_errors", "/proc/net/snmp", "Udp:", "InErrors", 0 },
    { "udp_full", "/proc/net/snmp", "Udp:", "RcvbufErrors", 0 },
    { "tcp_retransmissions", "/proc/net/snmp", "Tcp:", "RetransSegs", 0 },
    { "tcp_needless", "/proc/net/netstat", "TcpExt:", "TCPDSACKRecv", 0 },      /* the client had them twice */
    { "tcp_probes", "/proc/net/netstat", "TcpExt:", "TCPLossProbes", 0 },
    { "tcp_timeouts", "/proc/net/netstat", "TcpExt:", "TCPTimeouts", 0 },
};
enum { KERNEL_COUNTERS = sizeof(kernel_counters) / sizeof(kernel_counters[0]) };

static unsigned long long kernel_counter(int i)
{
    return counter_of(kernel_counters[i].path, kernel_counters[i].proto, kernel_counters[i].name);
}

static int put_numbered(char *to, size_t room, const char *name, const Numbered *n)
{
    return snprintf(to, room,
                    "\"%s\":{\"received\":%llu,\"lost\":%llu,\"duplicated\":%llu,\"reordered\":%llu,\"highest\":%llu},",
                    name, (unsigned long long)n->received, (unsigned long long)numbered_lost(n),
                    (unsigned long long)n->duplicate, (unsigned long long)n->reordered,
                    (unsigned long long)n->highest);
}

static int put_counters(char *to, size_t room)
{
    int at = snprintf(to, room, "{");

    at += put_numbered(to + at, room - at, "echo", &echo_in);
    at += put_numbered(to + at, room - at, "broadcast", &broadcast_in);
    at += snprintf(to + at, room - at,
                   "\"echo_sent\":%llu,\"stream_sent\":%llu,\"requests\":%llu,\"bulk_in\":%llu,\"bulk_out\":%llu,",
                   (unsigned long long)echo_sent, (unsigned long long)stream_sent, (unsigned long long)requests,
                   (unsigned long long)bulk_in, (unsigned long long)bulk_out);
    for (int i = 0; i < KERNEL_COUNTERS; i++) {
        at += snprintf(to + at, room - at, "\"%s\":%llu,", kernel_counters[i].tell,
                       kernel_counter(i) - kernel_counters[i].base);
    }
    at += snprintf(to + at, room - at, "\"bulk_errors\":%llu}\n", (unsigned long long)bulk_errors);
    return at;
}

/* Once per client run: it asks with a word of its own, and asks again when it hears nothing. */
static void reset_counters(const char *asked)
{
    static char last[64];

    if (strncmp(asked, last, sizeof(last) - 1) == 0) {
        return;
    }
    snprintf(last, sizeof(last), "%.63s", asked);
    memset(&echo_in, 0, sizeof(echo_in));
    memset(&broadcast_in, 0, sizeof(broadcast_in));
    echo_sent = stream_sent = requests = bulk_in = bulk_out = bulk_errors = 0;
    for (int i = 0; i < KERNEL_COUNTERS; i++) {
        kernel_counters[i].base = kernel_counter(i);
    }
}

static void serve_queries(int fd)
{
    for (;;) {
        char text[2048];
        struct sockaddr_in from;
        socklen_t len = sizeof(from);
        ssize_t got = recvfrom(fd, text, sizeof(text) - 1, 0, (struct sockaddr *)&from, &len);

        if (got > 0) {
            text[got] = 0;
            if (strncmp(text, "reset ", 6) == 0) {
                reset_counters(text);
            }
            got = put_counters(text, sizeof(text));
            sendto(fd, text, got, 0, (struct sockaddr *)&from, len);
        }
    }
}

int main(void)
{
    static Listener listeners[] = { { PORT_REQUEST, answer_requests, -1 }, { PORT_BULK, serve_bulk, -1 } };
    int echo = open_socket(SOCK_DGRAM, PORT_ECHO), broadcast = open_socket(SOCK_DGRAM, PORT_BROADCAST);
    int stream = open_socket(SOCK_DGRAM, PORT_STREAM), query = open_socket(SOCK_DGRAM, PORT_QUERY);
    pthread_t thread;

    signal(SIGPIPE, SIG_IGN);
    set_sysctl("/proc/sys/net/core/netdev_max_backlog", "20000");
    set_sysctl("/proc/sys/net/ipv4/tcp_early_retrans", "0");    /* no probes: what is sent again was lost, or very late */
    set_sysctl("/proc/sys/net/ipv4/udp_mem", "65536 131072 262144");
    set_sysctl("/proc/sys/net/ipv4/tcp_mem", "65536 131072 262144");
    pthread_create(&thread, NULL, serve_echo, (void *)(intptr_t)echo);
    pthread_create(&thread, NULL, serve_broadcast, (void *)(intptr_t)broadcast);
    pthread_create(&thread, NULL, serve_stream, (void *)(intptr_t)stream);
    for (int i = 0; i < 2; i++) {       /* who is told that we are ready may connect at once */
        listeners[i].fd = open_socket(SOCK_STREAM, listeners[i].port);
        pthread_create(&thread, NULL, accept_forever, &listeners[i]);
    }
    printf("BATON-TRAFFIC-READY\n");
    fflush(stdout);
    serve_queries(query);
    return 0;
}
