// SPDX-License-Identifier: Apache-2.0
#include "run/ordered_workers.hpp"

#include <exception>
#include <new>
#include <system_error>

#include "base/at.hpp"
#include "base/log.hpp"

namespace enlarge {

OrderedWorkers::OrderedWorkers(int workers) {
    for (int i = 0; i < workers; ++i) workers_.push_back(std::make_unique<Worker>());
    if (workers == 1) return;
    try {
        for (int i = 0; i < workers; ++i)
            at(workers_, i)->thread = std::thread(work, std::ref(*at(workers_, i)), i, current_log());
    } catch (const std::system_error& e) {  // no more threads: submit() does what those that are missing would do
        log(LogLevel::notice, {"fewer-threads", std::string("a thread cannot be started (") + e.what() + "); the work goes on without it"});
    }
}

OrderedWorkers::~OrderedWorkers() {
    for (auto& worker : workers_) {
        {
            const std::lock_guard lock(worker->mutex);
            worker->stop = true;
        }
        worker->changed.notify_all();
    }
    for (auto& worker : workers_)
        if (worker->thread.joinable()) worker->thread.join();
}

// What became of a job; nothing is thrown.
Result<void> OrderedWorkers::outcome(const Job& job, int number) {
    try {
        return job(number);
    } catch (const std::bad_alloc&) {
        return Error{Errc::memory, "not enough memory for a frame"};
    } catch (const std::exception& e) {
        return Error{Errc::internal, e.what()};
    }
}

void OrderedWorkers::work(Worker& w, int number, const SharedLogSink& log) {
    const LogScope scope(log);
    for (;;) {
        std::unique_lock lock(w.mutex);
        w.changed.wait(lock, [&] { return w.stop || w.job; });
        if (!w.job) return;
        const Job job = std::move(*w.job);
        w.job.reset();
        lock.unlock();
        Result<void> result = outcome(job, number);
        lock.lock();
        w.result.emplace(std::move(result));
        lock.unlock();
        w.changed.notify_all();
    }
}

Result<void> OrderedWorkers::submit(Job job) {
    ENSURE(order_.size() < workers_.size());
    Worker& worker = *workers_[turn_];
    const int number = static_cast<int>(turn_);
    order_.push_back(turn_);
    turn_ = (turn_ + 1) % workers_.size();
    if (!worker.thread.joinable()) {
        worker.result.emplace(outcome(job, number));
        return {};
    }
    {
        const std::lock_guard lock(worker.mutex);
        worker.job = std::move(job);
    }
    worker.changed.notify_all();
    return {};
}

Result<void> OrderedWorkers::next() {
    ENSURE(!order_.empty());
    Worker& worker = *workers_[order_.front()];
    order_.pop_front();
    std::unique_lock lock(worker.mutex);
    worker.changed.wait(lock, [&] { return worker.result.has_value(); });
    Result<void> result = std::move(*worker.result);
    worker.result.reset();
    return result;
}

}  // namespace enlarge
