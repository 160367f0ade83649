// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/inject/injector.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "plugins/os/error.h"
#include "plugins/os/file.h"
#include "ssi/inject/process.h"
#include "ssi/inject/tracee.h"

namespace holon::ssi::inject {
namespace {

constexpr std::size_t max_threads = 512;
constexpr int max_threads_per_user = 16;
constexpr std::size_t max_pinned = 4096, max_waits = 4096;
constexpr std::uint64_t kernel_restarts_call = static_cast<std::uint64_t>(-512);  // ERESTARTSYS
constexpr std::uint64_t user_code_64 = 0x33;                                      // CS
constexpr std::uint64_t libraries_begin = 0x7000'0000'0000;
constexpr std::uint64_t sync_wake_up = 1;  // SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, Linux 6.6
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif

}  // namespace

bool is_listener(int fd) {
    char name[64];
    const std::string link = fmt::format("/proc/self/fd/{}", fd);
    const ssize_t length = ::readlink(link.c_str(), name, sizeof name);
    return length > 0 &&
           std::string_view(name, static_cast<std::size_t>(length)) == "anon_inode:seccomp notify";
}

bool answer_continue(int listener, std::uint64_t id) {
    seccomp_notif_resp answer{};
    answer.id = id;
    answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    return ::ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) == 0;
}

struct Injector::Listener {
    std::uint64_t id;
    os::Fd fd;
    std::uint32_t flags;
    uid_t owner;
    std::mutex mutex;  // of blob
    Blob blob;
};

struct Injector::Notification {
    std::uint64_t id;
    pid_t task;
    std::uint64_t number;
    bool x86_64;
    std::uint64_t args[6];
};

Injector::Injector(RuntimeFile runtime, std::string control_address, Cpus cpus, Traced traced,
                   Children children)
    : runtime_(std::move(runtime)),
      control_address_(std::move(control_address)),
      affinity_(std::move(cpus)),
      traced_(std::move(traced)),
      children_(std::move(children)) {
    epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
    wake_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    seccomp_notif_sizes sizes{};
    if (!epoll_.valid() || !wake_.valid() ||
        ::syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) != 0)
        throw Error("the kernel cannot tell of calls (seccomp notifications): {}", errno_text());
    notification_size_ = std::max<std::size_t>(sizes.seccomp_notif, sizeof(seccomp_notif));
    epoll_event event{EPOLLIN, {.u64 = 0}};
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event);
    const std::lock_guard lock(mutex_);
    start_thread();
}

Injector::~Injector() {
    stop_ = true;
    ::eventfd_write(wake_.get(), 1);
    for (std::thread& thread : threads_) thread.join();
}

void Injector::serve(os::Fd fd, std::uint32_t flags, uid_t owner) {
    if (!is_listener(fd.get())) throw Error("what was passed is not a filter's listener");
    Parameters parameters{};
    parameters.abi = runtime_abi;
    parameters.flags = flags;
    parameters.daemon_uid = ::getuid();
    parameters.cpus = affinity_.kernel();
    parameters.cpu_count = affinity_.home_count();
    control_address_.copy(parameters.control, sizeof parameters.control - 1);
    // The kernel hands the CPU over to the program at the answer; older ones do without.
    ::ioctl(fd.get(), SECCOMP_IOCTL_NOTIF_SET_FLAGS, sync_wake_up);

    const std::lock_guard lock(mutex_);
    const std::uint64_t id = next_id_++;
    const int raw = fd.get();
    listeners_.emplace(
        id, new Listener{id, std::move(fd), flags, owner, {}, Blob(runtime_, parameters)});
    epoll_event event{EPOLLIN | EPOLLONESHOT, {.u64 = id}};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, raw, &event) != 0) {
        listeners_.erase(id);
        throw Error("cannot watch the filter: {}", errno_text());
    }
}

void Injector::start_thread() {
    ++idle_;
    threads_.emplace_back([this] { work(); });
}

void Injector::forget(std::uint64_t id) {
    const std::lock_guard lock(mutex_);
    listeners_.erase(id);
}

void Injector::work() {
    ::prctl(PR_SET_NAME, "ssid-inject");
    while (!stop_) {
        epoll_event event{};
        if (::epoll_wait(epoll_.get(), &event, 1, -1) <= 0 || event.data.u64 == 0) continue;
        std::shared_ptr<Listener> listener;
        {
            const std::lock_guard lock(mutex_);
            if (auto found = listeners_.find(event.data.u64); found != listeners_.end())
                listener = found->second;
            if (--idle_ == 0 && threads_.size() < max_threads) start_thread();
        }
        if (listener && (event.events & EPOLLIN) != 0)
            serve_one(listener);
        else if (listener)  // nobody is left under this filter
            forget(listener->id);
        ++idle_;
    }
}

void Injector::arm(const Listener& listener) {
    epoll_event event{EPOLLIN | EPOLLONESHOT, {.u64 = listener.id}};
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, listener.fd.get(), &event);
}

// False when the user has its share of threads; the listener is armed again once one is free.
bool Injector::begin(const Listener& listener) {
    const std::lock_guard lock(mutex_);
    User& user = users_[listener.owner];
    if (user.busy >= max_threads_per_user) {
        user.waiting.push_back(listener.id);
        return false;
    }
    ++user.busy;
    return true;
}

void Injector::end(const Listener& listener) {
    const std::lock_guard lock(mutex_);
    const auto user = users_.find(listener.owner);
    for (const std::uint64_t id : user->second.waiting)
        if (const auto found = listeners_.find(id); found != listeners_.end()) arm(*found->second);
    user->second.waiting.clear();
    if (--user->second.busy == 0) users_.erase(user);
}

void Injector::serve_one(const std::shared_ptr<Listener>& listener) {
    if (!begin(*listener)) return;
    serve_call(*listener);
    end(*listener);
}

void Injector::serve_call(Listener& listener) {
    std::vector<std::byte> buffer(notification_size_);
    auto* raw = reinterpret_cast<seccomp_notif*>(buffer.data());
    const bool received = ::ioctl(listener.fd.get(), SECCOMP_IOCTL_NOTIF_RECV, raw) == 0;
    arm(listener);          // the next call may be served by another thread from here on
    if (!received) return;  // the caller was killed, or its call interrupted
    const Notification call{raw->id,
                            static_cast<pid_t>(raw->pid),
                            static_cast<std::uint64_t>(raw->data.nr),
                            raw->data.arch == AUDIT_ARCH_X86_64,
                            {raw->data.args[0], raw->data.args[1], raw->data.args[2],
                             raw->data.args[3], raw->data.args[4], raw->data.args[5]}};
    const bool sets = call.number == SYS_sched_setaffinity;
    if (call.x86_64 && call.number == SYS_clone)
        serve_clone(listener, call);
    else if (call.x86_64 && call.number == SYS_getrusage)
        serve_usage(listener, call);
    else if (call.x86_64 && (call.number == SYS_wait4 || call.number == SYS_waitid))
        serve_wait(listener, call);
    else if (call.x86_64 && call.number == SYS_ptrace) {
        if (const pid_t process = process_of(static_cast<pid_t>(raw->data.args[1])); process != 0)
            traced_(listener.owner, process);
        answer_continue(listener.fd.get(), call.id);
    } else if (call.x86_64 && (sets || call.number == SYS_sched_getaffinity))
        affinity_.serve({listener.fd.get(),
                         call.id,
                         call.task,
                         sets,
                         {call.args[0], call.args[1], call.args[2], call.args[3], call.args[4]}});
    else
        serve_exec(listener, call);
}

// The call is let go first and the stop asked for second: an interrupt before the answer would take
// the call back. A stop then follows in any case: at the end of execve, or when it has failed.
void Injector::serve_exec(Listener& listener, const Notification& call) {
    Tracee tracee(call.task);
    const int error = tracee.error();
    const bool answered = answer_continue(listener.fd.get(), call.id);
    if (error != 0) {
        if (answered && error == EPERM) pin(call.task, "traced");
        return;
    }
    tracee.interrupt();
    if (tracee.wait() != Tracee::Stop::exec) {
        ++counters_.failed;
        return;
    }
    const char* reason = inject(listener, tracee);
    const pid_t process = tracee.id();
    affinity_.executed(process);
    tracee.let_go();
    if (reason == nullptr)
        ++counters_.execs;
    else
        pin(process, reason);
}

// nullptr, or why the program starts without the engine.
const char* Injector::inject(Listener& listener, Tracee& tracee) {
    user_regs_struct registers{};
    if (!tracee.registers(registers)) return "killed";
    if (registers.cs != user_code_64) return "32-bit";
    if (!runtime_.unchanged()) {
        if (!changed_.exchange(true))
            spdlog::warn(
                "{} has changed: programs start without the engine until ssid is restarted",
                runtime_.path.string());
        return "runtime-changed";
    }
    const std::uint64_t page = registers.rip & ~(layout::page_size - 1);
    // The kernel can bring back a page of text; one that could be written may be another than the
    // file's already (its rest is cleared for .bss). Only programs linked in their own way have
    // such; what lies up here is the dynamic linker, and the question would cost as much as the
    // injection.
    if (page < libraries_begin && is_writable(tracee.id(), page)) return "writable-text";
    const std::lock_guard lock(listener.mutex);
    const Blob::Placed placed = listener.blob.page_for(registers.rip);
    if (placed.start != registers.rip && !tracee.set_instruction_pointer(placed.start))
        return "killed";
    return tracee.write(page, placed.page) ? nullptr : "no-write";
}

// The runtime sees to it, and to all clone calls after it, from inside.
void Injector::serve_clone(Listener& listener, const Notification& call) {
    hand_over(listener, call, handed_over_clone);
}

// What a runtime asks is answered; a program's own call goes to its runtime where the answer is not
// the kernel's.
void Injector::serve_usage(Listener& listener, const Notification& call) {
    const pid_t process = process_of(call.task);
    const auto child = call.args[4] == layout::range_begin ? static_cast<pid_t>(call.args[2]) : 0;
    UsedElsewhere used;
    // Where it counts processes of its own, nobody knows which one it means.
    if (process != 0 && (child == 0 || same_numbers(call.task)))
        used = children_.used(process, child);
    if (call.args[4] == layout::range_begin) {
        seccomp_notif_resp response{};
        response.id = call.id;
        response.val = static_cast<std::int64_t>(call.args[1] == 0 ? used.user : used.system);
        ::ioctl(listener.fd.get(), SECCOMP_IOCTL_NOTIF_SEND, &response);
    } else if (used.user == 0 && used.system == 0) {
        answer_continue(listener.fd.get(), call.id);
    } else {
        hand_over(listener, call, handed_over_usage);
    }
}

// Nearly always no child has bodies, or none yet (departed).
void Injector::serve_wait(Listener& listener, const Notification& call) {
    const pid_t process = process_of(call.task);
    const std::uint64_t options = call.args[call.number == SYS_wait4 ? 2 : 3];
    bool expected = false;
    if (process != 0) {
        const std::lock_guard lock(waits_mutex_);
        expected = children_.expected(process);
        waits_.erase(call.task);
        if (!expected && (options & WNOHANG) == 0) {
            if (waits_.size() >= max_waits)
                std::erase_if(waits_, [](const auto& entry) {
                    return start_time(entry.second.process) != entry.second.started;
                });
            if (waits_.size() < max_waits)
                waits_[call.task] = {process, start_time(process), call.number};
        }
    }
    if (expected)
        hand_over(listener, call, handed_over_wait);
    else
        answer_continue(listener.fd.get(), call.id);
}

void Injector::departed(pid_t process) {
    std::map<pid_t, Wait> waiting;
    {
        const std::lock_guard lock(waits_mutex_);
        for (pid_t each = parent_of(process); each > 1 && !waits_.empty(); each = parent_of(each))
            for (auto wait = waits_.begin(); wait != waits_.end();)
                if (wait->second.process == each)
                    waiting.insert(waits_.extract(wait++));
                else
                    ++wait;
    }
    for (const auto& [task, wait] : waiting) {
        const long present = system_call_of(task);
        if (present != static_cast<long>(wait.number) && present != -1) continue;
        if (start_time(wait.process) != wait.started || !has_runtime(task)) continue;
        Tracee tracee(task);
        if (tracee.error() != 0) continue;  // traced, or gone
        // A wait that has just begun is given up as well; one that is over is nobody's concern.
        send_to_runtime(tracee, wait.number, handed_over_wait);
    }
}

// The call is taken back (the stop interrupts its wait), and a SIGSYS is laid before it: the
// runtime's handler finds the program about to execute its `syscall` instruction.
void Injector::hand_over(Listener& listener, const Notification& call, int what) {
    const pid_t process = process_of(call.task);
    if (process == 0 || !has_runtime(call.task)) {
        answer_continue(listener.fd.get(), call.id);
        return;
    }
    Tracee tracee(call.task);
    if (tracee.error() != 0) {
        if (answer_continue(listener.fd.get(), call.id) && tracee.error() == EPERM)
            pin(process, "traced");
        return;
    }
    if (send_to_runtime(tracee, call.number, what) && what == handed_over_clone)
        ++counters_.threads;
}

// False: a signal was faster. The call starts again and is told of again.
bool Injector::send_to_runtime(Tracee& tracee, std::uint64_t number, int what) {
    tracee.interrupt();
    user_regs_struct registers{};
    if (tracee.wait() != Tracee::Stop::other || tracee.signalled() ||
        !tracee.registers(registers) || registers.orig_rax != number ||
        registers.rax != kernel_restarts_call)
        return false;
    registers.rip -= 2;
    registers.rax = registers.orig_rax;
    registers.orig_rax = static_cast<std::uint64_t>(-1);
    siginfo_t information{};
    information.si_signo = SIGSYS;
    information.si_code = SI_QUEUE;
    information.si_value.sival_int = what;
    if (!tracee.unblock_signal(SIGSYS) || !tracee.set_registers(registers)) return false;
    if (::syscall(SYS_rt_tgsigqueueinfo, process_of(tracee.id()), tracee.id(), SIGSYS,
                  &information) != 0)
        spdlog::warn("task {}: cannot hand a call to the runtime: {}", tracee.id(), errno_text());
    return true;
}

void Injector::pin(pid_t process, const char* reason) {
    ++counters_.pinned;
    const std::lock_guard lock(mutex_);
    if (pinned_.size() >= max_pinned)
        std::erase_if(pinned_, [](const auto& entry) {
            return start_time(entry.first) != entry.second.started;
        });
    if (pinned_.size() < max_pinned) pinned_[process] = {start_time(process), reason};
}

std::map<pid_t, Pinned> Injector::pinned() {
    const std::lock_guard lock(mutex_);
    std::erase_if(
        pinned_, [](const auto& entry) { return start_time(entry.first) != entry.second.started; });
    return pinned_;
}

}  // namespace holon::ssi::inject
