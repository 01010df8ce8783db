// SPDX-License-Identifier: Apache-2.0
#include "base/thread_pool.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/cpu.hpp"
#include "base/log.hpp"

namespace enlarge {
namespace {

// Set while a thread runs a body, so that a nested parallel() runs alone instead of waiting for itself.
thread_local bool inside_team = false;

struct Job {
    const std::function<void(int, int)>* body = nullptr;
    int most = 0;
    int running = 0;  // helpers that have begun; under the pool's mutex, as `failure`
    std::condition_variable done;
    std::exception_ptr failure;
};

// What the body threw, if it did.
std::exception_ptr run_member(const Job& job, int index) {
    const bool outer = std::exchange(inside_team, true);
    std::exception_ptr failure;
    try {
        (*job.body)(index, job.most);
    } catch (...) {
        failure = std::current_exception();
    }
    inside_team = outer;
    return failure;
}

void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("isb");
#endif
}

// std::atomic::wait of g++ 12 yields a few times before it sleeps, and beside a thread that never rests each yield costs
// a time slice.
void futex(const std::atomic<int>& word, int operation, int value) {
    static_assert(sizeof(std::atomic<int>) == sizeof(int));
    syscall(SYS_futex, &word, operation, value, nullptr, nullptr, 0);
}

}  // namespace

struct ThreadPool::State {
    struct Worker {
        Job* job = nullptr;
        int index = 0;
        std::condition_variable wake;
        std::thread thread;
    };

    explicit State(int threads) {
        idle.reserve(static_cast<std::size_t>(threads));
        try {
            for (int i = 1; i < threads; ++i) {
                Worker& worker = workers.emplace_back();
                worker.thread = std::thread([this, &worker] { loop(worker); });
                idle.push_back(&worker);
            }
        } catch (const std::exception& e) {  // no more threads, or no memory for their stacks: those that run suffice
            if (!workers.empty() && !workers.back().thread.joinable()) workers.pop_back();
            log(LogLevel::notice, {"fewer-threads", "only " + std::to_string(workers.size() + 1) + " of " + std::to_string(threads) +
                                                        " threads could be started (" + e.what() + ")"});
        }
    }

    ~State() {
        {
            const std::lock_guard lock(mutex);
            stopping = true;
        }
        for (Worker& worker : workers) worker.wake.notify_one();
        for (Worker& worker : workers) worker.thread.join();
    }

    void loop(Worker& worker) {
        std::unique_lock lock(mutex);
        for (;;) {
            worker.wake.wait(lock, [&] { return stopping || worker.job; });
            if (!worker.job) return;
            Job& job = *std::exchange(worker.job, nullptr);
            ++job.running;
            lock.unlock();
            const std::exception_ptr failure = run_member(job, worker.index);
            lock.lock();
            idle.push_back(&worker);
            if (failure && !job.failure) job.failure = failure;
            if (--job.running == 0) job.done.notify_one();
        }
    }

    const pid_t maker = getpid();  // where the threads are
    std::mutex mutex;
    std::deque<Worker> workers;  // they do not move
    std::vector<Worker*> idle;
    bool stopping = false;
};

ThreadPool::ThreadPool(int threads) : state_(std::make_unique<State>(threads > 0 ? threads : usable_cores())) {}
ThreadPool::~ThreadPool() {
    // In a fork there are no threads to wait for: what they sleep in can neither be woken nor freed.
    if (state_->maker != getpid()) static_cast<void>(state_.release());
}

int ThreadPool::size() const { return static_cast<int>(state_->workers.size()) + 1; }

void ThreadPool::parallel(const std::function<void(int, int)>& body, int want) {
    Job job;
    job.body = &body;
    job.most = 1;
    std::unique_lock lock(state_->mutex, std::defer_lock);
    if (!inside_team) {
        lock.lock();
        int helpers = static_cast<int>(state_->idle.size());
        if (want > 0 && want - 1 < helpers) helpers = want - 1;
        job.most = helpers + 1;
        for (int i = 1; i <= helpers; ++i) {
            State::Worker& worker = *state_->idle.back();
            state_->idle.pop_back();
            worker.index = i;
            worker.job = &job;
            worker.wake.notify_one();
        }
        lock.unlock();
    }
    const std::exception_ptr failure = run_member(job, 0);
    if (job.most > 1) {
        lock.lock();
        for (State::Worker& worker : state_->workers)
            if (worker.job == &job) {  // it never came
                worker.job = nullptr;
                state_->idle.push_back(&worker);
            }
        job.done.wait(lock, [&] { return job.running == 0; });
    }
    if (failure) std::rethrow_exception(failure);
    if (job.failure) std::rethrow_exception(job.failure);
}

void ThreadPool::for_each(std::int64_t n, std::int64_t grain, const std::function<void(std::int64_t)>& body) {
    std::atomic<std::int64_t> next{0};
    const std::int64_t step = grain > 0 ? grain : 1;
    parallel([&](int, int) {
        for (;;) {
            const std::int64_t begin = next.fetch_add(step);
            if (begin >= n) return;
            const std::int64_t end = begin + step < n ? begin + step : n;
            for (std::int64_t i = begin; i < end; ++i) body(i);
        }
    });
}

void EventCount::set(int value) {
    value_.store(value);  // sequentially consistent, as the count of sleepers: one side sees the other
    if (sleepers_.load() > 0) futex(value_, FUTEX_WAKE_PRIVATE, INT_MAX);
}

void EventCount::wait_while(int old) const {
    constexpr int kLooks = 1000;  // about 20 us on Zen 3: on an idle machine hardly any wait is longer
    for (int look = 0; look < kLooks; ++look) {
        if (value() != old) return;
        pause();
    }
    ++sleepers_;
    while (value_.load() == old) futex(value_, FUTEX_WAIT_PRIVATE, old);
    --sleepers_;
}

}  // namespace enlarge
