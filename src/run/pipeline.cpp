// SPDX-License-Identifier: Apache-2.0
#include "run/pipeline.hpp"

#include <atomic>
#include <exception>
#include <new>
#include <thread>

#include "base/log_scope.hpp"

namespace enlarge {

struct Pipeline::State {
    struct Member {
        std::function<Result<void>(Stage&)> body;
        Stage stage;
        std::thread thread;
    };
    std::vector<std::unique_ptr<Member>> members;
    std::atomic<bool> stopping{false};
    mutable std::mutex mutex;
    std::condition_variable ended;
    std::optional<Error> first_error;
    std::size_t running = 0;
};

Pipeline::Pipeline() : state_(std::make_unique<State>()) {}

Pipeline::~Pipeline() {
    stop({Errc::cancelled, "stopped"});
    for (auto& member : state_->members)
        if (member->thread.joinable()) member->thread.join();
    for (auto& queue : queues_) queue->clear();  // what is left in queues goes back to pools while they live
}

bool Stage::stopping() const { return line_->stopping(); }
bool Pipeline::stopping() const { return state_->stopping; }

void Pipeline::stage(std::string name, std::function<Result<void>(Stage&)> body) {
    auto member = std::make_unique<State::Member>();
    member->body = std::move(body);
    member->stage.times_.name = std::move(name);
    member->stage.line_ = this;
    state_->members.push_back(std::move(member));
}

void Pipeline::stop(Error reason) {
    {
        const std::lock_guard lock(state_->mutex);
        if (!state_->first_error) state_->first_error = std::move(reason);
    }
    state_->stopping = true;
    for (auto& queue : queues_) queue->stop();
}

Result<void> Pipeline::run(const std::function<bool()>& poll) {
    const auto start = std::chrono::steady_clock::now();
    const auto member_main = [this, start, log = current_log()](State::Member& member) {
        const LogScope scope(log);
        try {
            if (auto result = member.body(member.stage); !result) stop(std::move(result).error());
        } catch (const std::bad_alloc&) {
            stop({Errc::memory, member.stage.times_.name + ": not enough memory"});
        } catch (const std::exception& e) {
            stop({Errc::internal, member.stage.times_.name + ": " + e.what()});
        }
        const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
        {
            const std::lock_guard lock(member.stage.mutex_);
            member.stage.times_.total_s = spent.count();
        }
        // Notified under the lock: run() may return, and the line die, as soon as it sees zero.
        const std::lock_guard lock(state_->mutex);
        --state_->running;
        state_->ended.notify_all();
    };

    state_->running = state_->members.size();
    for (auto& member : state_->members) {
        try {
            member->thread = std::thread(member_main, std::ref(*member));
        } catch (const std::exception& e) {  // no more threads: stop those that run
            stop({Errc::memory, std::string("a thread cannot be started: ") + e.what()});
            const std::lock_guard lock(state_->mutex);
            --state_->running;
        }
    }
    for (;;) {
        std::unique_lock lock(state_->mutex);
        if (state_->ended.wait_for(lock, std::chrono::milliseconds(100), [&] { return state_->running == 0; })) break;
        lock.unlock();
        if (poll && !stopping() && !poll()) stop({Errc::cancelled, "cancelled"});
    }
    for (auto& member : state_->members)
        if (member->thread.joinable()) member->thread.join();
    if (state_->first_error) return *state_->first_error;
    return {};
}

std::vector<BusyTime> Pipeline::times() const {
    std::vector<BusyTime> all;
    for (const auto& member : state_->members) {
        const std::lock_guard lock(member->stage.mutex_);
        all.push_back(member->stage.times_);
    }
    return all;
}

}  // namespace enlarge
