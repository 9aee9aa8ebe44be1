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
 *     {"event":"done","sent":n,"received":n,"refused":n,"kpps":n,"p50us":n,"p99us":n,"pausems":n}
 *
 * `received` waits for late ones, `kpps` counts what came in time, a pause is a time without any packet at the sink.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <signal.h>
#include <time.h>

enum { MOST_BURST = 64, BURSTS_A_TURN = 8, PACKET = 512, TAKEN = 256, BUCKETS = 1 << 20, LONGEST_WAIT_NS = 200000000 };
enum { FLOW_ID = 4, CHECKSUM = 14, NONCE = 24 };

static unsigned char out[MOST_BURST][PACKET], in[TAKEN][PACKET];
static unsigned char template[PACKET];
static int template_bytes;
/* Of microseconds. */
static uint32_t latencies[BUCKETS];
static uint64_t base_sum;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
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

static uint64_t received, longest_gap_ns, last_ns;

/* Takes all that the sink has. */
static int take(int sink)
{
    static struct mmsghdr messages[TAKEN];
    static struct iovec vectors[TAKEN];
    int all = 0;
    for (;;) {
        for (int i = 0; i < TAKEN; i++) {
            vectors[i] = (struct iovec){ in[i], PACKET };
            messages[i].msg_hdr = (struct msghdr){ .msg_iov = &vectors[i], .msg_iovlen = 1 };
        }
        int n = recvmmsg(sink, messages, TAKEN, MSG_DONTWAIT, NULL);
        if (n <= 0) return all;
        uint64_t now = now_ns();
        if (last_ns != 0 && now - last_ns > longest_gap_ns) longest_gap_ns = now - last_ns;
        last_ns = now;
        for (int i = 0; i < n; i++) {
            uint64_t sent = (uint64_t)get32(in[i] + NONCE) << 32 | get32(in[i] + NONCE + 4);
            uint64_t us = (now - sent) / 1000;
            latencies[us < BUCKETS ? us : BUCKETS - 1]++;
        }
        received += n;
        all += n;
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

int main(int count, char **words)
{
    if (count != 7) return 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 1 << 17, 1 << 17 });
    struct sockaddr_in router = place(words + 1), sink_place = place(words + 3);
    template_bytes = strlen(words[5]) / 2;
    for (int i = 0; i < template_bytes; i++) {
        unsigned byte;
        sscanf(words[5] + 2 * i, "%2x", &byte);
        template[i] = byte;
    }
    sum_template();
    int sources = atoi(words[6]), sink = open_socket(&sink_place);
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
        uint64_t sent = 0, refused = 0, start = now_ns(), end = start + seconds * 1e9;
        int next = 0;
        received = longest_gap_ns = last_ns = 0;
        memset(latencies, 0, sizeof latencies);
        for (uint64_t now = start; now < end; now = now_ns()) {
            uint64_t due = (now - start) * 1e-9 * rate;
            for (int turn = 0; sent + burst <= due && turn < BURSTS_A_TURN; turn++) {
                refused += offer(fds[next], sent, burst);
                sent += burst;
                next = (next + 1) % sources;
            }
            take(sink);
        }
        uint64_t in_time = received, stopped = now_ns();
        while (received < sent && now_ns() - stopped < LONGEST_WAIT_NS) {
            uint64_t gap = longest_gap_ns;
            take(sink);
            longest_gap_ns = gap;
        }
        printf("{\"event\":\"done\",\"sent\":%lu,\"received\":%lu,\"refused\":%lu,\"kpps\":%.1f,\"p50us\":%.0f,"
               "\"p99us\":%.0f,\"pausems\":%.3f}\n",
               sent, received, refused, in_time / seconds / 1000, quantile(0.5), quantile(0.99), longest_gap_ns / 1e6);
        fflush(stdout);
    }
}
