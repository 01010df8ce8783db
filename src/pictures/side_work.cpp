// SPDX-License-Identifier: Apache-2.0
#include "pictures/side_work.hpp"

#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <utility>

namespace enlarge::pictures {

using namespace std::chrono_literals;

struct SideWork::Shared {
    std::mutex mutex;
    std::condition_variable ended;
    bool done = false;
    Result<void> outcome;
    std::exception_ptr thrown;
    std::shared_ptr<void> left;  // with the work, by leave()
};

SideWork::~SideWork() {
    if (thread_.joinable()) thread_.join();
}

bool SideWork::start(std::function<Result<void>()> work) {
    shared_ = std::make_shared<Shared>();
    const auto body = [shared = shared_, work = std::move(work)] {
        Result<void> outcome;
        std::exception_ptr thrown;
        try {
            outcome = work();
        } catch (...) {
            thrown = std::current_exception();
        }
        std::shared_ptr<void> left;  // destroyed last: without the lock
        const std::lock_guard lock(shared->mutex);
        shared->outcome = std::move(outcome);
        shared->thrown = thrown;
        shared->done = true;
        left = std::move(shared->left);
        shared->ended.notify_all();
    };
    try {
        thread_ = std::thread(body);
    } catch (const std::system_error&) {
        return false;
    }
    return true;
}

Result<void> SideWork::wait(const std::function<bool()>& stopped) {
    ENSURE(thread_.joinable());
    {
        std::unique_lock lock(shared_->mutex);
        while (!shared_->ended.wait_for(lock, 50ms, [this] { return shared_->done; }))
            if (stopped()) return Error{Errc::cancelled, "stopped"};
    }
    thread_.join();
    if (shared_->thrown) std::rethrow_exception(shared_->thrown);
    return shared_->outcome;
}

void SideWork::leave(std::shared_ptr<void> what_it_uses) {
    if (!thread_.joinable()) return;
    const std::shared_ptr<Shared> shared = shared_;  // this object may be gone before the lock is
    std::unique_lock lock(shared->mutex);
    if (shared->ended.wait_for(lock, 100ms, [&] { return shared->done; })) {
        lock.unlock();
        thread_.join();
        return;
    }
    thread_.detach();
    shared->left = std::move(what_it_uses);
}

}  // namespace enlarge::pictures
