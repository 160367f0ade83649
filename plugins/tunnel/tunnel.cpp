// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/tunnel/tunnel.h"

#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <vector>

#include "plugins/os/error.h"

namespace holon::tunnel {
namespace {

constexpr char identity[] = "holon";
// No end signs anything; GnuTLS wants an algorithm for it all the same.
constexpr char priority[] =
    "NONE:+VERS-TLS1.3:+AES-256-GCM:+CHACHA20-POLY1305:+AEAD:+ECDHE-PSK:+GROUP-X25519:"
    "+COMP-NULL:+SIGN-EDDSA-ED25519";
constexpr auto handshake_time = std::chrono::seconds(20);
constexpr int heed_stop_ms = 200;
constexpr std::size_t most_buffered = 256 * 1024;

void check(int result, const char* what) {
    if (result < 0) throw Error("tunnel: {}: {}", what, ::gnutls_strerror(result));
}

void never_block(int fd) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        throw Error("tunnel: {}", errno_text());
}

// Bytes on their way in one direction.
class Buffer {
  public:
    bool room() const { return !ended_ && bytes_.size() - start_ < most_buffered; }
    bool empty() const { return start_ == bytes_.size(); }
    const char* data() const { return bytes_.data() + start_; }
    std::size_t size() const { return bytes_.size() - start_; }
    void add(const char* data, std::size_t size) {
        if (start_ > most_buffered) {
            bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(start_));
            start_ = 0;
        }
        bytes_.insert(bytes_.end(), data, data + size);
    }
    void take(std::size_t size) {
        start_ += size;
        if (empty()) {
            bytes_.clear();
            start_ = 0;
        }
    }
    void end() { ended_ = true; }
    bool ended() const { return ended_; }  // nothing is added any more
    bool done() const { return ended_ && empty(); }

  private:
    std::vector<char> bytes_;
    std::size_t start_ = 0;
    bool ended_ = false;
};

class Tls {
  public:
    Tls(int fd, Side side, const Key& key) : fd_(fd), key_(key) {
        const bool server = side == Side::server;
        check(::gnutls_init(&session_, (server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NONBLOCK |
                                           GNUTLS_NO_TICKETS | GNUTLS_NO_SIGNAL),
              "TLS");
        check(::gnutls_priority_set_direct(session_, priority, nullptr), "TLS");
        if (server) {
            check(::gnutls_psk_allocate_server_credentials(&server_), "TLS");
            ::gnutls_psk_set_server_credentials_function(server_, &Tls::tell_key);
            check(::gnutls_credentials_set(session_, GNUTLS_CRD_PSK, server_), "TLS");
        } else {
            const gnutls_datum_t bytes{key_.data(), static_cast<unsigned>(key_.size())};
            check(::gnutls_psk_allocate_client_credentials(&client_), "TLS");
            check(
                ::gnutls_psk_set_client_credentials(client_, identity, &bytes, GNUTLS_PSK_KEY_RAW),
                "TLS");
            check(::gnutls_credentials_set(session_, GNUTLS_CRD_PSK, client_), "TLS");
        }
        ::gnutls_session_set_ptr(session_, this);
        ::gnutls_transport_set_int(session_, fd);
        ::gnutls_handshake_set_timeout(session_, GNUTLS_INDEFINITE_TIMEOUT);
    }
    ~Tls() {
        ::gnutls_deinit(session_);
        if (server_ != nullptr) ::gnutls_psk_free_server_credentials(server_);
        if (client_ != nullptr) ::gnutls_psk_free_client_credentials(client_);
    }
    Tls(const Tls&) = delete;
    Tls& operator=(const Tls&) = delete;

    void shake_hands(const Control& control) {
        const auto deadline = std::chrono::steady_clock::now() + handshake_time;
        for (;;) {
            const int result = ::gnutls_handshake(session_);
            if (result == GNUTLS_E_SUCCESS) return;
            if (::gnutls_error_is_fatal(result) != 0) {
                ::gnutls_alert_send_appropriate(session_, result);
                throw Error("tunnel: the other end is not who it should be ({})",
                            ::gnutls_strerror(result));
            }
            if (control.stop) throw Error("tunnel: given up");
            if (std::chrono::steady_clock::now() > deadline)
                throw Error("tunnel: no answer from the other end");
            const bool writes = ::gnutls_record_get_direction(session_) != 0;
            pollfd entry{fd_, static_cast<short>(writes ? POLLOUT : POLLIN), 0};
            ::poll(&entry, 1, heed_stop_ms);
        }
    }

    // How many bytes were taken; 0: later.
    std::size_t send(const char* data, std::size_t size) {
        // A record that could not be sent whole is to be offered again as it was.
        const ssize_t sent = unsent_ != 0 ? ::gnutls_record_send(session_, nullptr, 0)
                                          : ::gnutls_record_send(session_, data, size);
        if (again(sent)) {
            unsent_ = unsent_ != 0 ? unsent_ : size;
            return 0;
        }
        if (sent < 0) throw Error("tunnel: {}", ::gnutls_strerror(static_cast<int>(sent)));
        unsent_ = 0;
        return static_cast<std::size_t>(sent);
    }
    // Says that no more will be sent. False: later.
    bool say_end() {
        const int result = ::gnutls_bye(session_, GNUTLS_SHUT_WR);
        if (again(result)) return false;
        check(result, "end");
        return true;
    }
    // How many bytes came; 0: the other end said that no more will come; nothing: later.
    ssize_t receive(char* data, std::size_t size) {
        const ssize_t got = ::gnutls_record_recv(session_, data, size);
        if (again(got)) return -1;
        if (got < 0) throw Error("tunnel: {}", ::gnutls_strerror(static_cast<int>(got)));
        return got;
    }
    bool pending() const { return ::gnutls_record_check_pending(session_) != 0; }

  private:
    static bool again(ssize_t result) {
        return result == GNUTLS_E_AGAIN || result == GNUTLS_E_INTERRUPTED ||
               (result < 0 && ::gnutls_error_is_fatal(static_cast<int>(result)) == 0);
    }
    static int tell_key(gnutls_session_t session, const char* name, gnutls_datum_t* key) {
        if (std::strcmp(name, identity) != 0) return -1;
        const auto* self = static_cast<Tls*>(::gnutls_session_get_ptr(session));
        key->data = static_cast<unsigned char*>(::gnutls_malloc(self->key_.size()));
        if (key->data == nullptr) return -1;
        key->size = static_cast<unsigned>(self->key_.size());
        std::copy(self->key_.begin(), self->key_.end(), key->data);
        return 0;
    }

    int fd_;
    Key key_;
    gnutls_session_t session_ = nullptr;
    gnutls_psk_client_credentials_t client_ = nullptr;
    gnutls_psk_server_credentials_t server_ = nullptr;
    std::size_t unsent_ = 0;
};

class Carrier {
  public:
    Carrier(int local, int remote, Side side, const Key& key, Control& control)
        : local_(local), remote_(remote), tls_(remote, side, key), control_(control) {}

    void run() {
        tls_.shake_hands(control_);
        while (!(out_closed_ && in_closed_)) {
            if (control_.stop) throw Error("tunnel: given up");
            from_local();
            to_remote();
            from_remote();
            to_local();
            if (!(out_closed_ && in_closed_)) wait();
        }
    }

  private:
    int local_, remote_;
    Tls tls_;
    Control& control_;
    Buffer out_, in_;
    bool out_closed_ = false, in_closed_ = false;
    bool out_blocked_ = false, in_blocked_ = false, moved_ = false;
    std::vector<char> chunk_ = std::vector<char>(64 * 1024);

    void from_local() {
        moved_ = false;
        while (out_.room()) {
            const ssize_t got = ::read(local_, chunk_.data(), chunk_.size());
            if (got < 0 && errno == EINTR) continue;
            if (got < 0 && errno == EAGAIN) return;
            if (got < 0 && errno != ECONNRESET) throw Error("tunnel: {}", errno_text());
            if (got <= 0) {
                out_.end();
                return;
            }
            out_.add(chunk_.data(), static_cast<std::size_t>(got));
        }
    }
    void to_remote() {
        out_blocked_ = false;
        while (!out_.empty()) {
            const std::size_t taken =
                tls_.send(out_.data(), std::min<std::size_t>(out_.size(), 16384));
            if (taken == 0) {
                out_blocked_ = true;
                return;
            }
            control_.sent += taken;
            out_.take(taken);
            moved_ = true;
        }
        if (out_.done() && !out_closed_) {
            out_closed_ = tls_.say_end();
            out_blocked_ = !out_closed_;
        }
    }
    void from_remote() {
        while (in_.room()) {
            const ssize_t got = tls_.receive(chunk_.data(), chunk_.size());
            if (got < 0) return;
            if (got == 0) {
                in_.end();
                return;
            }
            control_.received += static_cast<std::uint64_t>(got);
            in_.add(chunk_.data(), static_cast<std::size_t>(got));
        }
    }
    void to_local() {
        in_blocked_ = false;
        while (!in_.empty()) {
            const ssize_t n = ::send(local_, in_.data(), in_.size(), MSG_NOSIGNAL);
            if (n < 0 && errno == EINTR) continue;
            if (n < 0 && errno == EAGAIN) {
                in_blocked_ = true;
                return;
            }
            if (n < 0) throw Error("tunnel: {}", errno_text());
            in_.take(static_cast<std::size_t>(n));
            moved_ = true;
        }
        if (in_.done() && !in_closed_) {
            ::shutdown(local_, SHUT_WR);
            in_closed_ = true;
        }
    }
    void wait() {
        if (moved_ || (tls_.pending() && in_.room())) return;  // there may be more at once
        pollfd entries[2] = {{local_, 0, 0}, {remote_, 0, 0}};
        if (out_.room()) entries[0].events |= POLLIN;
        if (in_blocked_) entries[0].events |= POLLOUT;
        if (in_.room()) entries[1].events |= POLLIN;
        if (out_blocked_) entries[1].events |= POLLOUT;
        // Where nothing of it is waited for, its end would be told time and again.
        for (auto& entry : entries)
            if (entry.events == 0) entry.fd = -1;
        ::poll(entries, 2, heed_stop_ms);
    }
};

}  // namespace

Key random_key() {
    Key key{};
    if (::getrandom(key.data(), key.size(), 0) != static_cast<ssize_t>(key.size()))
        throw Error("getrandom: {}", errno_text());
    return key;
}

std::string to_text(const Key& key) {
    std::string text;
    for (const auto byte : key) text += fmt::format("{:02x}", byte);
    return text;
}

Key key_from_text(std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    Key key{};
    if (text.size() != 2 * key.size() || text.find_first_not_of(digits) != text.npos)
        throw Error("tunnel: that is no key");
    for (std::size_t i = 0; i < key.size(); ++i)
        key[i] =
            static_cast<std::uint8_t>(digits.find(text[2 * i]) << 4 | digits.find(text[2 * i + 1]));
    return key;
}

void carry(os::Fd local, os::Fd remote, Side side, const Key& key, Control& control) {
    never_block(local.get());
    never_block(remote.get());
    Carrier(local.get(), remote.get(), side, key, control).run();
}

}  // namespace holon::tunnel
