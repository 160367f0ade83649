// SPDX-License-Identifier: GPL-2.0-or-later
// Frames: what holond, holon-guest and holon-run say to each other, over virtio-serial and over
// UNIX sockets. docs/channel-protocol.md describes the conversation. Both ends treat what arrives
// as hostile: the user owns the image, and may be any local process. No dependency but the C++
// library: the guest binary is static.
//
// A frame is a 32-byte little-endian header and up to 65,536 bytes of payload:
//   0 u16 magic   2 u8 type   3 u8 stream   4 u24 length   7 u8 flags   8 u64 session   16 u64
//   offset 24 u32 CRC-32C of the payload   28 u32 CRC-32C of bytes 0..27
// The payload has its own checksum because a frame that a dead daemon left half sent is completed
// by the zeros of the next connection's preamble: it must be dropped, not delivered.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace holon::channel {

inline constexpr std::uint16_t magic = 0x4c48;  // "HL"
inline constexpr std::size_t header_size = 32;
inline constexpr std::size_t max_payload = 65536;
// A sender has at most this many bytes of one stream unacknowledged; the receiver therefore never
// holds more.
inline constexpr std::uint64_t stream_window = 512 * 1024;

enum class Type : std::uint8_t {
    sync = 1,       // host→guest: 16-byte nonce; ends every earlier conversation on the wire
    sync_ack = 2,   // guest→host: the nonce, then JSON {"version", "boot_id", "configured",
                    // "sessions":[hex…]}
    configure = 3,  // host→guest: GuestConfig JSON, in fragments (offset, flag last)
    ready = 4,   // guest→host: JSON {"boot_ms":…}; the guest is configured and can run sessions
    failed = 5,  // guest→host: JSON {"error":"one line"}
    open =
        6,  // host→guest: OpenRequest JSON, in fragments; a known session id means: nothing to do
    opened = 7,    // guest→host: JSON {"pid":…}
    data = 8,      // both: stream bytes starting at offset
    eof = 9,       // both: the stream ends at offset
    ack = 10,      // both: all bytes of stream below offset were delivered and may be forgotten
    signal = 11,   // host→guest: i32 signal number, u8 scope (Scope)
    winsize = 12,  // host→guest: u16 rows, cols, xpixel, ypixel
    exit = 13,     // guest→host: i32 wait status; sent again after every attach
    close = 14,  // host→guest: everything was taken; the session may be forgotten (or is killed if
                 // it lives)
    attach = 15,    // host→guest: u64 stdout offset, u64 stderr offset from which to send (again)
    attached = 16,  // guest→host: u64 stdin offset from which to send
    no_session = 17,  // guest→host: the session is not known here
    error = 18,  // guest→host: JSON {"error":…, "status":126|127}: the session could not start
    notice = 19,  // guest→host: UTF-8 line for the user's stderr ("/scratch/x: made in the VM: …")
    poweroff = 20,  // host→guest: sync file systems and power off
    // Between holond and holon-run alone:
    mark = 21,  // holond→holon-run: say how far the output was written; offset is the question's
                // number
    marked = 22,  // holon-run→holond: the same number, JSON [{"name","offset","file","excluded"}…]
                  // as in the manifest of a checkpoint
    warned = 23,  // holon-run→holond: Slurm sent the task the signal `offset`, which may announce a
                  // preemption; with flag_held it is not passed on before holond says so
    pass_on = 24,  // holond→holon-run: what is to become of the signal `offset`: flag_drop or not
    // Between holond and the guest:
    clock = 25,  // host→guest: the VM stood; the time is `offset`, in nanoseconds since the epoch
};
enum class Stream : std::uint8_t { in = 0, out = 1, err = 2 };
enum class Scope : std::uint8_t {
    main = 0,
    all = 1
};                                            // the session's first process, or every process of it
inline constexpr std::uint8_t flag_last = 1;  // last fragment of configure/open
inline constexpr std::uint8_t flag_held = 1;  // of warned
inline constexpr std::uint8_t flag_drop = 1;  // of pass_on

struct Frame {
    Type type{};
    Stream stream{};
    std::uint8_t flags = 0;
    std::uint64_t session =
        0;  // chosen at random by holon-run; 0 where the frame is not about a session
    std::uint64_t offset = 0;
    std::string payload;
};

// Header + payload. Throws std::length_error for a payload of over max_payload.
std::string encode(const Frame& frame);
void encode_to(std::string& out, const Frame& frame);

// Parses a byte stream into frames. Both checksums, the type, the stream number and the length are
// verified: in `strict` mode (UNIX sockets) garbage makes next() throw std::runtime_error; in
// `resync` mode (virtio-serial, where a daemon may have died in mid-frame and QEMU drops what
// nobody reads) a bad header is skipped byte by byte and a frame with a bad payload as a whole,
// never looked into: a user's bytes must not be taken for frames. What is buffered is bounded by
// one frame plus what was fed since next() last returned nullopt.
class Decoder {
  public:
    enum class Mode { strict, resync };
    explicit Decoder(Mode mode) : mode_(mode) {}

    void feed(std::span<const char> bytes);
    // The next whole frame, or nullopt until more bytes are fed.
    std::optional<Frame> next();
    // Host side, before its sync is sent: from now on next() passes over everything, without
    // trusting the length of any frame (a stale header must not swallow the answer), up to the
    // sync_ack that carries NONCE. It returns that one and is normal again.
    void hunt_for_sync(const std::array<std::uint8_t, 16>& nonce);
    bool hunting() const { return hunting_; }
    std::size_t buffered() const { return buffer_.size() - start_; }
    std::uint64_t skipped() const { return skipped_; }  // bytes of garbage so far

  private:
    void skip(std::size_t bytes);
    bool skip_to_magic();  // false: more bytes are needed

    Mode mode_;
    std::string buffer_;
    std::size_t start_ = 0;
    std::uint64_t skipped_ = 0;
    bool hunting_ = false;
    std::array<std::uint8_t, 16> nonce_{};
};

// What the host sends first on a fresh connection: max_payload + header_size zero bytes, which
// flush any frame that a dead daemon left half sent, then the sync frame.
std::string sync_preamble(const std::array<std::uint8_t, 16>& nonce);

std::uint32_t crc32c(std::span<const char> bytes);

// Puts fragmented JSON (configure, open) together. Bounded: throws std::length_error over LIMIT
// bytes.
class Reassembly {
  public:
    explicit Reassembly(std::size_t limit = 16u << 20) : limit_(limit) {}
    // The whole text once the fragment with flag_last has come; fragments must be in order (offset
    // = size so far, else std::runtime_error). A fragment at offset 0 begins anew: the other end
    // may have restarted half-way.
    std::optional<std::string> add(const Frame& frame);

  private:
    std::size_t limit_;
    std::string text_;
};
// Splits TEXT into frames of TYPE for SESSION, the last one flagged.
std::vector<Frame> fragment(Type type, std::uint64_t session, std::string_view text);

}  // namespace holon::channel
