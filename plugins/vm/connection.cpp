// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/vm/connection.h"

#include <libvirt/virterror.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace holon::vm {
namespace {

std::string libvirt_words() {
    const virError* error = ::virGetLastError();
    std::string words = error && error->message ? error->message : "no details from libvirt";
    for (char& c : words)
        if (c == '\n') c = ' ';
    words.erase(words.find_last_not_of(' ') + 1);
    return words;
}

// libvirt keeps one event loop for the whole process.
void start_event_loop() {
    static std::once_flag once;
    std::call_once(once, [] {
        ::virSetErrorFunc(nullptr, [](void*, virErrorPtr) {});  // not to stderr
        if (::virEventRegisterDefaultImpl() != 0) throw Error("libvirt: {}", libvirt_words());
        std::thread([] {
            for (;;) ::virEventRunDefaultImpl();
        }).detach();
    });
}

}  // namespace

// Shared with libvirt's callbacks, each of which holds a reference: libvirt may still be inside one
// when the Connection goes.
struct Connection::State : std::enable_shared_from_this<Connection::State> {
    struct Link {
        virConnectPtr handle = nullptr;
        int events = -1;  // id of the registered lifecycle callback, which keeps HANDLE alive
    };

    std::string uri;
    OnStopped on_stopped;
    OnConnected on_connected;
    std::mutex calling;  // held while one of these two runs
    std::mutex lock;     // of all that follows
    std::condition_variable changed;
    Link link;
    bool lost = true;  // there is no connection, or the one there is was closed
    bool stopping = false;
    std::thread supervisor;

    template <typename Function, typename... Arguments>
    void call(const Function& function, const Arguments&... arguments) {
        std::lock_guard one_at_a_time(calling);
        {
            std::lock_guard guard(lock);
            if (stopping) return;
        }
        function(arguments...);
    }

    static State& of(void* opaque) { return **static_cast<std::shared_ptr<State>*>(opaque); }
    void* reference() { return new std::shared_ptr<State>(shared_from_this()); }
    static void drop(void* opaque) { delete static_cast<std::shared_ptr<State>*>(opaque); }

    static int on_lifecycle(virConnectPtr, virDomainPtr domain, int event, int detail,
                            void* opaque) {
        if (event != VIR_DOMAIN_EVENT_STOPPED) return 0;
        const std::string name = ::virDomainGetName(domain);
        State& state = of(opaque);
        switch (detail) {
            case VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN:
                state.call(state.on_stopped, name, End::shutdown, "powered off");
                break;
            case VIR_DOMAIN_EVENT_STOPPED_CRASHED:
                state.call(state.on_stopped, name, End::crashed, "the guest crashed");
                break;
            case VIR_DOMAIN_EVENT_STOPPED_DESTROYED:
                state.call(state.on_stopped, name, End::killed, "destroyed");
                break;
            default:
                state.call(state.on_stopped, name, End::killed,
                           "QEMU's monitor closed: killed or crashed");
                break;
        }
        return 0;
    }

    static void on_close(virConnectPtr handle, int, void* opaque) { of(opaque).lose(handle); }

    void lose(virConnectPtr handle) {
        std::lock_guard guard(lock);
        // A call may have found out first, and the next connection may stand already.
        if (link.handle != nullptr && link.handle != handle) return;
        lost = true;
        changed.notify_all();
    }

    // Throws where libvirtd is away.
    Link open() {
        Link made{::virConnectOpen(uri.c_str())};
        if (made.handle == nullptr) fail("libvirtd");
        ::virConnectSetKeepAlive(made.handle, 5, 3);
        void* held = reference();
        if (::virConnectRegisterCloseCallback(made.handle, &State::on_close, held, &State::drop) !=
            0)
            drop(held);
        held = reference();
        made.events = ::virConnectDomainEventRegisterAny(
            made.handle, nullptr, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
            VIR_DOMAIN_EVENT_CALLBACK(&State::on_lifecycle), held, &State::drop);
        if (made.events < 0) {
            drop(held);
            close(made);
            throw Error("libvirtd: no events");
        }
        return made;
    }

    static void close(Link old) {
        if (old.handle == nullptr) return;
        if (old.events >= 0) ::virConnectDomainEventDeregisterAny(old.handle, old.events);
        ::virConnectUnregisterCloseCallback(old.handle, &State::on_close);
        ::virConnectClose(old.handle);
    }

    // Connects, and returns the Holon domains that are alive; nullopt: libvirtd is away.
    std::optional<std::pair<Link, std::vector<std::string>>> connect() {
        Link made;
        try {
            made = open();
            return {{made, active(made.handle)}};
        } catch (const Error&) {
            close(made);
            return std::nullopt;
        }
    }

    // Waits for a lost connection and makes it again.
    void supervise() {
        constexpr auto shortest = std::chrono::milliseconds(100);
        auto pause = shortest;
        std::unique_lock guard(lock);
        for (;;) {
            changed.wait(guard, [&] { return stopping || lost; });
            if (stopping) return;
            Link old = std::exchange(link, {});
            guard.unlock();
            close(old);
            auto made = connect();
            guard.lock();
            // One that died again at once is found dead by the first call that uses it.
            if (!made) {
                changed.wait_for(guard, pause, [&] { return stopping; });
                pause = std::min(pause * 2, std::chrono::milliseconds(3000));
                continue;
            }
            pause = shortest;
            link = made->first;
            lost = ::virConnectIsAlive(link.handle) != 1;
            changed.notify_all();
            guard.unlock();
            call(on_connected, made->second);
            guard.lock();
        }
    }
};

Connection::Connection(const std::string& uri, OnStopped on_stopped, OnConnected on_connected)
    : state_(std::make_shared<State>()) {
    start_event_loop();
    state_->uri = uri;
    state_->on_stopped = std::move(on_stopped);
    state_->on_connected = std::move(on_connected);
    state_->supervisor = std::thread([state = state_.get()] { state->supervise(); });
}

Connection::~Connection() {
    {
        std::lock_guard no_call_is_running(state_->calling);
        std::lock_guard guard(state_->lock);
        state_->stopping = true;
    }
    state_->changed.notify_all();
    state_->supervisor.join();
    State::close(std::exchange(state_->link, {}));
}

std::shared_ptr<virConnect> Connection::use() {
    std::unique_lock guard(state_->lock);
    if (!state_->changed.wait_for(guard, std::chrono::seconds(15),
                                  [&] { return state_->link.handle != nullptr && !state_->lost; }))
        throw Error("libvirtd does not answer ({}); see `holon doctor`", state_->uri);
    ::virConnectRef(state_->link.handle);
    return {state_->link.handle, [](virConnectPtr held) { ::virConnectClose(held); }};
}

void Connection::lose(virConnectPtr handle) { state_->lose(handle); }

void Connection::fail(const std::string& object) {
    const virError* error = ::virGetLastError();
    const std::string line = object + ": " + libvirt_words();
    // Errors of the daemon carry the domain of the driver that made them; this one is of the wire.
    if (error && error->domain == VIR_FROM_RPC) throw Broken(line);
    throw Error(line);
}

std::vector<std::string> Connection::active(virConnectPtr handle) {
    virDomainPtr* domains = nullptr;
    const int count = ::virConnectListAllDomains(handle, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
    if (count < 0) fail("libvirtd");
    std::vector<std::string> names;
    for (int i = 0; i < count; ++i) {
        std::string name = ::virDomainGetName(domains[i]);
        if (name.starts_with("holon-")) names.push_back(std::move(name));
        ::virDomainFree(domains[i]);
    }
    std::free(domains);
    return names;
}

}  // namespace holon::vm
