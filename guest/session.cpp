// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/session.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <system_error>

#include "guest/json.h"
#include "guest/log.h"

namespace holon::guest {

using channel::Frame;
using channel::Stream;
using channel::Type;

namespace {

std::string hex(std::uint64_t id) {
    std::array<char, 17> text{};
    std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(id));
    return text.data();
}

template <typename T>
std::string little_endian(T value) {
    std::string bytes;
    for (std::size_t i = 0; i < sizeof value; ++i)
        bytes.push_back(static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i)));
    return bytes;
}

std::uint64_t number_at(const std::string& bytes, std::size_t at, std::size_t size) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i)
        value |= std::uint64_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
    return value;
}

}  // namespace

Session::Session(std::uint64_t id, Loop& loop, Reaper& reaper, const SessionOptions& options)
    : id_(id), loop_(loop), reaper_(reaper), options_(options), hex_(hex(id)) {}

Session::~Session() {
    if (alive_) reaper_.forget(pid_);
    kill_everything();
    if (script_folder_.empty()) return;
    ::unlink((script_folder_ + "/slurm_script").c_str());
    ::rmdir(script_folder_.c_str());
}

Frame Session::frame(Type type) const {
    Frame frame;
    frame.type = type;
    frame.session = id_;
    return frame;
}

void Session::open(const std::string& text) {
    try {
        auto request = parse_open(text);
        if (!options_.cgroup_root.empty()) cgroup_ = Cgroup(options_.cgroup_root + "/s-" + hex_);
        if (request.script) store_script(request);
        auto child = launch(request, cgroup_, options_.enter);
        pid_ = child.pid;
        alive_ = true;
        group_empty_ = false;
        pty_ = request.pty.has_value();
        in_ = std::move(child.in);
        out_fd_ = std::move(child.out);
        err_fd_ = std::move(child.err);
        pty_slave_ = std::move(child.pty_slave);
        report_ = std::move(child.report);
    } catch (const std::exception& error) {
        fail(126, error.what());
        return;
    }
    reaper_.expect(pid_, [this](int status) { main_ended(status); });
    report_watch_ = loop_.watch(report_.get(), EPOLLIN, [this](std::uint32_t) { read_report(); });
    out_watch_ = loop_.watch(out_fd_.get(), EPOLLIN,
                             [this](std::uint32_t) { read_output(out_, out_fd_, out_watch_); });
    if (err_fd_.valid())
        err_watch_ = loop_.watch(err_fd_.get(), EPOLLIN,
                                 [this](std::uint32_t) { read_output(err_, err_fd_, err_watch_); });
    else
        err_.finish();
    if (in_.valid())
        in_watch_ = loop_.watch(in_.get(), 0, [this](std::uint32_t) { write_input(); });
    else
        input_.discard();
    if (cgroup_.valid())
        group_watch_ =
            loop_.watch(cgroup_.events_fd(), EPOLLPRI, [this](std::uint32_t) { group_changed(); });
}

void Session::store_script(OpenRequest& request) {
    ::mkdir(options_.scripts.c_str(), 0755);
    script_folder_ = options_.scripts + "/" + hex_;
    const auto path = script_folder_ + "/slurm_script";
    const auto refuse = [&] { throw std::system_error(errno, std::generic_category(), path); };
    if (::mkdir(script_folder_.c_str(), 0700) < 0 && errno != EEXIST) refuse();
    {
        const os::Fd file(
            ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0700));
        if (!file.valid()) refuse();
        std::string_view rest = *request.script;
        while (!rest.empty()) {
            const auto written = ::write(file.get(), rest.data(), rest.size());
            if (written < 0) refuse();
            rest.remove_prefix(static_cast<std::size_t>(written));
        }
        if (::geteuid() == 0 && (::fchown(file.get(), request.uid, request.gid) < 0 ||
                                 ::chown(script_folder_.c_str(), request.uid, request.gid) < 0))
            refuse();
    }
    request.argv.front() = path;
    request.script.reset();
}

void Session::fail(int status, const std::string& reason) {
    error_ = dump_json({{"error", reason}, {"status", status}});
    error_due_ = true;
    kill_everything();
    out_watch_.reset();
    err_watch_.reset();
    in_watch_.reset();
    input_.discard();
}

void Session::protocol_error(const std::string& what) {
    log("session " + hex_ + ": protocol error: " + what);
    fail(126, "channel protocol error: " + what);
}

void Session::kill_everything() {
    if (cgroup_.valid())
        cgroup_.kill();
    else if (pid_ > 0 && !group_empty_)
        ::kill(-pid_,
               SIGKILL);  // it is the leader of its own process group; escaped ones need a cgroup
    // Until it is reaped its number cannot be another's.
    if (alive_) ::kill(pid_, SIGKILL);
}

// Until exec: notices and perhaps the reason why there is no process. The end of the pipe means
// exec was done.
void Session::read_report() {
    std::array<char, 4096> buffer{};
    for (;;) {
        const auto size = ::read(report_.get(), buffer.data(), buffer.size());
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return;
        if (size == 0) break;
        if (report_text_.size() < 64 * 1024)
            report_text_.append(buffer.data(), static_cast<std::size_t>(size));
    }
    report_watch_.reset();
    report_.reset();
    bool failed = false;
    for (std::size_t start = 0; start < report_text_.size();) {
        const auto end = std::min(report_text_.find('\n', start + 2), report_text_.size());
        const auto line = report_text_.substr(start, end - start);
        if (line.starts_with('N')) {
            notices_.push_back(line.substr(1));
        } else if (line.starts_with('E') && line.size() >= 2) {
            fail(static_cast<unsigned char>(line[1]), line.substr(2));
            failed = true;
        }
        start = end + 1;
    }
    opened_due_ = !failed;
}

void Session::read_output(OutputStream& stream, os::Fd& fd, Watch& watch) {
    static std::array<char, channel::max_payload> buffer;
    while (watch && stream.room() > 0) {
        const auto size = ::read(fd.get(), buffer.data(), std::min(buffer.size(), stream.room()));
        if (size > 0) {
            stream.append({buffer.data(), static_cast<std::size_t>(size)});
            // One buffer per turn: a process that never stops writing must not keep the others
            // waiting.
            if (!group_empty_) break;
            continue;
        }
        if (size < 0 && errno == EINTR) continue;
        // Somebody outside the session may hold the pipe's other end; with the session gone nobody
        // waits for him.
        if (size < 0 && errno == EAGAIN && !group_empty_) break;
        // The end; of a terminal it is EIO.
        watch.reset();
        fd.reset();
        stream.finish();
    }
    if (watch) watch.set(stream.room() > 0 ? std::uint32_t{EPOLLIN} : 0);
}

void Session::read_outputs() {
    read_output(out_, out_fd_, out_watch_);
    read_output(err_, err_fd_, err_watch_);
}

void Session::write_input() {
    while (in_.valid() && !input_.pending().empty()) {
        const auto pending = input_.pending();
        const auto size = ::write(in_.get(), pending.data(), pending.size());
        if (size > 0) {
            input_.mark_written(static_cast<std::size_t>(size));
            ack_due_ = true;
            continue;
        }
        if (size < 0 && errno == EINTR) continue;
        if (size < 0 && errno == EAGAIN) {
            in_watch_.set(EPOLLOUT);
            return;
        }
        close_input();  // EPIPE: nobody reads it
        return;
    }
    if (in_watch_) in_watch_.set(0);
    if (in_.valid() && input_.eof_due()) {
        termios settings{};
        if (pty_ && ::tcgetattr(in_.get(), &settings) == 0) {
            const char end_of_file = static_cast<char>(settings.c_cc[VEOF]);
            [[maybe_unused]] const auto written = ::write(in_.get(), &end_of_file, 1);
        }
        close_input();
    }
}

void Session::close_input() {
    in_watch_.reset();
    if (!pty_) in_.reset();  // a terminal's master is still needed for its window size
    input_.discard();
    ack_due_ = true;
}

void Session::main_ended(int status) {
    if (report_.valid()) read_report();
    alive_ = false;
    status_ = status;
    pty_slave_.reset();
    kill_everything();
    if (cgroup_.valid()) {
        group_changed();
    } else {
        group_empty_ = true;
    }
    exit_due_ = error_.empty();
    // Where the pipes are empty already and held open from outside, no event would come.
    if (group_empty_) read_outputs();
}

void Session::group_changed() {
    const bool populated = cgroup_.populated();
    if (alive_ || populated) return;
    group_empty_ = true;
    group_watch_.reset();
    cgroup_.remove();
    read_outputs();
}

void Session::handle(const Frame& frame) {
    if (frame.type == Type::attach) return attach(frame);
    if (frame.type == Type::close) return close();
    if (!attached_ || !error_.empty()) return;
    switch (frame.type) {
        case Type::data:
            if (frame.stream != Stream::in || !input_.receive(frame.offset, frame.payload))
                return protocol_error("input beyond the window or out of order");
            if (!in_.valid()) ack_due_ = true;
            return write_input();
        case Type::eof:
            if (frame.stream != Stream::in || !input_.receive_eof(frame.offset))
                return protocol_error("end of input at an unexpected offset");
            return write_input();
        case Type::ack:
            if (frame.stream == Stream::in ||
                !(frame.stream == Stream::out ? out_ : err_).acknowledge(frame.offset))
                return protocol_error("acknowledgement of output that was not sent");
            return read_outputs();
        case Type::signal:
            return signal(frame);
        case Type::winsize:
            if (frame.payload.size() == 8 && pty_ && in_.valid())
                set_window_size(in_.get(),
                                {static_cast<std::uint16_t>(number_at(frame.payload, 0, 2)),
                                 static_cast<std::uint16_t>(number_at(frame.payload, 2, 2)),
                                 static_cast<std::uint16_t>(number_at(frame.payload, 4, 2)),
                                 static_cast<std::uint16_t>(number_at(frame.payload, 6, 2))});
            return;
        default:
            return;
    }
}

void Session::signal(const Frame& frame) {
    if (frame.payload.size() != 5) return protocol_error("malformed signal");
    const auto number = static_cast<int>(static_cast<std::int32_t>(number_at(frame.payload, 0, 4)));
    if (number < 1 || number >= NSIG || pid_ < 0) return;
    if (static_cast<channel::Scope>(frame.payload[4]) == channel::Scope::main) {
        if (alive_) ::kill(pid_, number);
    } else if (cgroup_.valid()) {
        cgroup_.signal(number);
    } else if (!group_empty_) {
        ::kill(-pid_, number);
    }
}

void Session::attach(const Frame& frame) {
    if (frame.payload.size() != 16) return protocol_error("malformed attach");
    unattended_.reset();
    attached_ = true;
    error_due_ = !error_.empty();
    if (error_due_) return;
    if (!out_.send_from(number_at(frame.payload, 0, 8)) ||
        !err_.send_from(number_at(frame.payload, 8, 8)))
        return protocol_error("output was asked for that is not here any more");
    attached_due_ = true;
    exit_due_ = status_.has_value();
}

void Session::detach() {
    attached_ = false;
    attached_due_ = false;
    if (unattended_ || closing_) return;
    unattended_ = loop_.after(options_.unattended, [this] {
        log("session " + hex_ + ": nobody attached; killed");
        close();
    });
}

void Session::close() {
    closing_ = true;
    attached_ = false;
    unattended_.reset();
    kill_everything();
    out_watch_.reset();
    err_watch_.reset();
    in_watch_.reset();
}

std::optional<Frame> Session::data_of(Stream which, OutputStream& stream) {
    auto result = frame(Type::data);
    result.stream = which;
    result.offset = stream.sent();
    if (const auto bytes = stream.unsent(); !bytes.empty()) {
        result.payload = bytes;
        stream.mark_sent(bytes.size());
        return result;
    }
    if (!stream.eof_due()) return std::nullopt;
    result.type = Type::eof;
    stream.mark_eof_sent();
    return result;
}

std::optional<Frame> Session::next_frame() {
    if (!attached_ || closing_) return std::nullopt;
    if (std::exchange(attached_due_, false)) {
        auto attached = frame(Type::attached);
        attached.payload = little_endian(input_.received());
        return attached;
    }
    if (!notices_.empty()) {
        auto notice = frame(Type::notice);
        notice.payload = notices_.front();
        notices_.erase(notices_.begin());
        return notice;
    }
    if (!error_.empty()) {
        if (!std::exchange(error_due_, false)) return std::nullopt;
        auto error = frame(Type::error);
        error.payload = error_;
        return error;
    }
    if (std::exchange(opened_due_, false)) {
        auto opened = frame(Type::opened);
        opened.payload = dump_json({{"pid", pid_}});
        return opened;
    }
    if (std::exchange(ack_due_, false)) {
        auto ack = frame(Type::ack);
        ack.stream = Stream::in;
        ack.offset = input_.written();
        return ack;
    }
    // Turn by turn, so that a torrent on one stream does not keep the other back.
    err_turn_ = !err_turn_;
    auto data = err_turn_ ? data_of(Stream::err, err_) : data_of(Stream::out, out_);
    if (!data) data = err_turn_ ? data_of(Stream::out, out_) : data_of(Stream::err, err_);
    if (data) return data;
    if (exit_due_ && out_.eof_sent() && err_.eof_sent()) {
        exit_due_ = false;
        auto ended = frame(Type::exit);
        ended.payload = little_endian(static_cast<std::uint32_t>(*status_));
        return ended;
    }
    return std::nullopt;
}

}  // namespace holon::guest
