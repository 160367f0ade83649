// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/connection.h"

#include "plugins/os/error.h"
#include "ssi/daemon/messages.h"
#include "ssi/daemon/tls.h"

namespace holon::ssi::daemon {

Connection Connection::connect(const Endpoint& to, const Trust& trust, Purpose purpose,
                               std::chrono::seconds timeout) {
    const Deadline deadline = Clock::now() + answer_time;
    os::Fd socket = connect_tcp(to, deadline, timeout);
    Session session = Session::client(trust.key, purpose);
    try {
        if (!trust.plain) tls::encrypt(socket.get(), tls::Side::client, trust.key, deadline);
        write_exactly(socket.get(), session.hello(), deadline);
        const std::string challenge = read_exactly(socket.get(), challenge_size, deadline);
        write_exactly(socket.get(), session.proof(challenge), deadline);
    } catch (const Error& error) {
        throw Error("{}: {}", to.text(), error.what());
    }
    return {std::move(socket), std::move(session)};
}

Connection Connection::accept(os::Fd socket, const Trust& trust, std::chrono::seconds timeout) {
    const Deadline deadline = Clock::now() + answer_time;
    tune(socket.get(), timeout);
    if (!trust.plain) tls::encrypt(socket.get(), tls::Side::server, trust.key, deadline);
    Session session = Session::server(trust.key);
    const std::string hello = read_exactly(socket.get(), hello_size, deadline);
    write_exactly(socket.get(), session.challenge(hello), deadline);
    session.accept(read_exactly(socket.get(), proof_size, deadline));
    return {std::move(socket), std::move(session)};
}

void Connection::send(const Message& message, std::chrono::seconds within) {
    write_exactly(socket_.get(), session_.seal(message), Clock::now() + within);
}

Message Connection::receive(std::chrono::seconds within) {
    const Deadline deadline = Clock::now() + within;
    const std::string header = read_exactly(socket_.get(), message_header_size, deadline);
    return session_.open(header, read_exactly(socket_.get(), Session::rest_of(header), deadline));
}

Message Connection::ask(const Message& message) {
    send(message);
    Message answer = receive();
    if (answer.type == MessageType::refused) throw Error("{}", printable(answer.payload));
    return answer;
}

}  // namespace holon::ssi::daemon
