/* tests/tools/switch.c - a small learning switch in user space for -netdev stream and dgram.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * usage: switch [--listen unix:PATH|tcp:PORT] [--connect unix:PATH] [--dgram LOCAL=REMOTE] [--tap IFNAME] [--mirror]
 *               [--learn-delay-ms N] [--trace FILE]
 * --listen takes any number of connections, each a port; --connect is one port; --dgram one port over unix datagrams;
 * --tap one port that is a tap interface, for instance of a bridge.
 * --mirror sends every frame to every other port (a hub: both sides of a handoff see everything).
 * --learn-delay-ms: an address that has moved to another port is still sent to the old one for so long, gone or not.
 * Prints "ready" when all sockets are there.  SIGUSR1 or the end: one line of JSON per port on standard output, and one for
 * those that are gone.
 *
 * A frame is never dropped quietly: what does not fit into a port's bounded queue is counted, per port.  What a port that is
 * gone has not taken is for an unknown address from then on, so that only what its process had is lost with it. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { PORTS_MAX = 32, LISTEN_MAX = 8, FRAME_MAX = 69632, IN_MAX = 1 << 18, OUT_MAX = 16 << 20, TABLE = 1024 };
typedef enum { PORT_FREE, PORT_STREAM, PORT_DGRAM, PORT_TAP } PortKind;

typedef struct Port {
    PortKind kind;
    int fd;
    struct sockaddr_un remote;                      /* dgram */
    uint8_t *in, *out;
    uint32_t in_len, out_at, out_len;
    uint32_t frame_at;                              /* start of the first frame that has not wholly gone, out_at or before */
    bool is_deaf;                                   /* takes nothing any more; what it sent is still to be read */
    uint64_t frames_in, frames_out, dropped;
} Port;

typedef struct Learned {
    uint8_t mac[6];
    int16_t port;                                   /* -1: free */
    int16_t next_port;                              /* from next_ns on, if that is not 0 */
    uint64_t next_ns;
} Learned;

static Port ports[PORTS_MAX];
static int listeners[LISTEN_MAX], listener_count;
static Learned table[TABLE];
static bool mirror;
static uint64_t gone_dropped;                       /* of ports whose places were taken again, and for nobody at all */
static uint64_t learn_delay_ns;
static FILE *trace;
static volatile sig_atomic_t asked, ended;

static void stop(const char *what, const char *object)
{
    fprintf(stderr, "switch: %s '%s': %s\n", what, object, strerror(errno));
    exit(1);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* ---- ports ---------------------------------------------------------------------------------------------------- */

static Port *port_new(PortKind kind, int fd)
{
    for (int i = 0; i < PORTS_MAX; i++) {
        Port *p = &ports[i];

        if (p->kind == PORT_FREE) {
            gone_dropped += p->dropped;
            *p = (Port) { .kind = kind, .fd = fd, .in = malloc(IN_MAX), .out = malloc(OUT_MAX) };
            if (!p->in || !p->out) {
                stop("no memory for", "a port");
            }
            fcntl(fd, F_SETFL, O_NONBLOCK);
            return p;
        }
    }
    close(fd);
    return NULL;
}

static void rescue(const uint8_t *queue, uint32_t size);

static void port_deafen(Port *p)
{
    uint8_t *queue = p->out;

    for (int i = 0; i < TABLE; i++) {
        if (table[i].port == p - ports && !table[i].next_ns) {     /* one that is about to move goes nowhere until then */
            table[i].port = -1;
        }
    }
    p->is_deaf = true;
    p->out = NULL;
    if (queue) {
        rescue(queue + p->frame_at, p->out_at - p->frame_at + p->out_len);
    }
    p->out_len = 0;
    free(queue);
}

static void port_close(Port *p)
{
    port_deafen(p);
    close(p->fd);
    free(p->in);
    p->kind = PORT_FREE;
}

/* One whole frame; bytes of the queue that are done with, or -1. */
static ssize_t send_one(Port *p)
{
    uint32_t len = get32(p->out + p->out_at);
    const uint8_t *frame = p->out + p->out_at + 4;
    ssize_t sent;

    if (p->kind == PORT_TAP) {
        sent = write(p->fd, frame, len);
    } else {
        sent = sendto(p->fd, frame, len, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&p->remote, sizeof(p->remote));
    }
    if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS)) {
        return -1;
    }
    p->dropped += sent < 0;                         /* nobody there */
    return 4 + len;
}

static void port_flush(Port *p)
{
    while (p->out_len) {
        ssize_t sent = p->kind == PORT_STREAM ? send(p->fd, p->out + p->out_at, p->out_len, MSG_DONTWAIT | MSG_NOSIGNAL)
                                              : send_one(p);

        if (sent <= 0) {
            if (p->kind == PORT_STREAM && sent < 0 && (errno == EPIPE || errno == ECONNRESET)) {
                port_deafen(p);
                return;
            }
            break;                                  /* full */
        }
        p->out_at += sent;
        p->out_len -= sent;
        while (p->out_at - p->frame_at >= 4 && p->out_at - p->frame_at >= 4 + get32(p->out + p->frame_at)) {
            p->frame_at += 4 + get32(p->out + p->frame_at);
        }
    }
    if (!p->out_len) {
        p->out_at = p->frame_at = 0;
    }
}

static void port_send(Port *p, const uint8_t *framed, uint32_t len)
{
    if (p->out_at - p->frame_at + p->out_len + len > OUT_MAX) {
        p->dropped++;
        return;
    }
    if (p->out_at + p->out_len + len > OUT_MAX) {
        p->out_at -= p->frame_at;
        memmove(p->out, p->out + p->frame_at, p->out_at + p->out_len);
        p->frame_at = 0;
    }
    memcpy(p->out + p->out_at + p->out_len, framed, len);
    p->out_len += len;
    p->frames_out++;
    port_flush(p);
}

/* ---- switching -------------------------------------------------------------------------------------------------- */

static Learned *lookup(const uint8_t *mac, bool create)
{
    uint32_t hash = (mac[3] * 31 + mac[4]) * 31 + mac[5];

    for (uint32_t i = 0; i < TABLE; i++) {
        Learned *l = &table[(hash + i) % TABLE];

        if (l->port >= 0 && memcmp(l->mac, mac, 6) == 0) {
            return l;
        }
        if (l->port < 0 && create) {
            memcpy(l->mac, mac, 6);
            return l;
        }
        if (l->port < 0 && !memcmp(l->mac, (uint8_t[6]) { 0 }, 6)) {
            return NULL;                            /* never used: the chain ends here */
        }
    }
    return NULL;
}

static void learn(const uint8_t *mac, int port)
{
    Learned *l = lookup(mac, true);

    if (!l || l->port == port) {
        return;
    }
    if (l->port < 0 || !learn_delay_ns) {
        l->port = port;
        l->next_ns = 0;
    } else if (!l->next_ns || l->next_port != port) {
        l->next_port = port;
        l->next_ns = now_ns() + learn_delay_ns;
    }
}

static Learned *port_of(const uint8_t *mac)
{
    Learned *l = lookup(mac, false);

    if (l && l->next_ns && now_ns() >= l->next_ns) {
        l->port = l->next_port;
        l->next_ns = 0;
    }
    return l;
}

static void trace_frame(const Port *from, int to, const uint8_t *frame, uint32_t len)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    fprintf(trace, "%lld.%06ld %d>%d %02x%02x%02x%02x%02x%02x>%02x%02x%02x%02x%02x%02x type %02x%02x len %u\n",
            (long long)t.tv_sec, t.tv_nsec / 1000, (int)(from - ports), to, frame[6], frame[7], frame[8], frame[9],
            frame[10], frame[11], frame[0], frame[1], frame[2], frame[3], frame[4], frame[5], frame[12], frame[13], len);
}

static void forward(Port *from, const uint8_t *framed, uint32_t len)
{
    const uint8_t *frame = framed + 4;
    Learned *target = frame[0] & 1 || mirror ? NULL : port_of(frame);
    if (trace) {
        trace_frame(from, target ? target->port : -1, frame, len - 4);
    }
    if (target) {
        if (ports[target->port].kind == PORT_FREE || ports[target->port].is_deaf) {
            ports[target->port].dropped++;
        } else if (target->port != from - ports) {
            port_send(&ports[target->port], framed, len);
        }
        return;
    }
    for (int i = 0; i < PORTS_MAX; i++) {
        if (ports[i].kind != PORT_FREE && !ports[i].is_deaf && &ports[i] != from) {
            port_send(&ports[i], framed, len);
        }
    }
}

/* `framed` is the length and then the frame, as both ends of a stream write it. */
static void switch_frame(Port *from, const uint8_t *framed, uint32_t len)
{
    const uint8_t *frame = framed + 4;

    from->frames_in++;
    if (len < 4 + 14) {
        from->dropped++;
        return;
    }
    if (!(frame[6] & 1) && !from->is_deaf) {
        learn(frame + 6, from - ports);
    }
    forward(from, framed, len);
}

/* What a port that is gone has not taken.  Group frames have reached everyone else. */
static void rescue(const uint8_t *queue, uint32_t size)
{
    for (uint32_t at = 0, len; at + 4 <= size && (len = 4 + get32(queue + at)) <= size - at; at += len) {
        const uint8_t *frame = queue + at + 4;
        Learned *from = frame[0] & 1 || mirror ? NULL : port_of(frame + 6);

        if (from && ports[from->port].kind != PORT_FREE) {
            forward(&ports[from->port], queue + at, len);
        } else {
            gone_dropped += !(frame[0] & 1) && !mirror;
        }
    }
}

static void read_stream(Port *p)
{
    ssize_t got = recv(p->fd, p->in + p->in_len, IN_MAX - p->in_len, MSG_DONTWAIT);
    uint32_t at = 0;

    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        port_close(p);
        return;
    }
    p->in_len += got > 0 ? got : 0;
    while (p->in_len - at >= 4) {
        uint32_t len = get32(p->in + at);

        if (len > FRAME_MAX) {
            fprintf(stderr, "switch: port %d sent a frame of %u bytes\n", (int)(p - ports), len);
            port_close(p);
            return;
        }
        if (p->in_len - at - 4 < len) {
            break;
        }
        switch_frame(p, p->in + at, 4 + len);
        at += 4 + len;
    }
    p->in_len -= at;
    memmove(p->in, p->in + at, p->in_len);
}

/* Datagrams and taps: one frame each. */
static void read_frames(Port *p)
{
    for (int i = 0; i < 64; i++) {
        ssize_t got = read(p->fd, p->in + 4, FRAME_MAX);

        if (got < 0) {
            return;
        }
        p->in[0] = p->in[1] = 0;
        p->in[2] = got >> 8;
        p->in[3] = got;
        p->in[1] = got >> 16;
        switch_frame(p, p->in, 4 + got);
    }
}

/* ---- sockets ---------------------------------------------------------------------------------------------------- */

static struct sockaddr_un unix_address(const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };

    if (strlen(path) >= sizeof(a.sun_path)) {
        errno = ENAMETOOLONG;
        stop("path", path);
    }
    strcpy(a.sun_path, path);
    return a;
}

static void add_listener(const char *address)
{
    int fd, one = 1;

    if (strncmp(address, "unix:", 5) == 0) {
        struct sockaddr_un a = unix_address(address + 5);

        unlink(address + 5);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
            stop("cannot bind", address);
        }
    } else {
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                 .sin_port = htons(atoi(strncmp(address, "tcp:", 4) ? address : address + 4)) };

        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
            stop("cannot bind", address);
        }
    }
    if (listen(fd, 8) < 0 || listener_count == LISTEN_MAX) {
        stop("cannot listen on", address);
    }
    listeners[listener_count++] = fd;
}

static void add_connection(const char *address)
{
    struct sockaddr_un a = unix_address(strncmp(address, "unix:", 5) ? address : address + 5);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
        stop("cannot connect to", address);
    }
    port_new(PORT_STREAM, fd);
}

static void add_dgram(char *pair)
{
    char *remote = strchr(pair, '=');
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), bytes = 4 << 20;
    struct sockaddr_un a;
    Port *p;

    if (!remote) {
        errno = EINVAL;
        stop("not LOCAL=REMOTE:", pair);
    }
    *remote++ = 0;
    a = unix_address(pair);
    unlink(pair);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
        stop("cannot bind", pair);
    }
    p = port_new(PORT_DGRAM, fd);
    p->remote = unix_address(remote);
}

static void add_tap(const char *name)
{
    struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

    strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0) {
        stop("cannot open tap", name);
    }
    port_new(PORT_TAP, fd);
}

static void accept_port(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd >= 0 && !port_new(PORT_STREAM, fd)) {
        fprintf(stderr, "switch: more than %d ports\n", PORTS_MAX);
    }
}

static void report(void)
{
    for (int i = 0; i < PORTS_MAX; i++) {
        Port *p = &ports[i];

        if (p->kind != PORT_FREE || p->dropped) {
            printf("{\"port\":%d,\"in\":%llu,\"out\":%llu,\"dropped\":%llu}\n", i, (unsigned long long)p->frames_in,
                   (unsigned long long)p->frames_out, (unsigned long long)p->dropped);
        }
    }
    printf("{\"port\":\"gone\",\"dropped\":%llu}\n", (unsigned long long)gone_dropped);
    fflush(stdout);
}

/* ---- the loop --------------------------------------------------------------------------------------------------- */

/* signals: those that may come while we wait, and only then. */
static void turn(const sigset_t *signals)
{
    struct pollfd fds[LISTEN_MAX + PORTS_MAX];
    int n = 0;

    for (int i = 0; i < listener_count; i++) {
        fds[n++] = (struct pollfd) { listeners[i], POLLIN, 0 };
    }
    for (int i = 0; i < PORTS_MAX; i++) {
        fds[n++] = (struct pollfd) { ports[i].kind ? ports[i].fd : -1, POLLIN | (ports[i].out_len ? POLLOUT : 0), 0 };
    }
    if (ppoll(fds, n, NULL, signals) < 0) {
        return;
    }
    for (int i = 0; i < listener_count; i++) {
        if (fds[i].revents) {
            accept_port(listeners[i]);
        }
    }
    for (int i = 0; i < PORTS_MAX; i++) {
        Port *p = &ports[i];
        short events = fds[listener_count + i].revents;

        if (p->kind && p->fd == fds[listener_count + i].fd && events & POLLOUT) {
            port_flush(p);
        }
        if (p->kind && p->fd == fds[listener_count + i].fd && events & ~POLLOUT) {
            (p->kind == PORT_STREAM ? read_stream : read_frames)(p);
        }
    }
}

static void on_signal(int number)
{
    asked = 1;
    ended |= number != SIGUSR1;
}

int main(int argc, char **argv)
{
    struct sigaction action = { .sa_handler = on_signal };
    sigset_t none, ours;

    for (int i = 0; i < TABLE; i++) {
        table[i].port = -1;
    }
    for (int i = 1; i < argc; i++) {
        const char *option = argv[i];

        if (strcmp(option, "--mirror") == 0) {
            mirror = true;
        } else if (i + 1 == argc) {
            fprintf(stderr, "switch: unknown option '%s', or its value is missing\n", option);
            return 2;
        } else if (strcmp(option, "--listen") == 0) {
            add_listener(argv[++i]);
        } else if (strcmp(option, "--connect") == 0) {
            add_connection(argv[++i]);
        } else if (strcmp(option, "--dgram") == 0) {
            add_dgram(argv[++i]);
        } else if (strcmp(option, "--tap") == 0) {
            add_tap(argv[++i]);
        } else if (strcmp(option, "--learn-delay-ms") == 0) {
            learn_delay_ns = strtoul(argv[++i], NULL, 10) * 1000000ULL;
        } else if (strcmp(option, "--trace") == 0) {
            trace = fopen(argv[++i], "we");
        } else {
            fprintf(stderr, "switch: unknown option '%s'\n", option);
            return 2;
        }
    }
    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGUSR1);
    sigprocmask(SIG_BLOCK, &ours, &none);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    puts("ready");
    fflush(stdout);
    while (!ended) {
        turn(&none);
        if (asked) {
            asked = 0;
            report();
        }
    }
    if (trace) {
        fclose(trace);
    }
    return 0;
}
