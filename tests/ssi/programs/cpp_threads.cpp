// SPDX-License-Identifier: GPL-2.0-or-later
// The C++ library's threads: futures, exceptions across them, condition variables, call_once.
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <future>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

int main() {
    std::vector<std::future<long>> futures;
    for (long i = 0; i < 6; ++i)
        futures.push_back(std::async(std::launch::async, [i] {
            std::vector<long> numbers(20'000);
            std::iota(numbers.begin(), numbers.end(), i);
            if (i == 4) throw std::runtime_error("thrown by " + std::to_string(i));
            return std::accumulate(numbers.begin(), numbers.end(), 0L);
        }));
    for (auto& future : futures) try {
            std::printf("%ld\n", future.get());
        } catch (const std::exception& error) {
            std::printf("%s\n", error.what());
        }
    std::mutex mutex;
    std::condition_variable changed;
    std::atomic<long> sum{0};
    std::once_flag once;
    int stage = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&, i] {
            std::call_once(once, [&] { sum += 1000; });
            std::unique_lock lock(mutex);
            changed.wait(lock, [&] { return stage == i; });
            sum += i;
            ++stage;
            changed.notify_all();
        });
    for (auto& thread : threads) thread.join();
    std::printf("sum %ld, stage %d\n", sum.load(), stage);
}
