// SPDX-License-Identifier: Apache-2.0
// What happens to jobs, told to whoever listens as server-sent events; the last 4096 are told again to who comes back.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "http/message.hpp"

namespace serve {

class Events {
public:
    Events();
    ~Events();

    // `data` is one line. `last` ends the streams of that job alone.
    void publish(const std::string& job, const char* name, const std::string& data, bool last = false);
    // Of one job, or of all where `job` is empty. `last_id` is what the client heard last, "" when nothing; where that
    // is not known any more, or nothing was heard, `snapshot` gives the lines of data that say how things are now.
    std::shared_ptr<Feed> listen(const std::string& job, const std::string& last_id,
                                 std::function<std::vector<std::string>()> snapshot);
    // Whether `last_id` is the end of that job: a client that asks again heard everything.
    bool heard_all(const std::string& job, const std::string& last_id) const;

private:
    class Listener;
    struct Event {
        std::int64_t number;
        std::string job, text;
        bool last;
    };
    [[nodiscard]] std::int64_t number_of(const std::string& last_id) const;
    void beat();

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    const std::string run_;  // of this server process: numbers of another mean nothing
    std::int64_t next_ = 1;
    std::deque<Event> events_;
    std::vector<std::weak_ptr<Listener>> listeners_;
    bool ends_ = false;
    std::thread heart_;
};

}  // namespace serve
