// SPDX-License-Identifier: GPL-2.0-or-later
#include "spank/run/conversation.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "plugins/os/error.h"

namespace holon::run {

using channel::Frame;
using channel::Stream;
using channel::Type;

namespace {

// Acknowledging each write would double the frames; an eighth of the window keeps the sender going.
constexpr std::uint64_t acknowledge_every = channel::stream_window / 8;
constexpr std::size_t most_notices = 64;
constexpr std::size_t most_held_signals = 16;

void put(std::string& out, std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}

std::uint64_t number(const std::string& payload, std::size_t at, int bytes) {
    if (payload.size() < at + static_cast<std::size_t>(bytes))
        throw Error("the VM sent a frame that is too short");
    std::uint64_t value = 0;
    for (int i = 0; i < bytes; ++i)
        value |= std::uint64_t{static_cast<unsigned char>(payload[at + i])} << (8 * i);
    return value;
}

// The user owns the image, so these words may be anything: one printable line of bounded length.
std::string line_of(std::string_view text) {
    std::string out;
    for (char c : text.substr(0, 1000)) {
        auto u = static_cast<unsigned char>(c);
        out += u < 0x20 || u == 0x7f ? ' ' : c;
    }
    return out;
}

std::string error_in(const std::string& payload) {
    auto json = nlohmann::json::parse(payload, nullptr, false);
    if (json.is_object() && json.contains("error") && json["error"].is_string())
        return line_of(json["error"].get<std::string>());
    return "no reason given";
}

}  // namespace

Conversation::Conversation(std::uint64_t session, std::string open, bool input)
    : session_(session), open_(std::move(open)), input_wanted_(input) {
    if (!input_wanted_) input_ended_ = true;
}

void Conversation::go_on_from(std::uint64_t out, std::uint64_t err) {
    known_ = reconnected_ = going_on_ = true;
    out_stream_.received = out_stream_.written = out;
    err_stream_.received = err_stream_.written = err;
}

Conversation::Output& Conversation::output(Stream stream) {
    return stream == Stream::out ? out_stream_ : err_stream_;
}
const Conversation::Output& Conversation::output(Stream stream) const {
    return stream == Stream::out ? out_stream_ : err_stream_;
}

void Conversation::send(Frame frame) {
    frame.session = session_;
    channel::encode_to(out_, frame);
}

void Conversation::connected() {
    connected_ = true;
    decoder_ = channel::Decoder(channel::Decoder::Mode::strict);
    // The guest ignores an `open` it knows; once it has answered, a VM that does not know the
    // session any more must not run the program a second time.
    if (!known_)
        for (const auto& frame : channel::fragment(Type::open, session_, open_)) send(frame);
    if (reconnected_) {
        Frame attach;
        attach.type = Type::attach;
        put(attach.payload, out_stream_.received, 8);
        put(attach.payload, err_stream_.received, 8);
        send(attach);
        input_flows_ = false;
    } else {
        input_flows_ = true;
    }
    reconnected_ = true;
    acknowledge(Stream::out, true);
    acknowledge(Stream::err, true);
    if (window_) window_size((*window_)[0], (*window_)[1]);
    for (const auto& [number, scope] : std::exchange(held_signals_, {})) signal(number, scope);
    for (const auto& warning : warnings_) tell(warning);
}

void Conversation::disconnected() {
    connected_ = false;
    input_flows_ = false;
    out_.clear();
    out_start_ = 0;
    mark_.reset();
}

void Conversation::consumed(std::size_t count) {
    out_start_ += count;
    if (out_start_ == out_.size()) {
        out_.clear();
        out_start_ = 0;
    } else if (out_start_ > channel::max_payload) {
        out_.erase(0, out_start_);
        out_start_ = 0;
    }
}

void Conversation::feed(std::string_view bytes) {
    decoder_.feed(std::span<const char>(bytes.data(), bytes.size()));
    while (auto frame = decoder_.next()) handle(*frame);
}

void Conversation::handle(const Frame& frame) {
    if (frame.session != session_) throw Error("the VM sent a frame for another session");
    if (frame.type != Type::failed && frame.type != Type::no_session) known_ = true;
    switch (frame.type) {
        case Type::opened:
            break;
        case Type::attached:
            attached(number(frame.payload, 0, 8));
            break;
        case Type::data:
            output_data(frame);
            break;
        case Type::eof: {
            if (frame.stream == Stream::in) throw Error("the VM ended a stream that is ours");
            auto& stream = output(frame.stream);
            if (frame.offset == stream.received) stream.ended = true;
            break;
        }
        case Type::ack: {
            if (frame.stream != Stream::in || frame.offset > input_base_ + input_.size())
                throw Error("the VM acknowledged what was not sent");
            if (frame.offset > input_base_) {
                input_.erase(0, frame.offset - input_base_);
                input_base_ = frame.offset;
            }
            break;
        }
        case Type::exit:
            exited_ =
                Exited{static_cast<int>(static_cast<std::int32_t>(number(frame.payload, 0, 4)))};
            break;
        case Type::error: {
            NotStarted ended{error_in(frame.payload), 127};
            auto json = nlohmann::json::parse(frame.payload, nullptr, false);
            if (json.is_object() && json.contains("status") && json["status"].is_number_integer() &&
                json["status"] == 126)
                ended.status = 126;
            not_started_ = ended;
            break;
        }
        case Type::no_session:
            // Before the guest has seen `open` there is nothing to attach to yet.
            if (known_) lost_ = Lost{"the VM no longer knows this program: it was started anew"};
            break;
        case Type::failed:
            lost_ = Lost{error_in(frame.payload)};
            break;
        case Type::mark:
            mark_ = frame.offset;
            break;
        case Type::pass_on:
            answered(static_cast<int>(frame.offset), (frame.flags & channel::flag_drop) != 0);
            break;
        case Type::notice:
            if (notices_.size() < most_notices) notices_.push_back(line_of(frame.payload));
            break;
        default:
            throw Error("the VM sent a frame of type {}", static_cast<unsigned>(frame.type));
    }
}

void Conversation::output_data(const Frame& frame) {
    if (frame.stream == Stream::in) throw Error("the VM sent data on a stream that is ours");
    auto& stream = output(frame.stream);
    std::uint64_t end = frame.offset + frame.payload.size();
    if (frame.offset > stream.received || end < frame.offset)
        throw Error("the VM left out {} bytes of output", frame.offset - stream.received);
    if (end <= stream.received) return;  // sent again after a reconnect
    if (end - stream.written > channel::stream_window)
        throw Error("the VM sent more output than it may");
    stream.bytes.append(frame.payload, stream.received - frame.offset, std::string::npos);
    stream.received = end;
}

std::string_view Conversation::pending(Stream stream) const {
    const auto& of = output(stream);
    return std::string_view(of.bytes).substr(of.start);
}

void Conversation::written(Stream which, std::size_t count) {
    auto& stream = output(which);
    stream.start += count;
    stream.written += count;
    if (stream.empty()) {
        stream.bytes.clear();
        stream.start = 0;
    } else if (stream.start > channel::max_payload) {
        stream.bytes.erase(0, stream.start);
        stream.start = 0;
    }
    acknowledge(which, false);
}

void Conversation::acknowledge(Stream which, bool always) {
    auto& stream = output(which);
    if (!connected_ || stream.written == 0) return;
    std::uint64_t owed = stream.written - stream.acknowledged;
    if (!always && (owed == 0 || (owed < acknowledge_every && !stream.empty()))) return;
    Frame frame;
    frame.type = Type::ack;
    frame.stream = which;
    frame.offset = stream.written;
    send(frame);
    stream.acknowledged = stream.written;
}

void Conversation::attached(std::uint64_t offset) {
    if (std::exchange(going_on_, false)) {
        input_base_ = offset;
        input_start_ = offset;
    }
    if (offset < input_base_ || offset > input_base_ + input_.size())
        throw Error("the VM wants input from offset {}, which is not here", offset);
    input_flows_ = true;
    if (input_wanted_) send_input_from(offset);
}

void Conversation::send_input_from(std::uint64_t offset) {
    std::size_t at = offset - input_base_;
    while (at < input_.size()) {
        Frame frame;
        frame.type = Type::data;
        frame.stream = Stream::in;
        frame.offset = input_base_ + at;
        frame.payload = input_.substr(at, channel::max_payload);
        at += frame.payload.size();
        send(frame);
    }
    if (!input_ended_) return;
    Frame end;
    end.type = Type::eof;
    end.stream = Stream::in;
    end.offset = input_base_ + input_.size();
    send(end);
}

std::size_t Conversation::input_room() const {
    if (!input_flows_ || input_ended_ || ended()) return 0;
    return channel::stream_window - input_.size();
}

void Conversation::input(std::string_view bytes) {
    std::uint64_t from = input_base_ + input_.size();
    input_ += bytes;
    if (input_flows_) send_input_from(from);
}

void Conversation::input_end() {
    if (input_ended_) return;
    input_ended_ = true;
    if (input_flows_) send_input_from(input_base_ + input_.size());
}

void Conversation::signal(int number, channel::Scope scope) {
    if (!connected_) {
        if (held_signals_.size() < most_held_signals) held_signals_.emplace_back(number, scope);
        return;
    }
    Frame frame;
    frame.type = Type::signal;
    put(frame.payload, static_cast<std::uint32_t>(number), 4);
    frame.payload += static_cast<char>(scope);
    send(frame);
}

void Conversation::warned(int number, channel::Scope scope, bool held) {
    if (!held) signal(number, scope);
    if (warnings_.size() >= most_held_signals) return;
    warnings_.push_back({number, scope, held});
    if (connected_) tell(warnings_.back());
}

void Conversation::tell(const Warning& warning) {
    Frame frame;
    frame.type = Type::warned;
    frame.offset = static_cast<std::uint64_t>(warning.number);
    frame.flags = warning.held ? channel::flag_held : 0;
    send(frame);
}

void Conversation::answered(int number, bool drop) {
    const auto all = std::exchange(warnings_, {});
    for (const auto& warning : all) {
        if (warning.number != number)
            warnings_.push_back(warning);
        else if (warning.held && !drop)
            signal(number, warning.scope);
    }
}

void Conversation::window_size(unsigned short rows, unsigned short columns) {
    window_ = {rows, columns};
    if (!connected_) return;
    Frame frame;
    frame.type = Type::winsize;
    put(frame.payload, rows, 2);
    put(frame.payload, columns, 2);
    put(frame.payload, 0, 4);
    send(frame);
}

void Conversation::marked(const std::string& streams) {
    if (!mark_ || !connected_) return;
    Frame frame;
    frame.type = Type::marked;
    frame.offset = *std::exchange(mark_, std::nullopt);
    frame.payload = streams;
    send(frame);
}

void Conversation::close() {
    if (!connected_) return;
    Frame frame;
    frame.type = Type::close;
    send(frame);
}

}  // namespace holon::run
