// SPDX-License-Identifier: GPL-2.0-or-later
//
// Encryption of a connection between two daemons, and of the program's that it becomes. GnuTLS does
// the handshake, TLS 1.3 with the partition's key; then the kernel gets the keys (CONFIG_TLS), and
// the socket is read and written like any other. GnuTLS and not OpenSSL, because OpenSSL 3.0 gives
// the kernel no keys to receive by in TLS 1.3, and GnuTLS tells its user what they are.
//
// ChaCha20-Poly1305, and no other: by one key it may encrypt more than a connection can carry (RFC
// 8446, 5.5), and kernels before 6.14 cannot change keys.
#pragma once

#include "ssi/daemon/key.h"
#include "ssi/daemon/socket.h"

namespace holon::ssi::daemon::tls {

enum class Side { client, server };

// Throws Error when this kernel cannot encrypt.
void check_kernel();

// The handshake on a connected TCP socket, after which what is written to FD is encrypted and what
// is read from it was. Throws Error when the other end has not got the key; the connection is then
// to be closed.
void encrypt(int fd, Side side, const Key& key, Deadline deadline);

}  // namespace holon::ssi::daemon::tls
