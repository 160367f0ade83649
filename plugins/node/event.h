// SPDX-License-Identifier: GPL-2.0-or-later
// What coroutines of the daemon wait for. The daemon has one io_context run by one thread;
// everything but blocking()'s functions runs there, so its state needs no locks. Blocking calls
// (libvirt, ip, files, MUNGE) go to a pool.
#pragma once

#include <utility>  // before asio: Boost 1.74 uses std::exchange without it

#include <boost/asio.hpp>
#include <chrono>
#include <optional>
#include <set>
#include <type_traits>

namespace holon::node {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;
template <typename T = void>
using Task = asio::awaitable<T>;

// Wakes everyone who waits. A waiter looks at the state itself afterwards; nothing is remembered.
class Event {
  public:
    explicit Event(asio::io_context& io) : io_(io) {}
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;

    void notify_all() {
        for (auto* waiter : waiters_) waiter->cancel();
    }

    // False when the deadline passed without a notification.
    Task<bool> wait(Clock::time_point deadline = Clock::time_point::max()) {
        asio::steady_timer timer(io_, deadline);
        waiters_.insert(&timer);
        struct Leave {
            std::set<asio::steady_timer*>& waiters;
            asio::steady_timer* timer;
            ~Leave() { waiters.erase(timer); }
        } leave{waiters_, &timer};
        boost::system::error_code result;
        co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, result));
        co_return result == asio::error::operation_aborted;
    }

  private:
    asio::io_context& io_;
    std::set<asio::steady_timer*> waiters_;
};

// g++ 12 puts the value of a `co_await` that is an operand of && or || over the head of the
// coroutine's frame, and with that over the address at which it is resumed: such a value is given a
// name first.

// Runs FUNCTION on POOL and resumes the caller, with its result or exception, on the caller's own
// thread.
// FUNCTION captures by reference (the caller's frame outlives it): g++ 12 destroys a closure that
// is a temporary of a co_await expression twice.
template <typename Function>
Task<std::invoke_result_t<Function>> blocking(asio::thread_pool& pool, Function function) {
    static_assert(std::is_trivially_destructible_v<Function>);
    using Result = std::invoke_result_t<Function>;
    using Stored = std::conditional_t<std::is_void_v<Result>, bool, Result>;
    auto executor = co_await asio::this_coro::executor;
    asio::steady_timer done(executor, Clock::time_point::max());
    std::optional<Stored> result;
    std::exception_ptr failure;
    asio::post(pool, [&] {
        try {
            if constexpr (std::is_void_v<Result>) {
                function();
                result.emplace(true);
            } else {
                result.emplace(function());
            }
        } catch (...) {
            failure = std::current_exception();
        }
        asio::post(executor, [&done] { done.cancel(); });
    });
    boost::system::error_code ignored;
    co_await done.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    if (failure) std::rethrow_exception(failure);
    if constexpr (!std::is_void_v<Result>) co_return std::move(*result);
}

}  // namespace holon::node
