// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/tls.h"

#include <gnutls/gnutls.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>

#include "plugins/os/error.h"

namespace holon::ssi::daemon::tls {
namespace {

using KernelKey = tls12_crypto_info_chacha20_poly1305;

constexpr int sol_tls = 282;  // SOL_TLS, which glibc 2.36 has no name for
constexpr char identity[] = "ssid";
// No end signs anything; GnuTLS wants an algorithm for it all the same.
constexpr char priority[] =
    "NONE:+VERS-TLS1.3:+CHACHA20-POLY1305:+AEAD:+ECDHE-PSK:+GROUP-X25519:+COMP-NULL:"
    "+SIGN-EDDSA-ED25519";

void check(int result, const char* what) {
    if (result < 0) throw Error("{}: {}", what, ::gnutls_strerror(result));
}

// What GnuTLS needs as long as a handshake lasts: the session, and this end's idea of the key. The
// socket is read and written without waiting, so that deadlines hold; never more than a record is
// read, and what follows the last one is left for the kernel.
class Handshake {
  public:
    Handshake(int fd, Side side, const Key& key) : secret_(key.sign({"tls"})) {
        const bool server = side == Side::server;
        check(::gnutls_init(&session_, (server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NONBLOCK |
                                           GNUTLS_NO_TICKETS | GNUTLS_NO_SIGNAL),
              "TLS");
        check(::gnutls_priority_set_direct(session_, priority, nullptr), "TLS");
        if (server) {
            check(::gnutls_psk_allocate_server_credentials(&server_), "TLS");
            ::gnutls_psk_set_server_credentials_function(server_, &Handshake::tell_key);
            check(::gnutls_credentials_set(session_, GNUTLS_CRD_PSK, server_), "TLS");
        } else {
            const gnutls_datum_t bytes{secret_.data(), static_cast<unsigned>(secret_.size())};
            check(::gnutls_psk_allocate_client_credentials(&client_), "TLS");
            check(
                ::gnutls_psk_set_client_credentials(client_, identity, &bytes, GNUTLS_PSK_KEY_RAW),
                "TLS");
            check(::gnutls_credentials_set(session_, GNUTLS_CRD_PSK, client_), "TLS");
        }
        ::gnutls_session_set_ptr(session_, this);
        // GnuTLS's own functions wait where the socket does.
        ::gnutls_transport_set_ptr(session_, reinterpret_cast<void*>(std::intptr_t{fd}));
        ::gnutls_transport_set_pull_function(session_, &Handshake::pull);
        ::gnutls_transport_set_push_function(session_, &Handshake::push);
        ::gnutls_handshake_set_timeout(session_, GNUTLS_INDEFINITE_TIMEOUT);
    }
    ~Handshake() {
        ::gnutls_deinit(session_);
        if (server_ != nullptr) ::gnutls_psk_free_server_credentials(server_);
        if (client_ != nullptr) ::gnutls_psk_free_client_credentials(client_);
    }
    Handshake(const Handshake&) = delete;
    Handshake& operator=(const Handshake&) = delete;

    void run(int fd, Deadline deadline) {
        for (;;) {
            const int result = ::gnutls_handshake(session_);
            if (result == GNUTLS_E_SUCCESS) return;
            if (result == GNUTLS_E_AGAIN) {
                const bool writes = ::gnutls_record_get_direction(session_) != 0;
                if (!wait_for(fd, writes ? POLLOUT : POLLIN, deadline))
                    throw Error("no answer: {}", errno_text());
            } else if (::gnutls_error_is_fatal(result) != 0) {
                refuse(result);
            }
        }
    }

    KernelKey key(bool read) const {
        gnutls_datum_t mac{}, iv{}, secret{};
        KernelKey info{};
        check(::gnutls_record_get_state(session_, read ? 1 : 0, &mac, &iv, &secret, info.rec_seq),
              "TLS");
        if (::gnutls_protocol_get_version(session_) != GNUTLS_TLS1_3 ||
            ::gnutls_cipher_get(session_) != GNUTLS_CIPHER_CHACHA20_POLY1305 ||
            ::gnutls_kx_get(session_) != GNUTLS_KX_ECDHE_PSK ||
            ::gnutls_auth_get_type(session_) != GNUTLS_CRD_PSK || iv.size != sizeof info.iv ||
            secret.size != sizeof info.key || ::gnutls_record_check_pending(session_) != 0)
            throw Error("TLS: GnuTLS has agreed to something else than this daemon speaks");
        info.info.version = TLS_1_3_VERSION;
        info.info.cipher_type = TLS_CIPHER_CHACHA20_POLY1305;
        std::copy_n(iv.data, iv.size, info.iv);
        std::copy_n(secret.data, secret.size, info.key);
        return info;
    }

  private:
    // Which of both ends is wrong is not told to a stranger, and not known here.
    [[noreturn]] void refuse(int result) {
        // What GnuTLS says in return, if it can; the connection ends either way.
        ::gnutls_alert_send_appropriate(session_, result);
        if (result == GNUTLS_E_PREMATURE_TERMINATION || result == GNUTLS_E_PULL_ERROR ||
            result == GNUTLS_E_UNEXPECTED_PACKET_LENGTH ||
            result == GNUTLS_E_UNSUPPORTED_VERSION_PACKET || result == GNUTLS_E_UNEXPECTED_PACKET)
            throw Error(
                "the other end does not speak TLS; it has another version, or --plain on one side "
                "only ({})",
                ::gnutls_strerror(result));
        throw Error("the other end has not got this partition's key ({})",
                    ::gnutls_strerror(result));
    }

    static int descriptor(gnutls_transport_ptr_t pointer) {
        return static_cast<int>(reinterpret_cast<std::intptr_t>(pointer));
    }
    static ssize_t pull(gnutls_transport_ptr_t pointer, void* bytes, std::size_t size) {
        return ::recv(descriptor(pointer), bytes, size, MSG_DONTWAIT);
    }
    static ssize_t push(gnutls_transport_ptr_t pointer, const void* bytes, std::size_t size) {
        return ::send(descriptor(pointer), bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    }

    static int tell_key(gnutls_session_t session, const char* name, gnutls_datum_t* key) {
        const auto* self = static_cast<const Handshake*>(::gnutls_session_get_ptr(session));
        if (std::strcmp(name, identity) != 0) return -1;
        key->data = static_cast<unsigned char*>(::gnutls_malloc(self->secret_.size()));
        if (key->data == nullptr) return -1;
        std::copy(self->secret_.begin(), self->secret_.end(), key->data);
        key->size = static_cast<unsigned>(self->secret_.size());
        return 0;
    }

    Digest secret_;
    gnutls_session_t session_ = nullptr;
    gnutls_psk_server_credentials_t server_ = nullptr;
    gnutls_psk_client_credentials_t client_ = nullptr;
};

// False with errno.
bool give_to_kernel(int fd, const KernelKey& out, const KernelKey& in) {
    return ::setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls") == 0 &&
           ::setsockopt(fd, sol_tls, TLS_TX, &out, sizeof out) == 0 &&
           ::setsockopt(fd, sol_tls, TLS_RX, &in, sizeof in) == 0;
}

}  // namespace

void check_kernel() {
    Endpoint anywhere = resolve("127.0.0.1");
    anywhere.set_port(0);
    const os::Fd listener = listen_tcp(anywhere);
    const os::Fd one = connect_tcp(local_of(listener.get()), Clock::now() + std::chrono::seconds(5),
                                   std::chrono::seconds(5));
    KernelKey any{};
    any.info.version = TLS_1_3_VERSION;
    any.info.cipher_type = TLS_CIPHER_CHACHA20_POLY1305;
    if (!give_to_kernel(one.get(), any, any))
        throw Error(
            "this kernel does not encrypt TCP connections (CONFIG_TLS with ChaCha20-Poly1305, "
            "module tls: {}); say --plain if the network between the nodes is closed to others",
            errno_text());
}

void encrypt(int fd, Side side, const Key& key, Deadline deadline) {
    Handshake handshake(fd, side, key);
    handshake.run(fd, deadline);
    KernelKey out = handshake.key(false), in = handshake.key(true);
    const bool good = give_to_kernel(fd, out, in);
    const int error = errno;
    ::gnutls_memset(&out, 0, sizeof out);
    ::gnutls_memset(&in, 0, sizeof in);
    if (!good)
        throw Error("the kernel does not take the keys of a connection: {}", errno_text(error));
}

}  // namespace holon::ssi::daemon::tls
