// SPDX-License-Identifier: Apache-2.0
#include "jobs/events.hpp"

#include <algorithm>
#include <chrono>

namespace serve {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kKept = 4096;
constexpr auto kBeat = 15s;  // so that proxies do not think the stream is dead, and we learn which clients are

}  // namespace

class Events::Listener final : public Feed {
public:
    Listener(Events& events, std::string job, std::int64_t heard, std::function<std::vector<std::string>()> snapshot)
        : events_(events), job_(std::move(job)), heard_(heard), snapshot_(std::move(snapshot)) {}

    std::optional<std::string> next() override {
        std::string text;
        if (const bool lost = missed(); lost) text = now();
        {
            const std::lock_guard lock(events_.mutex_);
            for (const Event& event : events_.events_) {
                if (event.number <= heard_) continue;
                heard_ = event.number;
                if (!job_.empty() && event.job != job_) continue;
                text += event.text;
                over_ = over_ || (event.last && !job_.empty());
                if (text.size() > 65536) break;
            }
        }
        if (text.empty() && over_) return std::nullopt;
        if (text.empty() && Clock::now() - said_ >= kBeat - 1s) text = ": still here\n\n";
        if (!text.empty()) said_ = Clock::now();
        return text;
    }

private:
    // Events went by that are not kept any more, or this is the first time.
    bool missed() const {
        const std::lock_guard lock(events_.mutex_);
        return heard_ < 0 || (!events_.events_.empty() && events_.events_.front().number > heard_ + 1);
    }
    // How things are, as events with the number of the last one there was before.
    std::string now() {
        {
            const std::lock_guard lock(events_.mutex_);
            heard_ = events_.next_ - 1;
        }
        std::string text = "retry: 2000\n\n";
        for (const std::string& data : snapshot_())
            text += "id: " + events_.run_ + "." + std::to_string(heard_) + "\nevent: state\ndata: " + data + "\n\n";
        return text;
    }

    Events& events_;
    std::string job_;
    std::int64_t heard_;
    bool over_ = false;
    std::function<std::vector<std::string>()> snapshot_;
    Clock::time_point said_ = Clock::now();
};

Events::Events() : run_(random_id().substr(0, 8)), heart_([this] { beat(); }) {}

Events::~Events() {
    {
        const std::lock_guard lock(mutex_);
        ends_ = true;
        changed_.notify_all();
    }
    heart_.join();
}

void Events::beat() {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, kBeat, [&] { return ends_; })) {
        const auto listeners = listeners_;
        lock.unlock();
        for (const auto& weak : listeners)
            if (const auto listener = weak.lock()) listener->wake();
        lock.lock();
    }
}

void Events::publish(const std::string& job, const char* name, const std::string& data, bool last) {
    std::vector<std::shared_ptr<Listener>> there;
    {
        const std::lock_guard lock(mutex_);
        const std::int64_t number = next_++;
        events_.push_back(
            {number, job,
             "id: " + run_ + "." + std::to_string(number) + "\nevent: " + name + "\ndata: " + data + "\n\n", last});
        if (events_.size() > kKept) events_.pop_front();
        std::erase_if(listeners_, [&](const std::weak_ptr<Listener>& weak) {
            auto listener = weak.lock();
            if (!listener) return true;
            there.push_back(std::move(listener));
            return false;
        });
    }
    for (const auto& listener : there) listener->wake();
}

std::int64_t Events::number_of(const std::string& last_id) const {
    const auto point = last_id.find('.');
    if (point == std::string::npos || last_id.substr(0, point) != run_) return -1;
    return whole_number(std::string_view(last_id).substr(point + 1)).value_or(-1);
}

std::shared_ptr<Feed> Events::listen(const std::string& job, const std::string& last_id,
                                     std::function<std::vector<std::string>()> snapshot) {
    const std::lock_guard lock(mutex_);
    std::int64_t heard = number_of(last_id);
    if (heard >= next_) heard = -1;
    auto listener = std::make_shared<Listener>(*this, job, heard, std::move(snapshot));
    listeners_.push_back(listener);
    return listener;
}

bool Events::heard_all(const std::string& job, const std::string& last_id) const {
    const std::lock_guard lock(mutex_);
    const std::int64_t heard = number_of(last_id);
    const auto found = std::find_if(events_.begin(), events_.end(), [&](const Event& e) { return e.number == heard; });
    return found != events_.end() && found->job == job && found->last;
}

}  // namespace serve
