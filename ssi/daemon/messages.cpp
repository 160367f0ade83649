// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/messages.h"

#include <algorithm>
#include <cstring>

#include "plugins/os/error.h"

namespace holon::ssi::daemon {
namespace {

class Writer {
  public:
    template <typename T>
    Writer& value(T number) {
        bytes_.append(reinterpret_cast<const char*>(&number), sizeof number);
        return *this;
    }
    Writer& digest(const Digest& digest) {
        bytes_ += view(digest);
        return *this;
    }
    Writer& text(std::string_view text) {
        value(static_cast<std::uint32_t>(text.size()));
        bytes_ += text;
        return *this;
    }
    std::string take() { return std::move(bytes_); }

  private:
    std::string bytes_;
};

class Reader {
  public:
    explicit Reader(std::string_view bytes) : rest_(bytes) {}

    template <typename T>
    T value() {
        T number;
        std::memcpy(&number, bytes(sizeof number).data(), sizeof number);
        return number;
    }
    Digest digest() {
        Digest digest;
        std::memcpy(digest.data(), bytes(digest.size()).data(), digest.size());
        return digest;
    }
    std::string text(std::size_t limit) {
        const auto size = value<std::uint32_t>();
        if (size > limit) throw Error("a malformed message: a text is too long");
        return std::string(bytes(size));
    }
    std::string name() {
        std::string text_ = text(max_name);
        if (!is_name(text_)) throw Error("a malformed message: not a name");
        return text_;
    }
    void end() const {
        if (!rest_.empty()) throw Error("a malformed message: too long");
    }

  private:
    std::string_view bytes(std::size_t count) {
        if (rest_.size() < count) throw Error("a malformed message: too short");
        const std::string_view taken = rest_.substr(0, count);
        rest_.remove_prefix(count);
        return taken;
    }
    std::string_view rest_;
};

}  // namespace

std::string encode(const Join& join) {
    Writer out;
    out.digest(join.instance).text(join.name).value(join.port).value(join.wanted);
    out.value(join.cpus).digest(join.runtime);
    for (std::uint32_t word : join.machine.features) out.value(word);
    return out.value(join.machine.xsave_size).value(join.machine.xsave_mask).take();
}

Join decode_join(std::string_view bytes) {
    Reader in(bytes);
    Join join;
    join.instance = in.digest();
    join.name = in.name();
    join.port = in.value<std::uint16_t>();
    join.wanted = in.value<std::uint32_t>();
    join.cpus = in.value<std::uint32_t>();
    join.runtime = in.digest();
    for (std::uint32_t& word : join.machine.features) word = in.value<std::uint32_t>();
    join.machine.xsave_size = in.value<std::uint32_t>();
    join.machine.xsave_mask = in.value<std::uint64_t>();
    in.end();
    if (join.cpus == 0 || join.cpus > 4096 || join.port == 0)
        throw Error("a malformed message: impossible number of CPUs or port");
    return join;
}

std::string encode(const Joined& joined) {
    return Writer().value(joined.number).text(joined.home).take();
}

Joined decode_joined(std::string_view bytes) {
    Reader in(bytes);
    Joined joined;
    joined.number = in.value<std::uint32_t>();
    joined.home = in.name();
    in.end();
    if (joined.number == 0 || joined.number >= max_nodes)
        throw Error("a malformed message: impossible node number");
    return joined;
}

std::string encode(const std::vector<MemberInfo>& members) {
    Writer out;
    out.value(static_cast<std::uint32_t>(members.size()));
    for (const MemberInfo& member : members)
        out.value(member.number)
            .text(member.name)
            .text(member.address)
            .value(member.cpus)
            .value(static_cast<std::uint32_t>(member.up));
    return out.take();
}

std::vector<MemberInfo> decode_members(std::string_view bytes) {
    Reader in(bytes);
    const auto count = in.value<std::uint32_t>();
    if (count > max_nodes) throw Error("a malformed message: too many members");
    std::vector<MemberInfo> members(count);
    for (MemberInfo& member : members) {
        member.number = in.value<std::uint32_t>();
        member.name = in.name();
        member.address = printable(in.text(max_name));
        member.cpus = in.value<std::uint32_t>();
        member.up = in.value<std::uint32_t>() != 0;
    }
    in.end();
    return members;
}

std::string encode(const BodyRequest& request) {
    Writer out;
    out.digest(request.token).value(request.uid).value(request.gid).digest(request.runtime);
    out.value(request.process).value(static_cast<std::uint32_t>(request.groups.size()));
    for (std::uint32_t group : request.groups) out.value(group);
    return out.take();
}

BodyRequest decode_body(std::string_view bytes) {
    Reader in(bytes);
    BodyRequest request;
    request.token = in.digest();
    request.uid = in.value<std::uint32_t>();
    request.gid = in.value<std::uint32_t>();
    request.runtime = in.digest();
    request.process = in.value<std::uint32_t>();
    const auto count = in.value<std::uint32_t>();
    if (count > max_groups) throw Error("a malformed message: too many groups");
    request.groups.resize(count);
    for (std::uint32_t& group : request.groups) group = in.value<std::uint32_t>();
    in.end();
    // (uid_t)-1 would leave the uid of the caller, root, as it is.
    auto none = [](std::uint32_t id) { return id == ~0u; };
    if (none(request.uid) || none(request.gid) ||
        std::any_of(request.groups.begin(), request.groups.end(), none))
        throw Error("a malformed message: not a user");
    return request;
}

std::string encode(const ChannelRequest& request) {
    return Writer().digest(request.token).value(request.value).take();
}

ChannelRequest decode_channel(std::string_view bytes) {
    Reader in(bytes);
    ChannelRequest request;
    request.token = in.digest();
    request.value = in.value<std::uint64_t>();
    in.end();
    return request;
}

std::string encode(const EndedRequest& request) { return Writer().digest(request.token).take(); }

EndedRequest decode_ended(std::string_view bytes) {
    Reader in(bytes);
    EndedRequest request;
    request.token = in.digest();
    in.end();
    return request;
}

std::string encode(const BodyUsed& used) {
    return Writer().value(used.user).value(used.system).take();
}

BodyUsed decode_used(std::string_view bytes) {
    Reader in(bytes);
    BodyUsed used;
    used.user = in.value<std::uint64_t>();
    used.system = in.value<std::uint64_t>();
    in.end();
    return used;
}

std::string printable(std::string_view text) {
    std::string clean(text.substr(0, 200));
    std::replace_if(
        clean.begin(), clean.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return clean;
}

bool is_name(std::string_view text) {
    return !text.empty() && text.size() <= max_name &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '-' || c == '_';
           });
}

}  // namespace holon::ssi::daemon
