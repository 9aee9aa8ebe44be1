/*
 * Offers SYNs to a router and takes what it sends on, in one thread and at a rate that is given.
 *
 *     syn-load ROUTER PORT SINK PORT TEMPLATE SOURCES
 *
 * TEMPLATE is one packet in hex. In each copy the flowID (bytes 4 to 7) is the packet's number, the nonce (24 to 31) is when it
 * was sent, and the checksum (14, 15) is right. They come from SOURCES ports in turn, so many at a time from each as BURST says,
 * in one message that the kernel cuts (UDP_SEGMENT): so this end is not the limit.
 *
 * A line on stdin, `RATE SECONDS BURST`, has it offer RATE packets a second and say in a line of JSON what came of it:
 *
 *     {"event":"done","sent":n,"received":n,"refused":n,"missed":n,"busy":n,"kpps":n,"p50us":n,"p99us":n,"pausems":n}
 *
 * `received` counts packets of this line, late ones too, and none of an earlier line's. `kpps` counts what came in time, a pause
 * is a time without any packet at the sink. Packets came when the kernel had them for the sink (SO_TIMESTAMPNS), whenever this
 * program looked. What limits it shows: `missed` came and found the sink's buffer full, `busy` is the share of the time in
 * which there was something to do here.
 *
 * It stands for other hosts, so it leaves all processors but the last to the router, which leaves that one to it. Like a
 * host of ours the sink lets the kernel hand over equal packets as one (UDP_GRO), whoever sends them.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/udp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <signal.h>
#include <time.h>

enum { MOST_BURST = 64, BURSTS_A_TURN = 8, PACKET = 512, TAKEN = 64, MERGED = 1 << 16, BUCKETS = 1 << 20 };
enum { LONGEST_WAIT_NS = 200000000, PRIORITY = -15 };
enum { FLOW_ID = 4, CHECKSUM = 14, NONCE = 24 };

static unsigned char out[MOST_BURST][PACKET], in[TAKEN][MERGED];
static unsigned char template[PACKET];
static int template_bytes;
/* Of microseconds. */
static uint32_t latencies[BUCKETS];
static uint64_t base_sum;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static struct sockaddr_in place(char **words)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(atoi(words[1])) };
    inet_pton(AF_INET, words[0], &address.sin_addr);
    return address;
}

static int open_socket(struct sockaddr_in *own)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), bytes = 16 << 20;
    if (fd < 0) die("socket");
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes);
    if (own != NULL && bind(fd, (struct sockaddr *)own, sizeof *own) < 0) die("bind");
    return fd;
}

static void put32(unsigned char *at, uint32_t value)
{
    value = htonl(value);
    memcpy(at, &value, 4);
}

static uint32_t get32(const unsigned char *at)
{
    uint32_t value;
    memcpy(&value, at, 4);
    return ntohl(value);
}

/* The sum of the header's words without those that differ from packet to packet. */
static void sum_template(void)
{
    memset(template + FLOW_ID, 0, 4);
    memset(template + CHECKSUM, 0, 2);
    memset(template + NONCE, 0, 8);
    int end = 4 + 4 * template[12];
    base_sum = 0;
    for (int i = 4; i < end; i += 2) base_sum += template[i] << 8 | template[i + 1];
}

static void fill(unsigned char *packet, uint32_t number, uint64_t ns)
{
    put32(packet + FLOW_ID, number);
    put32(packet + NONCE, ns >> 32);
    put32(packet + NONCE + 4, ns);
    uint64_t sum = base_sum + (number >> 16) + (number & 0xffff) + (ns >> 48) + (ns >> 32 & 0xffff) +
                   (ns >> 16 & 0xffff) + (ns & 0xffff);
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    packet[CHECKSUM] = ~sum >> 8;
    packet[CHECKSUM + 1] = ~sum;
}

static uint64_t received, missed, longest_gap_ns, last_ns;
/* The number of the first packet of this measurement: those below it are late ones of an earlier one. */
static uint32_t first_number;

/* What the kernel says of one message: when it came, how long each packet in it is, how many before it found no room. */
struct arrival {
    uint64_t ns;
    int segment_bytes;
    uint32_t missed;
};

static struct arrival arrival_of(struct msghdr *message, int bytes)
{
    struct arrival arrival = { .segment_bytes = bytes };
    for (struct cmsghdr *said = CMSG_FIRSTHDR(message); said != NULL; said = CMSG_NXTHDR(message, said)) {
        if (said->cmsg_level == SOL_UDP && said->cmsg_type == UDP_GRO)
            arrival.segment_bytes = *(int *)CMSG_DATA(said);
        else if (said->cmsg_type == SO_RXQ_OVFL)
            memcpy(&arrival.missed, CMSG_DATA(said), sizeof arrival.missed);
        else if (said->cmsg_type == SO_TIMESTAMPNS) {
            struct timespec t;
            memcpy(&t, CMSG_DATA(said), sizeof t);
            arrival.ns = t.tv_sec * 1000000000ull + t.tv_nsec;
        }
    }
    return arrival;
}

/* Takes all that the sink has. */
static int take(int sink)
{
    static struct mmsghdr messages[TAKEN];
    static struct iovec vectors[TAKEN];
    static char controls[TAKEN][128];
    int all = 0;
    for (;;) {
        for (int i = 0; i < TAKEN; i++) {
            vectors[i] = (struct iovec){ in[i], MERGED };
            messages[i].msg_hdr = (struct msghdr){ .msg_iov = &vectors[i], .msg_iovlen = 1, .msg_control = controls[i],
                                                   .msg_controllen = sizeof controls[i] };
        }
        int n = recvmmsg(sink, messages, TAKEN, MSG_DONTWAIT, NULL);
        if (n <= 0) return all;
        for (int i = 0; i < n; i++) {
            int bytes = messages[i].msg_len;
            struct arrival arrival = arrival_of(&messages[i].msg_hdr, bytes);
            if (last_ns != 0 && arrival.ns > last_ns && arrival.ns - last_ns > longest_gap_ns)
                longest_gap_ns = arrival.ns - last_ns;
            last_ns = arrival.ns;
            missed = arrival.missed;
            for (int at = 0; at < bytes; at += arrival.segment_bytes, all++) {
                /* Numbers go round: those before the first are far ahead of it. */
                if (get32(in[i] + at + FLOW_ID) - first_number >= 1u << 31) continue;
                received++;
                unsigned char *nonce = in[i] + at + NONCE;
                uint64_t sent = (uint64_t)get32(nonce) << 32 | get32(nonce + 4);
                uint64_t us = arrival.ns > sent ? (arrival.ns - sent) / 1000 : 0;
                latencies[us < BUCKETS ? us : BUCKETS - 1]++;
            }
        }
        if (n < TAKEN) return all;
    }
}

/* Sends a burst, numbered from `number` on; returns how many packets were refused. */
static int offer(int fd, uint32_t number, int burst)
{
    char control[CMSG_SPACE(sizeof(uint16_t))] = { 0 };
    struct iovec vectors[MOST_BURST];
    uint64_t ns = now_ns();
    for (int i = 0; i < burst; i++) {
        fill(out[i], number + i, ns);
        vectors[i] = (struct iovec){ out[i], template_bytes };
    }
    struct msghdr message = { .msg_iov = vectors, .msg_iovlen = burst };
    if (burst > 1) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        struct cmsghdr *cut = CMSG_FIRSTHDR(&message);
        cut->cmsg_level = IPPROTO_UDP;
        cut->cmsg_type = UDP_SEGMENT;
        cut->cmsg_len = CMSG_LEN(sizeof(uint16_t));
        *(uint16_t *)CMSG_DATA(cut) = template_bytes;
    }
    return sendmsg(fd, &message, MSG_DONTWAIT) < 0 ? burst : 0;
}

static double quantile(double q)
{
    uint64_t wanted = q * received, seen = 0;
    for (int us = 0; us < BUCKETS; us++)
        if ((seen += latencies[us]) > wanted) return us;
    return 0;
}

/* Where there are several processors the last is for this program alone, as far as it can see to that. */
static void take_processor(void)
{
    cpu_set_t all, last;
    sched_getaffinity(0, sizeof all, &all);
    CPU_ZERO(&last);
    for (int cpu = CPU_SETSIZE - 1; cpu >= 0 && CPU_COUNT(&last) == 0; cpu--)
        if (CPU_ISSET(cpu, &all)) CPU_SET(cpu, &last);
    if (CPU_COUNT(&all) > 1) sched_setaffinity(0, sizeof last, &last);
    setpriority(PRIO_PROCESS, 0, PRIORITY);
}

static int open_sink(struct sockaddr_in *own)
{
    int fd = open_socket(own), on = 1;
    setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
    if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) < 0) die("SO_TIMESTAMPNS");
    return fd;
}

int main(int count, char **words)
{
    if (count != 7) return 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    take_processor();
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 1 << 17, 1 << 17 });
    struct sockaddr_in router = place(words + 1), sink_place = place(words + 3);
    template_bytes = strlen(words[5]) / 2;
    for (int i = 0; i < template_bytes; i++) {
        unsigned byte;
        sscanf(words[5] + 2 * i, "%2x", &byte);
        template[i] = byte;
    }
    sum_template();
    int sources = atoi(words[6]), sink = open_sink(&sink_place);
    int *fds = calloc(sources, sizeof *fds);
    for (int i = 0; i < sources; i++) {
        struct sockaddr_in own = { .sin_family = AF_INET, .sin_addr = sink_place.sin_addr };
        fds[i] = open_socket(&own);
        if (connect(fds[i], (struct sockaddr *)&router, sizeof router) < 0) die("connect");
    }
    for (int i = 0; i < MOST_BURST; i++) memcpy(out[i], template, template_bytes);
    puts("{\"event\":\"ready\"}");
    fflush(stdout);

    double rate, seconds;
    int burst;
    while (scanf("%lf %lf %d", &rate, &seconds, &burst) == 3 && burst <= MOST_BURST) {
        uint64_t sent = 0, refused = 0, idle = 0, missed_before = missed, start = now_ns(), end = start + seconds * 1e9;
        int next = 0;
        received = longest_gap_ns = last_ns = 0;
        memset(latencies, 0, sizeof latencies);
        for (uint64_t now = start; now < end;) {
            uint64_t due = (now - start) * 1e-9 * rate, sent_before = sent;
            for (int turn = 0; sent + burst <= due && turn < BURSTS_A_TURN; turn++) {
                refused += offer(fds[next], first_number + sent, burst);
                sent += burst;
                next = (next + 1) % sources;
            }
            int came = take(sink);
            uint64_t then = now_ns();
            if (came == 0 && sent == sent_before) idle += then - now;
            now = then;
        }
        uint64_t in_time = received, stopped = now_ns();
        while (received < sent && now_ns() - stopped < LONGEST_WAIT_NS) {
            uint64_t gap = longest_gap_ns;
            take(sink);
            longest_gap_ns = gap;
        }
        printf("{\"event\":\"done\",\"sent\":%lu,\"received\":%lu,\"refused\":%lu,\"missed\":%lu,\"busy\":%.3f,"
               "\"kpps\":%.1f,\"p50us\":%.0f,\"p99us\":%.0f,\"pausems\":%.3f}\n",
               sent, received, refused, missed - missed_before, 1 - idle / (seconds * 1e9), in_time / seconds / 1000,
               quantile(0.5), quantile(0.99), longest_gap_ns / 1e6);
        fflush(stdout);
        first_number += sent;
    }
}
