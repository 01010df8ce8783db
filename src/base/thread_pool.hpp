// SPDX-License-Identifier: Apache-2.0
// Threads shared by everything that computes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace enlarge {

// A fixed set of threads. Several callers may use it at once: each team() call gets the threads it can.
class ThreadPool {
public:
    // `threads` includes the caller of team(); 0 = usable_cores().
    explicit ThreadPool(int threads = 0);
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    [[nodiscard]] int size() const;

    // Runs body(index, count) once on each of `count` threads at the same time, the caller among them (index 0), and
    // returns when all have returned. 1 <= count <= size(): fewer than size() when other callers hold threads. All
    // `count` bodies are guaranteed to run concurrently, so they may wait for each other at a Barrier of `count`.
    // `want` > 0 asks for at most that many. An exception from a body is rethrown here after all have returned
    // (bodies that use a barrier must not throw). Nested calls run with count 1.
    void team(const std::function<void(int index, int count)>& body, int want = 0);

    // Calls body(i) for 0 <= i < n, divided dynamically in pieces of `grain`.
    void for_each(std::int64_t n, std::int64_t grain, const std::function<void(std::int64_t)>& body);

private:
    struct State;
    std::unique_ptr<State> state_;
};

// A spinning barrier with a fallback to yielding; cheap when all threads are running (0.15 us between two cores).
class Barrier {
public:
    explicit Barrier(int count);
    void wait();

private:
    struct alignas(64) Line {
        unsigned value = 0;
    };
    int count_;
    Line arrived_;
    Line generation_;
};

}  // namespace enlarge
