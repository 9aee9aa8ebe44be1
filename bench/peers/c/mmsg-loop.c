/*
 * The limit of a router in user space: takes datagrams with recvmmsg(2) and sends them on with sendmmsg(2), unread, to one
 * place, with the twenty bytes more that a router's entry takes.
 *
 *     mmsg-loop ADDRESS PORT TARGET PORT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <signal.h>

enum { BATCH = 128, PACKET = 2048, ADDED = 20 };

static char packets[BATCH][PACKET];

static struct sockaddr_in place(char **words)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(atoi(words[1])) };
    inet_pton(AF_INET, words[0], &address.sin_addr);
    return address;
}

int main(int count, char **words)
{
    if (count != 5) return 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct sockaddr_in own = place(words + 1), target = place(words + 3);
    int fd = socket(AF_INET, SOCK_DGRAM, 0), bytes = 4 << 20;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes);
    if (bind(fd, (struct sockaddr *)&own, sizeof own) < 0) return perror("bind"), 1;
    struct mmsghdr messages[BATCH] = { 0 };
    struct iovec vectors[BATCH];
    for (int i = 0; i < BATCH; i++) {
        vectors[i].iov_base = packets[i];
        messages[i].msg_hdr.msg_iov = &vectors[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    puts("{\"event\":\"ready\"}");
    fflush(stdout);
    for (;;) {
        for (int i = 0; i < BATCH; i++) {
            vectors[i].iov_len = PACKET - ADDED;
            messages[i].msg_hdr.msg_name = NULL;
            messages[i].msg_hdr.msg_namelen = 0;
        }
        int received = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
        for (int i = 0; i < received; i++) {
            vectors[i].iov_len = messages[i].msg_len + ADDED;
            messages[i].msg_hdr.msg_name = &target;
            messages[i].msg_hdr.msg_namelen = sizeof target;
        }
        for (int sent = 0; sent < received;) {
            int more = sendmmsg(fd, messages + sent, received - sent, 0);
            sent += more > 0 ? more : 1;
        }
    }
}
