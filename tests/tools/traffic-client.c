/* tests/tools/traffic-client.c - loads a guest with numbered datagrams and TCP, and counts what comes back.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Standard input: "status" (one line of JSON), "recent MS" (when what came), "clock ROUNDS" (the guest's clocks), "rate
 * FLOW N" (echo, broadcast, plain, plain-group; answered with what was sent so far), "stop" (drain, report, end).  Standard
 * output: lines of JSON, first {"event":"ready"}, last {"event":"report"}.  The guest's own counters are asked for and
 * come with the report. */
#include "client.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { TICK_NS = 500000, ASK_AGAIN_NS = 200000000 };
enum { QUIET_NS = 10000000000LL, DRAIN_NS = 150000000000LL };   /* the second is below Client.stop()'s patience */

const uint16_t udp_ports[UDP_CHANNELS] = {
    PORT_ECHO, PORT_STREAM, PORT_QUERY, PORT_BROADCAST, PORT_CLOCK, PORT_PLAIN, PORT_PLAIN,
};
const uint16_t tcp_ports[TCP_CHANNELS] = { PORT_REQUEST, PORT_BULK, PORT_BULK };

static Options options = {
    .guest_ip = 0x0a00020f, .own_ip = 0x0a000202, .mac = { 0x52, 0x54, 0, 0, 0, 2 }, .echo_rate = 1000, .payload = 64,
};
static const NetOps *net;
static char input[256];
static uint32_t input_len;
static bool input_closed;

uint64_t clock_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void stop(const char *what, const char *object)
{
    fprintf(stderr, "traffic-client: %s '%s'%s%s\n", what, object, errno ? ": " : "", errno ? strerror(errno) : "");
    exit(1);
}

static int connect_unix(const char *path)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (strlen(path) >= sizeof(to.sun_path)) {
        stop("path too long", path);
    }
    strcpy(to.sun_path, path);
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
        stop("cannot connect to", path);
    }
    return fd;
}

static int connect_tcp(const char *text)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
    char host[128];
    const char *port = strrchr(text, ':');
    int fd;

    if (!port) {
        stop("no port in", text);
    }
    snprintf(host, sizeof(host), "%.*s", (int)(port - text), text);
    if (getaddrinfo(host, port + 1, &hints, &found) != 0) {
        stop("cannot look up", text);
    }
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, found->ai_addr, found->ai_addrlen) < 0) {
        stop("cannot connect to", text);
    }
    freeaddrinfo(found);
    return fd;
}

int connect_to(const char *address)
{
    if (strncmp(address, "unix:", 5) == 0) {
        return connect_unix(address + 5);
    }
    if (strncmp(address, "tcp:", 4) == 0) {
        return connect_tcp(address + 4);
    }
    stop("neither unix:PATH nor tcp:HOST:PORT:", address);
    return -1;
}

/* ---- the loop ------------------------------------------------------------------------------------------------ */

typedef enum { CMD_NONE, CMD_STOP } Command;

static void set_rate(const char *words)
{
    char flow[32] = "";
    unsigned rate;

    if (sscanf(words, "%31s %u", flow, &rate) != 2 || rate > 100000 || !flows_set_rate(flow, rate)) {
        fprintf(stderr, "traffic-client: not a flow and its rate: %s\n", words);
        exit(1);
    }
    flows_status(stdout);
}

static Command run_commands(void)
{
    char *end;

    while ((end = memchr(input, '\n', input_len))) {
        *end = 0;
        if (strcmp(input, "stop") == 0) {
            return CMD_STOP;
        }
        if (strcmp(input, "status") == 0) {
            flows_status(stdout);
        } else if (strncmp(input, "clock ", 6) == 0) {
            clock_begin(strtoul(input + 6, NULL, 10));
        } else if (strncmp(input, "rate ", 5) == 0) {
            set_rate(input + 5);
        } else if (strncmp(input, "recent ", 7) == 0) {
            flows_recent(stdout, strtoul(input + 7, NULL, 10));
        }
        input_len -= end + 1 - input;
        memmove(input, end + 1, input_len);
    }
    return CMD_NONE;
}

static Command read_input(void)
{
    ssize_t got = read(0, input + input_len, sizeof(input) - input_len);

    if (got <= 0) {
        input_closed = got == 0;
        return input_closed && !options.duration_ms ? CMD_STOP : CMD_NONE;  /* whoever started us is gone */
    }
    input_len += got;
    return run_commands();
}

/* One turn: wait for frames, input or the next tick. */
static Command turn(bool with_input)
{
    struct pollfd fds[NET_FDS + 1];
    struct timespec wait = { 0, TICK_NS };
    int count = net->fds(fds);
    Command command = CMD_NONE;

    fds[count] = (struct pollfd) { with_input && !input_closed ? 0 : -1, POLLIN, 0 };
    ppoll(fds, count + 1, &wait, NULL);
    net->ready(fds, count);
    net->tick(clock_ns());
    if (with_input && fds[count].revents) {
        command = read_input();
    }
    return command;
}

/* Until the guest has answered the query (or, with the bare guest, until its address is known). */
static bool wait_for_guest(uint64_t limit_ns, const char *query)
{
    uint64_t began = clock_ns(), asked = 0;

    while (clock_ns() - began < limit_ns) {
        turn(false);
        if (!net->can_start()) {
            continue;
        }
        if (options.bare || flows_counters()) {
            return true;
        }
        if (clock_ns() - asked > ASK_AGAIN_NS) {
            asked = clock_ns();
            net->udp_send(UDP_QUERY, query, strlen(query));
        }
    }
    return false;
}

/* A guest that is slower than the traffic still answers what was held for it: as long as it does, it is waited for. */
static void drain(void)
{
    uint64_t began = clock_ns(), heard = began, arrived = flows_arrived();

    flows_stop_sending();
    while (!flows_are_drained() && clock_ns() - heard < QUIET_NS && clock_ns() - began < DRAIN_NS) {
        turn(false);
        if (flows_arrived() != arrived) {
            arrived = flows_arrived();
            heard = clock_ns();
        }
    }
    for (began = clock_ns(); clock_ns() - began < 100000000; ) {    /* what the guest itself still had to send */
        turn(false);
    }
}

static void run(void)
{
    uint64_t began = clock_ns(), end = options.duration_ms ? began + options.duration_ms * 1000000ULL : UINT64_MAX;

    flows_start(&options, net);
    while (clock_ns() < end && turn(true) != CMD_STOP) {
        flows_tick(clock_ns());
        clock_tick(net, stdout);
    }
    drain();
    if (!options.bare) {
        flows_ask_counters();
        wait_for_guest(2000000000, "counters");
    }
    flows_report(stdout, began);
}

static uint32_t parse_ip(const char *text)
{
    struct in_addr a;

    errno = 0;
    if (inet_pton(AF_INET, text, &a) != 1) {
        stop("not an address:", text);
    }
    return ntohl(a.s_addr);
}

static void usage(void)
{
    puts("usage: traffic-client [--stream unix:PATH|tcp:HOST:PORT] [--guest IP] [--ip IP] [--mac MAC] [--echo RATE]\n"
         "  [--from-guest RATE] [--broadcast RATE] [--request GAP_US] [--bulk BYTES_PER_S] [--payload BYTES]\n"
         "  [--duration MS] [--bare] [--wait MS] [--group IP] [--plain RATE] [--plain-group RATE]\n"
         "  [--unanswered N]");
}

static const struct option longs[] = {
    { "stream", 1, 0, 's' }, { "guest", 1, 0, 'g' }, { "ip", 1, 0, 'i' }, { "mac", 1, 0, 'm' }, { "echo", 1, 0, 'e' },
    { "from-guest", 1, 0, 'f' }, { "broadcast", 1, 0, 'b' }, { "request", 1, 0, 'r' }, { "bulk", 1, 0, 'k' },
    { "payload", 1, 0, 'p' }, { "duration", 1, 0, 'd' }, { "bare", 0, 0, 'B' }, { "wait", 1, 0, 'w' },
    { "group", 1, 0, 'G' }, { "plain", 1, 0, 'P' }, { "plain-group", 1, 0, 'Q' }, { "unanswered", 1, 0, 'u' },
    { "help", 0, 0, 'h' }, { 0 }
};

static uint32_t parse_number(const char *text, uint32_t min, uint32_t max)
{
    char *end;
    unsigned long v = strtoul(text, &end, 0);

    errno = 0;
    if (*end || end == text || v < min || v > max) {
        stop("number out of range:", text);
    }
    return v;
}

static void parse_mac(const char *text)
{
    if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &options.mac[0], &options.mac[1], &options.mac[2],
               &options.mac[3], &options.mac[4], &options.mac[5]) != 6) {
        stop("not a MAC address:", text);
    }
}

int main(int argc, char **argv)
{
    uint32_t wait_ms = 20000;
    char reset[64];

    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1; ) {
        switch (c) {
        case 's': options.stream = optarg; break;
        case 'g': options.guest_ip = parse_ip(optarg); break;
        case 'i': options.own_ip = parse_ip(optarg); break;
        case 'm': parse_mac(optarg); break;
        case 'e': options.echo_rate = parse_number(optarg, 0, 100000); break;
        case 'f': options.stream_rate = parse_number(optarg, 0, 100000); break;
        case 'b': options.broadcast_rate = parse_number(optarg, 0, 100000); break;
        case 'r': options.request_gap_us = parse_number(optarg, 0, 10000000); break;
        case 'k': options.bulk_bytes_per_s = parse_number(optarg, 0, 1000000000); break;
        case 'p': options.payload = parse_number(optarg, sizeof(TrafficPacket), 1400); break;
        case 'd': options.duration_ms = parse_number(optarg, 1, 3600000); break;
        case 'w': wait_ms = parse_number(optarg, 1, 3600000); break;
        case 'G': options.group_ip = parse_ip(optarg); break;
        case 'P': options.plain_rate = parse_number(optarg, 0, 100000); break;
        case 'Q': options.plain_group_rate = parse_number(optarg, 0, 100000); break;
        case 'u': options.unanswered = parse_number(optarg, 0, 1000000); break;
        case 'B': options.bare = true; break;
        default: usage(); return c == 'h' ? 0 : 2;
        }
    }
    options.group_ip = options.group_ip ? options.group_ip : options.guest_ip | 0xff;
    net = options.stream ? &net_raw : &net_kernel;
    if (!net->open(&options)) {
        return 1;
    }
    snprintf(reset, sizeof(reset), "reset %llu", (unsigned long long)clock_ns());
    if (!wait_for_guest(wait_ms * 1000000ULL, reset)) {
        fprintf(stderr, "traffic-client: the guest does not answer\n");
        return 1;
    }
    puts("{\"event\":\"ready\"}");
    fflush(stdout);
    run();
    return 0;
}
