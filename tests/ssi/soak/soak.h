// SPDX-License-Identifier: GPL-2.0-or-later
//
// A random program: what it does follows from a seed alone, and what it prints does not depend on
// how its threads are scheduled. Threads go through phases with barriers between them; in each
// phase every thread does what the seed says for (phase, thread), on memory that is its own for
// that phase, and folds all it sees into a sum. Sums are printed phase by phase, so that the first
// line that differs from a native run says where to look.
#pragma once

#include <pthread.h>
#include <sys/mman.h>

#include "../programs/program.h"

namespace soak {

/// SplitMix64: the same numbers for the same seed, everywhere.
class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next() {
        std::uint64_t z = (state_ += 0x9e37'79b9'7f4a'7c15U);
        z = (z ^ (z >> 30)) * 0xbf58'476d'1ce4'e5b9U;
        z = (z ^ (z >> 27)) * 0x94d0'49bb'1331'11ebU;
        return z ^ (z >> 31);
    }
    /// 0 … limit - 1.
    std::size_t below(std::size_t limit) { return std::size_t(next() % limit); }
    bool once_in(std::size_t n) { return below(n) == 0; }

  private:
    std::uint64_t state_;
};

/// What a thread has seen so far in a phase.
class Sum {
  public:
    void fold(std::uint64_t value) {
        value_ = (value_ ^ value) * 0x0000'0100'0000'01b3U;
        value_ ^= value_ >> 29;
    }
    void fold(const void* data, std::size_t size);
    std::uint64_t value() const { return value_; }

  private:
    std::uint64_t value_ = 0xcbf2'9ce4'8422'2325U;
};

inline constexpr std::size_t page = 4096;

/// A piece of memory that one thread has to itself during a phase and hands on at the next. It
/// remembers what each of its pages allows, so that what is read is what can be read.
class Piece {
  public:
    static constexpr std::size_t most = 48;  ///< pages

    /// Does `count` random things to it: writes, changes of protection, mapping, moving.
    void work(Random& random, Sum& sum, unsigned count);
    /// Folds all that can be read of it.
    void look(Sum& sum) const;
    /// Writes random bytes to a page that allows it, if there is one.
    void write_somewhere(Random& random);

  private:
    void map(Random& random);
    void unmap(Random& random);
    void protect(Random& random, Sum& sum);
    void move(Random& random, Sum& sum);
    void discard(Random& random, Sum& sum);
    void replace(Random& random, Sum& sum);
    void map_file(Random& random, Sum& sum);
    void refused(Random& random, Sum& sum);
    void fault(Random& random, Sum& sum);
    void read_into(Random& random, Sum& sum);
    unsigned char* at(std::size_t index) const { return begin_ + index * page; }
    void make_whole(std::size_t from, std::size_t to);

    unsigned char* begin_ = nullptr;
    std::size_t pages_ = 0;
    unsigned char prot_[most];  ///< of each page
};

inline constexpr unsigned most_threads = 4;
inline constexpr unsigned pieces = 8;

/// What a phase is given.
struct Phase {
    std::uint64_t seed;  ///< of the program and the phase
    unsigned number;
    unsigned thread;   ///< which of them this is
    unsigned threads;  ///< that take part
    Random own;        ///< differs from thread to thread
    Random common;     ///< the same for all
    Sum sum;

    Piece& piece(unsigned which) const;
    /// Until all threads are here.
    void meet() const;
    /// Pieces are dealt anew in every phase: calls visit(Piece&) for each that is this thread's.
    template <typename Visit>
    void each_of_mine(const Visit& visit) const {
        for (unsigned i = 0; i < pieces; ++i)
            if ((i + number) % threads == thread) visit(piece(i));
    }
};

/// One kind of phase.
struct Kind {
    const char* name;
    void (*run)(Phase& phase);
};

/// Memory: everybody on its own pieces; everybody reads all of them.
void memory_phase(Phase& phase);
void reading_phase(Phase& phase);
void heap_phase(Phase& phase);
void break_phase(Phase& phase);
void file_phase(Phase& phase);
/// Words that all threads change.
void counting_phase(Phase& phase);
void ring_phase(Phase& phase);
void queue_phase(Phase& phase);
void pipe_phase(Phase& phase);
/// Threads that come, go and move.
void thread_phase(Phase& phase);
void moving_phase(Phase& phase);
/// Other processes.
void fork_phase(Phase& phase);
void spawn_phase(Phase& phase);
/// Signals, all installed by install_handlers().
void install_handlers();
void signal_phase(Phase& phase);
void mask_phase(Phase& phase);
void interrupt_phase(Phase& phase);
void timer_phase(Phase& phase);
/// read and waitpid, again when a late signal of an earlier phase has interrupted them.
ssize_t read_on(int file, void* to, std::size_t size);
pid_t wait_on(pid_t pid, int* status);
/// "ok", or why the byte there cannot be read or written.
const char* touch(volatile unsigned char* at, bool write);

}  // namespace soak
