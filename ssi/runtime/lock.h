// SPDX-License-Identifier: GPL-2.0-or-later
//
// Mutual exclusion and one-shot events on futexes that lie in the runtime's range. Whoever holds a
// lock must not touch the program's memory: a missing page would be brought by the agent, which may
// be waiting for that very lock.
#pragma once

#include "ssi/runtime/sys.h"

namespace holon::ssi {

class Lock {
  public:
    void acquire() {
        for (int spin = 0; spin < 200; ++spin)  // an agent holds it for a microsecond
        {
            std::uint32_t expected = 0;
            if (__atomic_compare_exchange_n(&word, &expected, 1U, false, __ATOMIC_ACQUIRE,
                                            __ATOMIC_RELAXED))
                return;
            __builtin_ia32_pause();
        }
        while (__atomic_exchange_n(&word, 2U, __ATOMIC_ACQUIRE) != 0)
            sys::call_with(__NR_futex, &word, sys::futex_wait, 2, 0, 0, 0);
    }
    /// False: somebody has it for longer than a tenth of a second.
    bool acquire_soon() {
        constexpr int tries = 100;
        for (int i = 0; i < tries; ++i) {
            std::uint32_t expected = 0;
            if (__atomic_compare_exchange_n(&word, &expected, 1U, false, __ATOMIC_ACQUIRE,
                                            __ATOMIC_RELAXED))
                return true;
            const std::int64_t pause[2] = {0, 1'000'000};
            sys::call_with(__NR_nanosleep, pause, 0);
        }
        return false;
    }
    void release() {
        if (__atomic_exchange_n(&word, 0U, __ATOMIC_RELEASE) == 2)
            sys::call_with(__NR_futex, &word, sys::futex_wake, 1, 0, 0, 0);
    }

  private:
    std::uint32_t word;  ///< 0 free, 1 held, 2 held and waited for
};

class Holding {
  public:
    explicit Holding(Lock& taken) : lock(taken) { lock.acquire(); }
    ~Holding() { lock.release(); }
    Holding(const Holding&) = delete;
    Holding& operator=(const Holding&) = delete;

  private:
    Lock& lock;
};

/// A number that only grows, and those who wait for it.
class Sequence {
  public:
    std::uint32_t now() const { return __atomic_load_n(&word, __ATOMIC_ACQUIRE); }
    void advance(std::uint32_t by = 1) {
        __atomic_add_fetch(&word, by, __ATOMIC_RELEASE);
        sys::call_with(__NR_futex, &word, sys::futex_wake, 1 << 30, 0, 0, 0);
    }
    /// Until the sequence has reached `target` (modulo 2^32).
    void wait_for(std::uint32_t target) {
        for (;;) {
            const std::uint32_t seen = now();
            if (static_cast<std::int32_t>(seen - target) >= 0) return;
            sys::call_with(__NR_futex, &word, sys::futex_wait, seen, 0, 0, 0);
        }
    }
    /// The same, but for a second at most after each time that it grew.
    void wait_soon_for(std::uint32_t target) {
        const std::int64_t second[2] = {1, 0};
        for (;;) {
            const std::uint32_t seen = now();
            if (static_cast<std::int32_t>(seen - target) >= 0 ||
                sys::call_with(__NR_futex, &word, sys::futex_wait, seen, second, 0, 0) ==
                    -sys::e_timedout)
                return;
        }
    }

  private:
    std::uint32_t word;
};

}  // namespace holon::ssi
