// SPDX-License-Identifier: GPL-2.0-or-later
// Threads talk over TCP on loopback and over a socket pair that carries a descriptor.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "program.h"

int main() {
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    MUST(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    MUST(listen(listener, 4) == 0);
    socklen_t length = sizeof address;
    MUST(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) == 0);
    int pair[2];
    MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
    long echoed = 0;
    run_threads(2, [&](int me) {
        char message[3000];
        if (me == 0) {
            sockaddr_in peer = {};
            socklen_t peer_length = sizeof peer;
            const int connection =
                accept(listener, reinterpret_cast<sockaddr*>(&peer), &peer_length);
            MUST(connection >= 0);
            MUST(peer_length == sizeof peer && peer.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
            for (;;) {
                const long got = recv(connection, message, sizeof message, 0);
                MUST(got >= 0);
                if (got == 0) break;
                for (long sent = 0; sent < got;) {
                    const long now_sent =
                        send(connection, message + sent, std::size_t(got - sent), 0);
                    MUST(now_sent > 0);
                    sent += now_sent;
                }
            }
            close(connection);
            return;
        }
        const int connection = socket(AF_INET, SOCK_STREAM, 0);
        MUST(connect(connection, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        const int one = 1;
        MUST(setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
        for (int round = 1; round <= 50; ++round) {
            const auto size = std::size_t(round * 57 % 2900 + 1);
            std::memset(message, round, size);
            MUST(send(connection, message, size, 0) == long(size));
            for (std::size_t got = 0; got < size;) {
                const long piece = recv(connection, message, sizeof message, 0);
                MUST(piece > 0);
                for (long i = 0; i < piece; ++i) MUST(message[i] == char(round));
                got += std::size_t(piece);
            }
            echoed += long(size);
        }
        close(connection);
    });
    std::printf("echoed %ld bytes\n", echoed);

    run_threads(2, [&](int me) {
        char text[16] = "descriptor";
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
        iovec piece = {text, sizeof text};
        msghdr message = {};
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        if (me == 0) {
            int ends[2];
            MUST(pipe(ends) == 0);
            MUST(write(ends[1], "through", 8) == 8);
            cmsghdr* header = CMSG_FIRSTHDR(&message);
            header->cmsg_level = SOL_SOCKET;
            header->cmsg_type = SCM_RIGHTS;
            header->cmsg_len = CMSG_LEN(sizeof(int));
            std::memcpy(CMSG_DATA(header), &ends[0], sizeof(int));
            MUST(sendmsg(pair[0], &message, 0) == sizeof text);
        } else {
            MUST(recvmsg(pair[1], &message, 0) == sizeof text);
            int received = -1;
            std::memcpy(&received, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
            char through[8];
            MUST(read(received, through, 8) == 8);
            std::printf("%s: %s\n", text, through);
        }
    });
    std::printf("bad address: %s\n",
                connect(socket(AF_INET, SOCK_STREAM, 0), reinterpret_cast<sockaddr*>(16), 16) == -1
                    ? std::strerror(errno)
                    : "connected");
}
