/* tests/guest/init.c - the first program of the test guest: modules, network, then what baton.mode= asks for.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Kernel command line: baton.ip=10.0.2.15/24 baton.gw=10.0.2.2 baton.mode=shell|traffic|disk|soak|input|
 * poweroff|reboot baton.dirty=MB_PER_S:MIB baton.hold=MIB baton.display=on (loads what draws).
 * Prints BATON-GUEST-READY when the mode has begun. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char cmdline[4096];

static void complain(const char *what, const char *object)
{
    printf("BATON-GUEST-ERROR %s %s: %s\n", what, object, strerror(errno));
}

/* The value of "name=" on the kernel's command line, or NULL. */
static const char *option(const char *name)
{
    static char value[256];
    size_t len = strlen(name);

    for (const char *p = cmdline; (p = strstr(p, name)); p += len) {
        if ((p == cmdline || p[-1] == ' ') && p[len] == '=') {
            snprintf(value, sizeof(value), "%.*s", (int)strcspn(p + len + 1, " \n"), p + len + 1);
            return value;
        }
    }
    return NULL;
}

static void mount_all(void)
{
    static const struct { const char *type, *where; } mounts[] = {
        { "proc", "/proc" }, { "sysfs", "/sys" }, { "devtmpfs", "/dev" }, { "tmpfs", "/tmp" }, { "tmpfs", "/run" },
    };

    for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
        mkdir(mounts[i].where, 0755);
        if (mount(mounts[i].type, mounts[i].where, mounts[i].type, 0, NULL) < 0) {
            complain("mount", mounts[i].where);
        }
    }
    mkdir("/dev/pts", 0755);
    mount("devpts", "/dev/pts", "devpts", 0, NULL);
}

static void read_cmdline(void)
{
    int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, cmdline, sizeof(cmdline) - 1);

    cmdline[got < 0 ? 0 : got] = 0;
    close(fd);
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) < 0) {
        complain("write", path);
    }
    close(fd);
}

static void load_module(const char *name)
{
    char path[192];
    int fd;

    snprintf(path, sizeof(path), "/modules/%s", name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST)) {
        complain("module", name);
    }
    close(fd);
}

static bool is_for_disks(const char *name)
{
    static const char *const disk[] = { "crc", "jbd2", "mbcache", "ext4" };

    for (size_t i = 0; i < sizeof(disk) / sizeof(disk[0]); i++) {
        if (strncmp(name, disk[i], strlen(disk[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* The file system is large and only the disk mode wants it; what draws stands on a list of its own. */
static void load_modules(const char *list, bool with_disk)
{
    FILE *order = fopen(list, "re");
    char line[128];

    while (order && fgets(line, sizeof(line), order)) {
        line[strcspn(line, "\n")] = 0;
        if (line[0] && (with_disk || !is_for_disks(line))) {
            load_module(line);
        }
    }
    if (order) {
        fclose(order);
    }
}

static void link_up(int fd, const char *name)
{
    struct ifreq ifr = { 0 };

    snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
    if (ioctl(fd, SIOCGIFFLAGS, &ifr) < 0) {
        return;
    }
    ifr.ifr_flags |= IFF_UP | IFF_RUNNING;
    if (ioctl(fd, SIOCSIFFLAGS, &ifr) < 0) {
        complain("link up", name);
    }
}

static void set_inet(int fd, unsigned long request, const char *dev, uint32_t address)
{
    struct ifreq ifr = { 0 };
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = address };

    snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", dev);
    memcpy(&ifr.ifr_addr, &sin, sizeof(sin));
    if (ioctl(fd, request, &ifr) < 0) {
        complain("address of", dev);
    }
}

static void default_route(int fd, const char *gateway)
{
    struct sockaddr_in gw = { .sin_family = AF_INET }, any = { .sin_family = AF_INET };
    struct rtentry route = { .rt_flags = RTF_UP | RTF_GATEWAY };

    if (inet_pton(AF_INET, gateway, &gw.sin_addr) != 1) {
        return;
    }
    memcpy(&route.rt_gateway, &gw, sizeof(gw));
    memcpy(&route.rt_dst, &any, sizeof(any));
    memcpy(&route.rt_genmask, &any, sizeof(any));
    if (ioctl(fd, SIOCADDRT, &route) < 0) {
        complain("route by", gateway);
    }
}

static void start_network(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const char *ip = option("baton.ip"), *gw;
    char text[64];
    char *slash;
    int bits = 24;
    struct in_addr address;

    write_file("/proc/sys/net/core/default_qdisc", "pfifo_fast");   /* one that drops nothing of its own accord */
    link_up(fd, "lo");
    if (ip && if_nametoindex("eth0")) {
        snprintf(text, sizeof(text), "%s", ip);
        slash = strchr(text, '/');
        if (slash) {
            *slash = 0;
            bits = atoi(slash + 1);
        }
        if (inet_pton(AF_INET, text, &address) == 1) {
            set_inet(fd, SIOCSIFADDR, "eth0", address.s_addr);
            set_inet(fd, SIOCSIFNETMASK, "eth0", htonl(bits ? ~0U << (32 - bits) : 0));
        }
        link_up(fd, "eth0");
        gw = option("baton.gw");
        if (gw) {
            default_route(fd, gw);
        }
    }
    close(fd);
}

static void unblock_signals(void)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static pid_t start(const char *path, const char *arg1, const char *arg2)
{
    pid_t pid = fork();

    if (pid == 0) {
        unblock_signals();
        execl(path, path, arg1, arg2, (char *)NULL);
        complain("start", path);
        _exit(127);
    }
    return pid;
}

static void start_loads(void)
{
    const char *value = option("baton.hold");
    char copy[64];
    char *colon;

    if (value) {
        start("/bin/holder", value, NULL);
    }
    value = option("baton.dirty");
    if (value) {
        snprintf(copy, sizeof(copy), "%s", value);
        colon = strchr(copy, ':');
        if (colon) {
            *colon = 0;
        }
        start("/bin/dirtier", copy, colon ? colon + 1 : "64");
    }
}

/* A shell on the console with its own session, started again when it ends. */
static pid_t start_shell(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        unblock_signals();
        setsid();
        ioctl(0, TIOCSCTTY, 1);
        setenv("PATH", "/bin:/sbin:/usr/bin:/usr/sbin", 1);
        setenv("HOME", "/", 1);
        setenv("PS1", "guest# ", 1);
        setenv("TERM", "dumb", 1);
        execl("/bin/busybox", "sh", (char *)NULL);
        _exit(127);
    }
    return pid;
}

static void finish(int how)
{
    fflush(stdout);
    sync();
    reboot(how);
    for (;;) {
        pause();
    }
}

/* `poweroff` and `reboot` of busybox ask process 1 by a signal; a shell that ends is started again. */
static void serve_forever(pid_t shell, const sigset_t *signals)
{
    for (;;) {
        int number = sigwaitinfo(signals, NULL);
        pid_t gone;

        if (number == SIGUSR2 || number == SIGTERM) {
            finish(number == SIGTERM ? RB_AUTOBOOT : RB_POWER_OFF);
        }
        while ((gone = waitpid(-1, NULL, WNOHANG)) > 0) {
            if (gone == shell) {
                shell = start_shell();
            }
        }
    }
}

static void run_mode(const char *mode)
{
    if (strcmp(mode, "traffic") == 0) {
        start("/bin/traffic-guest", NULL, NULL);
    } else if (strcmp(mode, "disk") == 0) {
        start("/bin/disk-check", "/dev/vda", NULL);
    } else if (strcmp(mode, "input") == 0) {
        start("/bin/input-watch", NULL, NULL);
    } else if (strcmp(mode, "soak") == 0) {
        start("/bin/traffic-guest", NULL, NULL);
        start("/bin/clock-watch", NULL, NULL);
        start("/bin/disk-check", "/dev/vda", "/tmp/disk-stop");
    } else if (strcmp(mode, "poweroff") == 0) {
        printf("BATON-GUEST-READY poweroff\n");
        finish(RB_POWER_OFF);
    } else if (strcmp(mode, "reboot") == 0) {
        printf("BATON-GUEST-READY reboot\n");
        finish(RB_AUTOBOOT);
    }
}

int main(void)
{
    char mode[32] = "shell";
    sigset_t signals;

    setvbuf(stdout, NULL, _IONBF, 0);
    mount_all();
    for (int fd = 0; fd < 3; fd++) {
        close(fd);
    }
    open("/dev/console", O_RDWR);
    dup2(0, 1);
    dup2(0, 2);
    printf("BATON-GUEST-INIT\n");
    read_cmdline();
    if (option("baton.mode")) {
        snprintf(mode, sizeof(mode), "%s", option("baton.mode"));
    }
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR2);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    load_modules("/modules/order", strcmp(mode, "disk") == 0 || strcmp(mode, "soak") == 0);
    if (option("baton.display")) {
        load_modules("/modules/order.display", true);
    }
    if (strcmp(mode, "input") == 0) {
        load_modules("/modules/order.input", true);
    }
    start_network();
    start_loads();
    run_mode(mode);
    printf("BATON-GUEST-READY %s\n", mode);
    serve_forever(start_shell(), &signals);
}
