// SPDX-License-Identifier: Apache-2.0
// Jobs of one stream, done by several workers at once, with results in the order of the jobs: while one frame is
// computed, its neighbours are copied; several GPUs take alternate frames.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/log_scope.hpp"
#include "base/result.hpp"

namespace enlarge {

// For one thread that submits and collects.
class OrderedWorkers {
public:
    // What worker number `worker` (0 ... size() - 1) does; it runs on that worker's own thread.
    using Job = std::function<Result<void>(int worker)>;

    // One worker has no thread: submit() does the work. It does too where a thread cannot be started; a notice says so.
    explicit OrderedWorkers(int workers);
    ~OrderedWorkers();  // waits for the jobs under way
    OrderedWorkers(const OrderedWorkers&) = delete;
    OrderedWorkers& operator=(const OrderedWorkers&) = delete;

    [[nodiscard]] int size() const { return static_cast<int>(workers_.size()); }
    [[nodiscard]] int under_way() const { return static_cast<int>(order_.size()); }
    // Begins a job; workers take them in turn. At most size() may be under way.
    Result<void> submit(Job job);
    // Waits for the oldest job and returns what became of it.
    Result<void> next();

private:
    struct Worker {
        std::mutex mutex;
        std::condition_variable changed;
        std::optional<Job> job;
        std::optional<Result<void>> result;
        bool stop = false;
        std::thread thread;
    };
    static void work(Worker& worker, int number, const SharedLogSink& log);
    static Result<void> outcome(const Job& job, int number);
    std::vector<std::unique_ptr<Worker>> workers_;
    std::deque<std::size_t> order_;  // workers, oldest job first
    std::size_t turn_ = 0;
};

}  // namespace enlarge
