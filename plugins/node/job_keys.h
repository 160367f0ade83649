// SPDX-License-Identifier: GPL-2.0-or-later
// The keys of one job. Every node of the job makes the same ones by itself from the seed that
// job_submit put into the spec (32 bytes of getrandom, known to slurmctld, the job's nodes and its
// user): an Ed25519 private key is any 32 bytes (RFC 8032), so a key is HMAC-SHA-256(seed,
// purpose).
#pragma once

#include <string>
#include <string_view>

namespace holon::node {

struct SshKey {
    std::string private_text;  // OpenSSH's "-----BEGIN OPENSSH PRIVATE KEY-----", not encrypted
    std::string public_text;   // "ssh-ed25519 AAAA… comment"
};

// SEED: 64 hex digits. PURPOSE: "host" or "user". Throws Error on a malformed seed.
SshKey derive_ssh_key(std::string_view seed, std::string_view purpose, std::string_view comment);

// By which the nodes of a job's virtual SMP know each other: 64 hex digits. Throws as above.
std::string derive_engine_key(std::string_view seed);

}  // namespace holon::node
