// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/frames.hpp"

#include <exception>

namespace enlarge::cuda {

Result<std::unique_ptr<FrameQueue>> FrameQueue::create(const Program& program, int sessions) {
    std::unique_ptr<FrameQueue> queue(new FrameQueue);
    for (int i = 0; i < sessions; ++i) {
        auto worker = std::make_unique<Worker>();
        TRY(worker->session, program.session());
        queue->workers_.push_back(std::move(worker));
    }
    for (auto& worker : queue->workers_)
        worker->thread = std::thread([&w = *worker] {
            for (;;) {
                std::unique_lock lock(w.mutex);
                w.changed.wait(lock, [&] { return w.stop || w.job; });
                if (!w.job) return;
                const TileJob job = *w.job;
                lock.unlock();
                Result<TileReport> report = Error{Errc::internal, "a frame was not computed"};
                try {
                    report = w.session->run(job);
                } catch (const std::bad_alloc&) {
                    report = Error{Errc::memory, "not enough memory for a frame"};
                } catch (const std::exception& e) {
                    report = Error{Errc::internal, e.what()};
                }
                lock.lock();
                w.job.reset();
                w.report.emplace(std::move(report));
                lock.unlock();
                w.changed.notify_all();
            }
        });
    return queue;
}

FrameQueue::~FrameQueue() {
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

Result<void> FrameQueue::submit(const TileJob& job) {
    ENSURE(order_.size() < workers_.size());
    Worker& worker = *workers_[turn_];
    order_.push_back(turn_);
    turn_ = (turn_ + 1) % workers_.size();
    {
        const std::lock_guard lock(worker.mutex);
        worker.job = job;
    }
    worker.changed.notify_all();
    return {};
}

Result<TileReport> FrameQueue::next() {
    ENSURE(!order_.empty());
    Worker& worker = *workers_[order_.front()];
    order_.pop_front();
    std::unique_lock lock(worker.mutex);
    worker.changed.wait(lock, [&] { return worker.report.has_value(); });
    Result<TileReport> report = std::move(*worker.report);
    worker.report.reset();
    return report;
}

}  // namespace enlarge::cuda
