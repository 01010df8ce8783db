// SPDX-License-Identifier: Apache-2.0
#include "base/thread_pool.hpp"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "base/cpu.hpp"

namespace enlarge {
namespace {

// Set while a thread runs a body, so that a nested team() runs alone instead of waiting for itself.
thread_local bool inside_team = false;

struct Job {
    const std::function<void(int, int)>* body = nullptr;
    int count = 0;
    std::atomic<int> running{0};
    std::mutex mutex;
    std::condition_variable done;
    std::exception_ptr failure;
};

void run_member(Job& job, int index) {
    const bool outer = std::exchange(inside_team, true);
    try {
        (*job.body)(index, job.count);
    } catch (...) {
        const std::lock_guard lock(job.mutex);
        if (!job.failure) job.failure = std::current_exception();
    }
    inside_team = outer;
}

}  // namespace

struct ThreadPool::State {
    struct Worker {
        Job* job = nullptr;
        int index = 0;
        std::condition_variable wake;
        std::thread thread;
    };

    explicit State(int threads) : workers(static_cast<std::size_t>(threads - 1)) {
        for (Worker& worker : workers) {
            idle.push_back(&worker);
            worker.thread = std::thread([this, &worker] { loop(worker); });
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
            Job& job = *worker.job;
            lock.unlock();
            run_member(job, worker.index);
            lock.lock();
            worker.job = nullptr;
            idle.push_back(&worker);
            const std::lock_guard done_lock(job.mutex);
            if (--job.running == 0) job.done.notify_one();
        }
    }

    std::mutex mutex;
    std::vector<Worker> workers;
    std::vector<Worker*> idle;
    bool stopping = false;
};

ThreadPool::ThreadPool(int threads) : state_(std::make_unique<State>(threads > 0 ? threads : usable_cores())) {}
ThreadPool::~ThreadPool() = default;

int ThreadPool::size() const { return static_cast<int>(state_->workers.size()) + 1; }

void ThreadPool::team(const std::function<void(int, int)>& body, int want) {
    Job job;
    job.body = &body;
    job.count = 1;
    if (!inside_team) {
        const std::lock_guard lock(state_->mutex);
        int helpers = static_cast<int>(state_->idle.size());
        if (want > 0 && want - 1 < helpers) helpers = want - 1;
        job.count = helpers + 1;
        job.running = helpers;
        for (int i = 1; i <= helpers; ++i) {
            State::Worker& worker = *state_->idle.back();
            state_->idle.pop_back();
            worker.index = i;
            worker.job = &job;
            worker.wake.notify_one();
        }
    }
    run_member(job, 0);
    std::unique_lock lock(job.mutex);
    job.done.wait(lock, [&] { return job.running == 0; });
    if (job.failure) std::rethrow_exception(job.failure);
}

void ThreadPool::for_each(std::int64_t n, std::int64_t grain, const std::function<void(std::int64_t)>& body) {
    std::atomic<std::int64_t> next{0};
    const std::int64_t step = grain > 0 ? grain : 1;
    team([&](int, int) {
        for (;;) {
            const std::int64_t begin = next.fetch_add(step);
            if (begin >= n) return;
            const std::int64_t end = begin + step < n ? begin + step : n;
            for (std::int64_t i = begin; i < end; ++i) body(i);
        }
    });
}

Barrier::Barrier(int count) : count_(count) {}

void Barrier::wait() {
    if (count_ == 1) return;
    const unsigned generation = __atomic_load_n(&generation_.value, __ATOMIC_ACQUIRE);
    if (__atomic_add_fetch(&arrived_.value, 1U, __ATOMIC_ACQ_REL) == static_cast<unsigned>(count_)) {
        __atomic_store_n(&arrived_.value, 0U, __ATOMIC_RELAXED);
        __atomic_store_n(&generation_.value, generation + 1, __ATOMIC_RELEASE);
        return;
    }
    // Spinning is right while every thread has a core; yielding keeps an oversubscribed machine moving.
    for (int spins = 0; __atomic_load_n(&generation_.value, __ATOMIC_ACQUIRE) == generation; ++spins)
        if (spins > 2000) std::this_thread::yield();
}

}  // namespace enlarge
